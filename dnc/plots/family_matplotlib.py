"""Figs. 3 and 4 drawn by matplotlib."""

from __future__ import annotations

import math
import textwrap

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator

from dnc.plots.family_info import PENALTY_LABELS, QUANTITIES, Column, FamilyInfo, Quantity, Series, dot_area
from dnc.plots.palette import MUTED, PAGE, PAPER, SMALL_SIZE, wc_color
from dnc.plots.style_matplotlib import Picture, picture, style

MARKERS = {"t_tr": "o", "n_params": "X"}  # by penalty, as in Fig. 4: dots and crosses
SHIFT = 0.14  # of two penalties from the middle, in steps of w_c
LINE = 20  # characters of the caption in an inch
PAPER_MARK = "#9aa1a9"


def draw(info: FamilyInfo) -> Picture:
    """Four quantities against w_c and, below, test error against t_tr; one column for each data set."""
    n = len(info.columns)
    with style():
        figure = picture(max(PAGE, 1.8 * n), 9.2)
        axes = figure.subplots(len(QUANTITIES) + 1, n, squeeze=False, height_ratios=(*[1] * len(QUANTITIES), 1.35))
        for j, column in enumerate(info.columns):
            for i, quantity in enumerate(QUANTITIES):
                _against_wc(axes[i, j], column, quantity)
                if j == 0:
                    axes[i, j].set_ylabel(_math(quantity.label))
            axes[0, j].set_title(column.title.replace(", ", "\n"))
            axes[len(QUANTITIES) - 1, j].set_xlabel("$w_c$")
            _tradeoff(axes[-1, j], column)
            axes[-1, j].set_xlabel("$t_{tr}$ (s per epoch)")
        axes[-1, 0].set_ylabel("test error (%)")
        if len(info.penalties) > 1:
            _key(axes[0, 0], info)
        figure.suptitle(info.title, x=0.01, ha="left", fontweight="bold")
        lines = (line for text in info.caption for line in textwrap.wrap(text, round(LINE * figure.get_figwidth())))
        text = _math("\n".join(lines))
        figure.supxlabel(text, x=0.01, ha="left", fontsize=SMALL_SIZE - 1, color=MUTED)
    return figure


def _against_wc(axis: Axes, column: Column, quantity: Quantity) -> None:
    wcs = column.wcs
    for k, series in enumerate(column.series):
        shift = 0.0 if len(column.series) == 1 else SHIFT * (2 * k / (len(column.series) - 1) - 1)
        marker = MARKERS.get(series.penalty, "s")
        middles = [wcs.index(member.wc) + shift for member in series.members]
        means = [member.estimates[quantity.column].mean for member in series.members]
        axis.plot(middles, means, color=MUTED, linewidth=0.8, alpha=0.5, zorder=1)
        for x, member in zip(middles, series.members, strict=True):
            estimate, color = member.estimates[quantity.column], wc_color(member.wc)
            if len(estimate.values) > 1:
                axis.plot([x] * len(estimate.values), estimate.values, ".", color=color, markersize=2.5, alpha=0.5)
                axis.plot([x, x], [estimate.low, estimate.high], color=color, linewidth=1.2)
            axis.plot(
                [x], [estimate.mean], marker, color=color, markersize=5.5, markeredgecolor=PAPER, markeredgewidth=0.4
            )
        printed = [(wcs.index(wc) + shift, y) for wc, y in series.printed.get(quantity.column, ()) if wc in wcs]
        for x, y in printed:
            style = {"markersize": 8, "markerfacecolor": "none", "markeredgecolor": PAPER_MARK, "markeredgewidth": 0.9}
            axis.plot([x], [y], marker, **style)
        if printed and series is column.series[-1]:
            _name_paper(axis, printed[-1])
    axis.set_xlim(-0.5, len(wcs) - 0.5)
    axis.set_xticks(range(len(wcs)), [f"{wc:g}" for wc in wcs])
    axis.grid(visible=False, axis="x")
    if quantity.log:
        axis.set_yscale("log")  # before the margins, which are parts of what is drawn
    axis.margins(y=0.12)
    if quantity.log:
        _number(axis, "y")
    else:
        low, high = axis.get_ylim()  # an interval by Student's t may reach beyond what an accuracy can be
        axis.set_ylim(max(0, low), min(100, high))


def _name_paper(axis: Axes, point: tuple[float, float]) -> None:
    axis.annotate(
        "paper",
        point,
        (0, 5),
        textcoords="offset points",
        ha="center",
        va="bottom",
        color=PAPER_MARK,
        fontsize=SMALL_SIZE - 0.5,
    )


def _tradeoff(axis: Axes, column: Column) -> None:
    largest = max(m.estimates["search_cost"].mean for series in column.series for m in series.members)
    for series in column.series:
        _dots(axis, series, largest)
    axis.set_xscale("log")
    axis.margins(0.18)
    _number(axis, "x")


def _dots(axis: Axes, series: Series, largest: float) -> None:
    x = [member.estimates["t_tr"].mean for member in series.members]
    y = [100 - member.estimates["test_acc"].mean for member in series.members]
    axis.plot(x, y, color=MUTED, linewidth=0.8, alpha=0.5, zorder=1)
    for k, (t_tr, error, member) in enumerate(zip(x, y, series.members, strict=True)):
        cost, color = member.estimates["search_cost"].mean, wc_color(member.wc)
        axis.scatter(
            [t_tr],
            [error],
            s=dot_area(cost, largest),
            color=color,
            marker=MARKERS.get(series.penalty, "s"),
            edgecolors=PAPER,
            linewidths=0.5,
            zorder=3,
        )
        if series.penalty == "t_tr":  # each w_c has its color in the rows above; one label of each is enough
            away = 2 + 0.4 * math.sqrt(dot_area(cost, largest))
            above = k % 2 == 0  # neighbors have their labels on different sides
            axis.annotate(
                f"{member.wc:g}",
                (t_tr, error),
                (away, away) if above else (-away, -away),
                textcoords="offset points",
                ha="left" if above else "right",
                va="bottom" if above else "top",
                color=color,
                fontsize=SMALL_SIZE,
            )


def _number(axis: Axes, which: str) -> None:
    """2 to 5 plain numbers on a logarithmic axis, whether it spans many decades or a part of one. Call it last."""
    scale, (low, high) = (axis.xaxis, axis.get_xlim()) if which == "x" else (axis.yaxis, axis.get_ylim())
    ticks = log_ticks(low, high)
    scale.set_major_locator(FixedLocator(ticks) if ticks else MaxNLocator(4))
    scale.set_minor_locator(NullLocator())
    scale.set_major_formatter(lambda value, _: plain(value))


def log_ticks(low: float, high: float) -> list[float]:
    """2 to 5 round numbers between two positive ones, as evenly spaced as can be; none if they are too close.

    >>> log_ticks(0.3, 700), log_ticks(0.8, 6.5), log_ticks(3, 4)
    ([1.0, 10.0, 100.0], [1.0, 2.0, 5.0], [])
    """
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    ladders = [range(first, last + 1, step) for step in (3, 2, 1)]
    choices = [[10.0**k for k in ladder] for ladder in ladders]
    choices += [[m * 10.0**k for k in range(first, last + 1) for m in digits] for digits in ((1, 3), (1, 2, 5))]
    inside = [[tick for tick in choice if low <= tick <= high] for choice in choices]
    return max((ticks for ticks in inside if 2 <= len(ticks) <= 5), key=len, default=[])


def plain(value: float) -> str:
    """A number without an exponent: 0.02, 5, 20k, 1M."""
    for factor, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= 0.9999 * factor:
            return f"{value / factor:.3g}{letter}"
    return f"{value:.3g}"


def _key(axis: Axes, info: FamilyInfo) -> None:
    for penalty in info.penalties:
        label = _math(PENALTY_LABELS.get(penalty, f"penalty {penalty}"))
        axis.plot([], [], MARKERS.get(penalty, "s"), color=MUTED, label=label)
    axis.legend(loc="lower left", handletextpad=0.2, borderpad=0)


def _math(text: str) -> str:
    """The symbols of a plain note in italics."""
    symbols = (("w_c", "$w_c$"), ("t_tr", "$t_{tr}$"), ("N_p", "$N_p$"), ("c_0", "$c_0$"))
    for symbol, formula in (*symbols, *((f"n{i} =", f"$n_{i}$ =") for i in (1, 2, 3))):
        text = text.replace(symbol, formula)
    return text
