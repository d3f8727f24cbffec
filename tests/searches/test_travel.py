"""Results and what belongs to them, pickled and copied: into another process, a cache, another folder."""

from __future__ import annotations

import copy
import io
import pickle
import threading
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from small_search import SPACE, numbers, tiny

import dnc
from dnc.errors import ArgumentError, StoreError
from dnc.searches.result import SearchResult
from dnc.store.rows import TrialStore

pytestmark = pytest.mark.usefixtures("counted_clock")


def through_joblib(value: Any) -> Any:
    file = io.BytesIO()
    joblib.dump(value, file)
    file.seek(0)
    return joblib.load(file)


def through_pickle(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))


WAYS = [through_pickle, through_joblib, copy.deepcopy]
each_way = pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)


@pytest.fixture(params=["memory", "file"])
def result(request: pytest.FixtureRequest, tmp_path: Path) -> SearchResult:
    return tiny(penalty="n_params", epochs=1, store=None if request.param == "memory" else tmp_path / "trials.db")


@each_way
def test_a_result_answers_as_before(result: SearchResult, way: Callable[[Any], Any]) -> None:
    there: SearchResult = way(result)
    assert there.best == result.best
    assert there.trials.equals(result.trials)
    assert there.rescore(wc=3).best == result.rescore(wc=3).best
    assert repr(there) == repr(result)
    assert there.plot() is not None
    assert there.data is not None
    assert result.data is not None
    assert there.data.fingerprint == result.data.fingerprint
    model = there.refit(1, progress=False)
    assert model.test_acc == result.refit(1, progress=False).test_acc
    assert there.store is not None
    assert result.store is not None
    assert there.store.counts() == result.store.counts()
    again = tiny(penalty="n_params", epochs=1, store=there.store)
    assert all(visit.trial.cached for visit in again.visits)


@each_way
def test_what_belongs_to_a_result_stays_the_same(result: SearchResult, way: Callable[[Any], Any]) -> None:
    model = result.refit(1, progress=False)
    data = result.data
    assert data is not None
    problem = dnc.Problem(data, penalty="n_params", epochs=1)
    stage = dnc.stage1(problem, SPACE, 2, 1)
    trials = [visit.trial for visit in result.visits]
    for value in (result.best, trials, result.best.config, result.best.trial, SPACE, result.objective, stage.objective):
        assert way(value) == value
    assert (way(stage).best.trial, way(stage).f, repr(way(stage))) == (stage.best.trial, stage.f, repr(stage))
    for split in ("x_train", "y_train", "x_val", "y_val", "x_test", "y_test"):
        assert np.array_equal(getattr(way(data), split), getattr(data, split))
    for voter in (model, dnc.Ensemble((model, model), data)):
        assert np.array_equal(way(voter).predict_proba(data.x_test), voter.predict_proba(data.x_test))
    carried = way(model)
    assert all(getattr(carried, f.name) == getattr(model, f.name) for f in fields(model) if f.name != "network")
    sweep = dnc.Sweep({0.1: result, 1.0: result.rescore(wc=1.0)})
    assert way(sweep).best.equals(sweep.best)


@each_way
def test_a_problem_goes_on_with_its_trials(way: Callable[[Any], Any]) -> None:
    data = dnc.load_data("digits", n_train=300, n_val=150)
    problem = dnc.Problem(data, penalty="n_params", epochs=1)
    before = dnc.stage1(problem, SPACE, 2, 1)
    there = way(problem)
    after = dnc.stage1(there, SPACE, 2, 1)
    assert [visit.trial.cached for visit in after.visits] == [True] * 3
    assert after.visits == before.visits
    there.stop.set()  # its own
    assert not problem.stop.is_set()
    assert way(there).stop.is_set()


@each_way
def test_a_stopped_search_can_be_sent_and_goes_on(way: Callable[[Any], Any]) -> None:
    stop = threading.Event()

    def halt(progress: dnc.Progress) -> None:
        if progress.done == 2:
            stop.set()

    with pytest.raises(dnc.SearchStopped) as caught:
        tiny(penalty="n_params", progress=halt, stop=stop)
    error = way(caught.value)
    assert str(error) == str(caught.value)
    assert len(error.result.visits) == 2
    assert numbers(tiny(penalty="n_params", store=error.store)) == numbers(tiny(penalty="n_params"))


@pytest.mark.parametrize("way", WAYS[:2], ids=lambda way: way.__name__)
def test_a_result_whose_store_stayed_behind_can_be_read(tmp_path: Path, way: Callable[[Any], Any]) -> None:
    result = tiny(penalty="n_params", epochs=1, store=tmp_path / "trials.db")
    assert result.store is not None
    result.store.close()
    (tmp_path / "trials.db").rename(tmp_path / "moved.db")
    there = way(result)
    assert there.best == result.best
    assert there.refit(1, progress=False).n_params == there.best.n_params
    with pytest.raises(StoreError, match=r"store='.*trials\.db' cannot be used"):
        there.store.counts()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["moved.db"]


def test_a_store_finds_its_file_from_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with dnc.Store("trials.db") as store:
        content = pickle.dumps(store)
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    with pickle.loads(content) as there:
        assert there.path == tmp_path / "trials.db"
        assert there.counts()["searches"] == 0


def test_a_closed_store_in_memory_stays_closed() -> None:
    store = TrialStore()
    store.close()
    there = pickle.loads(pickle.dumps(store))
    with pytest.raises(StoreError, match="closed"):
        there.counts()


def test_workers_are_as_many_of_their_own() -> None:
    with dnc.Workers(2, timeout=60) as workers:
        there = pickle.loads(pickle.dumps(workers))
        assert (there.count, there.timeout, there.pids) == (2, 60.0, [])
        assert copy.deepcopy(workers) is workers  # a copy of what shares them shares them


def test_a_search_that_runs_is_one_line() -> None:
    data = dnc.load_data("digits", n_train=100, n_val=50)
    handle = dnc.start(data, SPACE, penalty="n_params", epochs=1, n1=1, n2=0, workers=0)
    for way in WAYS:
        with pytest.raises(ArgumentError, match=r"cannot be pickled or copied: take its \.result\(\)"):
            way(handle)
    assert through_pickle(handle.result()).best == handle.result().best
