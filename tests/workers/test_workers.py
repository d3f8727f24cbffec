"""Jobs in worker processes: their answers, what happens when a worker dies or hangs, and that none is left behind."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

import dnc
from dnc.errors import ArgumentError, DncError
from dnc.workers.cores import count_workers
from dnc.workers.jobs import Failure, failure_reason, run_job
from dnc.workers.pool import Workers
from dnc.workers.process import Task, WorkerProcess


@dataclass(frozen=True)
class Double:
    """A job that answers with twice its number, or misbehaves."""

    number: int
    how: str = ""

    def __call__(self, data: dnc.Dataset) -> int:
        if self.how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.how == "hang":
            time.sleep(3600)
        if self.how == "raise":
            raise ValueError("a bad number\nand more")
        return 2 * self.number + data.n_classes


def run(workers: Workers, jobs: Iterable[Any], data: dnc.Dataset, **options: Any) -> Iterator[tuple[Any, Any]]:
    """As `Workers.run`, for jobs of any type."""
    return workers.run(jobs, data, **options)


@pytest.fixture(scope="module")
def data() -> dnc.Dataset:
    return dnc.load_data("digits", n_train=100, n_val=50)


@pytest.mark.parametrize("count", [0, 2])
def test_answers_with_their_jobs(data: dnc.Dataset, count: int) -> None:
    with Workers(count) as workers:
        for _ in range(2):  # the processes are kept for the second round
            answers = dict(run(workers, [Double(i) for i in range(7)], data))
            assert answers == {Double(i): 2 * i + 10 for i in range(7)}
        assert dict(run(workers, [], data)) == {}


@pytest.mark.parametrize("count", [0, 2])
def test_equal_jobs_are_each_answered(data: dnc.Dataset, count: int) -> None:
    jobs = [Double(i) for i in (3, 1, 3, 3, 2, 1)]
    with Workers(count) as workers:
        answers = list(run(workers, jobs, data))
    assert sorted(job.number for job, _ in answers) == [1, 1, 2, 3, 3, 3]
    assert all(answer == 2 * job.number + 10 for job, answer in answers)


def test_a_dead_worker_and_a_raising_job_are_failures_and_the_rest_goes_on(data: dnc.Dataset) -> None:
    with Workers(2) as workers:
        jobs = [Double(0), Double(1, "kill"), Double(2, "raise"), Double(3), Double(4)]
        answers = {job.number: answer for job, answer in run(workers, jobs, data)}
    assert answers[1] == Failure("worker process died (exit code -9)")
    assert answers[2] == Failure("ValueError: a bad number")
    assert [answers[i] for i in (0, 3, 4)] == [10, 16, 18]


def test_a_hanging_job_is_given_up_after_its_time(data: dnc.Dataset) -> None:
    with Workers(1, timeout=1.0) as workers:
        answers = dict(run(workers, [Double(1, "hang"), Double(2)], data))
    assert answers == {Double(1, "hang"): Failure("time limit reached"), Double(2): 14}


def test_a_worker_that_dies_idle_costs_no_job_and_data_may_change(data: dnc.Dataset) -> None:
    other = dnc.Dataset.from_arrays([[i] for i in range(20)], [i % 3 for i in range(20)])

    def answers(numbers: Iterable[int], on: dnc.Dataset) -> dict[int, object]:
        return {job.number: answer for job, answer in run(workers, [Double(i) for i in numbers], on)}

    with Workers(2) as workers:
        assert answers([1, 2], data) == {1: 12, 2: 14}
        os.kill(workers.pids[0], signal.SIGKILL)
        assert answers([3, 4, 5], other) == {3: 9, 4: 11, 5: 13}
        for pid in workers.pids:  # all at once, as when memory runs short
            os.kill(pid, signal.SIGKILL)
        assert answers([1, 6], data) == {1: 12, 6: 22}


def test_a_task_that_no_worker_lives_to_confirm_is_given_up(data: dnc.Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """E.g. data that is too large to be received: it must not be sent to new workers for ever."""
    sent: list[int] = []

    def send_and_die(self: WorkerProcess, task: Task) -> None:
        self.task = task
        sent.append(1)
        os.kill(self.pid or 0, signal.SIGKILL)
        if len(sent) % 2:
            raise BrokenPipeError  # noticed while it was sent, or only when an answer was waited for

    with Workers(2) as workers:
        assert dict(run(workers, [Double(1)], data)) == {Double(1): 12}
        with monkeypatch.context() as patched:
            patched.setattr(WorkerProcess, "send", send_and_die)
            ((_, answer),) = run(workers, [Double(2)], data)
        assert isinstance(answer, Failure)
        assert answer.reason.startswith("worker process died")
        assert len(sent) == 3  # once per worker, and once more
        assert dict(run(workers, [Double(2)], data)) == {Double(2): 14}


@pytest.mark.parametrize("count", [0, 2])
def test_jobs_are_taken_late(data: dnc.Dataset, count: int) -> None:
    taken: list[int] = []

    def jobs() -> Iterator[Double]:
        for i in range(20):
            taken.append(i)
            yield Double(i)

    with Workers(count) as workers:
        for done, _ in enumerate(run(workers, jobs(), data), start=1):
            assert len(taken) <= done + count + 1
    assert taken == list(range(20))


@pytest.mark.parametrize("count", [0, 2])
def test_a_stop_drops_what_has_not_started(data: dnc.Dataset, count: int) -> None:
    jobs, seen = [Double(i) for i in range(9)], list[int]()

    def look() -> None:
        for job, _ in run(workers, jobs, data, stopped=lambda: len(seen) >= 2):
            seen.append(job.number)

    with Workers(count) as workers:
        with pytest.raises(KeyboardInterrupt):
            look()
        assert seen == [0, 1] if count == 0 else 2 <= len(seen) <= 2 + count  # what had finished too is not lost
        assert not workers._tasks
        with pytest.raises(KeyboardInterrupt):
            list(run(workers, [], data, stopped=lambda: True))
        assert dict(run(workers, jobs[:2], data)) == {Double(0): 10, Double(1): 12}


def test_a_stop_ends_jobs_that_run_in_workers(data: dnc.Dataset) -> None:
    with Workers(1) as workers:
        with pytest.raises(KeyboardInterrupt):
            list(run(workers, [Double(1, "hang")], data, stopped=lambda: any(w.has_task for w in workers._processes)))
        assert workers.pids == []
        assert dict(run(workers, [Double(1)], data)) == {Double(1): 12}


def test_closing_the_iterator_drops_what_has_not_finished(data: dnc.Dataset) -> None:
    with Workers(2) as workers:
        answers = run(workers, [Double(1), Double(2, "hang"), Double(3)], data)
        next(answers)
        answers.close()  # type: ignore[attr-defined]
        assert not workers._tasks
        assert dict(run(workers, [Double(2)], data)) == {Double(2): 14}
        assert not workers._queue


def test_counting() -> None:
    assert count_workers(0, "cpu") == 0
    assert count_workers(3, "cpu") == 3
    assert count_workers("auto", "cuda") == 0
    assert count_workers("auto", "cpu") != 1
    for bad in ("many", -1, 1.5):
        with pytest.raises(ArgumentError, match="workers="):
            count_workers(bad, "cpu")  # type: ignore[arg-type]


def test_reasons_are_short(data: dnc.Dataset) -> None:
    assert failure_reason(MemoryError()) == "out of memory"
    assert failure_reason(RuntimeError("CUDA out of memory. Tried …")) == "out of memory"
    assert failure_reason(RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")) == "out of memory"
    assert failure_reason(DncError("one line")) == "one line"
    assert failure_reason(KeyError()) == "KeyError"
    assert run_job(Double(1, "raise"), data) == Failure("ValueError: a bad number")  # type: ignore[arg-type]
