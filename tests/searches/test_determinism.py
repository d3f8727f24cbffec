"""The contract of docs/determinism.md that no other file tests."""

from __future__ import annotations

from typing import Any

import pytest

import dnc
from dnc.config import Config
from dnc.training.clock import Timing
from dnc.training.engine import Engine, machine_id
from dnc.workers import jobs

SPACE = dnc.MLPSpace(hidden_layers=(0, 2), nodes=(4, 30), training=dnc.TrainingSpace(batch_size=(16, 64)))


def steps(store: dnc.Store, workers: int, **changes: Any) -> list[Any]:
    data = dnc.load_data("digits", n_train=80, n_val=40)
    result = dnc.search(data, SPACE, penalty="n_params", epochs=2, n1=4, n2=4, n3=60, seed=3, device="cpu",
                        store=store, workers=workers, progress=False, **changes)  # fmt: skip
    return [
        (v.stage, v.substage, v.step, v.trial.config, v.trial.val_acc, repr(v.mu), repr(v.sigma), repr(v.ei),
         [(e.train_loss, e.val_loss) for e in v.trial.curve])
        for v in result.visits
    ]  # fmt: skip


@pytest.fixture(autouse=True)
def _quick_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Timings at once, in this process; with this penalty they do not matter."""

    def timing(
        config: Config, data: dnc.Dataset, engine: Engine, reference: Any, epochs: Any = None, precise: bool = False
    ) -> Timing:
        return Timing(0.01, 1.0, 0.0, (), machine_id(engine), engine.id)

    monkeypatch.setattr(jobs, "measure_t_tr", timing)


@pytest.mark.parametrize("batch", [1, 3])
def test_the_number_of_workers_does_not_change_what_is_proposed(batch: int) -> None:
    store = dnc.Store()
    alone = steps(store, 0, batch=batch)
    for table in ("visits", "searches", "trainings"):  # the timings stay: they take most of the time
        store._write(f"DELETE FROM {table}")
    assert steps(store, 3, batch=batch) == alone
    assert store.counts()["trainings"] == len({step[3] for step in alone})


def test_a_store_full_of_other_trials_changes_nothing() -> None:
    store = dnc.Store()
    steps(store, 0, wc=5.0)
    assert steps(store, 0) == steps(dnc.Store(), 0)


def test_batches_of_proposals_are_part_of_the_search() -> None:
    store = dnc.Store()
    one, three = steps(store, 0, batch=1), steps(store, 0, batch=3)
    assert [s[3] for s in one[:5]] == [s[3] for s in three[:5]]  # up to the first proposal of the model
    assert one != three
