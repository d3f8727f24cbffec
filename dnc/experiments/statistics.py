"""Verdicts on claims: paired differences, their intervals, and a rule that is fixed before anything is run.

Searches that share a seed are pairs: they begin with the same Sobol points, a config has the same initial weights in
all of them, and the same t_tr. So differences are taken by seed; seeds have data order, weights and clock of their own,
and are the independent samples.

Intervals are Student's t. With five seeds a two-sided sign-flip test cannot fall below 2/2⁵ = 0.0625, and a rank test
no lower, so neither could decide anything once it is corrected for several comparisons. The t test asks for normal
differences; where two methods are equally good, their difference is symmetric whatever f's distribution is, and heavy
tails make the test only more careful (the tests of this file simulate it). Differences without any spread, which the t
test takes for certain however few they are, are judged by the sign test.

A claim about several comparisons at once ("on each occasion") holds only where every one of them says so, which needs
no correction: it is wrong in at most `ERROR` of repetitions. It fails where *one* of them says the contrary, and among
many one does so by chance; so that is judged by Holm's p values, whatever the dependence between the comparisons.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dnc.errors import ArgumentError, check_float, short_repr
from dnc.files import json_ready

HOLDS, FAILS, UNDECIDED = "holds", "fails", "undecided"
NOT_TESTABLE, ONE_RUN = "not testable at this scale", "one run, as in the paper"
ERROR = 0.05  # a claim is found to hold, or to fail, where it does not, in at most this share of repetitions
LEVEL = 1 - 2 * ERROR  # so that an interval leaves ERROR out on either side
POWER = 0.8
NO_SPREAD = 1e-9  # in f; far below the resolution of any accuracy, above the rounding of floats


@dataclass(frozen=True)
class Interval:
    """A mean of n paired differences with its confidence interval.

    Attributes:
        mean: the estimate.
        low, high: bounds of the interval; infinite for n = 1, which says nothing about the spread.
        n: number of pairs; 0 where there was nothing to compare.
    """

    mean: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        if self.n == 0:
            return "none"
        if self.n == 1:
            return f"{self.mean:+.4f} (one pair: no interval)"
        return f"{self.mean:+.4f} [{self.low:+.4f}, {self.high:+.4f}]"


@dataclass(frozen=True)
class Verdict:
    """What the data say about a claim.

    Attributes:
        claim: the paper's words.
        verdict: HOLDS, FAILS, UNDECIDED, NOT_TESTABLE or ONE_RUN.
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
        lines = [f"{self.verdict.upper()}: “{self.claim}”", _wrapped(self.reading), f"  difference {self.difference}"]
        lines += [f"    {name}: {interval}" for name, interval in self.details]
        return "\n".join([*lines, _wrapped(self.method)])


@dataclass(frozen=True)
class Claim:
    """A claim of the paper and the rule by which it is judged.

    Attributes:
        name: a short name.
        sentence, section: the paper's words, and where they are.
        estimator: what one difference is, in words.
        margin: what the differences are compared with.
        below: the claim is that they are smaller than the margin; else, larger.

    >>> claim = Claim("better", "A outperforms B on each task", "Sec. 1", "error of B minus error of A")
    >>> print(claim.rule)
    holds if every 90% interval is above 0; fails if any difference is below 0 (Holm, family-wise error 5%)
    >>> claim.judge({"task 1": [0.03, 0.05, 0.04], "task 2": [0.11, 0.09, 0.1]}).verdict
    'holds'
    """

    name: str
    sentence: str
    section: str
    estimator: str
    margin: float = 0.0
    below: bool = False

    @property
    def rule(self) -> str:
        """What follows from the differences, in words."""
        inside, outside = ("below", "above") if self.below else ("above", "below")
        return (
            f"holds if every {LEVEL:.0%} interval is {inside} {self.margin:g}; fails if any difference is {outside} "
            f"{self.margin:g} (Holm, family-wise error {ERROR:.0%})"
        )

    def judge(self, comparisons: Mapping[str, Sequence[float]], *, one_run: bool = False, note: str = "") -> Verdict:
        """The verdict.

        Args:
            comparisons: differences by what is compared, one number for each seed, in the same order.
            one_run: whether the paper, too, has one run, and this is its scale: then that is said where there is one.
            note: what else is to be known about the numbers.

        Raises:
            ArgumentError: a difference that is not finite, or different numbers of them.
        """
        intervals = {name: paired(values) for name, values in comparisons.items()}
        counts = {interval.n for interval in intervals.values()}
        if len(counts) > 1:
            raise ArgumentError(f"comparisons of {short_repr(sorted(counts))} seeds: give each the same seeds")
        n = max(counts, default=0)
        reading = f"{self.section}: {self.estimator}; {self.rule}"
        if not intervals:
            empty = Interval(math.nan, -math.inf, math.inf, 0)
            return Verdict(self.sentence, NOT_TESTABLE, empty, reading, "there is nothing to compare at this scale")
        # seen from the claim: positive numbers speak for it
        sign = -1 if self.below else 1
        support = sign * (np.array([list(values) for values in comparisons.values()], dtype=float) - self.margin)
        names, means = list(comparisons), support.mean(axis=1)
        reading += f". {int((support > 0).sum())} of {support.size} differences speak for it"
        if n == 1:
            least = names[int(means.argmin())]
            verdict, text = (ONE_RUN if one_run else NOT_TESTABLE), "one seed: no interval can be given"
        else:
            p_for, p_against = p_values(support), holm(p_values(-support))
            against = p_against <= ERROR
            least = names[int(p_against.argmin() if against.any() else p_for.argmax())]
            verdict = FAILS if against.any() else HOLDS if (p_for <= ERROR).all() else UNDECIDED
            if against.any():
                found = (f"{names[i]} (p = {p_against[i]:.2g})" for i in np.flatnonzero(against))
                reading += f". Against it: {', '.join(found)}"
            text = f"{method(n)}. {power(comparisons[least], len(names))}"
        text = f"{text}. {note}" if note else text
        details = tuple(intervals.items()) if len(intervals) > 1 else ()
        return Verdict(self.sentence, verdict, intervals[least], reading, text, details)


def paired(differences: Sequence[float], level: float = LEVEL) -> Interval:
    """The mean of paired differences and its interval by Student's t with n - 1 degrees of freedom.

    Raises:
        ArgumentError: no difference, or one that is not finite.

    >>> print(paired([1.0, 2.0, 3.0]))
    +2.0000 [+0.3141, +3.6859]
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


def p_values(differences: NDArray[np.float64]) -> NDArray[np.float64]:
    """One-sided p of each row: how likely such a mean is, or a larger one, where the expectation is 0.

    A row without spread, e.g. where an accuracy changed by one sample in every pair, would have p = 0 by Student's t
    for any number of pairs. It gets that of the sign test, 2⁻ⁿ.

    Args:
        differences: shape (comparisons, n) with n > 1.

    >>> p_values(np.array([[1.0, 2.0, 3.0], [0.5, 0.5, 0.5], [-0.5, -0.5, -0.5]])).round(4).tolist()
    [0.0371, 0.125, 1.0]
    """
    from scipy.special import stdtr

    n, means, spread = differences.shape[1], differences.mean(axis=1), differences.std(axis=1, ddof=1)
    t = means * math.sqrt(n) / np.maximum(spread, NO_SPREAD)
    return np.where(spread > NO_SPREAD, stdtr(n - 1, -t), np.where(means > NO_SPREAD, 0.5**n, 1.0))


def holm(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Holm's adjusted p values: those at or below an error rate refute with that rate for the whole family.

    >>> holm(np.array([0.01, 0.04, 0.03])).tolist()
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p)
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(1, np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)))
    return adjusted


def detectable(n: int, comparisons: int = 1) -> float:
    """The expected difference, in standard deviations of the differences, that n pairs show in `POWER` of repetitions.

    Args:
        n: number of pairs, at least 2.
        comparisons: how many are judged together; the smallest p of so many decides.

    >>> round(detectable(5), 2), round(detectable(5, comparisons=12), 2)
    (1.36, 2.76)
    """
    from scipy.special import nctdtrinc, stdtrit

    critical = float(stdtrit(n - 1, 1 - ERROR / comparisons))
    return float(nctdtrinc(n - 1, 1 - POWER, critical)) / math.sqrt(n)


def power(differences: Sequence[float], comparisons: int) -> str:
    """What differences of this spread could have shown, in words."""
    n, spread = len(differences), float(np.std(differences, ddof=1))
    if spread <= NO_SPREAD:
        return f"Differences without spread are judged by the sign test, whose p is at least {0.5**n:.2g}"
    text = (
        f"With {n} seeds and this spread, {POWER:.0%} of repetitions would see a difference of "
        f"{detectable(n) * spread:.2g} ({detectable(n):.1f} standard deviations)"
    )
    if comparisons == 1:
        return text
    many = detectable(n, comparisons)
    return f"{text} in its favor; of {many * spread:.2g} against it, which is one of {comparisons} comparisons"


def _wrapped(text: str) -> str:
    return textwrap.fill(text, 110, initial_indent="  ", subsequent_indent="  ")


def method(n: int) -> str:
    """How `paired` got its interval, in words."""
    return f"Paired differences by seed, n = {n}; {LEVEL:.0%} interval by Student's t with {n - 1} degrees of freedom"
