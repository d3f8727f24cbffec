"""A failed trial is a row with its reason, not the end of a search: whatever the cause, the search goes on."""

from __future__ import annotations

import gc
import math
import os
import signal
import weakref
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch

import dnc
from dnc.config import MLP, Config, Training
from dnc.errors import ArgumentError, SearchError
from dnc.searches.problem import Problem
from dnc.training import memory, stepper
from dnc.training.clock import Timing
from dnc.training.engine import Engine, machine_id
from dnc.training.loop import Outcome
from dnc.training.mlp_cpu.direct import DirectStack
from dnc.trial import Trial
from dnc.workers import jobs
from dnc.workers.jobs import DIED, TIME_LIMIT, Failure, TrainJob, run_job

SPACE = dnc.MLPSpace(hidden_layers=(0, 1), nodes=(4, 40), training=dnc.TrainingSpace(batch_size=(32, 32)))


@pytest.fixture(scope="module")
def data() -> dnc.Dataset:
    return dnc.load_data("digits", n_train=60, n_val=30)


@pytest.fixture(autouse=True)
def _quick_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Timings of no interest here, at once, in this process."""

    def timing(config: Config, data: dnc.Dataset, engine: Engine, *_: Any, **__: Any) -> Timing:
        return Timing(0.01, 1.0, 0.0, (), machine_id(engine), engine.id)

    monkeypatch.setattr(jobs, "measure_t_tr", timing)


def search(data: dnc.Dataset, space: dnc.MLPSpace = SPACE, **changes: Any) -> dnc.SearchResult:
    options: dict[str, Any] = {"penalty": "n_params", "epochs": 2, "n1": 4, "n2": 2, "n3": 50, "workers": 0,
                               "device": "cpu", "progress": False, "store": dnc.Store(), **changes}  # fmt: skip
    return dnc.search(data, space, **options)


def failing(monkeypatch: pytest.MonkeyPatch, error: Exception, nodes: int = 20) -> None:
    """Perceptrons of `nodes` to 100 nodes raise `error` when they train, alone or beside others."""
    make, train = DirectStack.__init__, DirectStack.step

    def remember(self: Any, configs: Any, *args: Any) -> None:
        make(self, configs, *args)
        self.too_large = any(nodes <= sum(c.arch.hidden) <= 100 for c in configs)  # the clock's has 300

    def step(self: Any, start: int, stop: int) -> None:
        if self.too_large:
            raise error
        train(self, start, stop)

    monkeypatch.setattr(DirectStack, "__init__", remember)
    monkeypatch.setattr(DirectStack, "step", step)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ValueError("shapes do not fit\nat all"), "ValueError: shapes do not fit"),
        (MemoryError(), "out of memory"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"), "out of memory"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), "out of memory"),
        (RecursionError("maximum depth"), "RecursionError: maximum depth"),
    ],
    ids=["exception", "host", "allocator", "cuda", "recursion"],
)
def test_an_error_in_the_network_is_a_row(
    data: dnc.Dataset, monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str
) -> None:
    failing(monkeypatch, error)
    result = search(data)
    failed = [v for v in result.visits if not v.trial.ok]
    assert failed
    assert {v.trial.reason for v in failed} == {reason}
    assert all(max(v.trial.config.arch.hidden) >= 20 for v in failed)  # type: ignore[union-attr]
    assert len([v for v in result.visits if v.stage == 1]) == 6  # it went on
    assert result.best.trial.ok
    again = search(data, store=result.store)
    assert again.visits == result.visits  # a failure is a record like any other
    assert all(v.trial.cached for v in again.visits)
    assert result.trials["status"].tolist().count("failed") == len({v.trial.key for v in failed})


def test_a_loss_that_is_not_finite_is_a_row(data: dnc.Dataset) -> None:
    deep = dnc.MLPSpace(hidden_layers=(8, 8), nodes=(4, 8), training=dnc.TrainingSpace(lr=(1e-3, 1e6)))
    result = search(data, deep, n1=8, epochs=4)
    failed = [v for v in result.visits if not v.trial.ok]
    assert failed
    assert all(v.trial.reason.startswith("the loss became") for v in failed)
    assert all(v.trial.config.training.lr > 1 for v in failed)
    assert all(math.isfinite(v.mu) and math.isfinite(v.sigma) for v in result.visits if not math.isnan(v.mu))
    assert result.best.trial.ok


def test_the_optimizer_is_told_the_worst_finite_value_and_keeps_away(data: dnc.Dataset) -> None:
    def evaluate(config: Config) -> Trial:
        nodes = sum(config.arch.hidden)  # type: ignore[union-attr]
        if nodes > 150:
            return Trial(config, math.nan, math.nan, nodes, status="failed", reason="out of memory")
        return Trial(config, 0.5 + nodes / 1000, 1.0, nodes)

    problem = Problem(None, reference=1.0, evaluate=evaluate, seed=3)
    space = dnc.MLPSpace(hidden_layers=(1, 1), nodes=(20, 400))
    visits = dnc.stage1(problem, space, n1=8, n2=12, n3=200).visits
    first, steps = visits[:8], visits[8:]
    assert any(not v.trial.ok for v in first)
    assert all(math.isfinite(v.mu) and v.mu < 0 for v in steps)  # log10 of an error: nothing infinite got in
    assert sum(v.trial.ok for v in steps) > len(steps) * (150 - 20) / (400 - 20) + 1  # better than blindly


def test_when_every_trial_fails_one_error_counts_the_reasons(
    data: dnc.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, ValueError("no"), nodes=0)
    with pytest.raises(SearchError) as caught:
        search(data)
    assert "stage 1: all 6 trials failed (6 × ValueError)" in str(caught.value)
    assert "\n" not in str(caught.value)


# ---- time limits ---------------------------------------------------------------------------------------


def test_a_time_limit_is_checked_between_epochs_in_this_process(data: dnc.Dataset) -> None:
    config = Config(MLP((8,)), Training(batch_size=32))
    engine = Engine()
    assert run_job(TrainJob(config, engine, 10**6, 0, limit=0.2), data) == Failure(TIME_LIMIT)
    assert isinstance(run_job(TrainJob(config, engine, 2, 0, limit=60.0), data), Outcome)


@pytest.mark.parametrize("workers", [0, 1])
def test_trial_timeout_fails_trials_and_a_later_search_may_retry_them(data: dnc.Dataset, workers: int) -> None:
    store = dnc.Store()
    with pytest.raises(SearchError, match=rf"all 3 trials failed \(3 × {TIME_LIMIT}\)"):
        search(data, store=store, workers=workers, trial_timeout=1e-6, epochs=300, n1=2, n2=1)
    before = store._all("SELECT key, status, created FROM trainings")
    assert {status for _, status, _ in before} == {"failed"}
    store.check()
    for retry in (False, True):
        with pytest.raises(SearchError, match="all 3 trials failed"):
            search(data, store=store, trial_timeout=1e-6, epochs=300, n1=2, n2=1, retry_failed=retry)
        now = store._all("SELECT key, status, created FROM trainings")
        assert {row[0] for row in now} == {row[0] for row in before}
        assert (now == before) is not retry  # looked up, or tried again
    result = search(data, store=store, epochs=300, n1=2, n2=1)  # without a limit, the limit is no reason
    assert all(v.trial.ok for v in result.visits)
    again = search(data, store=store, epochs=300, n1=2, n2=1, retry_failed=True)
    assert all(v.trial.cached for v in again.visits)  # what is there is never trained again


def test_an_old_search_keeps_its_failed_steps_when_another_retries(data: dnc.Dataset) -> None:
    store = dnc.Store()
    with pytest.raises(SearchError):
        search(data, store=store, trial_timeout=1e-6, wc=0.5)
    search(data, store=store, retry_failed=True, wc=0.1)
    old = next(name for name in store.searches()["id"] if store.search(name)["spec"]["wc"] == 0.5)
    assert {v.trial.status for v in store.result(old).visits} == {"failed"}


@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf, "10", True])
def test_bad_time_limits(data: dnc.Dataset, value: Any) -> None:
    with pytest.raises(ArgumentError, match="trial_timeout="):
        search(data, trial_timeout=value)


# ---- memory ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Confine:
    """A job that limits its process to `more` bytes beyond what it has now."""

    more: int

    def __call__(self, data: dnc.Dataset) -> int:
        import resource
        from pathlib import Path

        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * os.sysconf("SC_PAGE_SIZE") + self.more
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        return limit


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs /proc")
def test_a_worker_that_runs_out_of_memory_fails_one_trial_and_lives(data: dnc.Dataset) -> None:
    engine = Engine()
    small = TrainJob(Config(MLP((8,)), Training(batch_size=32)), engine, 1, 0)
    large = TrainJob(Config(MLP((9000, 9000)), Training(batch_size=32)), engine, 1, 0)  # 81 million weights
    with dnc.Workers(1) as workers:
        answers = list(workers.run([Confine(400 * 2**20), small, large, small], data))  # type: ignore[list-item]
        pids = workers.pids
        assert [answer for job, answer in answers if job == large] == [Failure("out of memory")]
        assert [type(answer) for job, answer in answers if job == small] == [Outcome, Outcome]
        ((_, again),) = workers.run([replace(small, seed=1)], data)
        assert isinstance(again, Outcome)  # what the large one had is free again
        assert workers.pids == pids


def test_what_certainly_does_not_fit_is_not_tried(data: dnc.Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    config = Config(MLP((1000, 1000)), Training(batch_size=32))
    n = 64 * 1000 + 1000 + 1000 * 1000 + 1000 + 1000 * 10 + 10
    assert memory.needed_bytes(config, data, Engine()) == 16 * n + 4 * 32 * 2000
    conv = Config(dnc.CNN(channels=(6, 8), strides=(2,), pools=(1,)), Training(batch_size=10))
    weights = 9 * 6 + 6 + 9 * 6 * 8 + 8 + 80 + 10
    assert memory.needed_bytes(conv, data, Engine()) == 16 * weights + 4 * 10 * (6 * 16 + 8 * 4)
    monkeypatch.setattr(memory, "device_bytes", lambda engine: 1e6)
    answer = run_job(TrainJob(config, Engine(), 1, 0), data)
    assert answer == Failure("out of memory: needs at least 0.0175 GB, there are 0.001 GB")


def test_a_space_too_large_for_memory_is_refused_before_anything(data: dnc.Dataset, tmp_path: Any) -> None:
    huge = dnc.MLPSpace(hidden_layers=(0, 100), nodes=(20, 100_000))
    path = tmp_path / "t.db"
    for call in (
        lambda: dnc.search(data, huge, store=path, progress=False),
        lambda: dnc.sweep(data, huge, store=path, progress=False),
        lambda: dnc.estimate(data, huge, store=path),
    ):
        with pytest.raises(
            ArgumentError, match=r"needs at least [\d,]+ GB of memory, but there are only .*: give smaller"
        ):
            call()
    assert list(tmp_path.iterdir()) == []


def test_memory_is_freed_after_a_lack_of_it(monkeypatch: pytest.MonkeyPatch, data: dnc.Dataset) -> None:
    """On a GPU torch keeps freed blocks: they are given back once nothing of the failed training lives any more."""

    class Block:
        pass

    held: list[weakref.ref[Block]] = []
    emptied: list[bool] = []

    @dataclass(frozen=True)
    class Greedy:
        def __call__(self, data: dnc.Dataset) -> None:
            block = Block()
            held.append(weakref.ref(block))
            try:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")
            except RuntimeError as error:
                raise stepper.TrainingFailed("out of memory") from error

    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: emptied.append(held[0]() is None))
    gc.disable()  # it must not depend on a collection that happens to come
    try:
        assert jobs.run_job(Greedy(), data) == Failure("out of memory")  # type: ignore[arg-type]
    finally:
        gc.enable()
    assert emptied == [True]


# ---- dead workers ------------------------------------------------------------------------------------------


def test_a_search_survives_the_death_of_its_workers(data: dnc.Dataset) -> None:
    killed: list[int] = []
    with dnc.Workers(2) as workers:

        def kill(progress: dnc.Progress) -> None:
            if progress.done in (2, 5, 9):  # idle or busy, as it happens
                pid = workers.pids[0]
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)

        result = search(data, workers=workers, progress=kill, epochs=20)
        assert not set(killed) & set(workers.pids)
    assert len(killed) == 3
    failed = [v for v in result.visits if not v.trial.ok]
    assert len({v.trial.key for v in failed}) <= 3
    assert all(v.trial.reason.startswith(DIED) for v in failed)
    assert [len([v for v in result.visits if v.stage == s]) for s in (1, 3)] == [6, 6]
    replayed = search(data, store=result.store, epochs=20)
    assert replayed.visits == result.visits


@dataclass(frozen=True)
class Die:
    """A job whose process ends before it has answered."""

    number: int

    def __call__(self, data: dnc.Dataset) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_worker_that_dies_over_every_job_hangs_nothing(data: dnc.Dataset) -> None:
    with dnc.Workers(2) as workers:
        answers = dict(workers.run([Die(i) for i in range(3)], data))  # type: ignore[misc]
    assert answers == {Die(i): Failure(f"{DIED} (exit code -9)") for i in range(3)}


def test_workers_that_cannot_start_are_one_error(data: dnc.Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dnc.workers.process._serve", os._exit)  # with the pipe as exit code: an error at once
    with dnc.Workers(2) as workers, pytest.raises(SearchError, match=r"cannot start \(3 in a row died\): free some"):
        list(workers.run([Die(1)], data))  # type: ignore[list-item]


def test_two_searches_may_share_workers_and_one_may_leave(data: dnc.Dataset) -> None:
    import threading

    other = dnc.load_data("digits", n_train=50, n_val=30)
    small = [TrainJob(Config(MLP((n,)), Training(batch_size=32)), Engine(), 1, 0) for n in range(4, 12)]
    answers_of: dict[str, Any] = {}
    with dnc.Workers(2) as workers:

        def run(name: str, on: dnc.Dataset) -> None:
            answers_of[name] = dict(workers.run(small, on))

        leaving: Iterator[Any] = workers.run(small, data)
        next(leaving)
        threads = [threading.Thread(target=run, args=a) for a in (("a", data), ("b", data), ("c", other))]
        for thread in threads:
            thread.start()
        leaving.close()  # type: ignore[attr-defined]
        for thread in threads:
            thread.join(120)
            assert not thread.is_alive()
    assert all(isinstance(answer, Outcome) for answers in answers_of.values() for answer in answers.values())
    accuracies = {name: [answers[job].val_acc for job in small] for name, answers in answers_of.items()}
    assert accuracies["a"] == accuracies["b"]
    alone = [run_job(job, other) for job in small]
    assert accuracies["c"] == [o.val_acc for o in alone if isinstance(o, Outcome)]
