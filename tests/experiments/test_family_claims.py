"""The claims about families on made-up frames with known answers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dnc.experiments.family_claims import (
    PENALTY_CLAIMS,
    TIME_CLAIMS,
    correlation,
    halfway_gain,
    judge,
    penalty_difference,
    slope,
)

WCS = (0.0, 0.01, 0.1, 1.0, 10.0)
Value = Callable[[int, str], float]  # of the rank of w_c and the penalty


def family(
    *,
    test_acc: Value = lambda k, penalty: 0.9 - 0.01 * k**2,
    t_tr: Value = lambda k, penalty: 10.0**-k,
    search_cost: Value = lambda k, penalty: 100 * 2.0**-k * (3 if penalty == "n_params" else 1),
    n_params: Value = lambda k, penalty: 1000 * 3.0**-k,
    batch_size: Value = lambda k, penalty: 64 if penalty == "n_params" else 256,
    seeds: int = 3,
    noise: float = 1e-4,
    columns: tuple[str, ...] = ("a", "b"),
) -> pd.DataFrame:
    """Rows of both penalties whose values deviate by seed, in turn by -noise, 0 and +noise of themselves."""
    quantities = {
        "test_acc": test_acc,
        "t_tr": t_tr,
        "search_cost": search_cost,
        "n_params": n_params,
        "batch_size": batch_size,
    }
    rng = np.random.default_rng(1)
    rows = [
        {
            "column": column,
            "penalty": penalty,
            "wc": wc,
            "seed": seed,
            **{name: value(k, penalty) * (1 + noise * rng.normal()) for name, value in quantities.items()},
        }
        for column in columns
        for penalty in ("t_tr", "n_params")
        for k, wc in enumerate(WCS)
        for seed in range(seeds)
    ]
    return pd.DataFrame(rows).sample(frac=1, random_state=1)


def verdicts(frame: pd.DataFrame, claims: Any = PENALTY_CLAIMS, scale: str = "small") -> list[str]:
    settings = [{"title": title, "shown": title} for title in dict.fromkeys(frame["column"])]
    return [verdict.verdict for verdict in judge(claims, frame, {"scale": scale, "settings": settings})]


def one(frame: pd.DataFrame, penalty: str = "t_tr") -> pd.DataFrame:
    rows: Any = frame[(frame["seed"] == 0) & (frame["column"] == "a")]
    assert penalty in set(rows["penalty"])
    return rows


# ---- what is measured -----------------------------------------------------------------------------------


def test_slope_is_per_step_of_wc() -> None:
    rows = one(family(noise=0.0))
    assert slope("t_tr", "t_tr")(rows) == pytest.approx(-1)  # a decade a step
    assert slope("n_params", "n_params")(rows) == pytest.approx(-math.log10(3))
    assert slope("test_acc", "t_tr")(rows) == pytest.approx(-0.04)  # least squares through -0.01 k²: -0.01 · 4
    assert math.isnan(slope("t_tr", "n_params")(rows[rows["penalty"] == "t_tr"]))


def test_halfway_gain_is_zero_on_a_line_and_positive_where_returns_diminish() -> None:
    line = family(t_tr=lambda k, p: 5.0 - k, test_acc=lambda k, p: 0.9 - 0.1 * k, noise=0.0)
    assert halfway_gain("t_tr", "t_tr")(one(line)) == pytest.approx(0)
    # t_tr 5, 4, 3, 2, 1: halfway is 3, where k = 2: (0.9 - 0.04) - (0.9 + 0.74) / 2
    curve = family(t_tr=lambda k, p: 5.0 - k, noise=0.0)
    assert halfway_gain("t_tr", "t_tr")(one(curve)) == pytest.approx(0.86 - 0.82)
    assert math.isnan(halfway_gain("t_tr", "t_tr")(one(family(t_tr=lambda k, p: 1.0, noise=0.0))))


def test_correlation_of_logarithms() -> None:
    rows = one(family(noise=0.0))
    assert correlation("t_tr", "n_params", "t_tr")(rows) == pytest.approx(1)
    rows = one(family(n_params=lambda k, p: 3.0**k, noise=0.0))
    assert correlation("t_tr", "n_params", "t_tr")(rows) == pytest.approx(-1)
    assert math.isnan(correlation("t_tr", "n_params", "t_tr")(one(family(n_params=lambda k, p: 10.0, noise=0.0))))


def test_penalties_are_compared_at_positive_wc() -> None:
    # w_c = 0 leaves no penalty to compare: what is different there does not count
    rows = one(family(batch_size=lambda k, p: 999 if k == 0 else 32 if p == "n_params" else 256, noise=0.0))
    assert penalty_difference("batch_size", 2)(rows) == pytest.approx(-3)
    assert penalty_difference("search_cost", 10)(rows) == pytest.approx(math.log10(3))
    assert math.isnan(penalty_difference("test_acc", None)(rows[rows["penalty"] == "t_tr"]))


# ---- verdicts -------------------------------------------------------------------------------------------


def test_claims_that_hold() -> None:
    assert set(verdicts(family())) == {"holds"}
    assert len(verdicts(family(), TIME_CLAIMS)) == 6


def test_claims_that_fail() -> None:
    contrary = family(
        test_acc=lambda k, p: 0.5 + 0.01 * k**2 + (0.05 if p == "n_params" else 0),
        t_tr=lambda k, p: 1.0 + k,
        search_cost=lambda k, p: 100 * 2.0**-k * 2.0 ** (2 * k if p == "t_tr" else 0),
        n_params=lambda k, p: 5.0 - k if p == "t_tr" else 1.0 + k,
        batch_size=lambda k, p: 256 if p == "n_params" else 64,
    )
    found = dict(zip((c.claim.name for c in PENALTY_CLAIMS), verdicts(contrary), strict=True))
    assert {name for name, verdict in found.items() if verdict != "fails"} == {"t_tr and search_cost"}
    assert found["t_tr and search_cost"] == "holds"  # both rise here


def test_claims_that_noise_leaves_open() -> None:
    flat: Value = lambda k, p: 0.5  # noqa: E731
    frame = family(test_acc=flat, t_tr=flat, search_cost=flat, n_params=flat, batch_size=flat, noise=0.05)
    assert set(verdicts(frame)) <= {"undecided", "holds", "fails"}
    assert verdicts(frame).count("undecided") >= 9  # of twelve, each of which errs in one of ten repetitions


def test_one_seed_decides_nothing_and_the_papers_scale_says_so() -> None:
    assert set(verdicts(family(seeds=1))) == {"not testable at this scale"}
    assert set(verdicts(family(seeds=1), scale="paper")) == {"one run, as in the paper"}


def test_a_seed_that_cannot_be_measured_is_left_out_and_named() -> None:
    frame = family(columns=("a",))
    frame.loc[(frame["seed"] == 1) & (frame["wc"] == 1.0), "test_acc"] = math.nan  # its final training failed
    facts = {"scale": "small", "settings": [{"title": "a", "shown": "A for a"}]}
    by_name = dict(zip((c.claim.name for c in TIME_CLAIMS), judge(TIME_CLAIMS, frame, facts), strict=True))
    accuracy = by_name["test_acc falls, t_tr"]
    assert (accuracy.verdict, accuracy.difference.n) == ("holds", 2)
    assert "Without seed 1" in accuracy.method
    assert by_name["t_tr falls, t_tr"].difference.n == 3


def test_every_claim_has_a_rule_of_its_own_name() -> None:
    names = [claim.claim.name for claim in PENALTY_CLAIMS]
    assert len(set(names)) == len(names) == 12
    assert all("holds if" in claim.claim.rule for claim in PENALTY_CLAIMS)
