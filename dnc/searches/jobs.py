"""One unit of work that may run in a worker process: measure the clock, time a config, or train it.

Plain data in, plain data out. Whatever goes wrong inside becomes a `Failure` with its reason: a failed trial is a
row, not the end of a search.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dnc.config import Config
from dnc.errors import DncError
from dnc.training.clock import ReferenceTime, Timing, measure_reference, measure_t_tr
from dnc.training.engine import Engine
from dnc.training.loop import Outcome, train

if TYPE_CHECKING:
    from dnc.data.dataset import Dataset


@dataclass(frozen=True)
class ClockJob:
    """Measure the reference network's step time t_ref on this machine."""

    engine: Engine

    def __call__(self, data: Dataset) -> ReferenceTime:
        return measure_reference(self.engine)


@dataclass(frozen=True)
class TimeJob:
    """Measure t_tr of a config (seconds an epoch)."""

    config: Config
    engine: Engine
    clock: ReferenceTime
    epochs: int

    def __call__(self, data: Dataset) -> Timing:
        return measure_t_tr(self.config, data, self.engine, self.clock, epochs=self.epochs)


@dataclass(frozen=True)
class TrainJob:
    """Train a config and keep its learning curve."""

    config: Config
    engine: Engine
    epochs: int
    seed: int

    def __call__(self, data: Dataset) -> Outcome:
        return train(self.config, data, self.epochs, self.seed, self.engine)


Job = ClockJob | TimeJob | TrainJob


@dataclass(frozen=True)
class Failure:
    """Why a job gave nothing: one line."""

    reason: str


Answer = ReferenceTime | Timing | Outcome | Failure


def perform(job: Job, data: Dataset) -> Answer:
    """Run a job; every exception but an interrupt becomes a `Failure`."""
    try:
        return job(data)
    except Exception as error:
        return Failure(failure_reason(error))


def failure_reason(error: BaseException) -> str:
    """A short reason a table can show: "out of memory", or the error's kind and first line."""
    text = str(error).strip().splitlines()
    first = text[0][:200] if text else ""
    if isinstance(error, MemoryError) or "out of memory" in first.lower() or "can't allocate memory" in first:
        return "out of memory"
    if isinstance(error, DncError):
        return first
    return f"{type(error).__name__}: {first}" if first else type(error).__name__
