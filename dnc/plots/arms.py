"""Fig. 7: ways to search compared on f, with every seed visible, and how f falls during the search."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes

from dnc.plots.style import (
    ARM_COLORS,
    ARM_MARKERS,
    GRID,
    INK,
    MUTED,
    PAGE,
    PAPER,
    SMALL_SIZE,
    Picture,
    picture,
    plotly_template,
    style,
    wc_label,
)

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

GRID_SHARE = (
    1 / 6
)  # stage 2 on the axis of trials, as a share of stage 1: its grids have few trials, and not all as many
SKIPPED = 0.1  # share of stage 1 whose f does not stretch the axis: the first trials are far from any optimum


def grid_width(trials: int) -> int:
    """Places on the axis that stage 2 takes where stages 1 and 3 have so many trials."""
    return max(1, round(GRID_SHARE * trials))


class Group(NamedTuple):
    """The searches of one arm at one w_c, one number a seed."""

    arm: str
    label: str
    seeds: tuple[int, ...]
    stage1: tuple[float, ...]  # best f after stage 1
    final: tuple[float, ...]  # best f after stage 3
    curve: tuple[float, ...]  # best f so far by place on the axis of trials, mean over seeds

    @property
    def mean(self) -> float:
        """Mean of the final f."""
        return float(np.mean(self.final))

    @property
    def spread(self) -> float:
        """Standard deviation of the final f over seeds; 0 where there is one seed."""
        return float(np.std(self.final, ddof=1)) if len(self.final) > 1 else 0.0


class Panel(NamedTuple):
    """All arms at one w_c."""

    wc: float
    groups: tuple[Group, ...]


class ArmsInfo(NamedTuple):
    """Plain data of Fig. 7."""

    panels: tuple[Panel, ...]
    trials: int  # trials of stages 1 and 3 each
    note: str


def arms_info(frame: pd.DataFrame, labels: Mapping[str, str], note: str = "") -> ArmsInfo:
    """Arrange tidy rows, one a step of a search.

    Args:
        frame: columns wc, arm, seed, stage, step, best_so_far (f, over all stages of its search).
        labels: the arms in order, and what they are called.
        note: what the numbers were made with.
    """
    trials = int(frame.loc[frame["stage"] != 2, "step"].max()) + 1
    panels = []
    for wc, part in frame.groupby("wc", sort=True):
        here = [(arm, part[part["arm"] == arm]) for arm in labels]
        groups = [_group(arm, labels[arm], rows, trials) for arm, rows in here if len(rows)]
        panels.append(Panel(float(wc), tuple(groups)))  # type: ignore[arg-type]
    return ArmsInfo(tuple(panels), trials, note)


def _group(arm: str, label: str, rows: Any, trials: int) -> Group:
    seeds, stage1, final, curves = [], [], [], []
    for seed, run in rows.sort_values(["stage", "step"]).groupby("seed", sort=True):
        seeds.append(int(seed))  # type: ignore[call-overload]
        one, two, three = (run.loc[run["stage"] == s, "best_so_far"].to_numpy(dtype=float) for s in (1, 2, 3))
        after = two[-1] if len(two) else one[-1]
        stage1.append(float(one[-1]))
        final.append(float(three[-1]) if len(three) else float(after))
        curves.append(
            np.concatenate([_filled(one, trials), np.full(grid_width(trials), after), _filled(three, trials, after)])
        )
    curve = np.mean(curves, axis=0)
    return Group(arm, label, tuple(seeds), tuple(stage1), tuple(final), tuple(map(float, curve)))


def _filled(values: np.ndarray, length: int, empty: float = float("nan")) -> np.ndarray:
    """`values` continued by the last one: a stage that ended early keeps its best."""
    last = values[-1] if len(values) else empty
    return np.concatenate([values, np.full(length - len(values), last)])


# ---- matplotlib -------------------------------------------------------------------------------------


def draw_arms(info: ArmsInfo) -> Picture:
    """Fig. 7 by matplotlib: above, f after stage 1 and at the end; below, the best f so far. A column each w_c."""
    columns = len(info.panels)
    with style():
        figure = picture(max(PAGE, 2.3 * columns), 5.0)
        axes = figure.subplots(2, columns, squeeze=False, height_ratios=(1.25, 1))
        for column, panel in enumerate(info.panels):
            _points(axes[0, column], panel, first=column == 0)
            _curves(axes[1, column], panel, info.trials, first=column == 0)
        seeds = max(len(g.seeds) for p in info.panels for g in p.groups)
        bars = f", bars: mean ± 1 standard deviation of {seeds} seeds" if seeds > 1 else " (one seed)"
        figure.suptitle(
            "Search objective f by way of searching (lower is better)", x=0.01, ha="left", fontweight="bold"
        )
        above = f"Top: filled marks are final f after stage 3, hollow ones f after stage 1; a mark each seed{bars}."
        below = "Bottom: best f so far in the same colours, mean over seeds; stage 2 (shaded) is the same grid for all."
        text = "\n".join(filter(None, (above, below, info.note)))
        figure.supxlabel(_mathematics(text), x=0.01, ha="left", fontsize=SMALL_SIZE, color=MUTED)
    return figure


def _points(axis: Axes, panel: Panel, first: bool) -> None:
    for place, group in enumerate(panel.groups):
        color, marker = ARM_COLORS[group.arm], ARM_MARKERS[group.arm]
        for k, (one, last) in enumerate(zip(group.stage1, group.final, strict=True)):
            x = place + _jitter(k, len(group.final))
            axis.plot([x - 0.28, x], [one, last], color=color, linewidth=0.7, alpha=0.35, zorder=1)
            axis.plot(
                [x - 0.28], [one], marker, color=color, markerfacecolor=PAPER, markersize=3.6, markeredgewidth=0.9
            )
            axis.plot([x], [last], marker, color=color, markersize=4.4, markeredgecolor=PAPER, markeredgewidth=0.4)
        if len(group.final) > 1:
            axis.errorbar(
                place + 0.27, group.mean, yerr=group.spread, color=color, marker="_", markersize=7,
                markeredgewidth=2, linewidth=1.3, zorder=4,
            )  # fmt: skip
    axis.set_title(wc_label(panel.wc))
    axis.set_xlim(-0.6, len(panel.groups) - 0.4)
    axis.set_xticks(range(len(panel.groups)), [g.label for g in panel.groups], fontsize=SMALL_SIZE)
    for tick, group in zip(axis.get_xticklabels(), panel.groups, strict=True):
        tick.set_color(_readable(ARM_COLORS[group.arm]))
    axis.grid(visible=False, axis="x")
    axis.tick_params(axis="x", length=0)
    axis.margins(y=0.12)
    if first:
        axis.set_ylabel("objective f")


def _curves(axis: Axes, panel: Panel, trials: int, first: bool) -> None:
    width = grid_width(trials)
    places = 2 * trials + width
    axis.axvspan(trials + 0.5, trials + width + 0.5, color=GRID, alpha=0.6, linewidth=0)
    skipped = max(1, round(SKIPPED * trials))
    for group in panel.groups:
        axis.step(range(1, places + 1), group.curve, where="mid", color=ARM_COLORS[group.arm], linewidth=1.3)
    tail = [f for g in panel.groups for f in g.curve[skipped:] if np.isfinite(f)]
    low, high = min(tail), max(tail)
    pad = 0.06 * (high - low) or 0.01
    axis.set_ylim(low - pad, high + pad)
    axis.set_xlim(0.5, places + 0.5)
    axis.set_xticks(*_ticks(trials))
    for x, text in ((trials / 2, "stage 1"), (trials + width / 2, "2"), (1.5 * trials + width, "stage 3")):
        axis.text(
            x + 0.5, 1.02, text, transform=axis.get_xaxis_transform(), ha="center", color=MUTED, fontsize=SMALL_SIZE
        )
    axis.set_xlabel("trials in the stage")
    if first:
        axis.set_ylabel("best f so far")


def _ticks(trials: int) -> tuple[list[float], list[str]]:
    starts, within = (0, trials + grid_width(trials)), sorted({1, max(1, trials // 2), trials})
    return [float(s + k) for s in starts for k in within], [str(k) for _ in starts for k in within]


def _jitter(k: int, n: int) -> float:
    return 0.0 if n < 2 else 0.15 * (k / (n - 1) - 0.5)


def _mathematics(text: str) -> str:
    """The symbols of a plain note in italics."""
    for symbol, drawn in (("w_c", "$w_c$"), ("t_tr", "$t_{tr}$"), ("c_0", "$c_0$")):
        text = text.replace(symbol, drawn)
    return text


def _readable(color: str) -> str:
    """Grey marks are fine, grey text is not."""
    return INK if color == ARM_COLORS["random"] else color


# ---- plotly -----------------------------------------------------------------------------------------


def plotly_arms(info: ArmsInfo) -> go.Figure:
    """Fig. 7 by plotly: final f of each seed with mean and standard deviation, a column each w_c; seeds on hover."""
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    symbols = {"o": "circle", "s": "square", "D": "diamond", "^": "triangle-up"}
    titles = [f"w<sub>c</sub> = {p.wc:g}" for p in info.panels]
    figure = make_subplots(rows=1, cols=len(info.panels), subplot_titles=titles)
    for column, panel in enumerate(info.panels, 1):
        for group in panel.groups:
            name, color = group.label.replace("\n", " "), ARM_COLORS[group.arm]
            for f, symbol, when in ((group.stage1, "-open", "after stage 1"), (group.final, "", "final")):
                figure.add_trace(
                    go.Scatter(
                        x=[name] * len(f), y=f, mode="markers", name=name, legendgroup=group.arm,
                        showlegend=column == 1 and when == "final",
                        marker={"color": color, "size": 8, "symbol": symbols[ARM_MARKERS[group.arm]] + symbol},
                        customdata=group.seeds,
                        hovertemplate=f"{name}, {when}<br>seed %{{customdata}}: f = %{{y:.4f}}<extra></extra>",
                    ),
                    row=1, col=column,
                )  # fmt: skip
            figure.add_trace(
                go.Scatter(
                    x=[name], y=[group.mean], error_y={"array": [group.spread], "visible": len(group.final) > 1},
                    mode="markers", marker={"color": color, "symbol": "line-ew-open", "size": 16}, showlegend=False,
                    hovertemplate=f"{name}: mean f = %{{y:.4f}} ± {group.spread:.4f}<extra></extra>",
                ),
                row=1, col=column,
            )  # fmt: skip
    figure.update_yaxes(title_text="objective f (lower is better)", col=1)
    figure.update_layout(template=plotly_template(), title="Search objective by way of searching", height=420)
    return figure
