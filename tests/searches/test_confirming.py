"""What could be the best of a stage is timed again before the stage decides, and the winner once more."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest
from small_search import numbers, tiny

import dnc
from dnc.config import MLP, Config, Training, content_hash
from dnc.objective import Objective
from dnc.searches.confirming import within_reach
from dnc.searches.table import TrialTable
from dnc.training.clock import Timing, timed_config
from dnc.trial import Reading, Trial

ROUGH, PRECISE = 0.05, 0.005  # relative errors of the noisy clock
CHEAP = {"wc": 5.0, "space": dnc.MLPSpace(hidden_layers=(0, 1), nodes=(4, 8))}  # times decide, and lie close together


class NoisyClock:
    """A clock whose readings err by a known amount, the same in every run; it counts what it is asked."""

    def __init__(self) -> None:
        self.noise, self.asked = 0, Counter[bool]()
        self.screened: list[float] = []  # what was read, as multiples of the truth

    @staticmethod
    def truth(config: Config, data: dnc.Dataset) -> float:
        return 1e-3 + 1e-6 * dnc.count_params(config.arch, data.input_shape, data.n_classes)

    def __call__(self, config, data, engine, calibration, epochs=None, precise=False) -> Timing:
        self.asked[precise] += 1
        error = PRECISE if precise else ROUGH
        subject = [config.to_dict()["arch"], config.training.batch_size]
        # the third reading of a config is another draw than its second, as a real clock's is
        draw = content_hash([self.noise, subject, precise, self.asked[precise] if precise else 0])
        ratio = 1 + error * Random(draw).gauss(0, 1)
        if not precise:
            self.screened.append(ratio)
        t_tr = ratio * self.truth(config, data)
        return Timing(t_tr, 1.0, error, (), calibration.machine, calibration.engine)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> NoisyClock:
    clock = NoisyClock()
    monkeypatch.setattr("dnc.workers.jobs.measure_t_tr", clock)
    return clock


def test_no_trial_that_could_win_is_left_with_a_rough_timing(clock: NoisyClock) -> None:
    result = tiny(**CHEAP)
    best = result.best
    assert best.selected is not None
    assert (best.trial.reading, best.selected.reading) == (Reading.REPORTED, Reading.CONFIRMED)
    for visit in result.visits:
        trial, f = visit.trial, result.objective.of(visit.trial)
        if trial.reading is Reading.SCREENED:
            assert f - 2 * result.objective.timing_error(trial) > best.f_selected
        assert trial.t_tr_se == pytest.approx((ROUGH if trial.reading is Reading.SCREENED else PRECISE) * trial.t_tr)
    readings = Counter(visit.trial.reading for visit in result.visits)
    assert 0 < readings[Reading.CONFIRMED] < len(result.visits)  # a few, not all


def test_the_reported_time_is_free_of_the_winners_curse(clock: NoisyClock) -> None:
    """Of many noisy times the smallest is too small; a fresh one is right on average."""
    rough, reported = [], []
    data = dnc.load_data("digits", n_train=300, n_val=150)
    with dnc.Store() as store:
        for clock.noise in range(12):
            with store._transaction():
                store._db.execute("DELETE FROM timings")  # a new clock, the same trainings
            clock.screened.clear()
            result = tiny(store=store, n1=6, n2=2, data=data, **CHEAP)
            rough.append(min(clock.screened) - 1)
            reported.append(result.best.t_tr / clock.truth(result.best.config, data) - 1)
    standard_error = PRECISE / math.sqrt(len(reported))
    assert abs(np.mean(reported)) < 3 * standard_error
    assert np.mean(rough) < -3 * standard_error


def test_running_again_gives_the_same_and_measures_and_writes_nothing(clock: NoisyClock, tmp_path: Path) -> None:
    store = dnc.Store(tmp_path / "t.db")
    first = tiny(store=store, **CHEAP)
    asked, rows = clock.asked.copy(), store.visits(first.id)
    changes = store._db.total_changes
    second = tiny(store=store, **CHEAP)
    opened = store.result(first.id)
    for again in (second, opened):
        assert numbers(again) == numbers(first)
        assert [v.trial.reading for v in again.visits] == [v.trial.reading for v in first.visits]
        assert (again.best, again.best.f_selected) == (first.best, first.best.f_selected)
        assert again.best.t_tr_se == first.best.t_tr_se
        assert again.trials.t_tr_se.tolist() == first.trials.t_tr_se.tolist()
    assert (clock.asked, store.visits(first.id)) == (asked, rows)
    assert store._db.total_changes - changes <= 2  # the search's own row: that it runs, and has ended
    store.close()


@pytest.mark.parametrize("changes", [{"wc": 0.0}, {"penalty": "n_params"}], ids=["w_c = 0", "N_p"])
def test_without_noise_in_f_only_the_winner_and_c_0_are_timed_again(clock: NoisyClock, changes: dict) -> None:
    result = tiny(**changes)
    assert {visit.trial.reading for visit in result.visits} == {Reading.SCREENED}
    assert result.best.trial.reading is Reading.REPORTED
    assert clock.asked[True] == 2
    assert result.best.f == result.best.f_selected  # f does not know of t_tr


def test_both_readings_are_rows(clock: NoisyClock) -> None:
    with dnc.Store() as store:
        result = tiny(store=store, **CHEAP)
        readings = Counter(row[0] for row in store._all("SELECT json_extract(subject, '$.reading') FROM timings"))
    timed = {timed_config(visit.trial.config) for visit in result.visits}
    assert readings[None] == len(timed)
    assert readings["reported"] == 1
    assert readings["confirmed"] == len({trial.t_tr for trial in confirmed(result)} | {result.objective.reference})


def confirmed(result: dnc.SearchResult) -> list[Trial]:
    return [visit.trial for visit in result.visits if visit.trial.reading is Reading.CONFIRMED]


def test_the_members_of_a_sweep_report_their_own_winners(clock: NoisyClock) -> None:
    data = dnc.load_data("digits", n_train=300, n_val=150)
    searches = dnc.sweep(data, CHEAP["space"], wcs=(0.1, 5.0), epochs=2, n1=3, n2=2, n3=50, workers=0, progress=False)
    for i, wc in enumerate((0.1, 5.0)):
        best = searches[wc].best
        for column in ("f", "f_selected", "t_tr", "t_tr_se"):
            assert searches.best[column][i] == getattr(best, column)


def trial(t_tr: float, se: float, val_acc: float = 0.5, name: int = 1) -> Trial:
    return Trial(Config(MLP((name,)), Training()), val_acc, t_tr, 1, t_tr_se=se)


def test_within_reach_of_the_best() -> None:
    objective = Objective(1.0, "t_tr", 1.0)
    sure, near, far, failed = trial(0.1, 0.0), trial(0.2, 0.06), trial(0.2, 0.04), trial(0.1, 0.1, math.nan)
    assert within_reach([sure, near, far, failed], objective) == [sure, near]
    assert within_reach([], objective) == []
    assert objective.timing_error(near) == 0.06
    assert objective.timing_error(trial(0.1, math.nan)) == 0.0
    assert Objective(1.0, "n_params", 1.0).timing_error(near) == 0.0


def test_the_bound_of_f_allows_for_the_error_of_the_timing() -> None:
    """What a precise timing might let win is not ruled out by a rough one."""
    objective = Objective(2.0, "t_tr", 1.0)
    assert objective.bound(trial(0.5, 0.1)) == pytest.approx(2 * (0.5 - 2 * 0.1))
    assert objective.bound(trial(0.5, 0.4)) == 0.0
    assert objective.bound(trial(0.5, math.nan)) == objective.penalty_term(trial(0.5, 0.1)) == 1.0


def test_a_stage_function_confirms_too(clock: NoisyClock) -> None:
    data = dnc.load_data("digits", n_train=300, n_val=150)
    seen: list[dnc.Visit] = []
    with dnc.Problem(data, wc=5.0, epochs=1, observer=seen.append) as problem:
        first = dnc.stage1(problem, CHEAP["space"], n1=4, n2=1, n3=20)
        second = dnc.stage2(problem, CHEAP["space"], first)
    assert first.best.trial.reading is Reading.CONFIRMED
    assert second.best.trial.reading is Reading.CONFIRMED
    assert seen[0].trial.reading is Reading.SCREENED
    assert Reading.CONFIRMED in {visit.trial.reading for visit in seen}


def test_nothing_is_within_the_error_of_no_trial() -> None:
    result = tiny(wc=0.1, penalty="n_params", n1=1, n2=0)
    nothing = replace(result, visits=(), table=TrialTable(()))
    assert len(nothing.within_error) == 0
    assert list(nothing.within_error.columns) == list(result.within_error.columns)
