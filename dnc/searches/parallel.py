"""Many searches side by side on the same worker processes, with one progress bar for all of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import Any, TypeVar

from dnc.bars import progress_bar
from dnc.searches.estimate import duration

T = TypeVar("T")


def run_all(
    one: Callable[[int, threading.Event], T], count: int, threads: int, stop: threading.Event | None = None
) -> list[T]:
    """`one(index, stop)` for each index, at most `threads` at a time; results in order.

    A BO step waits for its training, so one search keeps one worker busy: as many searches as workers keep all of them
    busy. With `threads` = 0 or 1 they run one after another in this thread.

    Raises:
        KeyboardInterrupt: Ctrl-C; all have stopped.
        Exception: the first that one of them raised; the others have stopped.
    """
    stop = stop or threading.Event()
    if threads < 2:
        return [one(index, stop) for index in range(count)]
    with ThreadPoolExecutor(threads, thread_name_prefix="dnc-search") as pool:
        futures = [pool.submit(one, index, stop) for index in range(count)]
        try:
            wait(futures, return_when=FIRST_EXCEPTION)
        finally:  # all done, one has failed, or Ctrl-C
            unfinished = [f for f in futures if not f.done()]
            if unfinished:
                stop.set()
                for future in unfinished:
                    future.cancel()
    failures = [e for f in futures if not f.cancelled() and (e := f.exception()) is not None]
    # a failure stops the others, which then end with a KeyboardInterrupt: the failure is the one to report
    for error in sorted(failures, key=lambda e: isinstance(e, KeyboardInterrupt)):
        raise error
    return [f.result() for f in futures]


class MultiProgress:
    """One progress bar for many searches: steps done, and the time left judged by the trainings still to do.

    Args:
        new: trainings that each search needs at most, beyond what it shares with those before it.
        show: False is silent.
    """

    def __init__(self, new: Sequence[int], show: bool = True) -> None:
        self._new = list(new)
        self._done, self._total, self._trained = ([0] * len(new) for _ in range(3))
        self._started = time.perf_counter()
        self._lock = threading.Lock()
        layout = "{percentage:3.0f}% |{bar}| {elapsed} {postfix}"
        self._bar: Any = progress_bar(sum(new), "trial", bar_format=layout, seldom_in_logs=True) if show else None

    def update(self, index: int, done: int, total: int, cached: int) -> None:
        """Search `index` has done so many of its steps, so many of them by looking up."""
        with self._lock:
            self._done[index], self._total[index], self._trained[index] = done, total, done - cached
            if self._bar is not None:
                finished = sum(d >= t > 0 for d, t in zip(self._done, self._total, strict=True))
                self._bar.n = round(sum(self._new) - self.left)
                remaining = self.remaining
                time_left = "" if remaining is None else f", about {duration(remaining)} left"
                text = f"{finished} of {len(self._new)} searches, {self.trained} trainings{time_left}"
                self._bar.set_postfix_str(text, refresh=False)
                self._bar.update(0)

    @property
    def trained(self) -> int:
        """Trainings of this run, those looked up left out."""
        return sum(self._trained)

    @property
    def left(self) -> float:
        """Trainings still to do, at most."""
        return sum(n * (1 - d / t if t else 1) for n, d, t in zip(self._new, self._done, self._total, strict=True))

    @property
    def remaining(self) -> float | None:
        """Seconds to go, predicted from the pace of the searches that train; None before the first training."""
        live = [t > 0 for t in self._trained]  # what is only looked up takes no time and says nothing of it
        shares = zip(live, self._new, self._done, self._total, strict=True)
        worked = sum(n * d / t for trains, n, d, t in shares if trains)
        return (time.perf_counter() - self._started) * self.left / worked if worked else None

    def __enter__(self) -> MultiProgress:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._bar is not None:
            self._bar.close()
