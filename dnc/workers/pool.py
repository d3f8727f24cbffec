"""Where jobs run: in this process, or in persistent worker processes of one thread each.

N workers of one thread beat one process of N threads on the small networks of a search, and a worker that dies
takes one trial with it, not the search. What a job computes does not depend on where it runs.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from multiprocessing import current_process
from multiprocessing.connection import wait
from typing import Any

from dnc.data.dataset import Dataset
from dnc.errors import ArgumentError, SearchError, check_float, check_int
from dnc.workers.bell import Bell
from dnc.workers.cores import MAX_WORKERS
from dnc.workers.jobs import DIED, TIME_LIMIT, Answer, Failure, Job, failure_reason, run_job
from dnc.workers.process import Task, WorkerProcess

POLL_SECONDS = 0.1  # how soon a stop request is noticed
MAX_FAILED_STARTS = 3  # workers in a row that may die before they have started


class Workers:
    """Runs jobs on data sets. Processes start at the first job and live until `close`.

    Give one as `workers=` to several searches, so that they share its processes; each may run in a thread of its own.
    What two of them want at the same time is then done once.

    >>> import dnc
    >>> from dnc.training.engine import Engine
    >>> from dnc.workers.jobs import TrainJob
    >>> data = dnc.Dataset.from_arrays([[i] for i in range(40)], [i % 2 for i in range(40)])
    >>> jobs = [TrainJob(dnc.Config(dnc.MLP((nodes,))), Engine(), epochs=3, seed=0) for nodes in (4, 8)]
    >>> with dnc.Workers(0) as workers:  # 0: in this process
    ...     for job, outcome in workers.run(jobs, data):
    ...         print(job.config.arch, len(outcome.curve), "epochs")
    MLP 4 3 epochs
    MLP 8 3 epochs

    Args:
        count: number of worker processes; 0 runs jobs in this process, when their answer is asked for.
        timeout: seconds after which a job is given up and its worker replaced; None for no limit, or the job's own.

    Raises:
        ArgumentError: a value outside its range; processes are asked for in a daemonic process, which may start none.
    """

    # No thread is started to serve the processes: those that iterate over `run` do it. Whoever gets `_dispatch_lock`
    # talks to all processes, for all searches. The others ring the bell if there is something new for it, and wait
    # until a task is done, or it leaves with its own answers and one of them takes over. `_lock` guards the tasks, is
    # held for moments only, and is never held while the dispatch lock is waited for: no deadlock.

    def __init__(self, count: int = 0, timeout: float | None = None) -> None:
        count = check_int("count", count, 0, MAX_WORKERS)
        if count and current_process().daemon:
            raise ArgumentError(
                f"workers={count} is not possible in a daemonic process, e.g. a worker of multiprocessing.Pool: give "
                'workers=0 or "auto"'
            )
        self.count = count
        self.timeout = None if timeout is None else check_float("timeout", timeout, 0, open_low=True)
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)  # a task is done, or who dispatched has left
        self._times_left = 0
        self._bell = Bell()
        self._queue: deque[Task] = deque()  # not sent yet; who dispatches takes from it, any thread appends
        self._tasks: dict[tuple[str, Job], Task] = {}  # not done yet, by data fingerprint and job
        self._dispatch_lock = threading.RLock()  # of what follows
        self._processes: list[WorkerProcess] = []
        self._failed_starts = 0  # in a row

    def run(
        self, jobs: Iterable[Job], data: Dataset, stopped: Callable[[], bool] = lambda: False
    ) -> Iterator[tuple[Job, Answer]]:
        """Yield (job, answer) of each job as it finishes; equal jobs are done once and yielded each.

        A job is taken from `jobs` when a worker is about to be free for it, so that an iterator can decide late, by the
        answers so far, what comes next. Closing the iterator early drops the jobs that have not finished, unless
        another search wants them too.

        Raises:
            KeyboardInterrupt: `stopped()` turned true; it is asked whenever jobs have been taken, also when there were
                no more. What has not finished is dropped.
            SearchError: no worker process can be started.
        """
        if self.count == 0:
            return _run_here(jobs, data, stopped)
        return self._run_in_processes(jobs, data, stopped)

    def _run_in_processes(
        self, jobs: Iterable[Job], data: Dataset, stopped: Callable[[], bool]
    ) -> Iterator[tuple[Job, Answer]]:
        source = iter(jobs)
        pending: list[tuple[Job, Task]] = []
        try:
            while True:
                # one more than there are workers: it waits in the queue, so that no worker waits for us
                pending += ((job, self._submit(job, data)) for job in islice(source, self.count + 1 - len(pending)))
                if stopped():
                    raise KeyboardInterrupt
                if not pending:
                    return
                self._dispatch([task for _, task in pending])
                for item in [item for item in pending if item[1].future.done()]:
                    pending.remove(item)  # before it is handed out: the consumer may never come back
                    yield item[0], item[1].future.result()
        finally:
            self._release(task for _, task in pending)
            self._leave()

    # ---- tasks, shared by the searches that want the same ---------------------------------------------

    def _submit(self, job: Job, data: Dataset) -> Task:
        with self._lock:
            key = (data.fingerprint, job)
            task = self._tasks.get(key)
            if task is not None:
                task.holders += 1
                return task
            limits = [limit for limit in (self.timeout, getattr(job, "limit", None)) if limit is not None]
            task = self._tasks[key] = Task(job, data, min(limits, default=None))
            self._queue.append(task)
            return task

    def _release(self, tasks: Iterable[Task]) -> None:
        """A search no longer wants these; what nobody wants is dropped, and its worker ended if it has started."""
        dropped = False
        with self._lock:
            for task in tasks:
                task.holders -= 1
                # A cancelled task stays in the queue, or with its worker, until the next dispatch. It leaves `_tasks`
                # at once: a search that wants the same from now on must get a task of its own.
                if task.holders == 0 and task.future.cancel():
                    self._tasks.pop((task.data.fingerprint, task.job), None)
                    dropped = True
        # Do not wait for the lock: whoever has it is dispatching, and ends unwanted work at its next round. If nobody
        # has it, this may have been the last search, and there would be no next round.
        if not dropped:
            return
        if not self._dispatch_lock.acquire(blocking=False):
            self._bell.ring()
            return
        try:
            self._end_unwanted()
        finally:
            self._dispatch_lock.release()

    def _finish(self, task: Task, result: Answer | SearchError) -> None:
        with self._lock:
            self._tasks.pop((task.data.fingerprint, task.job), None)
            if task.future.done():  # cancelled meanwhile
                return
            if isinstance(result, SearchError):
                task.future.set_exception(result)
            else:
                task.future.set_result(result)
            self._changed.notify_all()

    def _leave(self) -> None:
        """Whoever has dispatched has its own answers: another that waits takes over."""
        with self._changed:
            self._times_left += 1
            self._changed.notify_all()

    # ---- the processes; all of it under the dispatch lock ----------------------------------------------

    def _dispatch(self, wanted: list[Task]) -> None:
        """Wait for a moment, or until one of the tasks is done, serving all workers meanwhile."""
        before = self._times_left  # read first: who leaves between the next line and the waiting is noticed, too
        if not self._dispatch_lock.acquire(blocking=False):
            if self._queue:
                self._bell.ring()
            with self._changed:
                self._changed.wait_for(
                    lambda: self._times_left != before or any(t.future.done() for t in wanted), POLL_SECONDS
                )
            return
        try:
            self._end_unwanted()
            self._start_processes()
            self._assign()
            now = time.monotonic()
            soonest = min((w.deadline - now for w in self._processes), default=POLL_SECONDS)
            readable = [self._bell, *(w.connection for w in self._processes)]
            wait(readable, timeout=max(0.0, min(POLL_SECONDS, soonest)))
            self._bell.silence()
            for worker in list(self._processes):
                self._receive(worker)
        except BaseException:
            # E.g. Ctrl-C in the middle of a message. Half of it may still be in the pipe, where the next message would
            # be read from its middle, as the answer to another task: no process can be trusted any more.
            self._end_all()
            raise
        finally:
            self._dispatch_lock.release()
        if any(task.future.done() for task in wanted):
            self._leave()

    def _start_processes(self) -> None:
        """Start workers until there are enough for the tasks."""
        busy = sum(w.task is not None for w in self._processes)
        # Counted by need, not up to `count` at once: a process takes seconds and memory to start. One that is
        # starting counts as free, since it will take the task that it was started for.
        while self._queue and len(self._processes) < min(self.count, busy + len(self._queue)):
            if self._failed_starts >= MAX_FAILED_STARTS:
                if not self._processes:
                    self._give_up(f"{self._failed_starts} in a row died")
                return  # the workers that did start are enough to go on
            try:
                self._processes.append(WorkerProcess())
            except OSError as error:
                if not self._processes:
                    self._give_up(error.strerror or str(error))
                return

    def _give_up(self, reason: str) -> None:
        """Every task that waits becomes an error: there is no worker that could take it."""
        self._failed_starts = 0  # a later search may find more memory
        with self._lock:
            tasks, self._queue = list(self._queue), deque()
        advice = "free some memory, or give fewer workers, or 0"
        for task in tasks:
            self._finish(task, SearchError(f"worker processes cannot start ({reason}): {advice}"))

    def _assign(self) -> None:
        """Send queued tasks to idle workers."""
        for worker in list(self._processes):
            while worker.idle and self._queue:
                # Prefer data that it has: sending a data set takes longer than many a job. Otherwise the oldest.
                task = next((t for t in list(self._queue) if worker.has_data(t.data)), self._queue[0])
                # The worker gets the task before the queue loses it: an interrupt between the two lines leaves it in
                # both, which `_end_all` sorts out, and never in neither.
                worker.task = task
                self._queue.remove(task)
                if task.future.cancelled():
                    worker.task = None
                    continue
                try:
                    worker.send(task)
                except OSError:  # it died while it was idle
                    self._try_again(task, DIED)
                    self._end(worker)
                    break
                except Exception as error:  # a job that cannot be sent
                    worker.task = None
                    self._finish(task, Failure(failure_reason(error)))

    def _receive(self, worker: WorkerProcess) -> None:
        """Take what a worker has sent; replace it if it is dead, or its time is up."""
        task, had_started = worker.task, worker.started
        try:
            while worker.connection.poll():
                answer = worker.receive()
                self._failed_starts = 0
                if task is not None and answer is not None:
                    self._finish(task, answer)
                    task = None
        except (OSError, EOFError):
            code = worker.reap()  # takes a while: an interrupt finds the worker and its task still listed
            self._processes.remove(worker)
            self._failed_starts += not had_started
            if task is None:
                return
            reason = f"{DIED} (exit code {code})"
            # Blame the task only if the worker had confirmed it. Otherwise the worker was dead before the task came,
            # killed while idle by the system or somebody else: the pipe still took the message.
            if worker.has_task:
                self._finish(task, Failure(reason))
            else:
                self._try_again(task, reason)
            return
        if time.monotonic() > worker.deadline:
            self._failed_starts += not had_started
            self._end(worker)
            if task is not None:
                self._finish(task, Failure(TIME_LIMIT))

    def _try_again(self, task: Task, reason: str) -> None:
        """Queue a task that its worker never confirmed, ahead of the others; give it up when that goes on.

        All workers may have died idle, e.g. when memory ran short, and each of them loses the task once. More losses
        than that are the task's own doing, e.g. data too large to be received: without an end it would go on for ever.
        """
        task.lost += 1
        if task.lost > self.count:
            self._finish(task, Failure(reason))
        else:
            self._queue.appendleft(task)

    def _end_unwanted(self) -> None:
        for worker in list(self._processes):
            if worker.task is not None and worker.task.future.cancelled():
                self._end(worker)

    def _end(self, worker: WorkerProcess) -> None:
        self._processes.remove(worker)
        worker.kill()

    def _end_all(self) -> None:
        """End all workers; what they had started waits again, for searches that still want it."""
        while self._processes:
            worker = self._processes[-1]
            if worker.task is not None and not worker.task.future.done() and worker.task not in self._queue:
                self._queue.appendleft(worker.task)
            self._end(worker)

    def close(self) -> None:
        """End the worker processes; the next job would start new ones."""
        with self._dispatch_lock:
            self._end_all()

    @property
    def pids(self) -> list[int]:
        """Process ids of the workers that live."""
        return [w.pid for w in list(self._processes) if w.pid is not None]

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return Workers, (self.count, self.timeout)  # pickled, as many of their own: processes cannot travel

    def __deepcopy__(self, memo: object) -> Workers:
        return self  # shared, as it is by the searches that are given it


def _run_here(jobs: Iterable[Job], data: Dataset, stopped: Callable[[], bool]) -> Iterator[tuple[Job, Answer]]:
    for job in jobs:
        if stopped():
            raise KeyboardInterrupt
        yield job, run_job(job, data)
    if stopped():
        raise KeyboardInterrupt
