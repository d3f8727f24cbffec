"""Intervals, p values, power and verdicts: closed forms, scipy's own tests, and how often a verdict is wrong."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from dnc.errors import ArgumentError
from dnc.experiments.statistics import (
    ERROR,
    POWER,
    Claim,
    Interval,
    Verdict,
    detectable,
    holm,
    p_values,
    paired,
)

ABOVE = Claim("above", "A is better than B", "Sec. 1", "B minus A")
BELOW = Claim("below", "A is hardly better than B", "Sec. 1", "B minus A", margin=0.5, below=True)

# ---- intervals --------------------------------------------------------------------------------------


def test_paired_interval_in_closed_form() -> None:
    # mean 2, standard deviation 1, t_{0.975}(2) = 4.302653 and t_{0.95}(2) = 2.919986 from tables
    interval = paired([1.0, 2.0, 3.0], 0.95)
    half = 4.302652729749462 / math.sqrt(3)
    assert (interval.mean, interval.n) == (2.0, 3)
    assert interval.low == pytest.approx(2 - half, abs=1e-9)
    assert interval.high == pytest.approx(2 + half, abs=1e-9)
    assert paired([1.0, 2.0, 3.0]).high == pytest.approx(2 + 2.919985580353726 / math.sqrt(3), abs=1e-9)


@pytest.mark.parametrize("level", [0.5, 0.95])
def test_paired_agrees_with_scipy(level: float) -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, 7))
    expected = stats.ttest_rel(a, b).confidence_interval(level)
    interval = paired((a - b).tolist(), level)
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_one_pair_has_no_interval() -> None:
    interval = paired([0.3])
    assert (interval.mean, interval.low, interval.high) == (0.3, -math.inf, math.inf)
    assert "no interval" in str(interval)


def test_equal_differences_are_certain() -> None:
    assert paired([0.5, 0.5]) == Interval(0.5, 0.5, 0.5, 2)


@pytest.mark.parametrize("bad", [[], [math.nan], [math.inf, 1.0]])
def test_paired_refuses_what_it_cannot_use(bad: list[float]) -> None:
    with pytest.raises(ArgumentError, match="finite number"):
        paired(bad)


# ---- p values and power -----------------------------------------------------------------------------


def test_p_values_agree_with_scipy() -> None:
    differences = np.random.default_rng(2).normal(size=(4, 5))
    tests: list[Any] = [stats.ttest_1samp(row, 0, alternative="greater") for row in differences]
    assert p_values(differences) == pytest.approx([test.pvalue for test in tests])


def test_differences_without_spread_have_the_p_of_the_sign_test() -> None:
    # 0.6 - 0.5 and 0.61 - 0.51 differ by rounding alone
    rows = np.array([[0.6 - 0.5, 0.61 - 0.51, 0.1], [-0.1, -0.1, -0.1], [0.0, 0.0, 0.0]])
    assert p_values(rows).tolist() == [0.125, 1.0, 1.0]
    verdict = ABOVE.judge({"x": [0.1, 0.1, 0.1]})
    assert verdict.verdict == "undecided"  # one sample of the validation data more, three times
    assert "sign test" in verdict.method
    assert ABOVE.judge({"x": [0.1] * 5}).verdict == "holds"


def test_holm_by_hand() -> None:
    # sorted: 0.005 · 4, 0.01 · 3, 0.03 · 2, 0.04 · 1, each at least the one before it
    assert holm(np.array([0.01, 0.04, 0.03, 0.005])) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm(np.array([0.6, 0.9])).tolist() == [1.0, 1.0]
    assert holm(np.array([])).tolist() == []


@pytest.mark.parametrize(("n", "comparisons"), [(5, 1), (5, 12), (10, 4)])
def test_the_detectable_difference_is_detected_as_often_as_it_says(n: int, comparisons: int) -> None:
    rng = np.random.default_rng(3)
    found = p_values(rng.normal(detectable(n, comparisons), size=(20_000, n))) <= ERROR / comparisons
    assert found.mean() == pytest.approx(POWER, abs=0.01)  # its standard error is 0.003


# ---- verdicts ---------------------------------------------------------------------------------------

SPREAD = np.array([-0.02, -0.01, 0.0, 0.01, 0.02])


def five(mean: float) -> list[float]:
    """Five differences around a mean; the 90% interval is ± 0.015."""
    return (mean + SPREAD).tolist()


@pytest.mark.parametrize(("mean", "expected"), [(0.1, "holds"), (-0.1, "fails"), (0.01, "undecided")])
def test_verdicts_of_one_comparison_follow_from_its_interval(mean: float, expected: str) -> None:
    assert ABOVE.judge({"x": five(mean)}).verdict == expected
    verdict = BELOW.judge({"x": five(0.5 - mean)})
    assert verdict.verdict == expected
    assert (verdict.difference.high < 0.5) == (expected == "holds")
    assert (verdict.difference.low > 0.5) == (expected == "fails")


@pytest.mark.parametrize(
    ("means", "whole"),
    [
        ([0.1, 0.1], "holds"),
        ([0.1, 0.0], "undecided"),
        ([0.0, -0.1], "fails"),
        ([0.1, -0.1], "fails"),
    ],
)
def test_a_claim_about_each_case(means: list[float], whole: str) -> None:
    verdict = ABOVE.judge({f"case {i}": five(mean) for i, mean in enumerate(means)})
    assert verdict.verdict == whole
    assert verdict.difference == paired(five(min(means)))  # the one that decides
    assert len(verdict.details) == 2
    assert ("Against it: case 1 (p = " in verdict.reading) == (whole == "fails")


def test_one_among_many_does_not_refute_by_chance() -> None:
    # t = -2.83: below 0 by itself (p = 0.024), as one of twelve not (0.28)
    against, others = five(-0.02), {f"case {i}": five(0.0) for i in range(11)}
    assert ABOVE.judge({"x": against}).verdict == "fails"
    verdict = ABOVE.judge({"x": against, **others})
    assert verdict.verdict == "undecided"
    assert "one of 12 comparisons" in verdict.method


def test_one_seed_decides_nothing() -> None:
    verdict = ABOVE.judge({"x": [0.1], "y": [-0.2]})
    assert (verdict.verdict, verdict.difference.mean) == ("not testable at this scale", -0.2)
    assert "1 of 2 differences speak for it" in verdict.reading
    assert "one seed" in verdict.method
    assert ABOVE.judge({"x": [0.1]}, one_run=True).verdict == "one run, as in the paper"
    assert ABOVE.judge({"x": five(0.1)}, one_run=True).verdict == "holds"


def test_nothing_to_compare_is_not_testable() -> None:
    verdict = ABOVE.judge({}, one_run=True)
    assert verdict.verdict == "not testable at this scale"
    assert "difference none" in str(verdict)
    assert verdict.to_dict()["difference"] == {"mean": None, "low": None, "high": None, "n": 0}


def test_comparisons_of_other_seeds_are_refused() -> None:
    with pytest.raises(ArgumentError, match=r"comparisons of \[2, 3\] seeds"):
        ABOVE.judge({"x": [0.1, 0.2], "y": [0.1, 0.2, 0.3]})


def test_the_verdict_states_rule_and_power() -> None:
    verdict = ABOVE.judge({"x": five(0.1)}, note="A note")
    assert verdict.reading.startswith(f"Sec. 1: B minus A; {ABOVE.rule}. 5 of 5")
    spread = float(np.std(SPREAD, ddof=1))
    assert f"80% of repetitions would see a difference of {detectable(5) * spread:.2g} (1.4 standard" in verdict.method
    assert verdict.method.endswith(". A note")


def test_verdict_as_plain_data_and_text() -> None:
    verdict = Verdict("it is so", "holds", Interval(0.1, 0.05, 0.15, 3), "a minus b", "paired", (("x", paired([1.0])),))
    assert verdict.to_dict()["difference"] == {"mean": 0.1, "low": 0.05, "high": 0.15, "n": 3}
    assert verdict.to_dict()["details"] == {"x": {"mean": 1.0, "low": None, "high": None, "n": 1}}
    assert str(verdict).startswith(
        "HOLDS: “it is so”\n  a minus b\n  difference +0.1000 [+0.0500, +0.1500]\n    x: +1.0000"
    )
