"""Which planned trials of a round are trained: all of them, or with method="fast" only those that can still win.

Certified pruning: f >= w_c c / c_0, since the error is never negative, and c is known before any training: N_p at once,
t_tr, less twice its standard error, after its timing. A config whose bound exceeds the best f so far cannot win even
with perfect accuracy. For a fixed list of candidates the winner is therefore exactly the one that training all of them
would give.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Protocol

from dnc.objective import Objective
from dnc.trial import Trial, TrialStatus


class Selection(Protocol):
    """Decides about planned trials, whose configs differ."""

    def to_train(self) -> Iterator[Trial]:
        """Planned trials to train, each decided when it is asked for."""
        ...

    def completed(self, trial: Trial | None = None) -> Iterator[Trial]:
        """Trials, trained or not, that are decided since the last call; `trial` has just been trained."""
        ...


class TrainAll:
    """Every planned trial is trained, the longest first, so that no worker is left alone with it at the end."""

    def __init__(self, planned: Sequence[Trial]) -> None:
        self._order = sorted(planned, key=lambda trial: trial.t_tr if trial.t_tr == trial.t_tr else 0.0, reverse=True)

    def to_train(self) -> Iterator[Trial]:
        """See `Selection`."""
        return iter(self._order)

    def completed(self, trial: Trial | None = None) -> Iterator[Trial]:
        """See `Selection`."""
        return iter(() if trial is None else (trial,))


class Pruning:
    """Certified pruning. Cheap candidates come first, as they rule out the most.

    Which candidates count as pruned is a function of the bounds, the f values and the incumbent alone: it is settled
    in the order of the bounds, whatever finishes first. A candidate that was trained although an earlier one, still
    running then, rules it out, counts as pruned.

    Args:
        planned: the candidates.
        objective: f.
        incumbent: the best f of the search before.
    """

    def __init__(self, planned: Sequence[Trial], objective: Objective, incumbent: float = float("inf")) -> None:
        self._objective = objective
        self._order = sorted(planned, key=objective.bound)  # stable: of equal bounds the first comes first
        self._trained: dict[str, Trial] = {}  # by config, what has finished
        self._best = incumbent  # over what has finished, in any order: the most that may be skipped now
        self._settled_best = incumbent  # over what is settled, in order: what decides, on any number of workers
        self._next = 0  # place in the order of the first candidate that is not settled

    def to_train(self) -> Iterator[Trial]:
        """See `Selection`."""
        # Asked late, one by one: whatever has finished by then may rule out the next. One that could tie is trained, as
        # ties go to the cheaper config.
        for trial in self._order:
            if self._objective.bound(trial) <= self._best:
                yield trial

    def completed(self, trial: Trial | None = None) -> Iterator[Trial]:
        """See `Selection`; in the order of the bounds."""
        # `_best` depends on what happened to finish first: it may only save work. What counts as pruned is decided by
        # `_settled_best`, which is the same on one worker and on ten.
        if trial is not None:
            self._trained[trial.config.key] = trial
            self._best = min(self._best, self._objective.of(trial))
        while self._next < len(self._order):
            candidate = self._order[self._next]
            decided = self._trained.get(candidate.config.key)
            if self._objective.bound(candidate) > self._settled_best:
                decided = self._pruned(candidate)
            elif decided is None:
                return  # it still runs, and what comes after it may be ruled out by its f
            else:
                self._settled_best = min(self._settled_best, self._objective.of(decided))
            self._next += 1
            yield decided

    def _pruned(self, candidate: Trial) -> Trial:
        reason = f"cannot win: w_c c / c_0 alone is at least {self._objective.bound(candidate):.4g}"
        return replace(candidate, status=TrialStatus.PRUNED, reason=reason)
