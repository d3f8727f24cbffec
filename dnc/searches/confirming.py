"""Screen, then confirm: before a stage decides, what could be its best is timed again, to 1 %.

A first timing is as short as its config is cheap, and cheap configs are what a search with a penalty compares. To time
every config to 1 % would cost more than it is worth, as few of them come near the best. So the optimizers see the
screening, and the decisions of stages and grids are made by a second measurement of the finalists.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from dnc.objective import ERRORS, Objective
from dnc.searches.study import Study
from dnc.trial import Reading, Trial, Visit


def confirm_finalists(study: Study, visits: Sequence[Visit], rivals: Sequence[Visit] = ()) -> list[Visit]:
    """The visits, those whose f could be the smallest with a second reading of their t_tr.

    A visit that is confirmed is told to the observer again. Under w_c = 0 and under penalties without errors there is
    nothing to confirm.

    Args:
        study: what is searched.
        visits: finished steps.
        rivals: what they are compared with besides, e.g. the best of the stages before; left as it is.
    """
    objective, visits = study.objective, list(visits)
    if not (objective.wc and objective.penalty == "t_tr"):
        return visits
    tried: set[str] = set()
    while True:
        # A confirmed f that is higher than its screening was lets others come within reach: hence more than one round.
        finalists = within_reach([v.trial for v in (*visits, *rivals)], objective)
        unsure = {t.key: t for t in finalists if t.reading is Reading.SCREENED and t.t_tr_se > 0 and t.key not in tried}
        places = [i for i, visit in enumerate(visits) if visit.trial.key in unsure]
        if not places:
            return visits
        tried.update(unsure)
        again = study.evaluator.time_again([unsure[key] for key in unsure], Reading.CONFIRMED)
        confirmed = {trial.key: trial for trial in again if trial.reading is Reading.CONFIRMED}
        for i in places:
            trial = confirmed.get(visits[i].trial.key)
            if trial is not None:
                visits[i] = replace(visits[i], trial=replace(trial, cached=visits[i].trial.cached))
                study.observer(visits[i])


def within_reach(trials: Sequence[Trial], objective: Objective) -> list[Trial]:
    """Trials whose f, less twice the error that its timing gives it, is below the largest that the best may have."""
    margin = [ERRORS * objective.timing_error(trial) for trial in trials]
    f = [objective.of(trial) for trial in trials]
    most = min((value + error for value, error in zip(f, margin, strict=True)), default=math.inf)
    return [t for t, value, error in zip(trials, f, margin, strict=True) if t.ok and value - error <= most]
