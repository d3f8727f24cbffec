"""Series of timings: what searches with different clocks share, and what they do not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import dnc
from dnc.evaluation.setup import TrainingSetup
from dnc.objective import METRICS, Metric
from dnc.searches.archive import open_store
from dnc.searches.settings import SearchSettings
from dnc.training import clock, paired_timing
from dnc.training.engine import select_engine
from tests.small_search import SPACE, numbers, tiny


@pytest.fixture(autouse=True)
def _quick_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paired_timing, "MIN_BLOCK", 0.001)  # t_tr need not be exact here
    for limits in ("SCREENING", "PRECISE"):
        monkeypatch.setattr(clock, limits, (3, 3, 0.0, 0.0))


def timings(path: Path) -> dict[str, int]:
    """Number of rows of each kind in a store, and of the calibrations."""
    with open_store(path) as store:
        return store.counts()


def test_clocks_share_trainings_but_no_timing(tmp_path: Path) -> None:
    path = tmp_path / "trials.db"
    random: dict[str, Any] = {"optimizer": "random", "n1": 3, "n2": 0, "wc": 0.0, "store": path}
    first = tiny(**random)
    before = timings(path)
    second = tiny(**random, clock=1)
    after = timings(path)
    # at w_c = 0 timings decide nothing: the same configs, and every one of them was trained
    assert [v.trial.config for v in second.visits] == [v.trial.config for v in first.visits]
    assert [v.trial.key for v in second.visits] == [v.trial.key for v in first.visits]
    assert after["trainings"] == before["trainings"]
    assert after["timings"] == 2 * before["timings"]
    assert after["clocks"] == before["clocks"] == 1  # t_ref is common to all: it cancels in c / c_0
    for one, other in zip(first.visits, second.visits, strict=True):
        assert one.trial.t_tr != other.trial.t_tr
    assert first.facts["references"]["t_tr"] != second.facts["references"]["t_tr"]  # c_0 too is timed anew
    assert first.id != second.id


def test_a_clock_of_its_own_is_recorded_like_any_other(tmp_path: Path) -> None:
    path = tmp_path / "trials.db"
    first = tiny(store=path, clock=3)
    before = timings(path)
    assert numbers(tiny(store=path, clock=3)) == numbers(first)
    assert timings(path) == before


def test_names_of_searches_and_timings_from_before_there_were_clocks_stay() -> None:
    assert "clock" not in SearchSettings().to_dict()
    assert SearchSettings(clock=2).to_dict()["clock"] == 2
    assert SearchSettings.from_dict(SearchSettings(clock=2).to_dict()).clock == 2
    data = dnc.load_data("digits", n_train=300, n_val=150).flatten()
    setup = TrainingSetup(data, 2, 0, select_engine("cpu", family="mlp"))
    config = dnc.Config(dnc.MLP((5,)))
    assert "clock" not in setup.timing_subject(config)
    other = replace(setup, clock=2)
    assert other.timing_subject(config) == {**setup.timing_subject(config), "clock": 2}
    assert other.identity(config) == setup.identity(config)


def test_transfer_keeps_the_clock() -> None:
    result = tiny(clock=2, n1=1, n2=0)
    other = dnc.load_data("digits", n_train=250, n_val=150, split_seed=1)
    assert dnc.transfer(result, other, workers=0, progress=False).spec["clock"] == 2
    assert dnc.transfer(result, other, clock=5, workers=0, progress=False).spec["clock"] == 5
    assert "clock" not in dnc.transfer(result, other, clock=0, workers=0, progress=False).spec


def test_sweep_and_problem_have_clocks(tmp_path: Path) -> None:
    data = dnc.load_data("digits", n_train=300, n_val=150)
    common: dict[str, Any] = {"epochs": 1, "store": tmp_path / "trials.db", "workers": 0}
    members = dnc.sweep(data, SPACE, wcs=(0.0, 1.0), n1=1, n2=0, clock=1, progress=False, **common)
    assert {result.spec["clock"] for result in members.results.values()} == {1}
    references = {result.facts["references"]["t_tr"] for result in members.results.values()}
    with dnc.Problem(data, clock=1, **common) as problem:
        assert {problem.objective(SPACE).reference} == references
    with dnc.Problem(data, clock=2, **common) as problem:
        assert problem.objective(SPACE).reference not in references


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    calls: list[Any] = []

    def compute(subject: Any) -> float:
        calls.append(subject.config)
        return float(len(calls))

    monkeypatch.setitem(METRICS, "latency", Metric("latency", "s", "latency", compute=compute, measured=True))
    monkeypatch.setitem(METRICS, "flops", Metric("flops", "operations", "FLOPs", compute=compute, measured=False))
    return calls


@pytest.mark.parametrize(("penalty", "again"), [("latency", True), ("flops", False)])
def test_registered_metrics_that_are_measured_belong_to_a_clock(
    penalty: str, again: bool, counted: list[Any], tmp_path: Path
) -> None:
    random: dict[str, Any] = {"optimizer": "random", "n1": 2, "n2": 0, "wc": 0.0, "penalty": penalty}
    tiny(**random, store=tmp_path / "trials.db")
    n = len(counted)
    tiny(**random, store=tmp_path / "trials.db", clock=1)
    assert len(counted) == (2 * n if again else n)
