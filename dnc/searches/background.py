"""A search in the background, so that a notebook stays responsive and can watch or stop it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import NoReturn

from dnc.bayesopt.acquisition import XI
from dnc.bayesopt.gp import NOISE
from dnc.bayesopt.optimizer import N1, N2, N3
from dnc.data.dataset import Dataset
from dnc.errors import ArgumentError, SearchError
from dnc.searches.progress import Progress
from dnc.searches.result import SearchResult
from dnc.searches.search import SearchStopped, run_search
from dnc.searches.settings import (
    Device,
    Method,
    OptimizerName,
    StoreLike,
    Transform,
    WorkersLike,
    pack,
)
from dnc.space import Space
from dnc.trial import Trial


class SearchHandle:
    """A running search, as `dnc.start` gives it: `.progress`, `.stop()`, `.result()`, `.done`.

    >>> import dnc
    >>> data = dnc.load_data("digits", n_train=200, n_val=100)
    >>> handle = dnc.start(data, dnc.MLPSpace(nodes=(8, 32)), penalty="n_params", epochs=1, n1=2, n2=1, workers=0)
    >>> result = handle.result()  # waits for it
    >>> handle
    <search: ended; .result() gives what it found>
    """

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._thread: threading.Thread | None = None
        self._progress: Progress | None = None
        self._result: SearchResult | None = None
        self._error: BaseException | None = None

    def _run(self, search: Callable[[Callable[[Progress], None]], SearchResult]) -> None:
        """Start the thread."""

        def keep(progress: Progress) -> None:
            self._progress = progress

        def run() -> None:
            try:
                self._result = search(keep)
            except BaseException as error:  # handed to whoever asks for the result
                self._error = error

        self._thread = threading.Thread(target=run, name="dnc-search", daemon=True)
        self._thread.start()

    @property
    def progress(self) -> Progress | None:
        """The latest `Progress`; None before the first trial is finished."""
        return self._progress

    @property
    def done(self) -> bool:
        """True once the search has ended, however it did."""
        return self._thread is not None and not self._thread.is_alive()

    def stop(self) -> None:
        """Ask it to end after what runs now (a training in this process, or at once with workers)."""
        self._stop.set()

    def result(self, timeout: float | None = None) -> SearchResult:
        """Wait for the search and return its result; after `stop()`, what it had until then.

        Args:
            timeout: seconds to wait; None waits as long as it takes.

        Raises:
            TimeoutError: it still runs.
            DncError: what the search raised.
        """
        if self._thread is not None:
            self._thread.join(timeout)
        if not self.done:
            raise TimeoutError("the search still runs: wait longer, or call stop()")
        if isinstance(self._error, SearchStopped):
            return self._error.result
        if isinstance(self._error, KeyboardInterrupt):
            raise SearchError("the search was stopped before it started: there is no result")
        if self._error is not None:
            raise self._error
        if self._result is None:
            raise SearchError("the search ended without a result: run it in the foreground to see why")
        return self._result

    def __reduce__(self) -> NoReturn:
        raise ArgumentError("a search in the background cannot be pickled or copied: take its .result()")

    def __repr__(self) -> str:
        if self.done:
            return "<search: ended; .result() gives what it found>"
        p = self._progress
        return f"<search: {p.done} of {p.total} trials, best f {p.best_f:.4f}>" if p else "<search: starting>"


def start(
    data: Dataset,
    space: Space,
    *,
    wc: float = 0.1,
    penalty: str = "t_tr",
    epochs: int | None = None,
    n1: int = N1,
    n2: int = N2,
    n3: int = N3,
    seed: int = 0,
    train_seed: int | None = None,
    clock: int = 0,
    reference: float | None = None,
    store: StoreLike = None,
    workers: WorkersLike = "auto",
    device: Device = "auto",
    method: Method = "paper",
    optimizer: OptimizerName = "bayesian",
    transform: Transform = "log10",
    xi: float = XI,
    noise: float = NOISE,
    batch: int = 1,
    early_stop: bool = False,
    stage2_order: Sequence[str] | None = None,
    history: Sequence[Trial] = (),
    max_hours: float | None = None,
    trial_timeout: float | None = None,
    retry_failed: bool = False,
) -> SearchHandle:
    """Begin `search` with these arguments in a background thread and return a handle at once.

    Raises:
        ArgumentError: a bad setting. What only shows later, `handle.result()` raises.

    >>> import dnc
    >>> data = dnc.load_data("digits", n_train=200, n_val=100)
    >>> handle = dnc.start(data, dnc.MLPSpace(nodes=(8, 32)), penalty="n_params", epochs=1, n1=2, n2=1, workers=0)
    >>> handle.result(timeout=60).status == "finished"
    True
    """
    settings, resources = pack(locals())
    stop = threading.Event()
    handle = SearchHandle(stop)

    def run(progress: Callable[[Progress], None]) -> SearchResult:
        return run_search(
            data, space, settings, resources, history=history, max_hours=max_hours, progress=progress, stop=stop
        )

    handle._run(run)
    return handle
