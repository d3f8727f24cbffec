"""The clock that measures t_tr, the training time of one epoch, so that it can be trusted on a shared machine.

A timed step is gather + augmentation + forward + backward + update, the code that the training loop runs, and

    t_tr = (n_train / batch) · t_step,    t_step = r · t_ref

On a CPU, blocks of the network's steps alternate with blocks of one fixed network, the calibration network; r is the
median of the ratios of the paired times, so whatever slows down both (other jobs, clock speed, temperature) cancels.
Some steps before each block are not timed, until the caches hold that network's data again, as they do in training.
t_ref, the time of a step of the calibration network, is measured once per machine and engine. Times are the CPU time of
one thread.

On a GPU, t_step is the median over blocks of the network alone: the time between two events, while nothing else runs on
the device. The calibration network is so small that launching its kernels takes longer than running them, which says
nothing of the network that is timed.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch

from dnc.config import MLP, Config, Training
from dnc.data.dataset import Dataset
from dnc.errors import ArgumentError, check_int
from dnc.training.engine import Engine, compute_settings, machine_id, machine_name
from dnc.training.lock import device_lock
from dnc.training.loop import failing_on_memory
from dnc.training.paired_timing import (
    MIN_BLOCK,
    Block,
    Pair,
    StopRule,
    paired_ratio,
    step_seconds,
    time_block,
    warm_up,
)
from dnc.training.stepper import Stepper, build_stepper

# A timing ends at a standard error of 1 % from so many values on, or at these limits: values, seconds, and the share of
# the predicted training that it may take if that is more.
SCREENING = 5, 10, 0.25, 0.03
PRECISE = 10, 100, 2.0, 0.1  # from 5 on, two errors would hold the truth in 89 % of cases; so in 92 % or more
SETTLING = 0.005  # seconds of steps before a block that are not timed: the first ones find their data in no cache
CALIBRATION_BLOCKS = 25  # half a second

CALIBRATION_CONFIG = Config(MLP(hidden=(300,), drop=0.2), Training(batch_size=256))
CALIBRATION_SHAPE = (1024, 784, 10)  # samples, features and classes of the random data that it trains on


@dataclass(frozen=True)
class Calibration:
    """t_ref of one machine and engine.

    Attributes:
        seconds: time of one step of the calibration network, the median over `blocks`.
        machine, machine_name: what it was measured on, as given by `machine_id` and `machine_name`.
        engine: the engine's id.
        threads: CPU threads, 0 on a GPU.
        blocks: the measured blocks.
    """

    seconds: float
    machine: str
    machine_name: str
    engine: str
    threads: int
    blocks: tuple[Block, ...] = ()


@dataclass(frozen=True)
class Timing:
    """The measured training time of one epoch.

    Attributes:
        t_tr: seconds of one epoch of training.
        ratio: r, the time of one step in units of a step of the calibration network.
        error: relative standard error of t_tr on this occasion. It leaves out that of t_ref, which all timings have in
            common, and load that changes from one timing to the next and slows this network more, or less, than the
            calibration network: on a busy machine, two timings differ by more.
        blocks: the measured pairs of blocks; on a GPU, blocks of the network alone.
        machine, engine: where it was measured, as in `Calibration`.
    """

    t_tr: float
    ratio: float
    error: float
    blocks: tuple[Pair, ...] | tuple[Block, ...]
    machine: str
    engine: str


class StepRunner:
    """Runs the full batches of a stepper's epoch over and over; `run(n)` gives the seconds that n steps took."""

    def __init__(self, stepper: Stepper, engine: Engine) -> None:
        self._stepper = stepper
        self._cuda = engine.device == "cuda"
        self._bounds = [
            (start, start + stepper.batch_size)
            for start in range(0, stepper.n_train - stepper.batch_size + 1, stepper.batch_size)
        ]
        self._next = 0
        stepper.start_epoch(0, Training().lr)

    def __call__(self, steps: int) -> float:
        """Run `steps` steps; seconds of CPU time of this thread, or of the GPU between two events."""
        if self._cuda:
            first, last = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            first.record()
            self._run(steps)
            last.record()
            last.synchronize()
            return first.elapsed_time(last) / 1e3  # milliseconds
        started = time.thread_time()
        self._run(steps)
        return time.thread_time() - started

    def _run(self, steps: int) -> None:
        for _ in range(steps):
            self._stepper.step(*self._bounds[self._next])
            self._next = (self._next + 1) % len(self._bounds)


def epoch_seconds(n_train: int, batch_size: int, t_step: float) -> float:
    """t_tr = (n_train / batch) · t_step, where the batch is at most n_train.

    A last, smaller batch counts by its share, so t_tr has no steps as a function of the batch size.
    """
    return n_train / min(batch_size, n_train) * t_step


def calibrate(engine: Engine) -> Calibration:
    """t_ref of this machine: the median time of a step of the calibration network over 25 blocks (half a second).

    >>> calibration = calibrate(Engine())
    >>> 0 < calibration.seconds < 1
    True
    """
    with compute_settings(engine), device_lock(engine, exclusive=True):
        block = _block_timer(calibration_stepper(engine), engine)
        blocks = tuple(block() for _ in range(CALIBRATION_BLOCKS))
    return Calibration(
        seconds=statistics.median(b.seconds_per_step for b in blocks),
        machine=machine_id(engine),
        machine_name=machine_name(engine),
        engine=engine.id,
        threads=engine.threads,
        blocks=blocks,
    )


def measure_t_tr(
    config: Config,
    data: Dataset,
    engine: Engine,
    calibration: Calibration,
    epochs: int | None = None,
    *,
    precise: bool = False,
) -> Timing:
    """Measure the training time of one epoch of `config` on `data`.

    It depends on the work of a step alone: what makes no difference to it is set to fixed values (see `timed_config`),
    and the weights that result from the timed steps are thrown away.

    Args:
        config: what to time.
        data: what it trains on; an MLP sees it flat and without augmentation.
        engine: how to compute.
        calibration: t_ref of this machine and engine.
        epochs: length of the training that follows.
        precise: go on to a standard error of 1 %, for 10 to 100 pairs of blocks, and 2 s or a tenth of the training.
            Otherwise for 5 to 10 pairs, and a quarter of a second or 3 % of it. Five pairs are measured in any case.

    Raises:
        ArgumentError: the calibration is of another machine or engine, or the architecture does not fit the data.
        TrainingFailed: the config cannot be trained on this machine.

    >>> engine = Engine()
    >>> data = Dataset.from_arrays(np.zeros((100, 20), dtype=np.uint8), np.arange(100) % 2)
    >>> calibration = Calibration(1e-3, machine_id(engine), machine_name(engine), engine.id, engine.threads)
    >>> timing = measure_t_tr(Config(MLP(hidden=(8,))), data, engine, calibration)  # usually of calibrate(engine)
    >>> 0 < timing.t_tr < 1
    True
    """
    machine = machine_id(engine)
    if (calibration.machine, calibration.engine) != (machine, engine.id):
        raise ArgumentError(
            f"calibration was measured on {calibration.machine_name} with {calibration.engine}, not on "
            f"{machine_name(engine)} with {engine.id}: times of different machines cannot be compared; "
            f"measure it here with calibrate"
        )
    epochs = 0 if epochs is None else check_int("epochs", epochs, 1)
    sure, count, seconds, share = PRECISE if precise else SCREENING
    unit = 1.0 if engine.device == "cuda" else calibration.seconds

    def t_tr(time: float) -> float:
        return epoch_seconds(data.n_train, config.training.batch_size, time * unit)

    stop = StopRule(sure, count, lambda time: max(seconds, share * epochs * t_tr(time)))
    with compute_settings(engine), failing_on_memory(), device_lock(engine, exclusive=True):
        network = _block_timer(build_stepper(timed_config(config), data, engine, seed=0), engine)
        if engine.device == "cuda":
            measured = step_seconds(network, stop)
        else:
            measured = paired_ratio(network, _block_timer(calibration_stepper(engine), engine), stop)
    return Timing(
        t_tr=t_tr(measured.median),
        ratio=measured.median * unit / calibration.seconds,
        error=measured.error,
        blocks=measured.samples,
        machine=machine,
        engine=engine.id,
    )


def timed_config(config: Config) -> Config:
    """The config that is timed for `config`, the same for all whose steps are the same work.

    Dropout costs the same at every probability above 0; learning rate and weight decay make no difference.

    >>> print(timed_config(Config(MLP((20,), drop=0.3), Training(lr=0.1, weight_decay=1e-4, batch_size=64))))
    MLP 20, drop 0.5; lr 0.001, weight decay 0, batch 64
    """
    arch = config.arch
    if isinstance(arch, MLP):
        arch = replace(arch, drop=0.5 if arch.drop else 0.0)
    else:
        arch = replace(arch, dropout=tuple(0.5 if drop else 0.0 for drop in arch.dropout))
    return Config(arch, Training(batch_size=config.training.batch_size))


def calibration_stepper(engine: Engine) -> Stepper:
    """The calibration network on its fixed random data."""
    n, features, classes = CALIBRATION_SHAPE
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (n, features), dtype=np.uint8)
    y = np.arange(n, dtype=np.int64) % classes
    data = Dataset("calibration", x, y, x[:0], y[:0], x[:0], y[:0], classes)
    return build_stepper(CALIBRATION_CONFIG, data, engine, seed=0)


def _block_timer(stepper: Stepper, engine: Engine) -> Callable[[], Block]:
    run = StepRunner(stepper, engine)
    step = warm_up(run)
    # reading the clock costs nothing on a CPU; on a GPU it waits for the device, so a block is timed in one piece
    if engine.device == "cuda":
        chunk = math.ceil(1.1 * MIN_BLOCK / step)
        return lambda: time_block(run, chunk)
    settling = math.ceil(SETTLING / step) if step < MIN_BLOCK else 0  # a step as long as a block hides it

    def block() -> Block:
        run(settling)
        return time_block(run)

    return block
