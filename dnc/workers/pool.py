"""Where jobs run: in this process, or in persistent worker processes of one thread each.

N workers of one thread beat one process of N threads on the small networks of a search, and a worker that dies
takes one trial with it, not the search. What a job computes does not depend on where it runs.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED
from concurrent.futures import wait as wait_for_futures
from itertools import islice
from multiprocessing.connection import wait

from dnc.data.dataset import Dataset
from dnc.errors import ArgumentError, SearchError, check_int, short_repr
from dnc.workers.jobs import DIED, TIME_LIMIT, Answer, Failure, Job, failure_reason, run_job
from dnc.workers.process import Task, WorkerProcess

POLL_SECONDS = 0.1  # how soon a stop request is noticed
MAX_STILLBORN = 3  # workers in a row that may die before they have started


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
        raise ArgumentError(f'workers={short_repr(workers)} is not allowed: give a whole number >= 0 or "auto"')
    return check_int("workers", workers, 0, 1024)


class Workers:
    """Runs jobs on data sets. Processes start at the first job and live until `close`.

    Several searches of this process may share it, each in a thread of its own; the same job is then done once.

    Args:
        count: number of worker processes; 0 runs jobs in this process, when their answer is asked for.
        timeout: seconds after which a job is given up and its worker replaced; None for no limit, or the job's own.
    """

    def __init__(self, count: int = 0, timeout: float | None = None) -> None:
        self.count = count
        self.timeout = timeout
        self._lock = threading.Lock()  # for what follows; held for moments
        self._queue: deque[Task] = deque()
        self._known: dict[tuple[str, Job], Task] = {}
        self._turn = threading.RLock()  # to talk to the processes: one search at a time does, for all of them
        self._crew: list[WorkerProcess] = []
        self._stillborn = 0

    def run(
        self, jobs: Iterable[Job], data: Dataset, stopped: Callable[[], bool] = lambda: False
    ) -> Iterator[tuple[Job, Answer]]:
        """Yield (job, answer) of each job as it finishes.

        A job is taken from `jobs` when a worker is about to be free for it, so that an iterator can decide late, by the
        answers so far, what comes next. Stopping early (`stopped()` turns true, or the iterator is closed) drops the
        jobs that have not finished.

        Raises:
            SearchError: no worker process can be started.
        """
        if self.count == 0:
            for job in jobs:
                if stopped():
                    raise KeyboardInterrupt
                yield job, run_job(job, data)
            if stopped():
                raise KeyboardInterrupt
            return
        source = enumerate(jobs)
        flying: dict[int, Task] = {}
        try:
            while True:
                for index, job in islice(source, self.count + 1 - len(flying)):  # one waits, so that no worker does
                    flying[index] = self._submit(job, data)
                if not flying:
                    break
                self._work(list(flying.values()))
                if stopped():
                    break
                for index, task in list(flying.items()):
                    if task.future.done():
                        del flying[index]
                        yield task.job, task.future.result()
            if stopped():
                raise KeyboardInterrupt
        finally:
            self._release(flying.values())

    # ---- tasks, shared by the searches that want the same ---------------------------------------------

    def _submit(self, job: Job, data: Dataset) -> Task:
        with self._lock:
            key = (data.fingerprint, job)
            task = self._known.get(key)
            if task is not None:
                task.holders += 1
                return task
            limits = [limit for limit in (self.timeout, getattr(job, "limit", None)) if limit is not None]
            task = self._known[key] = Task(job, data, min(limits, default=None))
            self._queue.append(task)
            return task

    def _release(self, tasks: Iterable[Task]) -> None:
        """A search no longer wants these; what nobody wants is dropped, and its worker ended if it has started."""
        dropped = False
        with self._lock:
            for task in tasks:
                task.holders -= 1
                if task.holders == 0 and task.future.cancel():
                    self._known.pop((task.data.fingerprint, task.job), None)
                    dropped = True
        if dropped and self._turn.acquire(blocking=False):  # otherwise whoever has the turn does it
            try:
                self._end_unwanted()
            finally:
                self._turn.release()

    def _finish(self, task: Task, answer: Answer | None, error: Exception | None = None) -> None:
        with self._lock:
            self._known.pop((task.data.fingerprint, task.job), None)
            if not task.future.done():
                if answer is None:
                    task.future.set_exception(error)
                else:
                    task.future.set_result(answer)

    # ---- the processes ---------------------------------------------------------------------------------

    def _work(self, wanted: list[Task]) -> None:
        """Wait for a moment, or until one of the tasks is done, seeing to all workers meanwhile."""
        if not self._turn.acquire(blocking=False):
            wait_for_futures([t.future for t in wanted], timeout=POLL_SECONDS, return_when=FIRST_COMPLETED)
            return
        try:
            self._end_unwanted()
            self._staff()
            self._assign()
            now = time.monotonic()
            soonest = min((w.deadline - now for w in self._crew), default=POLL_SECONDS)
            wait([w.connection for w in self._crew], timeout=max(0.0, min(POLL_SECONDS, soonest)))
            for worker in list(self._crew):
                self._hear(worker)
        except BaseException:  # e.g. Ctrl-C in the middle of a message: what the workers then think is unknown
            self._dismiss()
            raise
        finally:
            self._turn.release()

    def _staff(self) -> None:
        """Start workers until there are enough for the tasks."""
        busy = sum(w.task is not None for w in self._crew)
        while self._queue and len(self._crew) < min(self.count, busy + len(self._queue)):
            if self._stillborn >= MAX_STILLBORN:
                if not self._crew:
                    self._give_up(f"{self._stillborn} in a row died")
                return  # those there are do the work
            try:
                self._crew.append(WorkerProcess())
            except OSError as error:
                if not self._crew:
                    self._give_up(error.strerror or str(error))
                return

    def _give_up(self, reason: str) -> None:
        self._stillborn = 0
        with self._lock:
            tasks, self._queue = list(self._queue), deque()
        for task in tasks:
            self._finish(
                task,
                None,
                SearchError(f"worker processes cannot start ({reason}): free some memory, or give fewer workers, or 0"),
            )

    def _assign(self) -> None:
        for worker in list(self._crew):
            while worker.idle and self._queue:
                task = next((t for t in list(self._queue) if worker.knows(t.data)), self._queue[0])
                worker.task = task
                self._queue.remove(task)
                if task.future.cancelled():
                    worker.task = None
                    continue
                try:
                    worker.begin(task)
                except OSError:
                    worker.task = None
                    self._queue.appendleft(task)  # it died while it waited: the task is not to blame
                    self._remove(worker)
                    break
                except Exception as error:  # a job that cannot be sent
                    worker.task = None
                    self._finish(task, Failure(failure_reason(error)))

    def _hear(self, worker: WorkerProcess) -> None:
        task, born = worker.task, worker.started
        try:
            while worker.connection.poll():
                answer = worker.hear()
                self._stillborn = 0
                if task is not None and answer is not None:
                    self._finish(task, answer)
                    task = None
        except (OSError, EOFError):
            self._crew.remove(worker)
            code = worker.bury()
            self._stillborn += not born
            if task is not None and born and not worker.has_task and not task.lost:
                task.lost += 1  # it was dead already: the task is not to blame
                self._queue.appendleft(task)
            elif task is not None:
                self._finish(task, Failure(f"{DIED} (exit code {code})"))
            return
        if time.monotonic() > worker.deadline:
            self._stillborn += not born
            self._remove(worker)
            if task is not None:
                self._finish(task, Failure(TIME_LIMIT))

    def _end_unwanted(self) -> None:
        for worker in list(self._crew):
            if worker.task is not None and worker.task.future.cancelled():
                self._remove(worker)

    def _remove(self, worker: WorkerProcess) -> None:
        self._crew.remove(worker)
        worker.kill()

    def _dismiss(self) -> None:
        """End all workers; what they had started waits again, for searches that still want it."""
        while self._crew:
            worker = self._crew[-1]
            if worker.task is not None and not worker.task.future.done() and worker.task not in self._queue:
                self._queue.appendleft(worker.task)
            self._remove(worker)

    def close(self) -> None:
        """End the worker processes; the next job would start new ones."""
        with self._turn:
            self._dismiss()

    @property
    def pids(self) -> list[int]:
        """Process ids of the workers that live."""
        return [w.pid for w in list(self._crew) if w.pid is not None]

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
