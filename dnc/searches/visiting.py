"""Planned steps of a stage become visits: the one way from configs to trials and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dnc.config import Config
from dnc.evaluation.early_stop import EarlyStop, LimitsFor
from dnc.objective import Objective
from dnc.searches.pruning import Pruning, Selection, TrainAll
from dnc.searches.study import Study
from dnc.trial import Trial, Visit


def visit_all(
    study: Study, steps: Sequence[Visit], incumbent: float, early_stop: EarlyStop | None = None
) -> list[Visit]:
    """The planned steps with their trials, in their order; each is told to the observer once it is decided.

    Args:
        study: what is searched.
        steps: visits of unmeasured trials; a config that stands in several of them is evaluated once.
        incumbent: the best f of the search so far.
        early_stop: what the search knows of learning curves, if it may end trainings early.
    """
    # Sobol and random points may repeat a config, above all the one without hidden layers: it is evaluated once, and
    # its trial finds its steps by the config that it carries.
    steps_of: dict[Config, list[int]] = {}
    for number, step in enumerate(steps):
        steps_of.setdefault(step.trial.config, []).append(number)
    planned = study.evaluator.plan(list(steps_of))
    fast = study.settings.method == "fast"
    selection: Selection = Pruning(planned, study.objective, incumbent) if fast else TrainAll(planned)
    visits: dict[int, Visit] = {}

    def settle(trial: Trial | None = None) -> None:
        for decided in selection.completed(trial):
            for number in steps_of[decided.config]:
                visits[number] = replace(steps[number], trial=decided)
                study.observer(visits[number])

    settle()  # what the incumbent rules out is decided before anything is trained
    limits_for = _limits_for(early_stop, study.objective, incumbent)
    for trial in study.evaluator.train(selection.to_train(), len(planned), limits_for):
        settle(trial)
    return [visits[number] for number in range(len(steps))]


def _limits_for(early_stop: EarlyStop | None, objective: Objective, incumbent: float) -> LimitsFor | None:
    if early_stop is None:
        return None
    return lambda planned: early_stop.limits(incumbent - objective.bound(planned))
