"""Which w_c the trials of a search answer: those near the one that it was aimed at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dnc.objective import Objective
from dnc.tradeoff import sound_range

ROUNDING = 1 + 1e-9  # an aim that was scaled to another c_0 is still an aim


def aims_of(spec: Mapping[str, Any], facts: Mapping[str, Any], objective: Objective) -> tuple[float, ...] | None:
    """The w_c at which the searches behind a result were aimed, in units of this objective's c_0.

    None where nobody knows, () where they were aimed at another penalty.
    """
    if "wc" not in spec or "penalty" not in spec:
        return None
    if spec["penalty"] != objective.penalty:
        return ()
    searched = facts.get("references", {}).get(objective.penalty, objective.reference)
    scale = objective.reference / searched  # under another c_0 the same f has another w_c
    return tuple(scale * wc for wc in facts.get("aims", [spec["wc"]]))


def caution(aims: Sequence[float] | None, objective: Objective) -> str:
    """One sentence if trials are ranked at a w_c, or under a penalty, that they do not answer; "" otherwise."""
    if aims is None or any(low <= objective.wc <= high * ROUNDING for low, high in sound_range(aims)):
        return ""
    if not aims:
        how = f"penalty={objective.penalty!r}, wc={objective.wc:g}"
        return f"not aimed at penalty {objective.penalty}: a search with {how} finds better networks"
    how = f"wc={objective.wc:g}"
    return f"{_aimed(aims)}, sound at w_c {_ranges(aims)}: a search or sweep with {how} finds better networks"


def aim_notes(aims: Sequence[float] | None, objective: Objective) -> list[str]:
    """The sentence on where searches were aimed and at which w_c their trials may be ranked, if no caution says it."""
    if not aims or caution(aims, objective):
        return []
    return [f"{_aimed(aims)}; its trials may be ranked at w_c {_ranges(aims)}"]


def _aimed(aims: Sequence[float]) -> str:
    return f"aimed at w_c = {', '.join(f'{aim:.3g}' for aim in aims)}"


def _ranges(aims: Sequence[float]) -> str:
    return " and ".join(f"{low:.3g} to {high:.3g}" for low, high in sound_range(aims))
