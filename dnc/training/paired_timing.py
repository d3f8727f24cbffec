"""The time of a step and its error, measured in blocks: the statistics of the clock, without networks or timers."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

MIN_BLOCK = 0.02  # seconds that a block takes at least; it has at least one step
MIN_COUNT = 5  # values, however long they take; of three, two errors would hold the truth in 80 % of cases
TOLERANCE = 0.01  # relative standard error at which a measurement ends
OUTLIER, MAD_OF_NORMAL = 5.0, 0.6745  # robust standard deviations; median absolute deviation of a standard normal
LONG_STEP = 0.25  # seconds: a single step of this length is warm-up enough


class StopRule(NamedTuple):
    """When a measurement ends.

    Attributes:
        sure: values from which on an error within `TOLERANCE` ends it; that of fewer is not believed.
        count: without such an error, it ends after so many values …
        budget: … or when the blocks have taken so many seconds together, given the median so far; not before
            `MIN_COUNT` values.
    """

    sure: int
    count: int
    budget: Callable[[float], float]


@dataclass(frozen=True)
class Block:
    """Some steps in a row, and the seconds that they took together."""

    seconds: float
    steps: int

    @property
    def seconds_per_step(self) -> float:
        """Seconds per step."""
        return self.seconds / self.steps


@dataclass(frozen=True)
class Pair:
    """A block of the network, and the block of the calibration network (`reference`) right before or after it."""

    network: Block
    reference: Block

    @property
    def ratio(self) -> float:
        """Time of the network's step in units of the calibration network's."""
        return self.network.seconds_per_step / self.reference.seconds_per_step


class Measured(NamedTuple):
    """A median with its error.

    Attributes:
        median: of the values.
        error: its relative standard error.
        samples: what the values were taken from, `Pair` or `Block`.
    """

    median: float
    error: float
    samples: tuple[Pair, ...] | tuple[Block, ...]


def warm_up(run: Callable[[int], float]) -> float:
    """Run steps until allocations and caches have settled; returns the seconds of a warm step.

    One long step is enough; after a shorter one follow at least two more, which take at least 20 ms.
    """
    first = run(1)
    if first >= LONG_STEP:
        return first
    return time_block(run, chunk=2).seconds_per_step


def time_block(run: Callable[[int], float], chunk: int = 1) -> Block:
    """One block: `chunk` steps at a time, until it has lasted at least 20 ms."""
    seconds, steps = run(chunk), chunk
    while seconds < MIN_BLOCK:
        seconds += run(chunk)
        steps += chunk
    return Block(seconds, steps)


def paired_ratio(time_network: Callable[[], Block], time_calibration: Callable[[], Block], stop: StopRule) -> Measured:
    """Measure r, the ratio of two step times, in pairs of blocks: whatever slows down both cancels.

    The order within a pair alternates, so that a steady drift favors neither.

    Args:
        time_network, time_calibration: each call runs and times one block.
        stop: when to end without reaching the tolerance.
    """
    pairs: list[Pair] = []

    def measure() -> tuple[float, float]:
        if len(pairs) % 2 == 0:
            network = time_network()
            pair = Pair(network, time_calibration())
        else:
            calibration = time_calibration()
            pair = Pair(time_network(), calibration)
        pairs.append(pair)
        return pair.ratio, pair.network.seconds + pair.reference.seconds

    median, error = _settled(measure, stop)
    return Measured(median, error, tuple(pairs))


def step_seconds(time_network: Callable[[], Block], stop: StopRule) -> Measured:
    """Measure the seconds of a step in blocks of the network alone, where nothing else runs on the device."""
    blocks: list[Block] = []

    def measure() -> tuple[float, float]:
        blocks.append(time_network())
        return blocks[-1].seconds_per_step, blocks[-1].seconds

    median, error = _settled(measure, stop)
    return Measured(median, error, tuple(blocks))


def _settled(measure: Callable[[], tuple[float, float]], stop: StopRule) -> tuple[float, float]:
    """Median and relative error of values that are measured until the error is small, or a limit is reached."""
    values: list[float] = []
    spent = 0.0
    while True:
        value, seconds = measure()
        values.append(value)
        spent += seconds
        if len(values) < MIN_COUNT:
            continue
        median, error = statistics.median(values), relative_error(values)
        certain = len(values) >= stop.sure and error <= TOLERANCE
        if certain or len(values) >= stop.count or spent >= stop.budget(median):
            return median, error


def relative_error(values: Sequence[float]) -> float:
    """Standard error of the median of `values`, as a fraction of it: the spread of the medians of their resamples.

    That is the bootstrap's estimate in closed form (Maritz and Jarrett, 1978; exact for an odd number of values). A
    disturbed block, which moves the median little, must not blow it up: values farther than `OUTLIER` robust standard
    deviations from the median count as lying there. In simulations of five to fifty values, with and without
    outliers, the true median is within two such errors in 90 % of cases or more.

    >>> relative_error([2.0, 2.0, 2.0])
    0.0
    >>> [round(relative_error([1.0, 1.01, 0.99, 1.0, last]), 4) for last in (1.02, 50.0)]
    [0.0067, 0.0176]
    """
    if len(values) < 2:
        return math.inf
    median = float(np.median(values))
    robust = float(np.median(np.abs(np.subtract(values, median)))) / MAD_OF_NORMAL
    reach = OUTLIER * robust or math.inf  # without a spread that is known, nothing is called an outlier
    ordered = np.sort(np.clip(values, median - reach, median + reach))
    shares = _shares(len(values))
    return math.sqrt(float(shares @ np.square(ordered - shares @ ordered))) / median


@cache
def _shares(n: int) -> NDArray[np.float64]:
    """How often each of n ordered values is the median of a resample, (n,): a Beta(m, m) with m = (n + 1) / 2."""
    from scipy.special import betainc  # late: importing it takes longer than importing numpy

    m = (n + 1) / 2
    return np.diff(betainc(m, m, np.arange(n + 1) / n))
