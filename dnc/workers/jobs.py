"""One unit of work that may run in a worker process: measure the clock, time a config, or train it.

Plain data in, plain data out. Whatever goes wrong inside becomes a `Failure` with its reason: a failed trial is a
row, not the end of a search.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dnc.config import Config
from dnc.errors import DncError
from dnc.training.clock import Calibration, Timing, calibrate, measure_t_tr
from dnc.training.engine import Engine
from dnc.training.error_limits import ErrorLimits, ends_after
from dnc.training.loop import Outcome, train
from dnc.training.memory import OUT_OF_MEMORY, check_memory, free_memory
from dnc.training.stack import train_stack
from dnc.trial import Epoch

if TYPE_CHECKING:
    from dnc.data.dataset import Dataset

DIED, TIME_LIMIT = "worker process died", "time limit reached"


@dataclass(frozen=True)
class ClockJob:
    """Measure the calibration network's step time t_ref on this machine (seconds)."""

    engine: Engine

    def __call__(self, data: Dataset) -> Calibration:
        return calibrate(self.engine)


@dataclass(frozen=True)
class TimeJob:
    """Measure t_tr of a config (seconds per epoch)."""

    config: Config
    engine: Engine
    clock: Calibration
    epochs: int
    limit: float | None = None  # seconds, enforced by worker processes only
    precise: bool = False  # to a standard error of 1 %
    timing: str = ""  # which measurement it is: equal jobs are done once, and another clock or reading is another one

    def __call__(self, data: Dataset) -> Timing:
        check_memory(self.config, data, self.engine)
        return measure_t_tr(self.config, data, self.engine, self.clock, epochs=self.epochs, precise=self.precise)


@dataclass(frozen=True)
class TrainJob:
    """Train a config and keep its learning curve.

    The time limit is checked after every epoch here, and enforced at any moment by worker processes.

    With `error_limits` (see `early_stop`) the outcome's curve ends with the first epoch that is beyond its limit.
    """

    config: Config
    engine: Engine
    epochs: int
    seed: int
    limit: float | None = None  # seconds
    error_limits: ErrorLimits = ()

    def __call__(self, data: Dataset) -> Outcome:
        check_memory(self.config, data, self.engine)
        check, curve = deadline(self.limit), list[Epoch]()

        def ends(index: int, epoch: Epoch) -> bool:
            curve.append(epoch)
            if ends_after(curve, self.error_limits):
                return True
            if check is not None:
                check(index, epoch)
            return False

        return train(self.config, data, self.epochs, self.seed, self.engine, on_epoch=ends)


@dataclass(frozen=True)
class StackJob:
    """Train narrow perceptrons of one batch size side by side; each gives what its `TrainJob` would, bit for bit.

    The answer has one `Outcome` or `Failure` per config, in their order.
    """

    configs: tuple[Config, ...]
    engine: Engine
    epochs: int
    seed: int
    limit: float | None = None  # seconds for all of them: what takes longer together is tried again alone

    def __call__(self, data: Dataset) -> tuple[Outcome | Failure, ...]:
        for config in self.configs:
            check_memory(config, data, self.engine)
        outcomes = train_stack(self.configs, data, self.epochs, self.seed, self.engine, on_epoch=deadline(self.limit))
        return tuple(o if isinstance(o, Outcome) else Failure(failure_reason(o)) for o in outcomes)


Job = ClockJob | TimeJob | TrainJob | StackJob


@dataclass(frozen=True)
class Failure:
    """Why a job gave nothing: one line."""

    reason: str


Answer = Calibration | Timing | Outcome | Failure | tuple[Outcome | Failure, ...]


def has_died(answer: object) -> bool:
    """Whether the worker process died over the job: by its own fault, or that of the system or another process."""
    return isinstance(answer, Failure) and answer.reason.startswith(DIED)


class TimeLimitReached(DncError):
    """A job took longer than it may."""


def deadline(limit: float | None) -> Callable[[int, Epoch], None] | None:
    """A check to call after each epoch, which ends a training that takes longer than `limit` seconds from now.

    It raises `TimeLimitReached`. None where there is no limit.
    """
    if limit is None:
        return None
    end = time.monotonic() + limit

    def check(index: int, epoch: Epoch) -> None:
        if time.monotonic() > end:
            raise TimeLimitReached(TIME_LIMIT)

    return check


def run_job(job: Job, data: Dataset) -> Answer:
    """Run a job; every exception but an interrupt becomes a `Failure`."""
    try:
        return job(data)
    except Exception as error:
        failure = Failure(failure_reason(error))
    if failure.reason.startswith(OUT_OF_MEMORY):
        free_memory()  # here, where the exception no longer keeps the network alive
    return failure


def failure_reason(error: BaseException) -> str:
    """A short reason that a table can show: "out of memory", or the error's kind and first line."""
    text = str(error).strip().splitlines()
    first = text[0][:200] if text else ""
    if isinstance(error, DncError):
        return first
    if isinstance(error, MemoryError) or OUT_OF_MEMORY in first.lower() or "can't allocate memory" in first:
        return OUT_OF_MEMORY
    return f"{type(error).__name__}: {first}" if first else type(error).__name__
