"""Early stopping: its rule, and that it decides the same whatever the store holds and whoever trains side by side."""

from __future__ import annotations

import math
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_search import numbers, tiny

import dnc
from dnc.config import MLP, Config
from dnc.errors import ArgumentError
from dnc.evaluation.early_stop import EarlyStop
from dnc.training.error_limits import best_errors, ends_after
from dnc.trial import Epoch, Trial

errors = st.lists(st.floats(0.01, 0.9), min_size=4, max_size=4)


def curve(*found: float) -> tuple[Epoch, ...]:
    return tuple(Epoch(1.0, 1.0, 1 - error, 0.5) for error in found)


def trial(*found: float) -> Trial:
    return Trial(Config(MLP()), 1 - min(found), 1.0, 10, curve=curve(*found))


HALVING = [trial(0.8, 0.4, 0.3, 0.4, 0.2), *[trial(0.4, 0.3, 0.3, 0.25, 0.25)] * 4]


def test_the_limits_are_those_of_the_steepest_curve_with_a_margin() -> None:
    rule = EarlyStop(HALVING, 5)  # rho = 1/4, 1/2, 2/3, 2/3
    assert rule.limits(0.1) == pytest.approx((1.6, 0.4, 0.225, 0.225))
    assert ends_after(curve(0.9, 0.41, 0.2, 0.1, 0.1), rule.limits(0.1)) == 2
    assert ends_after(curve(0.9, 0.4, 0.3, 0.1, 0.1), rule.limits(0.1)) == 3
    assert ends_after(curve(0.9, 0.4, 0.2, 0.3, 0.3), rule.limits(0.1)) == 0  # its best error counts
    assert ends_after(curve(0.9, 0.8, 0.8, 0.8, 0.8), rule.limits(-0.01)) == 1  # no room at all
    assert rule.expected_error(curve(0.9, 0.6)) == pytest.approx(0.6 * 0.25 / 0.3)


def test_too_few_curves_or_no_incumbent_end_nothing() -> None:
    assert EarlyStop(HALVING[:4], 5).limits(0.1) == ()
    assert EarlyStop(HALVING, 6).limits(0.1) == ()  # none of them is a whole training of six epochs
    assert EarlyStop(HALVING, 5).limits(math.inf) == ()
    assert ends_after(curve(0.9, 0.9), ()) == 0


@given(st.lists(errors, min_size=5, max_size=9), st.floats(0.001, 0.9))
def test_no_curve_that_the_rule_knows_is_ended_wrongly(found: list[list[float]], room: float) -> None:
    trials = [trial(*e) for e in found]
    limits = EarlyStop(trials, 4).limits(room)
    for known in trials:
        if best_errors(known.curve)[-1] <= room * (1 - 1e-9):  # it would win
            assert ends_after(known.curve, limits) == 0


def early(**changes) -> dnc.SearchResult:
    wide = dnc.MLPSpace(hidden_layers=(0, 1), nodes=(4, 120))
    return tiny(**{"space": wide, "epochs": 6, "n1": 6, "n2": 4, "early_stop": True, "wc": 0.0, **changes})


def test_a_search_ends_trainings_and_keeps_their_curves(tmp_path: Path) -> None:
    result = early(store=tmp_path / "trials.db")
    ended = [v.trial for v in result.visits if v.trial.status == "ended"]
    assert ended
    assert all(0 < len(t.curve) < 6 and math.isnan(t.val_acc) and "cannot win" in t.reason for t in ended)
    assert all(t.t_tr > 0 for t in ended)  # it was timed: another w_c can be judged
    assert math.isfinite(result.best.f)
    assert numbers(dnc.open_store(tmp_path / "trials.db").result(result.id)) == numbers(result)
    again = early(store=tmp_path / "trials.db")
    assert numbers(again) == numbers(result)
    assert all(v.trial.cached for v in again.visits)
    assert again.search_cost == pytest.approx(result.search_cost)


def test_what_the_store_holds_decides_nothing(tmp_path: Path) -> None:
    """Whole trainings that are known are judged as if they were trained now, and the reverse."""
    early(early_stop=False, store=tmp_path / "trials.db")
    known = early(store=tmp_path / "trials.db")
    assert any(v.trial.status == "ended" for v in known.visits)
    alone = early(store=only_times(tmp_path / "trials.db", tmp_path / "times.db"))
    assert numbers(alone) == numbers(known)
    whole = early(early_stop=False, store=tmp_path / "times.db")
    assert all(v.trial.status == "ok" for v in whole.visits)


def only_times(store: Path, path: Path) -> Path:
    """A copy of a store with its timings alone, so that a search takes the same steps."""
    shutil.copy(store, path)
    with closing(sqlite3.connect(path)) as db, db:
        for table in ("trainings", "visits", "searches"):
            db.execute(f"DELETE FROM {table}")
    return path


@pytest.mark.parametrize("method", ["paper", "fast"])
def test_workers_and_companions_decide_nothing(tmp_path: Path, method: str) -> None:
    changes = {"wc": 0.05, "method": method, "batch": 2, "seed": 1}
    alone = early(**changes, store=tmp_path / "alone.db")
    times = only_times(tmp_path / "alone.db", tmp_path / "times.db")
    assert any(v.trial.status == "ended" for v in alone.visits)
    assert numbers(early(**changes, workers=2, store=times)) == numbers(alone)


def test_it_is_off_unless_asked_for() -> None:
    result = early(early_stop=False)
    assert all(v.trial.status == "ok" for v in result.visits)
    assert "early_stop" not in result.spec
    with pytest.raises(ArgumentError, match="early_stop=1 is not allowed"):
        early(early_stop=1)
