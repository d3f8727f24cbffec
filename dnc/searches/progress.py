"""Progress of a search: steps done, seconds left, best f so far; as a bar, or handed to a function."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from dnc.bars import progress_bar
from dnc.objective import Objective
from dnc.trial import Visit


@dataclass(frozen=True)
class Progress:
    """A moment of a running search.

    Attributes:
        stage: 1, 2 or 3.
        done, total: steps finished and planned (stage 2's size is an estimate until it begins).
        cached: how many of the steps done were looked up.
        best_f: smallest f so far; infinity before the first trial.
        elapsed: wall seconds so far.
        remaining: predicted wall seconds to go; None before the first training.

    >>> Progress(stage=1, done=3, total=65, cached=0, best_f=0.21, elapsed=12.0, remaining=248.0).done
    3
    """

    stage: int
    done: int
    total: int
    cached: int
    best_f: float
    elapsed: float
    remaining: float | None


ProgressOption = bool | Callable[[Progress], None]  # a bar, silence, or a function of each moment


class Reporter:
    """Observes a search's visits and shows them.

    Args:
        planned: planned number of steps by stage.
        objective: f.
        show: True draws a bar, False is silent, a function is called with each `Progress`.
        label: text before the bar.
    """

    def __init__(self, planned: Mapping[int, int], objective: Objective, show: ProgressOption, label: str = "") -> None:
        self._planned, self._objective, self._show, self._label = dict(planned), objective, show, label
        self._done = dict.fromkeys(planned, 0)
        self._cached, self._best, self._started = 0, float("inf"), time.perf_counter()
        self._lock = threading.Lock()
        self._bar: Any = progress_bar(sum(planned.values()), "trial", label=label) if show is True else None

    def plan(self, stage: int, steps: int) -> None:
        """Correct the planned number of a stage's steps."""
        with self._lock:
            self._planned[stage] = steps
            if self._bar is not None:
                self._bar.total = sum(self._planned.values())
                self._bar.refresh()

    def __call__(self, visit: Visit) -> None:
        with self._lock:
            self._done[visit.stage] = self._done.get(visit.stage, 0) + 1
            self._planned[visit.stage] = max(self._planned.get(visit.stage, 0), self._done[visit.stage])
            self._cached += visit.trial.cached
            self._best = min(self._best, self._objective.of(visit.trial))
            state = self._state(visit.stage)
            if self._bar is not None:
                self._bar.total = state.total
                self._bar.set_description_str(f"{self._label} stage {visit.stage}".strip(), refresh=False)
                self._bar.set_postfix_str(f"best f {self._best:.4f}", refresh=False)
                self._bar.update(1)
        if callable(self._show):
            self._show(state)

    def _state(self, stage: int) -> Progress:
        done, total = sum(self._done.values()), sum(self._planned.values())
        elapsed = time.perf_counter() - self._started
        trained = done - self._cached  # looked-up steps cost nothing and tell nothing about the time to go
        remaining = elapsed / trained * (total - done) if trained else None
        return Progress(stage, done, total, self._cached, self._best, elapsed, remaining)

    def close(self) -> None:
        """End the bar."""
        if self._bar is not None:
            self._bar.close()
