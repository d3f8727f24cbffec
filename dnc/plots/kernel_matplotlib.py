"""Fig. 2 drawn by matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator

from dnc.plots.kernel_info import WIDE, KernelInfo
from dnc.plots.palette import COMPUTED, GRID, INK, MUTED, NET_I, NET_J, PAGE, PAPER, SMALL_SIZE
from dnc.plots.style_matplotlib import Picture, picture, style

ROW = 0.55  # height of a layer's row, inches


def draw(info: KernelInfo) -> Picture:
    """Fig. 2: one row per layer; channels, distance, kernel value and contribution from left to right."""
    n = len(info.terms)
    with style():
        figure = picture(PAGE, 1.5 + ROW * n)
        axes = figure.subplots(1, 4, sharey=True, width_ratios=(1.6, 1, 1, 1.25))
        _channels(axes[0], info)
        omega = f"{info.omega:g}"
        _bars(axes[1], info, [t.distance for t in info.terms], info.omega * 1.3, (0, info.omega / 2, info.omega))
        _bars(axes[2], info, [t.kernel for t in info.terms], 1.3, (0, 0.5, 1))
        _contributions(axes[3], info)
        axes[1].set_title("distance  $d_k$")
        axes[1].set_xlabel(rf"${omega}\,(|x_{{ik}}-x_{{jk}}|\,/\,(u_k-l_k))^{{r_k}}$")
        axes[2].set_title(r"kernel  $\sigma_k$")
        axes[2].set_xlabel(r"$\exp(-d_k^2/2)$")
        axes[0].set_ylim(n - 0.5, -0.75)
        axes[0].set_yticks(range(n), [f"conv layer {t.layer}" for t in info.terms])
        for axis in axes:
            axis.grid(visible=False, axis="y")
            axis.tick_params(axis="y", length=0)
            axis.spines["left"].set_visible(axis is not axes[0])
        figure.suptitle(
            rf"Similarity of $x_i$ = {info.names[0]} and $x_j$ = {info.names[1]}:  "
            rf"$\sigma(x_i, x_j)$ = {info.total:.3f}",
            x=0.01,
            ha="left",
            fontweight="bold",
        )
    return figure


def _channels(axis: Axes, info: KernelInfo) -> None:
    """Where the channels of both nets lie between the bounds of each layer (log scale: bounds double)."""
    for row, term in enumerate(info.terms):
        axis.plot([term.low, term.high], [row, row], color=GRID, linewidth=7, solid_capstyle="round", zorder=1)
        values = [c for c in (term.channels_i, term.channels_j) if c is not None]
        if len(values) == 2:
            axis.plot(values, [row, row], color=MUTED, linewidth=1.2, zorder=2)
        for value, color, marker, lift in ((term.channels_i, NET_I, "o", -0.24), (term.channels_j, NET_J, "s", 0.36)):
            if value is not None:
                axis.plot([value], [row], marker, color=color, zorder=3)
                axis.annotate(str(value), (value, row + lift), color=color, ha="center", fontsize=SMALL_SIZE)
        if len(values) == 1:
            missing = "$x_i$" if term.channels_i is None else "$x_j$"
            side = term.free_side
            axis.annotate(
                f"absent in {missing}",
                (term.low if side == "left" else term.high, row - 0.26),
                ha=side,
                color=MUTED,
                fontsize=SMALL_SIZE,
            )
    low, high = info.channel_range
    axis.set_xscale("log", base=2)
    axis.set_xlim(low / 1.25, high * 1.25)
    axis.xaxis.set_major_locator(FixedLocator(info.bounds))
    axis.xaxis.set_minor_locator(FixedLocator([]))
    axis.xaxis.set_major_formatter(lambda x, _: f"{x:g}")
    axis.set_title("channels")
    axis.set_xlabel("from $l_k$ to $u_k$ (log scale)")
    # the legend stands beside the title: its height above the axis is a share of the axis, which grows with the rows
    y = 1 + 0.075 * 2.28 / (0.63 + ROW * len(info.terms))
    for x, color, marker, text in ((0.62, NET_I, "o", "$x_i$"), (0.84, NET_J, "s", "$x_j$")):
        axis.plot([x], [y], marker, color=color, transform=axis.transAxes, clip_on=False)
        axis.text(x + 0.04, y, text, color=color, transform=axis.transAxes, va="center")


def _bars(axis: Axes, info: KernelInfo, values: Sequence[float], limit: float, ticks: tuple[float, ...]) -> None:
    for row, (value, term) in enumerate(zip(values, info.terms, strict=True)):
        axis.barh(row, value, height=0.42, color=COMPUTED, alpha=0.85 if term.shared else 0.45)
        axis.text(value + limit * 0.02, row, f"{value:.3f}", va="center", color=INK)
    axis.set_xlim(0, limit)
    axis.set_xticks(ticks)


def _contributions(axis: Axes, info: KernelInfo) -> None:
    """The convex combination as a staircase that ends at the total."""
    total = info.sums[-1]
    for row, (term, (start, end), beside) in enumerate(zip(info.terms, pairwise(info.sums), info.beside, strict=True)):
        axis.barh(row, term.part, left=start, height=0.42, color=COMPUTED, alpha=0.85)
        if beside is None:
            axis.text(start + term.part / 2, row, f"{term.part:.3f}", ha="center", va="center", color=PAPER)
        else:
            axis.text(beside, row, f"{term.part:.3f}", va="center", color=INK)
        if row + 1 < len(info.terms):
            axis.plot([end, end], [row + 0.21, row + 0.79], color=MUTED, linewidth=0.8)
    anchor = "center" if total > WIDE else "left"
    axis.annotate(f"total {info.total:.3f}", (total, -0.6), ha=anchor, va="center", color=COMPUTED, fontweight="bold")
    axis.plot([total, total], [-0.45, len(info.terms) - 0.5], color=COMPUTED, linewidth=0.9, linestyle=(0, (3, 2)))
    axis.set_xlim(0, max(0.5, total + 0.16))
    axis.set_title(r"sum of  $s_k\,\sigma_k$")
    axis.set_xlabel(rf"$s_k$ = {info.terms[0].weight:.3f} for every layer")
