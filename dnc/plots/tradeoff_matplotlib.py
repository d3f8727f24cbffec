"""The trade-off plot drawn by matplotlib: for papers, and for viewers without a kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.collections import PathCollection
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

from dnc.plots.style import INK, MUTED, PAGE, PAPER, SMALL_SIZE, Picture, picture, style, wc_color
from dnc.plots.tradeoff import Axis, TradeoffInfo

if TYPE_CHECKING:
    from matplotlib.axis import Axis as MatplotlibAxis

MARKERS = {1: "o", 2: "s", 3: "D"}  # by stage
WORST, BEST = "#d3d8de", "#39424e"  # colours of the last and the first rank


def draw(info: TradeoffInfo, width: float = PAGE, height: float = 4.2) -> Picture:
    """The picture of `info`, width x height inches."""
    points, color = info.points, wc_color(info.wc)
    with style():
        figure = picture(width, height)
        ax = figure.add_subplot()
        ax.set_title(_math(info.title))
        for axis, side, scale, limits in (
            (points.x_axis, ax.xaxis, ax.set_xscale, ax.set_xlim),
            (points.y_axis, ax.yaxis, ax.set_yscale, ax.set_ylim),
        ):
            scale("log" if axis.log else "linear")
            limits(axis.low, axis.high)
            _ticks(side, axis)
        for i, line in enumerate(info.lines):
            ax.plot(line.x, line.y, color=color, lw=1.6 if i == 0 else 0.8, alpha=1 if i == 0 else 0.45, zorder=2,
                    label="equal f" if i == 0 else None)  # fmt: skip
            ax.annotate(f"f = {line.f:.3g}", (line.x[0], line.y[0]), xytext=(2, 2), textcoords="offset points",
                        fontsize=SMALL_SIZE, color=color, clip_on=True)  # fmt: skip
        front = [(points.x[i], points.y[i]) for i in points.pareto]
        ax.step(*zip(*front, strict=True), where="post", color=MUTED, lw=0.9, ls=(0, (4, 2)), zorder=2.5,
                label="Pareto front")  # fmt: skip
        cmap = LinearSegmentedColormap.from_list("rank", [BEST, WORST])
        rank = info.rank
        for stage, marker in MARKERS.items():
            mine = [i for i, s in enumerate(points.stage) if s == stage]
            if mine:
                ax.scatter([points.x[i] for i in mine], [points.y[i] for i in mine], c=[rank[i] for i in mine], s=26,
                           cmap=cmap, vmin=1, vmax=len(rank), marker=marker, edgecolors=PAPER, linewidths=0.5, zorder=3,
                           label=f"stage {stage}")  # fmt: skip
        rings = points.winners
        ax.scatter([points.x[i] for i in rings], [points.y[i] for i in rings], s=75, marker="o", facecolors="none",
                   edgecolors=INK, linewidths=0.9, zorder=3.5, label="wins at some $w_c$")  # fmt: skip
        ax.scatter([points.x[info.winner]], [points.y[info.winner]], s=190, marker="*", color=color, edgecolors=PAPER,
                   linewidths=0.9, zorder=4, label="wins at this $w_c$")  # fmt: skip
        legend = figure.legend(loc="outside right upper", labelcolor=INK, title="darker: smaller f")
        for handle in legend.legend_handles:
            if isinstance(handle, PathCollection) and str(handle.get_label()).startswith("stage"):
                handle.set_array(None)  # one colour for all, not that of some rank
                handle.set_facecolor(BEST)
    return figure


def _math(text: str) -> str:
    for symbol, formula in (("w_c", "$w_c$"), ("t_tr", r"$t_\mathrm{tr}$"), ("N_p", "$N_p$")):
        text = text.replace(symbol, formula)
    return text


def _ticks(side: MatplotlibAxis, axis: Axis) -> None:
    side.set_label_text(_math(axis.label))
    side.set_major_locator(FixedLocator(axis.ticks))
    side.set_major_formatter(FixedFormatter(axis.tick_text))
    side.set_minor_locator(NullLocator())
