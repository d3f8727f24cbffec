"""What a search must not get wrong: stale rows, early stops, several spaces, closed stores."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from small_search import SPACE, numbers, tiny

import dnc
from dnc.config import MLP
from dnc.errors import ArgumentError, SearchError
from dnc.searches.result import SearchResult

pytestmark = pytest.mark.usefixtures("counted_clock")


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> SearchResult:
    return tiny(store=tmp_path_factory.mktemp("store") / "t.db")


def test_each_space_has_its_own_reference() -> None:
    data = dnc.load_data("digits", n_train=300, n_val=150)
    small, large = (dnc.MLPSpace(hidden_layers=(0, 1), nodes=(4, n)) for n in (8, 32))
    with dnc.Problem(data, wc=1.0, penalty="n_params", epochs=1) as problem:
        c_0 = [problem.objective(space).reference for space in (small, large, small)]
    assert c_0 == [dnc.count_params(MLP((n,)), (64,), 10) for n in (8, 32, 8)]


def test_steps_of_an_earlier_run_do_not_stay(tmp_path: Path) -> None:
    """A run that takes fewer steps than the one before, e.g. after a retry, is what the store gives back."""
    result = tiny(store=tmp_path / "t.db")
    assert result.store is not None
    last = max(v.step for v in result.visits if v.stage == 3)
    columns = "substage, config, status, reason, training, timing, n_params, metrics, mu, sigma, ei"
    result.store._write(
        f"INSERT INTO visits (search, stage, step, {columns}) SELECT search, stage, step + 1, {columns} "
        "FROM visits WHERE search=? AND stage=3 AND step=?",
        result.id,
        last,
    )
    assert isinstance(result.store, dnc.Store)
    assert len(result.store.result(result.id).visits) == len(result.visits) + 1
    assert numbers(tiny(store=result.store)) == numbers(result.store.result(result.id)) == numbers(result)


def test_a_finished_search_that_is_run_again_and_stopped_stays_finished(tmp_path: Path) -> None:
    result = tiny(store=tmp_path / "t.db")
    assert result.store is not None
    stop = threading.Event()
    seen = []

    def halt(progress: dnc.Progress) -> None:
        seen.append(progress)
        if len(seen) == 2:
            stop.set()

    with pytest.raises(dnc.SearchStopped) as stopped:
        tiny(store=result.store, progress=halt, stop=stop)
    assert stopped.value.result.status == "stopped"
    assert isinstance(result.store, dnc.Store)
    again = result.store.result(result.id)
    assert again.status == "finished"
    assert numbers(again) == numbers(result)


def test_stopped_before_anything_has_a_result_without_rows() -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(dnc.SearchStopped) as stopped:
        tiny(stop=stop)
    result = stopped.value.result
    assert len(result.trials) == len(result.steps) == len(result.pareto()) == len(result.breakpoints()) == 0
    assert {"f", "val_acc", "t_tr"} <= set(result.trials.columns)
    with pytest.raises(SearchError, match="no finished trial"):
        _ = result.best


def test_a_result_has_the_data_that_it_was_given() -> None:
    """Images stay images, also after a search for perceptrons, which see them flat."""
    data = dnc.load_data("digits", n_train=200, n_val=100)
    assert tiny(data=data, n1=1, n2=0).data is data
    stop = threading.Event()
    stop.set()
    with pytest.raises(dnc.SearchStopped) as stopped:
        tiny(data=data, stop=stop)
    assert stopped.value.result.data is data


def test_what_is_stopped_before_c_0_is_known_leaves_no_row(found: SearchResult) -> None:
    """Also where c_0 would only have to be looked up."""
    assert isinstance(found.store, dnc.Store)
    before, stop = found.store.counts(), threading.Event()
    stop.set()
    with pytest.raises(KeyboardInterrupt):
        tiny(store=found.store, wc=7.0, stop=stop)
    assert found.store.counts() == before


def test_a_store_without_this_machines_timings_is_timed_again(tmp_path: Path) -> None:
    """As one that was carried here: what is trained is not trained again, and does not count as failed."""
    result = tiny(store=tmp_path / "t.db", penalty="n_params")
    assert isinstance(result.store, dnc.Store)
    trained = result.store.counts()["trainings"]
    result.store._write("DELETE FROM timings")
    again = tiny(store=result.store, penalty="n_params")
    assert numbers(again) == numbers(result)
    assert result.store.counts()["trainings"] == trained
    assert result.store.counts()["timings"] > 0


def test_a_problem_tries_a_failure_again_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from dnc.training.stepper import TrainingFailed
    from dnc.workers import jobs

    calls = 0

    def fail(*args: object, **options: object) -> None:
        nonlocal calls
        calls += 1
        raise TrainingFailed("no")

    monkeypatch.setattr(jobs, "train", fail)
    data = dnc.load_data("digits", n_train=200, n_val=100)
    space = dnc.MLPSpace(hidden_layers=(1, 1), nodes=(110, 200))  # too wide for stacks, which `train` does not see
    counts = []
    with dnc.Problem(data, penalty="n_params", epochs=1, retry_failed=True) as problem:
        for _ in range(2):
            with pytest.raises(SearchError, match="all 3 trials failed"):
                dnc.stage1(problem, space, n1=3, n2=0)
            counts.append(calls)
    assert counts == [3, 3]


def test_transfer_refuses_zero_epochs(found: SearchResult) -> None:
    data = dnc.load_data("digits", n_train=300, n_val=150)
    with pytest.raises(ArgumentError, match="epochs=0"):
        dnc.transfer(found, data, epochs=0, workers=0, progress=False)


def test_a_search_needs_validation_samples() -> None:
    rng = np.random.default_rng(0)
    data = dnc.Dataset.from_arrays(rng.random((60, 4)), np.arange(60) % 3).final()
    with pytest.raises(ArgumentError, match="0 validation samples"):
        dnc.search(data, SPACE, workers=0, progress=False)


def test_a_closed_store_does_not_keep_a_result_from_being_refitted(found: SearchResult) -> None:
    assert found.store is not None
    assert found.store.path is not None
    with dnc.open_store(found.store.path) as store:
        result = store.result(found.id)
    data = dnc.load_data("digits", n_train=300, n_val=150)
    assert result.refit(epochs=1, data=data, progress=False).t_tr > 0


def test_a_sweep_runs_side_by_side_and_gives_the_same() -> None:
    data = dnc.load_data("digits", n_train=300, n_val=150)

    def family(workers: int) -> list[list[tuple]]:
        swept = dnc.sweep(data, SPACE, wcs=(0, 0.5, 5), penalty="n_params", epochs=1, n1=2, n2=2, n3=20,
                          workers=workers, progress=False)  # fmt: skip
        return [[(v.step, v.trial.config, v.trial.val_acc) for v in r.visits] for r in swept.results.values()]

    assert family(0) == family(2)
