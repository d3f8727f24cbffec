"""Stages 1 and 3 explore a domain: ask the optimizer, evaluate what it proposes, tell it what was found."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from dnc.bayesopt.optimizer import Optimizer, Proposal
from dnc.config import Config
from dnc.evaluation.early_stop import EarlyStop
from dnc.evaluation.injected import unmeasured
from dnc.objective import Objective
from dnc.searches.settings import SearchSettings
from dnc.searches.study import Study
from dnc.searches.visiting import visit_all
from dnc.trial import Trial, TrialStatus, Visit


@dataclass(frozen=True)
class Before:
    """What a stage knows when it starts.

    Attributes:
        history: trials of other searches.
        contenders: points that were best in the history. They are evaluated first: a point that is told is never
            proposed, and so could not win.
        earlier: the visits of the stages before.
        incumbent: the best of them, if any.
    """

    history: Sequence[Trial] = ()
    contenders: Sequence[Any] = ()
    earlier: Sequence[Visit] = ()
    incumbent: Visit | None = None


def explore(
    study: Study,
    stage: int,
    optimizer: Optimizer,
    to_config: Callable[[Any], Config],
    before: Before,
) -> tuple[list[Visit], str]:
    """Evaluate the contenders, then n1 + n2 proposals.

    Args:
        study: what is searched.
        stage: 1 or 3.
        optimizer: has been told the history.
        to_config: the config that a point of the domain stands for.
        before: what the stage knows when it starts.

    Returns:
        The visits, and why the stage ended early, or an empty text.
    """
    visits: list[Visit] = []
    objective = study.objective
    incumbent = [before.incumbent.trial] if before.incumbent else []
    for substage, proposals in _rounds(optimizer, before.contenders, study.settings):
        steps = [
            Visit(stage, substage, len(visits) + i, unmeasured(to_config(p.point)), p.mu, p.sigma, p.ei)
            for i, p in enumerate(proposals)
        ]
        # Both are taken before the round, so that neither depends on which of its trials finishes first.
        early_stop = study.early_stop([*before.history, *(v.trial for v in [*before.earlier, *visits])])
        best = min((objective.of(t) for t in [*incumbent, *(v.trial for v in visits)]), default=math.inf)
        added = visit_all(study, steps, best, early_stop)
        visits += added
        errors = [1 - t.val_acc for t in [*incumbent, *(v.trial for v in visits)] if t.ok]
        mean_error = sum(errors) / len(errors) if errors else math.nan
        # In the order of the proposals, whatever finished first: equal histories give equal proposals.
        for proposal, visit in zip(proposals, added, strict=True):
            optimizer.tell(proposal.point, _value_to_tell(visit.trial, objective, mean_error, early_stop))
    explored, total = len(visits) - len(before.contenders), study.settings.n1 + study.settings.n2
    if explored < total:
        return visits, f"ended after {explored} of {total} trials: the space has no further config"
    return visits, ""


def _rounds(
    optimizer: Optimizer, contenders: Sequence[Any], settings: SearchSettings
) -> Iterator[tuple[str, list[Proposal]]]:
    """(substage, proposals) of each round; a round is asked for when the one before has been told."""
    yield "history", [Proposal(point) for point in contenders]
    remaining = settings.n1 + settings.n2
    # Sobol and random search learn nothing from a round, so that all of their points are one
    size = settings.n1 if settings.optimizer == "bayesian" else remaining
    while remaining:
        proposals: list[Proposal] = []
        while len(proposals) < size and optimizer.ask() is not None:
            proposals.append(optimizer.last)
        yield "", proposals
        if len(proposals) < size:
            return
        remaining -= size
        size = min(settings.batch, remaining)


def _value_to_tell(trial: Trial, objective: Objective, mean_error: float, early_stop: EarlyStop | None) -> float:
    """What the optimizer's model is told of a trial: f, or an estimate of it for one without a final accuracy.

    A pruned trial has the mean error of the finished ones, an ended one the error that its curve promised. Leaving
    them out instead would have the model propose their neighbors again.
    """
    if trial.status == TrialStatus.PRUNED:
        return objective.penalty_term(trial) + mean_error
    if trial.status == TrialStatus.ENDED and early_stop is not None:
        return objective.penalty_term(trial) + early_stop.expected_error(trial.curve)
    return objective.of(trial)
