"""Fig. 2: how the similarity of two CNNs is made of ramp distances (3a), kernel values (3b) and weights (3c)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator

from dnc.bayesopt.similarity import similarity
from dnc.config import CNN
from dnc.plots.style import GRID, INK, MUTED, PAGE, PAPER, SMALL_SIZE, Picture, picture, plotly_template, style

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from dnc.space import CNNSpace

FIRST, SECOND, RESULT = "#5a5cf0", "#c9500a", "#350f66"  # x_i, x_j, and what is computed from both


class LayerTerm(NamedTuple):
    """One conv layer's part of the similarity; channels are None where a net lacks the layer."""

    layer: int
    channels_i: int | None
    channels_j: int | None
    low: float  # l_k
    high: float  # u_k
    r: float
    distance: float  # d_k
    kernel: float  # sigma_k
    weight: float  # s_k

    @property
    def part(self) -> float:
        """s_k sigma_k, what the layer adds to the total."""
        return self.weight * self.kernel


class KernelInfo(NamedTuple):
    """Plain data of Fig. 2."""

    terms: tuple[LayerTerm, ...]
    omega: float
    total: float  # sigma(x_i, x_j)

    @property
    def names(self) -> tuple[str, str]:
        """The two nets as lists of channels."""
        columns = zip(*((t.channels_i, t.channels_j) for t in self.terms), strict=True)
        a, b = (str([c for c in column if c is not None]) for column in columns)
        return a, b


def kernel_info(a: CNN, b: CNN, space: CNNSpace) -> KernelInfo:
    """Compare two CNNs layer by layer under the kernel of `space`.

    Raises:
        ArgumentError: not two CNNs.
    """
    s, kernel = similarity(a, b, space), space.kernel()
    terms = []
    for k, (distance, value, weight) in enumerate(zip(s.distances, s.kernels, s.weights, strict=True)):
        channels_i, channels_j = (net.channels[k] if k < net.depth else None for net in (a, b))
        high, r = (values[min(k, len(values) - 1)] for values in (kernel.high, kernel.r))
        terms.append(LayerTerm(k + 1, channels_i, channels_j, kernel.low, high, r, distance, value, weight))
    return KernelInfo(tuple(terms), kernel.omega, float(s))


def draw_kernel(info: KernelInfo) -> Picture:
    """Fig. 2 by matplotlib: one row a layer; channels, distance, kernel value, contribution from left to right."""
    n = len(info.terms)
    with style():
        figure = picture(PAGE, 1.5 + 0.55 * n)
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
            x=0.01, ha="left", fontweight="bold",
        )  # fmt: skip
    return figure


def _channels(axis: Axes, info: KernelInfo) -> None:
    """Where the channels of both nets lie between the bounds of each layer (log scale: bounds double)."""
    for row, term in enumerate(info.terms):
        axis.plot([term.low, term.high], [row, row], color=GRID, linewidth=7, solid_capstyle="round", zorder=1)
        values = [c for c in (term.channels_i, term.channels_j) if c is not None]
        if len(values) == 2:
            axis.plot(values, [row, row], color=MUTED, linewidth=1.2, zorder=2)
        for value, color, marker, lift in ((term.channels_i, FIRST, "o", -0.24), (term.channels_j, SECOND, "s", 0.36)):
            if value is not None:
                axis.plot([value], [row], marker, color=color, zorder=3)
                axis.annotate(str(value), (value, row + lift), color=color, ha="center", fontsize=SMALL_SIZE)
        if len(values) == 1:
            missing = "$x_i$" if term.channels_i is None else "$x_j$"
            axis.annotate(f"absent in {missing}", (term.low, row - 0.26), color=MUTED, fontsize=SMALL_SIZE)
    low, high = min(t.low for t in info.terms), max(t.high for t in info.terms)
    axis.set_xscale("log", base=2)
    axis.set_xlim(low / 1.25, high * 1.25)
    ticks = sorted({t.low for t in info.terms} | {t.high for t in info.terms})
    axis.xaxis.set_major_locator(FixedLocator(ticks))
    axis.xaxis.set_minor_locator(FixedLocator([]))
    axis.xaxis.set_major_formatter(lambda x, _: f"{x:g}")
    axis.set_title("channels")
    axis.set_xlabel("from $l_k$ to $u_k$ (log scale)")
    for x, color, marker, text in ((0.62, FIRST, "o", "$x_i$"), (0.84, SECOND, "s", "$x_j$")):
        axis.plot([x], [1.075], marker, color=color, transform=axis.transAxes, clip_on=False)
        axis.text(x + 0.04, 1.075, text, color=color, transform=axis.transAxes, va="center")


def _bars(axis: Axes, info: KernelInfo, values: list[float], limit: float, ticks: tuple[float, ...]) -> None:
    for row, (value, term) in enumerate(zip(values, info.terms, strict=True)):
        absent = None in (term.channels_i, term.channels_j)
        axis.barh(row, value, height=0.42, color=RESULT, alpha=0.45 if absent else 0.85)
        axis.text(value + limit * 0.02, row, f"{value:.3f}", va="center", color=INK)
    axis.set_xlim(0, limit)
    axis.set_xticks(ticks)


def _contributions(axis: Axes, info: KernelInfo) -> None:
    """The convex combination as a staircase that ends at the total."""
    begin = 0.0
    for row, term in enumerate(info.terms):
        axis.barh(row, term.part, left=begin, height=0.42, color=RESULT, alpha=0.85)
        if term.part > 0.1:  # wide enough for its number
            axis.text(begin + term.part / 2, row, f"{term.part:.3f}", ha="center", va="center", color=PAPER)
        else:
            axis.text(begin + term.part + 0.02, row, f"{term.part:.3f}", va="center", color=INK)
        begin += term.part
        if row + 1 < len(info.terms):
            axis.plot([begin, begin], [row + 0.21, row + 0.79], color=MUTED, linewidth=0.8)
    axis.annotate(f"total {info.total:.3f}", (begin, -0.6), ha="center", va="center", color=RESULT, fontweight="bold")
    axis.plot([begin, begin], [-0.45, len(info.terms) - 0.5], color=RESULT, linewidth=0.9, linestyle=(0, (3, 2)))
    axis.set_xlim(0, max(0.5, begin + 0.16))
    axis.set_title(r"sum of  $s_k\,\sigma_k$")
    axis.set_xlabel(rf"$s_k$ = {info.terms[0].weight:.3g} for every layer")


def plotly_kernel(info: KernelInfo) -> go.Figure:
    """Fig. 2 by plotly: bars of distance, kernel value and contribution, with all numbers on hover."""
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    titles = ("distance d<sub>k</sub>", "kernel σ<sub>k</sub>", "contribution s<sub>k</sub> σ<sub>k</sub>")
    figure = make_subplots(rows=1, cols=3, shared_yaxes=True, subplot_titles=titles)
    layers = [f"conv layer {t.layer}" for t in info.terms]
    hover = [
        f"x<sub>i</sub>: {t.channels_i or 'absent'}, x<sub>j</sub>: {t.channels_j or 'absent'}<br>"
        f"l = {t.low:g}, u = {t.high:g}, r = {t.r:.3g}, ω = {info.omega:g}"
        for t in info.terms
    ]
    columns = ([t.distance for t in info.terms], [t.kernel for t in info.terms], [t.part for t in info.terms])
    for column, values in enumerate(columns, 1):
        bar = go.Bar(
            x=values, y=layers, orientation="h", marker_color=RESULT, text=[f"{v:.3f}" for v in values],
            hovertext=hover, hoverinfo="text", showlegend=False,
        )  # fmt: skip
        figure.add_trace(bar, row=1, col=column)
    figure.update_yaxes(autorange="reversed")
    title = f"Similarity of {info.names[0]} and {info.names[1]}: {info.total:.3f}"
    figure.update_layout(template=plotly_template(), title=title, height=180 + 60 * len(layers))
    return figure
