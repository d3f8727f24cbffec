"""The trials of a search as columns, so that thousands of them can be re-ranked while a slider is dragged."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dnc.config import MLP, Config
from dnc.errors import ArgumentError
from dnc.objective import METRICS, Objective
from dnc.tradeoff import breakpoints, pareto, rank
from dnc.trial import Trial, Visit

if TYPE_CHECKING:
    import pandas as pd


def visit_frame(visits: Sequence[Visit]) -> pd.DataFrame:
    """One row per visit; without any, the same columns."""
    import pandas as pd

    nothing = Visit(1, "", 0, Trial(Config(MLP()), math.nan, math.nan, 0))
    return pd.DataFrame([v.row() for v in visits or [nothing]]).iloc[: len(visits)]


class TrialTable:
    """Distinct trials in the order in which they were first visited.

    Args:
        visits: steps of one search or several; a config that was visited twice counts once.
    """

    def __init__(self, visits: Sequence[Visit]) -> None:
        first: dict[str, Visit] = {}
        for visit in visits:
            earlier = first.setdefault(visit.trial.key, visit)
            if visit.trial.ok and not earlier.trial.ok:  # another search trained what this one pruned
                first[visit.trial.key] = visit
        self.visits = tuple(first.values())
        self.val_acc = np.array([v.trial.val_acc if v.trial.ok else np.nan for v in self.visits])

    def __len__(self) -> int:
        return len(self.visits)

    @cached_property
    def error(self) -> NDArray[np.float64]:
        """1 - val_acc, shape (n,); NaN for failed trials."""
        return 1.0 - self.val_acc

    @cached_property
    def _columns(self) -> dict[str, NDArray[np.float64]]:
        return {}

    def complexity(self, penalty: str) -> NDArray[np.float64]:
        """The metric of each trial, shape (n,); NaN where it was not measured.

        Raises:
            ArgumentError: a trial that did not fail carries no such metric.
        """
        if not self._has(penalty):
            recorded = ", ".join(repr(name) for name in METRICS if self._has(name))
            raise ArgumentError(
                f"penalty={penalty!r} was not recorded with these trials: choose one of {recorded}, or search again "
                f"with penalty={penalty!r}"
            )
        if penalty not in self._columns:
            self._columns[penalty] = np.array([v.trial.complexity(penalty) for v in self.visits], dtype=float)
        return self._columns[penalty]

    def _has(self, penalty: str) -> bool:
        return penalty in ("t_tr", "n_params") or all(penalty in v.trial.metrics for v in self.visits if v.trial.ok)

    def f(self, objective: Objective) -> NDArray[np.float64]:
        """f of each trial, shape (n,); NaN for failed trials."""
        return np.asarray(objective(self.val_acc, self.complexity(objective.penalty)), dtype=float)

    def order(self, objective: Objective) -> NDArray[np.intp]:
        """Indices of the trials that did not fail, best first (ties: cheaper, then earlier)."""
        f = self.f(objective)
        ranked = rank(f, self.complexity(objective.penalty))
        return ranked[np.isfinite(f[ranked])]

    @cached_property
    def frame(self) -> pd.DataFrame:
        """One row per trial, plain columns, without f (which depends on w_c)."""
        return visit_frame(self.visits)

    def with_f(self, objective: Objective) -> pd.DataFrame:
        """`frame` with a column f."""
        frame = self.frame.copy(deep=False)
        frame.insert(frame.columns.get_loc("seconds"), "f", self.f(objective))  # type: ignore[arg-type]
        return frame

    def pareto(self, objective: Objective) -> pd.DataFrame:
        """Rows of the non-dominated trials in (complexity, error), cheapest first."""
        return self.with_f(objective).iloc[pareto(self.complexity(objective.penalty), self.error)]

    def breakpoints(self, objective: Objective) -> pd.DataFrame:
        """Rows of the trials that win at some w_c, with the interval [wc_from, wc_to] in which each does."""
        winners, start = breakpoints(self.complexity(objective.penalty), self.error, objective.reference)
        table = self.frame.iloc[winners].copy()
        table.insert(0, "wc_from", start)
        table.insert(1, "wc_to", np.append(start[1:], np.inf)[: len(start)])
        return table


def best_visits(visits: Sequence[Visit], objective: Objective) -> list[Visit]:
    """Visits in order of f (ties: cheaper, then earlier first), each config once; those without an f are left out."""
    f = [objective.of(v.trial) for v in visits]
    complexity = [v.trial.complexity(objective.penalty) for v in visits]
    first: dict[Config, Visit] = {}
    for i in rank(f, complexity):
        if math.isfinite(f[i]):
            first.setdefault(visits[i].trial.config, visits[i])
    return list(first.values())
