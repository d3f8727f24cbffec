"""From configs to trials: what is trained together, what is looked up, and what a failure costs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import dnc
from dnc.config import MLP, Config, Training
from dnc.evaluation.evaluator import STACK_NODES, Evaluator
from dnc.training.engine import Engine
from dnc.workers.jobs import Failure, StackJob, TrainJob
from dnc.workers.pool import Workers

NARROW = [Config(MLP((n,), p), Training(batch_size=64)) for n in (8, 20) for p in (0.0, 0.3)]
WIDE = Config(MLP((STACK_NODES + 1,)), Training(batch_size=64))
OTHER_BATCH = Config(MLP((8,)), Training(batch_size=50))


class Recording(Workers):
    """Runs jobs in this process, remembers them, and lets chosen kinds fail."""

    def __init__(self, failing: type | None = None) -> None:
        super().__init__(0)
        self.jobs: list[Any] = []
        self.failing = failing

    def run(self, jobs: Any, data: Any, stopped: Any = lambda: False) -> Iterator[Any]:
        for job in jobs:
            self.jobs.append(job)
            if self.failing is not None and isinstance(job, self.failing):
                yield job, Failure("worker process died (exit code -9)")
            else:
                yield job, next(iter(super().run([job], data, stopped)))[1]

    def trained(self) -> list[tuple[Config, ...]]:
        return [j.configs if isinstance(j, StackJob) else (j.config,) for j in self.jobs if hasattr(j, "seed")]


def evaluator(workers: Workers) -> Evaluator:
    data = dnc.load_data("digits", n_train=200, n_val=100).flatten()
    return Evaluator(data, epochs=2, workers=workers, device="cpu", family="mlp")


def test_narrow_perceptrons_of_one_batch_size_are_trained_side_by_side() -> None:
    workers = Recording()
    together = evaluator(workers).many([*NARROW, WIDE, OTHER_BATCH])
    stacks = [members for members in workers.trained() if len(members) > 1]
    assert stacks
    for members in workers.trained():
        assert len({c.training.batch_size for c in members}) == 1
        assert len(members) == 1 or WIDE not in members
    assert sorted(c.key for members in workers.trained() for c in members) == sorted(
        c.key for c in [*NARROW, WIDE, OTHER_BATCH]
    )
    alone = evaluator(Recording())
    for trial in together:
        other = alone(trial.config)
        assert (other.val_acc, other.key) == (trial.val_acc, trial.key)
        for a, b in zip(other.curve, trial.curve, strict=True):
            assert (a.train_loss, a.val_loss, a.val_acc) == (b.train_loss, b.val_loss, b.val_acc)


def test_a_stack_that_dies_takes_none_of_its_members_with_it() -> None:
    workers = Recording(failing=StackJob)
    trials = evaluator(workers).many(NARROW)
    assert all(t.ok for t in trials)
    assert sum(isinstance(j, TrainJob) for j in workers.jobs) == len(NARROW)


def test_a_training_that_dies_is_a_failed_trial_and_is_looked_up_again() -> None:
    workers = Recording(failing=TrainJob)
    evaluate = evaluator(workers)
    trial = evaluate(WIDE)
    assert (trial.status, trial.reason) == ("failed", "worker process died (exit code -9)")
    before = len(workers.jobs)
    assert evaluate(WIDE).status == "failed"
    assert len(workers.jobs) == before


def test_equal_configs_and_known_ones_are_trained_once() -> None:
    workers = Recording()
    evaluate = evaluator(workers)
    a, b = evaluate.many([WIDE, WIDE])
    assert a == b
    assert evaluate(WIDE).cached
    assert workers.trained() == [(WIDE,)]


def test_a_timing_serves_every_learning_rate_and_weight_decay() -> None:
    evaluate = evaluator(Recording())
    others = [Config(WIDE.arch, Training(lr=lr, weight_decay=wd, batch_size=64)) for lr, wd in ((0.1, 0), (0.01, 1e-4))]
    assert len({evaluate.t_tr(c) for c in [WIDE, *others]}) == 1
    assert evaluate.store.counts()["timings"] == 1
    assert evaluate.timing_key(OTHER_BATCH) != evaluate.timing_key(Config(MLP((8,)), Training(batch_size=64)))


def test_the_engine_names_the_numerics() -> None:
    evaluate = evaluator(Recording())
    assert evaluate.engine.kind == "direct"
    assert evaluate.identity(WIDE)["engine"] == evaluate.engine.id != Engine().id


def test_a_metric_must_be_a_number() -> None:
    from dnc.objective import METRICS

    dnc.register_metric("bad", lambda subject: -1.0)
    try:
        data = dnc.load_data("digits", n_train=200, n_val=100).flatten()
        with pytest.raises(dnc.SearchError, match="finite number >= 0"):
            Evaluator(data, epochs=1, device="cpu", family="mlp", penalty="bad")(WIDE)
    finally:
        METRICS.pop("bad")


def test_a_failure_of_circumstances_counts_only_under_the_same() -> None:
    """A time limit is no property of a config: without it, or with another, the training is tried."""
    data = dnc.load_data("digits", n_train=200, n_val=100).flatten()
    store = dnc.Store()

    def trial(limit: float | None, config: Config = WIDE) -> dnc.Trial:
        return Evaluator(data, epochs=2, store=store, device="cpu", family="mlp", trial_timeout=limit)(config)

    hopeless = Config(WIDE.arch, Training(lr=1e5, batch_size=64))
    assert trial(1e-9).reason == "time limit reached"
    assert trial(1e-9).cached
    assert trial(None).ok
    assert trial(1e-9).cached  # now there is a result, whatever the limit
    assert trial(1e-9).ok
    diverged = trial(None, hopeless)
    if not diverged.ok:  # a loss that is not finite is the config's own
        assert diverged.reason.startswith("the loss became")
        assert trial(60.0, hopeless).cached
