"""The trade-off plot drawn by matplotlib: for papers, and for viewers without a kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.collections import PathCollection
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

from dnc.plots.axis_info import Axis
from dnc.plots.palette import (
    BEST_RANK,
    BEYOND_OPACITY,
    INK,
    MUTED,
    PAGE,
    PAPER,
    SMALL_SIZE,
    STAGE_MARKERS,
    WORST_RANK,
    wc_color,
)
from dnc.plots.style_matplotlib import Picture, picture, style
from dnc.plots.tradeoff_info import TradeoffInfo

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis as MatplotlibAxis


def draw(info: TradeoffInfo, width: float = PAGE, height: float = 4.2) -> Picture:
    """The picture of `info`, width x height inches."""
    with style():
        figure = picture(width, height)
        axes = figure.add_subplot()
        axes.set_title(_math(info.title))
        _scale(axes, info)
        _lines(axes, info)
        _points(axes, info)
        if info.caution:
            figure.supxlabel(_math(info.caution), x=0.01, ha="left", fontsize=SMALL_SIZE)
        legend = figure.legend(loc="outside right upper", labelcolor=INK, title="darker: smaller f")
        for handle in legend.legend_handles:
            if isinstance(handle, PathCollection) and str(handle.get_label()).startswith("stage"):
                handle.set_array(None)  # it took the color of some trial's rank: a legend needs one that is fixed
                handle.set_facecolor(BEST_RANK)
    return figure


def _scale(axes: Axes, info: TradeoffInfo) -> None:
    points = info.points
    for axis, side, scale, limits in (
        (points.x_axis, axes.xaxis, axes.set_xscale, axes.set_xlim),
        (points.y_axis, axes.yaxis, axes.set_yscale, axes.set_ylim),
    ):
        scale("log" if axis.log else "linear")
        limits(axis.low, axis.high)
        _ticks(side, axis)


def _lines(axes: Axes, info: TradeoffInfo) -> None:
    """The lines of equal f, the winner's in bold, and the Pareto front."""
    points, color = info.points, wc_color(info.wc)
    for i, line in enumerate(info.lines):
        winners = i == 0
        axes.plot(
            line.x,
            line.y,
            color=color,
            lw=1.6 if winners else 0.8,
            alpha=1 if winners else 0.45,
            zorder=2,
            label="equal f" if winners else None,
        )
        if line.label:
            axes.annotate(
                f"f = {line.f:.3g}",
                line.label,
                xytext=(2, 2),
                textcoords="offset points",
                fontsize=SMALL_SIZE,
                color=color,
                clip_on=True,
            )
    front = [(points.x[i], points.y[i]) for i in points.pareto]
    # a step and not a straight line: between two trials of the front nothing better than the cheaper one is known
    axes.step(
        *zip(*front, strict=True), where="post", color=MUTED, lw=0.9, ls=(0, (4, 2)), zorder=2.5, label="Pareto front"
    )


def _points(axes: Axes, info: TradeoffInfo) -> None:
    """The trials shaded by rank, rings around those that win at some w_c, a star for the winner."""
    points, rank = info.points, info.rank
    shades = LinearSegmentedColormap.from_list("rank", [BEST_RANK, WORST_RANK])
    for stage, marker in STAGE_MARKERS.items():
        members = [i for i, s in enumerate(points.stage) if s == stage]
        if members:
            axes.scatter(
                [points.x[i] for i in members],
                [points.y[i] for i in members],
                c=[rank[i] for i in members],
                s=26,
                cmap=shades,
                vmin=1,
                vmax=len(rank),
                marker=marker,
                edgecolors=PAPER,
                linewidths=0.5,
                zorder=3,
                label=f"stage {stage}",
            )
    axes.scatter(
        [points.x[i] for i in points.winners],
        [points.y[i] for i in points.winners],
        s=75,
        marker="o",
        facecolors="none",
        edgecolors=INK,
        linewidths=0.9,
        zorder=3.5,
        label="wins at some $w_c$",
    )
    axes.errorbar(
        [points.x[i] for i in (info.winner, *info.near)],
        [points.y[i] for i in (info.winner, *info.near)],
        xerr=[points.x_se[i] for i in (info.winner, *info.near)],
        yerr=[points.y_se[i] for i in (info.winner, *info.near)],
        fmt="none",
        ecolor=MUTED,
        elinewidth=0.9,
        zorder=2.8,
        label="within the error\nof the winner" if info.near else None,
    )
    axes.scatter(
        [points.x[info.winner]],
        [points.y[info.winner]],
        s=190,
        marker="*",
        color=wc_color(info.wc),
        alpha=BEYOND_OPACITY if info.caution else 1,
        edgecolors=PAPER,
        linewidths=0.9,
        zorder=4,
        label="wins at this $w_c$",
    )


def _math(text: str) -> str:
    """The symbols of a plain text as formulas."""
    for symbol, formula in (("w_c", "$w_c$"), ("t_tr", r"$t_\mathrm{tr}$"), ("N_p", "$N_p$")):
        text = text.replace(symbol, formula)
    return text


def _ticks(side: MatplotlibAxis, axis: Axis) -> None:
    side.set_label_text(_math(axis.label))
    side.set_major_locator(FixedLocator(axis.ticks))
    side.set_major_formatter(FixedFormatter(axis.tick_text))
    side.set_minor_locator(NullLocator())
