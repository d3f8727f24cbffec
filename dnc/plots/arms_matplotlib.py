"""Fig. 7 drawn by matplotlib."""

from __future__ import annotations

from matplotlib.axes import Axes

from dnc.plots.arms_info import TITLE, ArmsInfo, Panel, offset
from dnc.plots.palette import ARM_COLORS, ARM_MARKERS, GRID, MUTED, PAGE, PAPER, SMALL_SIZE, arm_text_color
from dnc.plots.style_matplotlib import Picture, picture, style, wc_label


def draw(info: ArmsInfo) -> Picture:
    """Fig. 7: above, f after stage 1 and at the end; below, the best f so far. One column per w_c."""
    columns = len(info.panels)
    with style():
        figure = picture(max(PAGE, 2.3 * columns), 5.0)
        axes = figure.subplots(2, columns, squeeze=False, height_ratios=(1.25, 1))
        for column, panel in enumerate(info.panels):
            _points(axes[0, column], panel, first=column == 0)
            _curves(axes[1, column], panel, info, first=column == 0)
        figure.suptitle(TITLE, x=0.01, ha="left", fontweight="bold")
        text = _math("\n".join(info.caption))
        figure.supxlabel(text, x=0.01, ha="left", fontsize=SMALL_SIZE, color=MUTED)
    return figure


def _points(axis: Axes, panel: Panel, first: bool) -> None:
    for middle, group in enumerate(panel.groups):
        color, marker = ARM_COLORS[group.arm], ARM_MARKERS[group.arm]
        for k, (before, final) in enumerate(zip(group.stage1, group.final, strict=True)):
            x = middle + offset(k, len(group.final))
            axis.plot([x - 0.28, x], [before, final], color=color, linewidth=0.7, alpha=0.35, zorder=1)
            axis.plot(
                [x - 0.28], [before], marker, color=color, markerfacecolor=PAPER, markersize=3.6, markeredgewidth=0.9
            )
            axis.plot([x], [final], marker, color=color, markersize=4.4, markeredgecolor=PAPER, markeredgewidth=0.4)
        if len(group.final) > 1:
            axis.errorbar(
                middle + 0.27,
                group.mean,
                yerr=group.half_width,
                color=color,
                marker="_",
                markersize=7,
                markeredgewidth=2,
                linewidth=1.3,
                zorder=4,
            )
    axis.set_title(wc_label(panel.wc))
    axis.set_xlim(-0.6, len(panel.groups) - 0.4)
    axis.set_xticks(range(len(panel.groups)), [g.tick for g in panel.groups], fontsize=SMALL_SIZE)
    for tick, group in zip(axis.get_xticklabels(), panel.groups, strict=True):
        tick.set_color(arm_text_color(group.arm))
    axis.grid(visible=False, axis="x")
    axis.tick_params(axis="x", length=0)
    axis.margins(y=0.12)
    if first:
        axis.set_ylabel("objective f")


def _curves(axis: Axes, panel: Panel, info: ArmsInfo, first: bool) -> None:
    axis.axvspan(*info.shaded, color=GRID, alpha=0.6, linewidth=0)
    for group in panel.groups:
        axis.step(range(1, info.length + 1), group.curve, where="mid", color=ARM_COLORS[group.arm], linewidth=1.3)
    axis.set_ylim(*panel.curve_range(info.trials))
    axis.set_xlim(0.5, info.length + 0.5)
    axis.set_xticks([x for x, _ in info.ticks], [text for _, text in info.ticks])
    for x, name in info.stage_names:
        axis.text(x, 1.02, name, transform=axis.get_xaxis_transform(), ha="center", color=MUTED, fontsize=SMALL_SIZE)
    axis.set_xlabel("trials in the stage")
    if first:
        axis.set_ylabel("best f so far")


def _math(text: str) -> str:
    """The symbols of a plain note in italics."""
    for symbol, formula in (("w_c", "$w_c$"), ("t_tr", "$t_{tr}$"), ("c_0", "$c_0$")):
        text = text.replace(symbol, formula)
    return text
