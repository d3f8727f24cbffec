"""Verdicts on claims: a paired difference, its interval, and what follows.

Searches that share a seed are pairs: they begin with the same Sobol points, and a config has the same initial weights
in all of them. So differences are taken by seed, and seeds are the independent samples.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from dnc.errors import ArgumentError, check_float, short_repr
from dnc.files import json_ready

HOLDS, FAILS, UNDECIDED = "holds", "fails", "undecided"
LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """A mean of n paired differences with its confidence interval.

    Attributes:
        mean: the estimate.
        low, high: bounds of the interval; infinite for n = 1, which says nothing about the spread.
        n: number of pairs.
    """

    mean: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        if self.n == 1:
            return f"{self.mean:+.4f} (one pair: no interval)"
        return f"{self.mean:+.4f} [{self.low:+.4f}, {self.high:+.4f}]"


@dataclass(frozen=True)
class Verdict:
    """What the data say about a claim.

    Attributes:
        claim: the paper's words.
        verdict: HOLDS, FAILS or UNDECIDED.
        difference: the interval that decided it.
        reading: what was compared, and how the verdict follows from it.
        method: the statistical method.
        details: further intervals, each with what it is about.
    """

    claim: str
    verdict: str
    difference: Interval
    reading: str
    method: str
    details: tuple[tuple[str, Interval], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON; an infinite bound is None there."""
        return {
            "claim": self.claim,
            "verdict": self.verdict,
            "difference": json_ready(asdict(self.difference)),
            "reading": self.reading,
            "method": self.method,
            "details": {name: json_ready(asdict(interval)) for name, interval in self.details},
        }

    def __str__(self) -> str:
        lines = [f"{self.verdict.upper()}: “{self.claim}”", f"  {self.reading}", f"  difference {self.difference}"]
        lines += [f"    {name}: {interval}" for name, interval in self.details]
        return "\n".join([*lines, f"  {self.method}"])


def paired(differences: Sequence[float], level: float = LEVEL) -> Interval:
    """The mean of paired differences and its interval by Student's t with n - 1 degrees of freedom.

    Raises:
        ArgumentError: no difference, or one that is not finite.

    >>> print(paired([1.0, 2.0, 3.0]))
    +2.0000 [-0.4841, +4.4841]
    """
    values = np.asarray(differences, dtype=float)
    check_float("level", level, 0, 1, open_low=True, open_high=True)
    if values.ndim != 1 or not len(values) or not np.isfinite(values).all():
        raise ArgumentError(f"differences={short_repr(differences)} is not allowed: give at least one finite number")
    mean = float(values.mean())
    if len(values) == 1:
        return Interval(mean, -math.inf, math.inf, 1)
    from scipy.special import stdtrit  # late: importing it takes longer than importing numpy

    half = float(stdtrit(len(values) - 1, 0.5 + level / 2)) * float(values.std(ddof=1)) / math.sqrt(len(values))
    return Interval(mean, mean - half, mean + half, len(values))


def exceeds(interval: Interval, margin: float = 0.0) -> str:
    """The verdict on "the difference is larger than `margin`"."""
    return HOLDS if interval.low > margin else FAILS if interval.high < margin else UNDECIDED


def stays_below(interval: Interval, margin: float) -> str:
    """The verdict on "the difference is smaller than `margin`"."""
    return HOLDS if interval.high < margin else FAILS if interval.low > margin else UNDECIDED


def everywhere(verdicts: Sequence[str]) -> str:
    """The verdict on a claim about several cases at once: a single failure refutes it.

    >>> everywhere([HOLDS, UNDECIDED]), everywhere([UNDECIDED, FAILS])
    ('undecided', 'fails')
    """
    return FAILS if FAILS in verdicts else UNDECIDED if UNDECIDED in verdicts or not verdicts else HOLDS


def method(n: int, level: float = LEVEL) -> str:
    """How `paired` got its interval, in words."""
    if n == 1:
        return "one search per arm, as in the paper: no interval can be given"
    return f"paired differences by seed, n = {n}; {level:.0%} interval by Student's t with {n - 1} degrees of freedom"
