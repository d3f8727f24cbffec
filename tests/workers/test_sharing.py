"""Searches that share workers: none waits for the next round of another's waiting."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import dnc
from dnc.workers import pool
from dnc.workers.pool import Workers

PATIENCE = 60.0  # seconds, for a test that fails: one that passes waits for nothing


@dataclass(frozen=True)
class Until:
    """A job that lasts until a file is there."""

    file: str

    def __call__(self, data: dnc.Dataset) -> str:
        while not Path(self.file).exists():
            time.sleep(0.01)
        return self.file


class Run(threading.Thread):
    """A search in a thread of its own, which wants one job done."""

    def __init__(self, workers: Workers, job: Any, data: dnc.Dataset) -> None:
        super().__init__(daemon=True)
        self.answers: list[Any] = []
        self._iterate: Callable[[], Any] = lambda: workers.run([job], data)
        self.start()

    def run(self) -> None:
        self.answers += [answer for _, answer in self._iterate()]


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Set when a thread waits for the worker processes, which now nothing but a message can end."""
    event, wait = threading.Event(), pool.wait

    def noted(connections: Any, timeout: float) -> Any:
        event.set()
        return wait(connections, timeout)

    monkeypatch.setattr(pool, "wait", noted)
    monkeypatch.setattr(pool, "POLL_SECONDS", 2 * PATIENCE)
    return event


@pytest.fixture(scope="module")
def data() -> dnc.Dataset:
    return dnc.load_data("digits", n_train=100, n_val=50)


def test_a_submission_beside_a_long_training_is_seen_at_once(
    data: dnc.Dataset, tmp_path: Path, waiting: threading.Event
) -> None:
    long, short = (Until(str(tmp_path / name)) for name in ("long", "short"))
    Path(short.file).touch()
    with Workers(2) as workers:
        first = Run(workers, long, data)
        assert waiting.wait(PATIENCE)
        for _ in range(3):  # the first one also starts the second process
            second = Run(workers, short, data)
            second.join(PATIENCE)
            assert second.answers == [short.file]
        assert first.answers == []
        Path(long.file).touch()
        first.join(PATIENCE)
        assert first.answers == [long.file]


def test_another_takes_over_at_once_when_a_search_has_its_answers(
    data: dnc.Dataset, tmp_path: Path, waiting: threading.Event
) -> None:
    jobs = [Until(str(tmp_path / name)) for name in "abc"]
    with Workers(3) as workers:
        runs = []
        for job in jobs:
            runs.append(Run(workers, job, data))
            assert waiting.wait(PATIENCE)  # the first one serves all of them
        for job, run in zip(jobs, runs, strict=True):
            Path(job.file).touch()
            run.join(PATIENCE)
            assert run.answers == [job.file]


def test_what_a_stopped_search_leaves_behind_is_ended_at_once(
    data: dnc.Dataset, tmp_path: Path, waiting: threading.Event
) -> None:
    """Its worker is free for the next job, also while another search serves the processes."""
    kept, dropped, short = (Until(str(tmp_path / name)) for name in ("kept", "dropped", "short"))
    Path(short.file).touch()
    with Workers(2) as workers:
        first = Run(workers, kept, data)
        assert waiting.wait(PATIENCE)
        answers = workers.run([short, dropped], data)  # type: ignore[list-item]
        assert next(answers)[1] == short.file
        answers.close()  # type: ignore[attr-defined]
        second = Run(workers, short, data)
        second.join(PATIENCE)
        assert second.answers == [short.file]
        Path(kept.file).touch()
        first.join(PATIENCE)
        assert first.answers == [kept.file]
