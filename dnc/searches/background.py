"""A search in the background, so that a notebook stays responsive and can watch or stop it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dnc.errors import SearchError
from dnc.searches.archive import Store
from dnc.searches.progress import Progress
from dnc.searches.result import SearchResult
from dnc.searches.search import SearchStopped, search
from dnc.searches.stages import N1, N2, N3
from dnc.workers.pool import Workers

if TYPE_CHECKING:
    from dnc.data.dataset import Dataset
    from dnc.space import Space


class SearchHandle:
    """A running search: `.progress`, `.stop()`, `.result()`, `.done`."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._thread: threading.Thread | None = None
        self._progress: Progress | None = None
        self._result: SearchResult | None = None
        self._error: BaseException | None = None

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
    reference: float | None = None,
    store: Store | str | Path | None = None,
    workers: int | str | Workers = "auto",
    device: str = "auto",
    method: str = "paper",
    optimizer: str = "bayesian",
    transform: str = "log10",
    batch: int = 1,
    early_stop: bool = False,
    stage2_order: Sequence[str] | None = None,
    max_hours: float | None = None,
    trial_timeout: float | None = None,
    retry_failed: bool = False,
) -> SearchHandle:
    """Begin `search` with these arguments in a background thread and return a handle at once."""
    stop = threading.Event()
    handle = SearchHandle(stop)

    def keep(progress: Progress) -> None:
        handle._progress = progress

    def run() -> None:
        try:
            handle._result = search(
                data, space, wc=wc, penalty=penalty, epochs=epochs, n1=n1, n2=n2, n3=n3, seed=seed,
                train_seed=train_seed, reference=reference, store=store, workers=workers, device=device, method=method,
                optimizer=optimizer, transform=transform, batch=batch, early_stop=early_stop, stage2_order=stage2_order,
                max_hours=max_hours, trial_timeout=trial_timeout, retry_failed=retry_failed,
                progress=keep, stop=stop,
            )  # fmt: skip
        except BaseException as error:  # handed to whoever asks for the result
            handle._error = error

    handle._thread = threading.Thread(target=run, name="dnc-search", daemon=True)
    handle._thread.start()
    return handle
