"""One worker process: it starts, takes one job at a time over a pipe of its own, answers, and ends with its parent.

Nothing is shared between workers, no lock and no queue, so that a worker that is killed at any moment harms no other.
Workers write no files: killing one loses the job at hand and nothing else.
"""

from __future__ import annotations

import math
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import Pipe, parent_process, spawn
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any

from dnc.data.dataset import Dataset
from dnc.workers.jobs import Answer, Failure, Job, failure_reason, run_job

START_SECONDS = 300.0  # until a worker must have started: it imports torch, maybe from a network disk


@dataclass(eq=False)
class Task:
    """A job on its data, wanted by `holders` searches of this process; `limit` is in seconds."""

    job: Job
    data: Dataset
    limit: float | None
    holders: int = 1
    lost: int = 0  # times that a worker died before it had confirmed the task
    future: Future[Answer] = field(default_factory=Future)


class WorkerProcess:
    """A worker process and this end of its pipe. It takes a task when `idle`; then `connection` becomes readable.

    It sends "started" once, and for every task "taken" and then the answer. Only "taken" tells a worker that died over
    its task from one that was dead when the task was sent, as the pipe accepts the message either way.

    Attributes:
        task: what it works on, or None.
        started: whether it has said that it has started.
        has_task: whether it has confirmed the task.
        deadline: `time.monotonic()` at which it is given up.
    """

    def __init__(self) -> None:
        self.connection, remote = Pipe()
        self._process = _CleanProcess(target=_serve, args=(remote, os.getpid()), name="dnc-worker", daemon=True)
        try:
            with _no_interrupt():
                self._process.start()
        finally:
            remote.close()  # else its end would stay open here, and its death would not be noticed
        self.task: Task | None = None
        self.started = self.has_task = False
        self.deadline = time.monotonic() + START_SECONDS
        self._fingerprint = ""  # of the data that it has
        self._closed, self._exit_code = False, None

    @property
    def idle(self) -> bool:
        """Whether it waits for a task."""
        return self.started and self.task is None

    def has_data(self, data: Dataset) -> bool:
        """Whether it has this data."""
        return self._fingerprint == data.fingerprint

    def send(self, task: Task) -> None:
        """Give it a task, preceded by the data unless it has that.

        Raises:
            OSError: it is dead.
        """
        self.task = task
        if not self.has_data(task.data):
            self.connection.send(task.data)
            self._fingerprint = task.data.fingerprint
        self.connection.send(task.job)
        self.deadline = math.inf if task.limit is None else time.monotonic() + task.limit

    def receive(self) -> Answer | None:
        """Its answer to the task, which is then done; None if it only said that it has started, or has the task.

        Waits for a message.

        Raises:
            OSError, EOFError: it is dead.
        """
        try:
            message = self.connection.recv()
        except (OSError, EOFError):
            raise
        except Exception as error:  # an answer that cannot be rebuilt here
            message = Failure(failure_reason(error))
        if not self.started:
            self.started, self.deadline = True, math.inf
            return None
        if not self.has_task:
            self.has_task = True
            return None
        self.task, self.has_task, self.deadline = None, False, math.inf
        return message

    def kill(self) -> int | None:
        """End it at once; returns its exit code. Twice, as an interrupt may lead to, does no harm."""
        if not self._closed:
            self._process.kill()
            self._process.join()
            self._exit_code = self._process.exitcode
            self._closed = True
            self._process.close()
            self.connection.close()
        return self._exit_code

    def reap(self) -> int | None:
        """The exit code of one that has died, or is about to."""
        self._process.join(1.0)  # the pipe closes before the process has ended: its own code, not that of `kill`
        return self.kill()

    @property
    def pid(self) -> int | None:
        """Its process id."""
        return self._process.pid


# ---- in the worker process ---------------------------------------------------------------------------


def _serve(connection: Connection, parent: int) -> None:
    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    torch.set_num_threads(1)
    # oneDNN keeps compiled products of 1024 shapes; a search has new shapes in every trial, and needs few at a time
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64")
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    connection.send("started")
    data: Any = None
    while True:
        try:
            message = connection.recv()
        except (OSError, EOFError):  # the parent is gone
            os._exit(1)
        if isinstance(message, Dataset):
            data = message
            continue
        try:
            connection.send("taken")
            connection.send(run_job(message, data))
        except (OSError, EOFError):
            os._exit(1)
        except Exception as error:  # an answer that cannot be sent
            connection.send(Failure(failure_reason(error)))


def _end_with(parent: int) -> None:
    """End this process when its parent is gone: one that was killed with SIGKILL cannot tell its workers."""
    process = parent_process()
    while os.getppid() == parent:
        wait([] if process is None else [process.sentinel], timeout=1.0)
    os._exit(1)


# ---- how it is started -------------------------------------------------------------------------------


class _CleanProcess(SpawnProcess):
    """A spawned process that does not import the user's main script again, nor take over this one's start method.

    Jobs need `dnc` only; without this, a plain script without a main guard would start itself in every worker, and in
    a worker of joblib none would start: a new process does not know joblib's start method.
    """

    @staticmethod
    def _Popen(process_obj: Any) -> Any:
        with _MAIN_LOCK:
            original = spawn.get_preparation_data

            def without_main(name: str) -> dict[str, Any]:
                return {k: v for k, v in original(name).items() if not k.startswith(("init_main", "start_method"))}

            spawn.get_preparation_data = without_main
            try:
                return SpawnProcess._Popen(process_obj)  # type: ignore[attr-defined]
            finally:
                spawn.get_preparation_data = original


@contextmanager
def _no_interrupt() -> Iterator[None]:
    """Processes started meanwhile never see Ctrl-C, also before they can say that they ignore it."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


_MAIN_LOCK = threading.Lock()
