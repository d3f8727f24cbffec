"""What is said about a family in words: the caption of the picture, and the table that is printed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dnc.plots.family_info import QUANTITIES, Estimate, FamilyInfo

PAPER_BATCH = 256


def caption(facts: Mapping[str, Any]) -> str:
    """How the numbers came about: one line for the whole, and one for each distinct way that data and nets were cut."""
    budget, seeds = facts["budget"], facts["seeds"]
    alike: dict[str, list[str]] = {}  # columns by what was searched there
    for setting in facts["settings"]:
        alike.setdefault(_what(setting), []).append(setting["shown"])
    return "\n".join(
        (
            f"Scale {facts['scale']} on {facts['hardware']['machine']}: n1 = {budget['n1']}, n2 = {budget['n2']}, "
            f"n3 = {budget['n3']}, seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}; "
            "test accuracy and t_tr are those of the final network, trained on train + validation data; search cost is "
            "the training time of all steps by the clock of t_tr.",
            *(f"{'; '.join(columns)}: {what}." for what, columns in alike.items()),
        )
    )


def _what(setting: Mapping[str, Any]) -> str:
    """Data and space of a column in short."""
    space, shape = setting["space"], "x".join(map(str, setting["input_shape"]))
    data = f"{setting['n_train']:,} / {setting['n_val']:,} / {setting['n_test']:,} samples of {shape}"
    epochs = f"{setting['epochs']} epochs, final {setting['refit_epochs']}"
    if space["family"] == "mlp":
        nets = f"{_span(space['hidden_layers'])} hidden layers of {_span(space['nodes'])} nodes"
    else:
        nets = (
            f"{_span(space['conv_layers'])} conv layers, first {_span(space['first_channels'])} channels, at most "
            f"{space['max_channels']}, halved above {', '.join(map(str, space['downsample_above']))}"
        )
    batch = space["training"]["preset_batch_size"]
    return f"{data}, {epochs}, {nets}{'' if batch == PAPER_BATCH else f', preset batch {batch}'}"


def _span(bounds: Any) -> str:
    return "-".join(map(str, bounds))


def summary(info: FamilyInfo) -> str:
    """Means over seeds with half the width of their intervals, by column, penalty and w_c."""
    rows = [("", "penalty", "w_c", *(q.label for q in QUANTITIES))]
    rows += [
        (column.title, series.penalty, f"{m.wc:g}", *(_cell(m.estimates[q.column], q.log) for q in QUANTITIES))
        for column in info.columns
        for series in column.series
        for m in series.members
    ]
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    lines = ("  ".join(c.ljust(width) for c, width in zip(cells, widths, strict=True)).rstrip() for cells in rows)
    return "\n".join(lines)


def _cell(estimate: Estimate, log: bool) -> str:
    mean = f"{estimate.mean:,.3g}" if log and estimate.mean < 1000 else f"{estimate.mean:,.0f}" if log else ""
    mean = mean or f"{estimate.mean:.1f}"
    if len(estimate.values) == 1:
        return mean
    ends = (estimate.low, estimate.high)
    low, high = (f"{x:,.3g}" if log and x < 1000 else f"{x:,.0f}" if log else f"{x:.1f}" for x in ends)
    return f"{mean} ({low} to {high})"
