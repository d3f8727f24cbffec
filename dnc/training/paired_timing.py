"""The ratio of two step times, measured in pairs of blocks: the statistics of the clock, without networks or timers."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from dataclasses import dataclass

MIN_BLOCK = 0.02  # seconds that a block takes at least; it has at least one step
MIN_BLOCKS, MAX_BLOCKS = 3, 10
TOLERANCE = 0.01  # stop once the relative standard error of r is this small
LONG_STEP = 0.25  # seconds: a single step of this length is warm-up enough


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


@dataclass(frozen=True)
class PairedRatio:
    """Result of `paired_ratio`.

    Attributes:
        ratio: r, the median of the pairs' ratios.
        error: relative standard error of r.
        drift: (longest - shortest) / shortest step of the calibration network among the pairs.
        pairs: what was measured.
        stopped_by: the rule that ended it: "error", "blocks" or "time".
    """

    ratio: float
    error: float
    drift: float
    pairs: tuple[Pair, ...]
    stopped_by: str


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


def paired_ratio(
    time_network: Callable[[], Block], time_calibration: Callable[[], Block], budget: Callable[[float], float]
) -> PairedRatio:
    """Measure r, the ratio of two step times, in pairs of blocks.

    Stops at a relative standard error of 1 %, after 10 pairs, or when the blocks have taken `budget(r)` seconds
    together, but not before 3 pairs. The order within a pair alternates, so that a steady drift favors neither.

    Args:
        time_network, time_calibration: each call runs and times one block.
        budget: seconds allowed, given the current estimate of r.
    """
    pairs: list[Pair] = []
    spent = 0.0
    while True:
        if len(pairs) % 2 == 0:
            network = time_network()
            pair = Pair(network, time_calibration())
        else:
            calibration = time_calibration()
            pair = Pair(time_network(), calibration)
        pairs.append(pair)
        spent += pair.network.seconds + pair.reference.seconds
        ratios = [p.ratio for p in pairs]
        ratio, error = statistics.median(ratios), relative_error(ratios)
        if len(pairs) < MIN_BLOCKS:
            continue
        if error <= TOLERANCE:
            stopped_by = "error"
        elif len(pairs) >= MAX_BLOCKS:
            stopped_by = "blocks"
        elif spent >= budget(ratio):
            stopped_by = "time"
        else:
            continue
        steps = [p.reference.seconds_per_step for p in pairs]
        return PairedRatio(ratio, error, max(steps) / min(steps) - 1, tuple(pairs), stopped_by)


def relative_error(ratios: list[float]) -> float:
    """Standard error of the median of `ratios`, as a fraction of it: sqrt(π/2) · s / sqrt(n) for normal noise.

    >>> relative_error([2.0, 2.0, 2.0])
    0.0
    """
    if len(ratios) < 2:
        return math.inf
    spread = statistics.stdev(ratios)
    return math.sqrt(math.pi / 2) * spread / math.sqrt(len(ratios)) / statistics.median(ratios)
