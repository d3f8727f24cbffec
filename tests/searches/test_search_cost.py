"""What a search cost: the seconds of its trainings and timings, each once, new or looked up."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from small_search import SPACE, tiny

import dnc
from dnc.training.clock import Timing, timed_config
from dnc.training.paired_timing import Block, Pair

BLOCKS = (Pair(Block(0.25, 5), Block(0.5, 9)), Pair(Block(2.0, 7), Block(1.0, 3)))
SECONDS = 0.25 + 0.5 + 2.0 + 1.0  # of one timing: the network's blocks, and those of the calibration network


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    def measure(config: dnc.Config, data: Any, engine: Any, clock: Any, **_: Any) -> Timing:
        return Timing(1.0 + config.arch.depth, 1.0, 0.0, BLOCKS, clock.machine, clock.engine)

    monkeypatch.setattr("dnc.workers.jobs.measure_t_tr", measure)


def timings(*results: dnc.SearchResult) -> int:
    """How many timings there are: of what differs to the clock, of c_0, and once more of the winners."""
    screened = {timed_config(visit.trial.config) for result in results for visit in result.visits}
    winners = {timed_config(result.best.config) for result in results if result.status == "finished"}
    return len(screened) + 1 + len(winners)


def trainings(*results: dnc.SearchResult) -> float:
    seconds = {visit.trial.key: visit.trial.seconds for result in results for visit in result.visits}
    return sum(seconds.values())


def test_trainings_and_timings_count_once(tmp_path: Path) -> None:
    result = tiny(store=tmp_path / "trials.db", epochs=1)
    cost = trainings(result) + SECONDS * timings(result)
    assert result.search_cost == pytest.approx(cost, rel=1e-12)
    assert result.rescore(wc=3).search_cost == result.search_cost
    again = tiny(store=tmp_path / "trials.db", epochs=1)
    assert all(visit.trial.cached for visit in again.visits)
    with dnc.open_store(tmp_path / "trials.db") as store:
        opened = store.result(result.id)
    assert again.search_cost == opened.search_cost == pytest.approx(cost, rel=1e-12)


def test_another_search_in_the_store_adds_nothing(tmp_path: Path) -> None:
    result = tiny(store=tmp_path / "trials.db", epochs=1)
    tiny(store=tmp_path / "trials.db", epochs=1, seed=5)
    with dnc.open_store(tmp_path / "trials.db") as store:
        assert store.result(result.id).search_cost == pytest.approx(result.search_cost, rel=1e-12)


def test_what_two_searches_share_counts_once_in_a_sweep() -> None:
    data = dnc.load_data("digits", n_train=300, n_val=150)
    swept = dnc.sweep(data, SPACE, wcs=(0.0, 1.0), epochs=1, n1=3, n2=1, n3=20, workers=0, progress=False)
    results = list(swept.results.values())
    assert swept.best.search_cost.tolist() == [result.search_cost for result in results]
    pooled = trainings(*results) + SECONDS * timings(*results)
    assert swept.pooled.search_cost == pytest.approx(pooled, rel=1e-12)
    assert pooled < sum(swept.best.search_cost)


def test_a_stopped_search_has_the_cost_of_what_it_did() -> None:
    stop = threading.Event()

    def halt(progress: dnc.Progress) -> None:
        if progress.done == 2:
            stop.set()

    with pytest.raises(dnc.SearchStopped) as caught:
        tiny(progress=halt, stop=stop, epochs=1)
    result = caught.value.result
    assert result.search_cost == pytest.approx(trainings(result) + SECONDS * timings(result), rel=1e-12)
