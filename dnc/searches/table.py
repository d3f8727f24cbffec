"""The trials of a search as columns, so that thousands of them can be re-ranked while a slider is dragged."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dnc.config import MLP, Config
from dnc.errors import ArgumentError
from dnc.objective import METRICS, Objective
from dnc.tradeoff import breakpoints, pareto, rank, within_error
from dnc.trial import Reading, Trial, Visit

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
            elif visit.trial.ok and (earlier.trial.reading, visit.trial.reading) == (
                Reading.SCREENED,
                Reading.CONFIRMED,
            ):
                first[visit.trial.key] = replace(earlier, trial=visit.trial)
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

    def f_se(self, objective: Objective, n_val: int | None = None) -> NDArray[np.float64]:
        """Standard error of each trial's f, shape (n,); what is not known counts as exact.

        The accuracy's is binomial, of n_val validation samples, and t_tr's is its clock's.
        """
        accuracy = np.clip(self.val_acc, 0, 1)
        variance = accuracy * (1 - accuracy) / n_val if n_val else np.zeros(len(self))
        if objective.penalty == "t_tr":
            variance = variance + np.nan_to_num(objective.wc * self._t_tr_se / objective.reference) ** 2
        return np.sqrt(variance)

    def within_error(self, objective: Objective, best: int, n_val: int | None = None) -> NDArray[np.intp]:
        """Indices of the trials that cannot be told from the trial `best`, see `dnc.tradeoff.within_error`."""
        return within_error(self.f(objective), self.f_se(objective, n_val), best)

    @cached_property
    def _t_tr_se(self) -> NDArray[np.float64]:
        return np.array([v.trial.t_tr_se for v in self.visits], dtype=float)

    def order(self, objective: Objective) -> NDArray[np.intp]:
        """Indices of the trials that did not fail, best first (ties: cheaper, then earlier)."""
        f = self.f(objective)
        ranked = rank(f, self.complexity(objective.penalty))
        return ranked[np.isfinite(f[ranked])]

    @cached_property
    def frame(self) -> pd.DataFrame:
        """One row per trial, plain columns, without f (which depends on w_c)."""
        return visit_frame(self.visits)

    def with_f(self, objective: Objective, n_val: int | None = None) -> pd.DataFrame:
        """`frame` with the columns f and f_se, its standard error."""
        frame = self.frame.copy(deep=False)
        place: int = frame.columns.get_loc("seconds")  # type: ignore[assignment]
        frame.insert(place, "f", self.f(objective))
        frame.insert(place + 1, "f_se", self.f_se(objective, n_val))
        return frame

    def pareto(self, objective: Objective, n_val: int | None = None) -> pd.DataFrame:
        """Rows of the non-dominated trials in (complexity, error), cheapest first."""
        return self.with_f(objective, n_val).iloc[pareto(self.complexity(objective.penalty), self.error)]

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
