"""Fronts, break-points and ranks of (complexity, error); and a small result made by hand, which other tests use."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnc.config import MLP, Config, Training
from dnc.objective import Objective
from dnc.searches.result import SearchResult
from dnc.space import MLPSpace
from dnc.tradeoff import breakpoints, pareto, rank
from dnc.trial import Trial, Visit

# t_tr (s), error, N_p, stage. c_0 = 1 s, so that every f is seen at a glance.
ROWS = [
    (0.1, 0.50, 4_000, 1),  # cheapest
    (0.4, 0.20, 3_000, 1),
    (0.5, 0.30, 9_000, 1),  # dominated
    (1.0, 0.10, 2_000, 2),
    (2.0, 0.08, 20_000, 3),
    (4.0, 0.07, 50_000, 3),  # most accurate
]


def make_result(rows: list[tuple[float, float, int, int]] = ROWS, wc: float = 0.1, failed: int = 1) -> SearchResult:
    visits = []
    for i, (t_tr, error, n_params, stage) in enumerate(rows):
        trial = Trial(Config(MLP((i + 1,)), Training(lr=0.01)), 1 - error, t_tr, n_params)
        visits.append(Visit(stage, "", i, trial))
    for i in range(failed):
        trial = Trial(Config(MLP((900 + i,))), math.nan, math.nan, 1, status="failed", reason="out of memory")
        visits.append(Visit(1, "", 100 + i, trial))
    facts = {"references": {"t_tr": 1.0, "n_params": 10_000.0}}
    return SearchResult("s", {"train_seed": 0}, facts, MLPSpace(), Objective(wc, "t_tr", 1.0), tuple(visits))


VALUES = st.lists(st.tuples(st.integers(1, 30), st.integers(0, 20)), min_size=1, max_size=25)


@given(VALUES)
def test_pareto_is_what_no_other_dominates(pairs: list[tuple[int, int]]) -> None:
    c, e = np.array(pairs, dtype=float).T
    found = pareto(c, e)
    expected = {
        i
        for i in range(len(c))
        if not any(
            (c[j] <= c[i]) & (e[j] <= e[i]) & ((c[j] < c[i]) | (e[j] < e[i]) | (j < i)) for j in range(len(c)) if j != i
        )
    }
    assert set(found.tolist()) == expected
    assert c[found].tolist() == sorted(c[found].tolist())


@given(VALUES, st.floats(0, 100))
def test_breakpoints_name_the_winner_of_every_wc(pairs: list[tuple[int, int]], wc: float) -> None:
    c, e = np.array(pairs, dtype=float).T
    winners, starts = breakpoints(c, e, reference=7.0)
    assert starts[0] == 0
    assert (np.diff(starts) > 0).all()
    holder = winners[np.searchsorted(starts, wc, side="right") - 1]
    f = e + wc * c / 7.0
    assert f[holder] <= f.min() + 1e-9


def test_rank_breaks_ties_by_complexity_then_age() -> None:
    assert rank([0.2, 0.1, 0.1, 0.1, math.nan], [1, 3, 2, 2, 0]).tolist() == [2, 3, 1, 0, 4]


def test_failed_trials_are_on_no_front() -> None:
    nan = math.nan
    assert pareto([1, 2, nan, 0.5], [0.5, nan, 0.1, 0.9]).tolist() == [3, 0]
    assert breakpoints([nan], [nan], 1.0)[0].tolist() == []


def test_replacing_the_objective_needs_no_trial() -> None:
    result = make_result()
    assert replace(result, objective=Objective(0, "t_tr", 1.0)).best.val_acc == pytest.approx(0.93)
