"""A store that is carried to another machine: its trainings count there, its timings do not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from small_search import SPACE

import dnc
from dnc.searches.result import SearchResult
from dnc.training import engine
from dnc.training.clock import Calibration, Timing
from dnc.trial import Visit

SHORT: dict[str, Any] = {"epochs": 1, "n1": 2, "n2": 1, "n3": 20, "workers": 0, "progress": False}
PENALTIES = ("t_tr", "n_params")


class Machine:
    """What this process seems to run on, with a clock that counts: `seconds` are those of one step."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.name, self.seconds = "first", 1e-3
        self.timed = 0
        monkeypatch.setattr(engine, "machine_name", lambda engine: self.name)  # `machine_id` is made of it
        monkeypatch.setattr("dnc.workers.jobs.calibrate", self.calibrate)
        monkeypatch.setattr("dnc.workers.jobs.measure_t_tr", self.measure)

    def become(self, name: str, seconds: float) -> None:
        self.name, self.seconds, self.timed = name, seconds, 0

    def calibrate(self, used: engine.Engine) -> Calibration:
        return Calibration(self.seconds, engine.machine_id(used), self.name, used.id, used.threads)

    def measure(self, config: dnc.Config, data: dnc.Dataset, used: Any, clock: Calibration, **_: Any) -> Timing:
        assert clock.machine == engine.machine_id(used)  # it has been calibrated here
        self.timed += 1
        steps = data.n_train / config.training.batch_size + config.arch.depth
        return Timing(steps * clock.seconds, steps, 0.0, (), clock.machine, used.id)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


@pytest.fixture(scope="module")
def data() -> dnc.Dataset:
    return dnc.load_data("digits", n_train=200, n_val=100)


def searched(data: dnc.Dataset, store: Path, penalty: str) -> list[Visit]:
    return list(dnc.search(data, SPACE, penalty=penalty, store=store, **SHORT).visits)


def in_stages(data: dnc.Dataset, store: Path, penalty: str) -> list[Visit]:
    with dnc.Problem(data, wc=0.1, penalty=penalty, epochs=1, store=store) as problem:
        first = dnc.stage1(problem, SPACE, 2, 1, 20)
        last = dnc.stage3(problem, SPACE, dnc.stage2(problem, SPACE, first), 2, 1, 20)
    return list(last.so_far)


def transferred(data: dnc.Dataset, store: Path, penalty: str) -> list[Visit]:
    found = dnc.search(data, SPACE, penalty="n_params", **SHORT)  # elsewhere; only its architecture is used
    moved = dnc.transfer(found, data, penalty=penalty, store=store, workers=0, progress=False)
    return list(moved.visits)


def swept(data: dnc.Dataset, store: Path, penalty: str) -> list[Visit]:
    results = dnc.sweep(data, SPACE, wcs=(0.1, 1.0), penalty=penalty, store=store, **SHORT).results
    return [visit for result in results.values() for visit in result.visits]


def learned(visits: Sequence[Visit]) -> list[tuple[Any, ...]]:
    """What does not depend on the machine, with what the model expected."""
    return [
        (v.stage, v.step, v.substage, v.trial.config, v.trial.status, v.trial.val_acc, v.trial.n_params, repr(v.mu))
        for v in visits
    ]


def times(visits: Sequence[Visit]) -> list[float]:
    return [visit.trial.t_tr for visit in visits]


WAYS = [searched, in_stages, transferred, swept]


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("run", WAYS, ids=lambda run: run.__name__)
def test_on_another_machine_it_is_timed_again_and_not_trained_again(
    machine: Machine, data: dnc.Dataset, tmp_path: Path, run: Callable[..., list[Visit]], penalty: str
) -> None:
    store = tmp_path / "carried.db"
    first = run(data, store, penalty)
    rows = dnc.open_store(store).counts()
    machine.become("second", 3e-3)  # three times as slow with every network, so that f and the steps stay
    there = run(data, store, penalty)
    assert all(visit.trial.cached for visit in there)
    assert learned(there) == learned(first)
    assert times(there) == pytest.approx([3 * t_tr for t_tr in times(first)])
    after = dnc.open_store(store).counts()
    assert after["trainings"] == rows["trainings"]
    assert (after["timings"], after["clocks"]) == (2 * rows["timings"], 2 * rows["clocks"])
    machine.become("first", 1e-3)
    back = run(data, store, penalty)
    assert (learned(back), times(back)) == (learned(first), times(first))
    assert all(visit.trial.cached for visit in back)
    assert dnc.open_store(store).counts() == after


@pytest.mark.parametrize("run", WAYS, ids=lambda run: run.__name__)
def test_the_parameters_as_penalty_give_what_an_empty_store_gives(
    machine: Machine, data: dnc.Dataset, tmp_path: Path, run: Callable[..., list[Visit]]
) -> None:
    run(data, tmp_path / "carried.db", "n_params")
    machine.become("second", 7e-3)
    there = run(data, tmp_path / "carried.db", "n_params")
    anew = run(data, tmp_path / "empty.db", "n_params")
    assert (learned(there), times(there)) == (learned(anew), times(anew))
    assert {visit.trial.status for visit in there} == {"ok"}


def test_what_was_found_elsewhere_keeps_its_times(machine: Machine, data: dnc.Dataset, tmp_path: Path) -> None:
    result: SearchResult = dnc.search(data, SPACE, store=tmp_path / "carried.db", **SHORT)
    machine.become("second", 3e-3)
    with dnc.open_store(tmp_path / "carried.db") as store:
        assert store.result(result.id).best.f == result.best.f
        assert times(store.result(result.id).visits) == times(result.visits)
    assert machine.timed == 0


def test_a_failure_of_another_machine_is_tried_again(
    machine: Machine, data: dnc.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dnc.workers.jobs import TrainJob

    def run() -> SearchResult:
        return dnc.search(data, SPACE, penalty="n_params", store=tmp_path / "carried.db", **SHORT)

    with monkeypatch.context() as patch:
        train = TrainJob.__call__

        def fails_sometimes(job: TrainJob, data: dnc.Dataset) -> Any:
            if job.config.arch.depth == 1:
                raise MemoryError
            return train(job, data)

        patch.setattr(TrainJob, "__call__", fails_sometimes)
        patch.setattr("dnc.evaluation.evaluator.MAX_STACK", 1)
        assert {visit.trial.reason for visit in run().visits} == {"", "out of memory"}
    assert {visit.trial.reason for visit in run().visits} == {"", "out of memory"}  # here it is a record
    machine.become("second", 3e-3)
    assert {visit.trial.status for visit in run().visits} == {"ok"}
