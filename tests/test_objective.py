"""Eqs. (1), (2a), (2b) in closed form, and the trade-off arithmetic against brute force."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnc.config import MLP, Config
from dnc.errors import ArgumentError
from dnc.objective import METRICS, Objective, register_metric
from dnc.tradeoff import breakpoints, pareto, rank
from dnc.trial import Trial


def test_equation_1() -> None:
    f = Objective(wc=0.1, penalty="t_tr", reference=4.0)
    assert f(0.9, 2.0) == pytest.approx(0.1 + 0.1 * 0.5, abs=1e-15)
    np.testing.assert_allclose(f([1.0, 0.5], [0.0, 4.0]), [0.0, 0.6], atol=1e-15)


def test_without_penalty_complexity_does_not_matter() -> None:
    assert Objective(0, "t_tr", 1.0)(0.75, math.nan) == 0.25


def test_of_a_trial() -> None:
    trial = Trial(Config(MLP()), val_acc=0.8, t_tr=3.0, n_params=50, metrics={"flops": 7.0})
    assert Objective(1, "t_tr", 6.0).of(trial) == pytest.approx(0.2 + 0.5)
    assert Objective(1, "n_params", 100.0).of(trial) == pytest.approx(0.2 + 0.5)
    failed = Trial(Config(MLP()), math.nan, 3.0, 50, status="failed", reason="out of memory")
    assert Objective(1, "t_tr", 6.0).of(failed) == math.inf
    assert trial.complexity("flops") == 7.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((-0.1, "t_tr", 1.0), "wc=-0.1"),
        ((math.nan, "t_tr", 1.0), "wc=nan"),
        ((1, "ttr", 1.0), "did you mean 't_tr'"),
        ((1, "t_tr", 0.0), "reference=0.0"),
    ],
)
def test_bad_objectives(arguments: tuple, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        Objective(*arguments)


def test_a_metric_is_one_registered_function(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dnc.objective.METRICS", dict(METRICS))
    register_metric("depth", lambda subject: subject.config.arch.depth, unit="layers")
    assert Objective(1, "depth", 2).penalty == "depth"
    for name in ("t_tr", "no name"):
        with pytest.raises(ArgumentError, match="identifier"):
            register_metric(name, lambda subject: 0.0)


points = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), min_size=1, max_size=30)


@given(points)
def test_pareto_against_brute_force(pairs: list[tuple[int, int]]) -> None:
    c, e = np.array(pairs, dtype=float).T
    found = pareto(c, e)
    for i in range(len(c)):
        dominated = any(
            (c[j] <= c[i] and e[j] <= e[i]) and (c[j] < c[i] or e[j] < e[i] or j < i) for j in range(len(c)) if j != i
        )
        assert (i in found) == (not dominated)
    assert (np.diff(c[found]) > 0).all()


@given(points, st.floats(0.01, 100))
def test_breakpoints_name_the_winner_at_every_wc(pairs: list[tuple[int, int]], reference: float) -> None:
    c, e = np.array(pairs, dtype=float).T
    winners, start = breakpoints(c, e, reference)
    assert start[0] == 0
    assert (np.diff(start) > 0).all()
    middles = np.append((start[:-1] + start[1:]) / 2, start[-1] * 2 + 1)
    for winner, wc in zip(winners, middles, strict=True):
        f = e + wc * c / reference
        assert f[winner] <= f.min() * (1 + 1e-9)
    for k in range(1, len(start)):  # at the breakpoint both have the same f
        a, b = winners[k - 1], winners[k]
        assert e[a] + start[k] * c[a] / reference == pytest.approx(e[b] + start[k] * c[b] / reference)


def test_breakpoints_closed_form() -> None:
    winners, start = breakpoints([4.0, 2.0, 1.0, 3.0], [0.1, 0.2, 0.4, 0.19], reference=4.0)
    assert winners.tolist() == [0, 1, 2]  # the last point lies above the hull
    np.testing.assert_allclose(start, [0, 0.2, 0.8])


def test_failed_trials_never_win() -> None:
    assert pareto([1.0, math.nan, 2.0], [0.5, 0.0, math.nan]).tolist() == [0]
    assert rank([math.nan, 0.2, 0.2, 0.1], [1.0, 5.0, 4.0, 9.0]).tolist() == [3, 2, 1, 0]
    assert pareto([], []).tolist() == []
