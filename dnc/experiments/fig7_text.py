"""What is said about Figure 7 in words: the caption of the picture, and the table that is printed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dnc.plots.arms_info import ArmsInfo, Group, span


def caption(facts: Mapping[str, Any]) -> str:
    """How the numbers came about, in a few lines."""
    setting, c_0 = facts["setting"], facts["c_0"]
    seeds = ", ".join(map(str, facts["seeds"]))
    shared = "The seeds share one timing of each config: recorded by an older dnc."
    own = "Every seed has timings of its own; c_0 is their median."
    clocks = "" if len(facts["seeds"]) == 1 else f"\n{own if 'clocks' in facts else shared}"
    return (
        f"Scale {facts['scale']}: {setting['space']['family'].upper()} search on {setting['data']}, "
        f"{facts['n_train']:,} images to train and {facts['n_val']:,} to validate, {setting['epochs']} epochs, "
        f"seed{'s' if len(facts['seeds']) > 1 else ''} {seeds}.\n"
        f"f = (1 − best validation accuracy) + w_c · t_tr / c_0 with c_0 = {c_0['t_tr']:.3g} s per epoch, "
        f"on {facts['hardware']['machine']}.{clocks}"
    )


def summary(info: ArmsInfo) -> str:
    """A table of all arms: final f with its interval, and the distinct configs of one search, both over seeds."""
    rows = [("w_c", "", "final f", "distinct configs in stage 1", "in all stages")]
    rows += [
        (f"{panel.wc:g}", group.name, _f(group), span(group.distinct_stage1, " to "), span(group.distinct, " to "))
        for panel in info.panels
        for group in panel.groups
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
    return "\n".join(lines)


def _f(group: Group) -> str:
    return f"{group.mean:.4f}" if len(group.final) == 1 else f"{group.mean:.4f} ± {group.half_width:.4f}"
