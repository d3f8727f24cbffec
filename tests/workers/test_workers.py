"""Jobs in worker processes: their answers, what happens when a worker dies or hangs, and that none is left behind."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

import dnc
from dnc.errors import ArgumentError, DncError
from dnc.workers.jobs import Failure, failure_reason, run_job
from dnc.workers.pool import Workers, count_workers


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


@pytest.fixture(scope="module")
def data() -> dnc.Dataset:
    return dnc.load_data("digits", n_train=100, n_val=50)


@pytest.mark.parametrize("count", [0, 2])
def test_answers_with_their_index(data: dnc.Dataset, count: int) -> None:
    with Workers(count) as workers:
        for _ in range(2):  # the processes are kept for the second round
            answers = dict(workers.run([Double(i) for i in range(7)], data))  # type: ignore[misc]
            assert answers == {i: 2 * i + 10 for i in range(7)}
        assert dict(workers.run([], data)) == {}


def test_a_dead_worker_and_a_raising_job_are_failures_and_the_rest_goes_on(data: dnc.Dataset) -> None:
    with Workers(2) as workers:
        jobs = [Double(0), Double(1, "kill"), Double(2, "raise"), Double(3), Double(4)]
        answers = dict(workers.run(jobs, data))  # type: ignore[arg-type]
    assert answers[1] == Failure("worker process died (exit code -9)")
    assert answers[2] == Failure("ValueError: a bad number")
    assert [answers[i] for i in (0, 3, 4)] == [10, 16, 18]


def test_a_hanging_job_is_given_up_after_its_time(data: dnc.Dataset) -> None:
    with Workers(1, timeout=1.0) as workers:
        answers = dict(workers.run([Double(1, "hang"), Double(2)], data))  # type: ignore[list-item]
    assert answers == {0: Failure("time limit reached"), 1: 14}


def test_a_worker_that_dies_idle_costs_no_job_and_data_may_change(data: dnc.Dataset) -> None:
    other = dnc.Dataset.from_arrays([[i] for i in range(20)], [i % 3 for i in range(20)])
    with Workers(2) as workers:
        assert dict(workers.run([Double(1), Double(2)], data)) == {0: 12, 1: 14}  # type: ignore[list-item]
        os.kill(workers.pids[0], signal.SIGKILL)
        assert dict(workers.run([Double(3), Double(4), Double(5)], other)) == {0: 9, 1: 11, 2: 13}  # type: ignore[list-item]
        assert dict(workers.run([Double(1)], data)) == {0: 12}  # type: ignore[list-item]


@pytest.mark.parametrize("count", [0, 2])
def test_jobs_are_taken_late(data: dnc.Dataset, count: int) -> None:
    taken: list[int] = []

    def jobs() -> Iterator[Double]:
        for i in range(20):
            taken.append(i)
            yield Double(i)

    with Workers(count) as workers:
        for done, _ in enumerate(workers.run(jobs(), data), start=1):  # type: ignore[arg-type]
            assert len(taken) <= done + count + 1
    assert taken == list(range(20))


def test_a_stop_drops_what_has_not_begun(data: dnc.Dataset) -> None:
    with Workers(0) as workers:
        seen: list[int] = []
        for index, _ in workers.run([Double(i) for i in range(9)], data, stopped=lambda: len(seen) >= 2):  # type: ignore[misc]
            seen.append(index)
    assert seen == [0, 1]


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
