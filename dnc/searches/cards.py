"""What the cards of searches say, from plain data: the winner with its errors, the winners of a family."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from dnc.card import Card, accuracy, clipped, per_epoch
from dnc.objective import METRICS, Objective
from dnc.trial import Trial, TrialStatus, Visit

NO_WINNER = "no finished trial yet"
UNTRAINED = {TrialStatus.FAILED: "failed", TrialStatus.PRUNED: "pruned", TrialStatus.ENDED: "ended early"}
FAMILY_COLUMNS = ("w_c", "f", "accuracy", "t_tr", "N_p", "architecture")


def trial_facts(trial: Trial, objective: Objective | None = None, n_val: int | None = None) -> list[tuple[str, str]]:
    """What was measured, with the errors that are known; with an objective also f, and what f is made of."""
    facts = [
        ("accuracy", accuracy(trial.val_acc, n_val)),
        ("t_tr", per_epoch(trial.t_tr, trial.t_tr_se)),
        ("N_p", f"{trial.n_params:,}"),
    ]
    if objective is None:
        return facts
    f = objective.of(trial)
    return [("f", f"{f:.4f}" if math.isfinite(f) else "not known"), *facts, *objective_facts(objective)]


def objective_facts(objective: Objective) -> list[tuple[str, str]]:
    """w_c, and the c_0 of its penalty."""
    penalty = {"n_params": "N_p"}.get(objective.penalty, objective.penalty)
    number = f"{objective.reference:,.0f}" if objective.penalty == "n_params" else f"{objective.reference:.3g}"
    unit = METRICS[objective.penalty].unit if objective.penalty in METRICS else ""
    return [
        ("w_c", f"{objective.wc:g}"),
        (f"c_0 of {penalty}", f"{number} {unit}".strip()),
    ]


def validation_size(spec: Mapping[str, Any]) -> int | None:
    """Number of validation samples in the description of a search; None if it does not say."""
    data = spec.get("data")
    size = data.get("n_val") if isinstance(data, Mapping) else None
    return size if isinstance(size, int) and size > 0 else None


def rivals_note(rivals: int) -> list[str]:
    """The sentence about trials that cannot be told from the best, if there are any."""
    if not rivals:
        return []
    return [f"{rivals} other {'trial is' if rivals == 1 else 'trials are'} within the error of the best"]


def search_card(
    title: str, visits: Sequence[Visit], objective: Objective, best: Trial | None, n_val: int | None
) -> Card:
    """The card of one search, or of one stage: its size, its winner, and how many trials say nothing of accuracy."""
    trials = {visit.trial.key: visit.trial for visit in visits}
    counts = Counter(trial.status for trial in trials.values())
    notes = [f"{counts[status]:,} {word}" for status, word in UNTRAINED.items() if counts[status]]
    size = f"{len(trials):,} trial{'s' * (len(trials) != 1)} in {len(visits):,} step{'s' * (len(visits) != 1)}"
    facts = objective_facts(objective) if best is None else trial_facts(best, objective, n_val)
    return Card(
        title=f"{title}: {', '.join([size, *notes])}",
        headline=NO_WINNER if best is None else str(best.config.arch),
        detail="" if best is None else str(best.config.training),
        facts=tuple(facts),
    )


def sweep_card(
    winners: Mapping[float, Trial | None],
    objectives: Mapping[float, Objective],
    n_val: int | None,
    notes: Sequence[str] = (),
) -> Card:
    """The card of searches over w_c: one row for each."""
    rows = []
    for wc, trial in winners.items():
        if trial is None:
            rows.append((f"{wc:g}", "", "", "", "", NO_WINNER))
            continue
        facts = dict(trial_facts(trial, objectives[wc], n_val))
        architecture = clipped(str(trial.config.arch), 200)
        rows.append((f"{wc:g}", *(facts[name] for name in ("f", "accuracy", "t_tr", "N_p")), architecture))
    head = FAMILY_COLUMNS if rows else ()
    return Card(f"sweep of {len(rows)} w_c", head=head, rows=tuple(rows), notes=tuple(notes))
