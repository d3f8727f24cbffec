"""Where jobs run: in this process, or in persistent worker processes of one thread each.

N workers of one thread beat one process of N threads on the small networks of a search, and a worker that dies
takes one trial with it, not the search. What a job computes does not depend on where it runs.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures import TimeoutError as FutureTimeout
from itertools import islice
from multiprocessing import spawn
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Any

from dnc.data.dataset import Dataset
from dnc.errors import ArgumentError, check_int, plain
from dnc.searches.jobs import Answer, Failure, Job, failure_reason, perform

POLL_SECONDS = 0.2  # how soon a stop request or Ctrl-C is noticed


def count_workers(workers: int | str, device: str) -> int:
    """Number of worker processes: an int is taken as it is; "auto" is one a core on a CPU, none on a GPU.

    Raises:
        ArgumentError: neither a whole number >= 0 nor "auto".
    """
    if workers == "auto":
        if device != "cpu":
            return 0  # one GPU trains one network at a time
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return cores if cores > 1 else 0
    if isinstance(workers, str):
        raise ArgumentError(f'workers={plain(workers)} is not allowed: give a whole number >= 0 or "auto"')
    return check_int("workers", workers, 0, 1024)


class Workers:
    """Runs jobs on a data set. Processes start at the first job and live until `close`.

    Args:
        count: number of worker processes; 0 runs jobs in this process, when their answer is asked for.
        timeout: seconds after which a job is given up and its worker replaced; None for no limit.
    """

    def __init__(self, count: int = 0, timeout: float | None = None) -> None:
        self.count = count
        self.timeout = timeout
        self._pool: Any = None
        self._data: Dataset | None = None
        self._lock = threading.Lock()
        self._flying: dict[tuple[str, Job], Future[Answer]] = {}

    def run(
        self, jobs: Iterable[Job], data: Dataset, stopped: Callable[[], bool] = lambda: False
    ) -> Iterator[tuple[int, Answer]]:
        """Yield (index, answer) of each job as it finishes.

        A job is taken from `jobs` when a worker is about to be free for it, so that an iterator can decide late, by the
        answers so far, what comes next. Stopping early (`stopped()` turns true, or the iterator is closed) drops the
        jobs that have not begun.
        """
        if self.count == 0:
            for index, job in enumerate(jobs):
                if stopped():
                    return
                yield index, perform(job, data)
            return
        source = enumerate(jobs)
        flying: dict[int, tuple[Job, Future[Answer]]] = {}
        try:
            while True:
                for index, job in islice(source, self.count + 1 - len(flying)):  # one waits, so that no worker does
                    flying[index] = job, self._submit(job, data)
                if not flying:
                    return
                wait([f for _, f in flying.values()], timeout=POLL_SECONDS, return_when=FIRST_COMPLETED)
                if stopped():
                    return
                for index, (job, future) in list(flying.items()):
                    if future.cancelled():  # by another search that shared it, and stopped
                        flying[index] = job, self._submit(job, data)
                    elif future.done():
                        del flying[index]
                        yield index, _answer(future)
        finally:
            for _, future in flying.values():
                future.cancel()

    def _submit(self, job: Job, data: Dataset) -> Future[Answer]:
        with self._lock:
            pool = self._start(data)
            key = (data.fingerprint, job)
            flying = self._flying.get(key)
            if flying is not None and not flying.cancelled():
                return flying  # another search in this process wants the same: do it once
            future: Future[Answer] = pool.schedule(_work, args=[job], timeout=self.timeout)
            self._flying[key] = future
            future.add_done_callback(lambda _: self._flying.pop(key, None))
            return future

    def _start(self, data: Dataset) -> Any:
        if self._data is not None and self._data.fingerprint != data.fingerprint:
            self._stop()
        if self._pool is None:
            from pebble import ProcessPool

            self._data = data
            self._pool = ProcessPool(
                max_workers=self.count, context=_CleanSpawn(), initializer=_become_worker, initargs=[data, os.getpid()]
            )
        return self._pool

    def _stop(self) -> None:
        pool, self._pool, self._data = self._pool, None, None
        if pool is not None:
            pool.stop()
            pool.join()

    def close(self) -> None:
        """End the worker processes; the next job would start new ones."""
        with self._lock:
            self._stop()

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _answer(future: Future[Answer]) -> Answer:
    from pebble import ProcessExpired

    try:
        return future.result()
    except (FutureTimeout, TimeoutError):
        return Failure("time limit reached")
    except ProcessExpired as error:
        return Failure(f"worker process died (exit code {error.exitcode})")
    except Exception as error:  # e.g. an answer that could not be sent
        return Failure(failure_reason(error))


# ---- in the worker process ---------------------------------------------------------------------------

_worker_data: list[Dataset] = []  # set once when a worker starts; jobs are then a few hundred bytes each


def _become_worker(data: Dataset, parent: int) -> None:
    import signal

    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    torch.set_num_threads(1)
    _worker_data[:] = [data]
    threading.Thread(target=_die_with, args=(parent,), daemon=True).start()


def _die_with(parent: int) -> None:
    while os.getppid() == parent:  # a parent killed with SIGKILL cannot tell its workers
        time.sleep(1.0)
    os._exit(1)


def _work(job: Job) -> Answer:
    return perform(job, _worker_data[0])


class _CleanProcess(SpawnProcess):
    """A spawned process that does not import the user's main script again.

    Jobs need `dnc` only; without this, a plain script without a main guard would start itself in every worker.
    """

    @staticmethod
    def _Popen(process_obj: Any) -> Any:
        with _MAIN_LOCK:
            original = spawn.get_preparation_data

            def without_main(name: str) -> dict[str, Any]:
                return {k: v for k, v in original(name).items() if not k.startswith("init_main")}

            spawn.get_preparation_data = without_main
            try:
                return SpawnProcess._Popen(process_obj)  # type: ignore[attr-defined]
            finally:
                spawn.get_preparation_data = original


class _CleanSpawn(SpawnContext):
    Process = _CleanProcess


_MAIN_LOCK = threading.Lock()
