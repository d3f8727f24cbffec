"""Planned steps of a stage become visits: the one way from configs to trials and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dnc.evaluation.early_stop import EarlyStop, LimitsFor
from dnc.objective import Objective
from dnc.searches.pruning import Pruning, Selection, TrainAll
from dnc.searches.study import Study
from dnc.trial import Trial, Visit


def visit_all(
    study: Study,
    objective: Objective,
    steps: Sequence[Visit],
    incumbent: float,
    early_stop: EarlyStop | None = None,
) -> list[Visit]:
    """The planned steps with their trials, in their order; each is told to the observer once it is decided.

    Args:
        study: what is searched.
        objective: f.
        steps: visits of unmeasured trials; a config that stands in several of them is evaluated once.
        incumbent: the best f of the search so far.
        early_stop: what the search knows of learning curves, if it may end trainings early.
    """
    places: dict[str, list[int]] = {}
    for place, step in enumerate(steps):
        places.setdefault(step.trial.config.key, []).append(place)
    planned = study.evaluator.measure([steps[indices[0]].trial.config for indices in places.values()])
    fast = study.settings.method == "fast"
    selection: Selection = Pruning(planned, objective, incumbent) if fast else TrainAll(planned)
    visits: dict[int, Visit] = {}

    def settle(trial: Trial | None = None) -> None:
        for decided in selection.completed(trial):
            for place in places[decided.config.key]:
                visits[place] = replace(steps[place], trial=decided)
                study.observer(visits[place])

    settle()  # what the incumbent rules out is decided before anything is trained
    limits_for = _limits_for(early_stop, objective, incumbent)
    for trial in study.evaluator.train(selection.to_train(), len(planned), limits_for):
        settle(trial)
    return [visits[place] for place in range(len(steps))]


def _limits_for(early_stop: EarlyStop | None, objective: Objective, incumbent: float) -> LimitsFor | None:
    if early_stop is None:
        return None
    return lambda planned: early_stop.limits(incumbent - objective.bound(planned))
