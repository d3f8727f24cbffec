"""Fig. 2 drawn by plotly: the same four columns, with all numbers of a layer on hover."""

from __future__ import annotations

from itertools import pairwise
from math import log10
from typing import TYPE_CHECKING, Any

from dnc.plots.kernel_info import WIDE, KernelInfo, LayerTerm
from dnc.plots.palette import COMPUTED, GRID, INK, MUTED, NET_I, NET_J, PAPER
from dnc.plots.style_plotly import SMALL, plotly_template

if TYPE_CHECKING:
    import plotly.graph_objects as go

WIDTHS = (1.6, 1, 1, 1.25)  # of the columns
BAR = 0.42  # height of a bar, in rows
X_I, X_J = "x<sub>i</sub>", "x<sub>j</sub>"
LAYERS_LABELLED = 20  # more tick labels than that are thinned out


def draw(info: KernelInfo) -> go.Figure:
    """Fig. 2: one row per layer; channels, distance, kernel value and contribution from left to right."""
    from plotly.subplots import make_subplots

    n, omega = len(info.terms), info.omega
    titles = (
        f'channels  <span style="color:{NET_I}">● {X_I}</span>  <span style="color:{NET_J}">■ {X_J}</span>',
        "distance d<sub>k</sub>",
        "kernel σ<sub>k</sub>",
        "sum of s<sub>k</sub> σ<sub>k</sub>",
    )
    figure = make_subplots(
        rows=1, cols=4, shared_yaxes=True, column_widths=WIDTHS, horizontal_spacing=0.03, subplot_titles=titles
    )
    figure.update_annotations(font={"size": 13, "color": INK}, yshift=6)
    _channels(figure, info)
    _bars(figure, info, 2, [t.distance for t in info.terms])
    _bars(figure, info, 3, [t.kernel for t in info.terms])
    _contributions(figure, info)
    total = info.sums[-1]
    low, high = info.channel_range
    bounds = list(info.bounds)
    figure.update_xaxes(
        type="log",
        range=[log10(low / 1.25), log10(high * 1.25)],
        tickvals=bounds,
        ticktext=[f"{b:g}" for b in bounds],
        title_text="from l<sub>k</sub> to u<sub>k</sub> (log scale)",
        col=1,
    )
    formula = f"{omega:g} (|x<sub>ik</sub> − x<sub>jk</sub>| / (u<sub>k</sub> − l<sub>k</sub>))<sup>r<sub>k</sub></sup>"
    figure.update_xaxes(range=[0, omega * 1.3], tickvals=[0, omega / 2, omega], title_text=formula, col=2)
    figure.update_xaxes(range=[0, 1.3], tickvals=[0, 0.5, 1], title_text="exp(−d<sub>k</sub><sup>2</sup> / 2)", col=3)
    figure.update_xaxes(
        range=[0, max(0.5, total + 0.16)],
        nticks=5,
        title_text=f"s<sub>k</sub> = {info.terms[0].weight:.3f} for every layer",
        col=4,
    )
    figure.update_xaxes(title_font_size=SMALL)
    every = -(-n // LAYERS_LABELLED)
    labeled = range(0, n, every)
    figure.update_yaxes(
        range=[n - 0.5, -0.75],
        tickvals=list(labeled),
        ticktext=[f"conv layer {k + 1}" for k in labeled],
        ticks="",
        showgrid=False,
    )
    figure.update_yaxes(showline=False, col=1)
    title = (
        f"Similarity of {X_I} = {info.names[0]} and {X_J} = {info.names[1]}:  σ({X_I}, {X_J}) = <b>{info.total:.3f}</b>"
    )
    figure.update_layout(
        template=plotly_template(),
        height=206 + 50 * n,
        title={"text": title, "y": 1, "yanchor": "top", "yref": "container", "pad": {"t": 36}},
        margin_t=100,
        margin_b=64,
        hovermode="closest",
        bargap=0,
    )
    return figure


def _hover(term: LayerTerm, info: KernelInfo) -> str:
    """All numbers of a layer."""
    channels = (f"{name}: {'absent' if c is None else c}" for name, c in _by_net(term))
    return (
        f"conv layer {term.layer}: {', '.join(channels)}<br>"
        f"l = {term.low:g}, u = {term.high:g}, r = {term.r:.3g}, ω = {info.omega:g}<br>"
        f"d = {term.distance:.3f}, σ = {term.kernel:.3f}, s = {term.weight:.3g}, s σ = {term.part:.3f}"
    )


def _by_net(term: LayerTerm) -> tuple[tuple[str, int | None], ...]:
    return (X_I, term.channels_i), (X_J, term.channels_j)


def _channels(figure: go.Figure, info: KernelInfo) -> None:
    """Where the channels of both nets lie between the bounds of each layer."""
    import plotly.graph_objects as go

    quiet = {"mode": "lines", "hoverinfo": "skip", "showlegend": False}
    rows = range(len(info.terms))
    bounds_x: list[float | None] = []
    gap_x: list[float | None] = []
    gap_y: list[int | None] = []
    for row, term in enumerate(info.terms):
        bounds_x += [term.low, term.high, None]
        if term.shared:
            gap_x += [term.channels_i, term.channels_j, None]
            gap_y += [row, row, None]
    bounds_y = [y for row in rows for y in (row, row, None)]
    figure.add_trace(go.Scatter(x=bounds_x, y=bounds_y, line={"color": GRID, "width": 9}, **quiet), row=1, col=1)
    figure.add_trace(go.Scatter(x=gap_x, y=gap_y, line={"color": MUTED, "width": 1.6}, **quiet), row=1, col=1)
    absent = [(row, term) for row, term in enumerate(info.terms) if not term.shared]
    figure.add_trace(
        go.Scatter(
            x=[term.low if term.free_side == "left" else term.high for _, term in absent],
            y=[row - 0.28 for row, _ in absent],
            text=[f"absent in {X_I if term.channels_i is None else X_J}" for _, term in absent],
            # plotly's position is that of the text as seen from its point
            textposition=["middle right" if term.free_side == "left" else "middle left" for _, term in absent],
            mode="text",
            textfont={"color": MUTED, "size": SMALL},
            hoverinfo="skip",
            showlegend=False,
        ),
        row=1,
        col=1,
    )
    for net, (name, color, symbol, position) in enumerate(
        ((X_I, NET_I, "circle", "top center"), (X_J, NET_J, "square", "bottom center"))
    ):
        members = [(row, term, _by_net(term)[net][1]) for row, term in enumerate(info.terms)]
        members = [(row, term, channels) for row, term, channels in members if channels is not None]
        figure.add_trace(
            go.Scatter(
                x=[channels for *_, channels in members],
                y=[row for row, *_ in members],
                name=name,
                text=[str(channels) for *_, channels in members],
                mode="markers+text",
                textposition=position,
                textfont={"color": color, "size": SMALL},
                marker={"color": color, "size": 9, "symbol": symbol},
                hovertext=[_hover(term, info) for _, term, _ in members],
                hoverinfo="text",
                showlegend=False,
            ),
            row=1,
            col=1,
        )


def _bar(info: KernelInfo, values: list[float], **options: Any) -> go.Bar:
    import plotly.graph_objects as go

    return go.Bar(
        x=values,
        y=list(range(len(values))),
        width=BAR,
        orientation="h",
        text=[f"{v:.3f}" for v in values],
        textangle=0,
        cliponaxis=False,
        insidetextfont_color=PAPER,
        outsidetextfont_color=INK,
        hovertext=[_hover(term, info) for term in info.terms],
        hoverinfo="text",
        showlegend=False,
        **options,
    )


def _bars(figure: go.Figure, info: KernelInfo, column: int, values: list[float]) -> None:
    """One bar per layer, paler where one net lacks the layer."""
    marker = {"color": COMPUTED, "opacity": [0.85 if term.shared else 0.45 for term in info.terms]}
    figure.add_trace(_bar(info, values, textposition="outside", marker=marker), row=1, col=column)


def _contributions(figure: go.Figure, info: KernelInfo) -> None:
    """The convex combination as a staircase that ends at the total."""
    import plotly.graph_objects as go

    *starts, total = info.sums
    parts = [term.part for term in info.terms]
    inside = ["inside" if beside is None else "none" for beside in info.beside]
    marker = {"color": COMPUTED, "opacity": 0.85}
    bar = _bar(info, parts, base=starts, textposition=inside, insidetextanchor="middle", marker=marker)
    figure.add_trace(bar, row=1, col=4)
    outside = [(beside, row) for row, beside in enumerate(info.beside) if beside is not None]
    figure.add_trace(
        go.Scatter(
            x=[x for x, _ in outside],
            y=[row for _, row in outside],
            text=[f"{parts[row]:.3f}" for _, row in outside],
            mode="text",
            textposition="middle right",
            hoverinfo="skip",
            showlegend=False,
        ),
        row=1,
        col=4,
    )
    quiet = {"mode": "lines", "hoverinfo": "skip", "showlegend": False}
    ends = [end for _, end in pairwise(info.sums)][:-1]
    stairs_x = [x for end in ends for x in (end, end, None)]
    stairs_y = [y for row in range(len(ends)) for y in (row + BAR / 2, row + 1 - BAR / 2, None)]
    figure.add_trace(go.Scatter(x=stairs_x, y=stairs_y, line={"color": MUTED, "width": 1}, **quiet), row=1, col=4)
    figure.add_trace(
        go.Scatter(
            x=[total, total],
            y=[-0.45, len(parts) - 0.5],
            line={"color": COMPUTED, "width": 1.2, "dash": "4px,3px"},
            **quiet,
        ),
        row=1,
        col=4,
    )
    figure.add_annotation(
        x=total,
        y=-0.6,
        text=f"<b>total {info.total:.3f}</b>",
        showarrow=False,
        font={"color": COMPUTED},
        xanchor="center" if total > WIDE else "left",
        row=1,
        col=4,
    )
