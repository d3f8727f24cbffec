"""The ratio of two step times, measured in pairs of blocks: the logic of the clock, without a network or a clock."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from dataclasses import dataclass

MIN_BLOCK = 0.02  # seconds of a block, at least; and at least one step
MIN_BLOCKS, MAX_BLOCKS = 3, 10
TOLERANCE = 0.01  # stop once the relative standard error of r is this small
LONG_STEP = 0.25  # seconds: a single step of this length is warm-up enough


@dataclass(frozen=True)
class Block:
    """Some steps in a row and the seconds that they took."""

    seconds: float
    steps: int

    @property
    def step(self) -> float:
        """Seconds a step."""
        return self.seconds / self.steps


@dataclass(frozen=True)
class Pair:
    """A block of the network and the block of the reference next to it."""

    network: Block
    reference: Block

    @property
    def ratio(self) -> float:
        """The network's step in units of the reference's step."""
        return self.network.step / self.reference.step


@dataclass(frozen=True)
class PairedRatio:
    """Result of `paired_ratio`: r, its relative standard error, the pairs, and which rule ended it.

    Attributes:
        ratio: r, the median of the pairs' ratios.
        error: relative standard error of r.
        drift: (longest - shortest) / shortest reference step among the pairs.
        stopped_by: "error", "blocks" or "time".
    """

    ratio: float
    error: float
    drift: float
    pairs: tuple[Pair, ...]
    stopped_by: str


def warm_up(run: Callable[[int], float]) -> float:
    """Run steps until allocations and caches have settled: one long step, or two and at least 20 ms after the first.

    Returns the seconds of a warm step.
    """
    first = run(1)
    if first >= LONG_STEP:
        return first
    return time_block(run, chunk=2).step


def time_block(run: Callable[[int], float], chunk: int = 1) -> Block:
    """One block: `chunk` steps, and as many again until it has lasted at least 20 ms."""
    seconds, steps = run(chunk), chunk
    while seconds < MIN_BLOCK:
        seconds += run(chunk)
        steps += chunk
    return Block(seconds, steps)


def paired_ratio(
    time_network: Callable[[], Block], time_reference: Callable[[], Block], budget: Callable[[float], float]
) -> PairedRatio:
    """Measure r, the ratio of two step times, in pairs of blocks.

    Stops at a relative standard error of 1 %, after 10 pairs, or when the blocks took `budget(r)` seconds together,
    but not before 3 pairs. The order within a pair alternates, so that a steady drift favours neither.

    Args:
        time_network, time_reference: each call runs and times one block.
        budget: seconds allowed, given the current estimate of r.
    """
    pairs: list[Pair] = []
    spent = 0.0
    while True:
        if len(pairs) % 2 == 0:
            network = time_network()
            pair = Pair(network, time_reference())
        else:
            reference = time_reference()
            pair = Pair(time_network(), reference)
        pairs.append(pair)
        spent += pair.network.seconds + pair.reference.seconds
        ratios = [p.ratio for p in pairs]
        ratio, error = statistics.median(ratios), relative_error(ratios)
        if len(pairs) < MIN_BLOCKS:
            continue
        stopped_by = (
            "error"
            if error <= TOLERANCE
            else "blocks"
            if len(pairs) >= MAX_BLOCKS
            else "time"
            if spent >= budget(ratio)
            else ""
        )
        if stopped_by:
            references = [p.reference.step for p in pairs]
            drift = max(references) / min(references) - 1
            return PairedRatio(ratio, error, drift, tuple(pairs), stopped_by)


def relative_error(ratios: list[float]) -> float:
    """Standard error of the median of `ratios`, as a fraction of it: sqrt(π/2) · s / sqrt(n) for normal noise."""
    if len(ratios) < 2:
        return math.inf
    spread = statistics.stdev(ratios)
    return math.sqrt(math.pi / 2) * spread / math.sqrt(len(ratios)) / statistics.median(ratios)
