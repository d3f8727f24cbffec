"""The clock that measures t_tr, the training time of one epoch, so that it can be trusted on a shared machine.

A timed step is gather + augmentation + forward + backward + update, the code that the training loop runs, and

    t_tr = (n_train / batch) · t_step,    t_step = r · t_ref

Blocks of the network's steps alternate with blocks of one fixed network, the calibration network; r is the median of
the ratios of the paired times, so whatever slows down both (other jobs, clock speed, temperature) cancels. t_ref, the
time of a step of the calibration network, is measured once per machine and engine. On a CPU, it is the CPU time of one
thread; on a GPU, the time between two events while nothing else runs on the device.
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
from dnc.training.paired_timing import MIN_BLOCK, Block, Pair, paired_ratio, time_block, warm_up
from dnc.training.stepper import Stepper, build_stepper

MIN_BUDGET = 0.2  # seconds that a timing may take in any case …
BUDGET_SHARE = 0.03  # … or this share of the predicted training, if that is more
MAX_DRIFT = 0.1  # a larger spread of the calibration network's times flags the timing
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
        error: relative standard error of r.
        blocks: the measured pairs of blocks.
        drift: relative spread of the calibration network's times while this was measured.
        flagged: whether the drift exceeded 10 %, so that the timing is less certain than its error says.
        machine, engine: where it was measured, as in `Calibration`.
    """

    t_tr: float
    ratio: float
    error: float
    blocks: tuple[Pair, ...]
    drift: float
    flagged: bool
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

    It depends on the architecture and the batch size only: learning rate and weight decay are set to fixed values, and
    the weights that result from the timed steps are thrown away.

    Args:
        config: what to time.
        data: what it trains on; an MLP sees it flat and without augmentation.
        engine: how to compute.
        calibration: t_ref of this machine and engine.
        epochs: length of the training that follows; the timing may take 3 % of it.

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
    timed = replace(config, training=Training(batch_size=config.training.batch_size))

    def t_tr(ratio: float) -> float:
        return epoch_seconds(data.n_train, config.training.batch_size, ratio * calibration.seconds)

    with compute_settings(engine), failing_on_memory(), device_lock(engine, exclusive=True):
        network = _block_timer(build_stepper(timed, data, engine, seed=0), engine)
        calibration_network = _block_timer(calibration_stepper(engine), engine)
        measured = paired_ratio(
            network, calibration_network, budget=lambda ratio: max(MIN_BUDGET, BUDGET_SHARE * epochs * t_tr(ratio))
        )
    return Timing(
        t_tr=t_tr(measured.ratio),
        ratio=measured.ratio,
        error=measured.error,
        blocks=measured.pairs,
        drift=measured.drift,
        flagged=measured.drift > MAX_DRIFT,
        machine=machine,
        engine=engine.id,
    )


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
    chunk = 1 if engine.device == "cpu" else math.ceil(1.1 * MIN_BLOCK / step)
    return lambda: time_block(run, chunk)
