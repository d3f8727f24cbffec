"""Fig. 7 drawn by plotly: the same two rows, with the seed, the trial and the exact f on hover."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from dnc.plots.arms_info import TITLE, ArmsInfo, Group, Panel, offset
from dnc.plots.palette import ARM_COLORS, ARM_MARKERS, GRID, INK, MUTED, PAPER, arm_text_color
from dnc.plots.style_plotly import SMALL, SYMBOLS, markup, plotly_template, subscripted

if TYPE_CHECKING:
    import plotly.graph_objects as go

WIDTH = 900  # pixels: narrower, the labels of four arms in three columns, and the caption, would not fit
LINE = 15  # height of a line of the caption, pixels


def draw(info: ArmsInfo) -> go.Figure:
    """Fig. 7: above, f after stage 1 and at the end; below, the best f so far. One column per w_c."""
    from plotly.subplots import make_subplots

    columns = len(info.panels)
    figure = make_subplots(
        rows=2,
        cols=columns,
        row_heights=(0.55, 0.45),
        vertical_spacing=0.2,  # the labels of the upper row have four lines
        horizontal_spacing=min(0.07, 0.2 / columns),
        subplot_titles=[f"<b>{subscripted('w_c')} = {panel.wc:g}</b>" for panel in info.panels],
    )
    figure.update_annotations(font={"size": 13, "color": INK})
    for column, panel in enumerate(info.panels, 1):
        _points(figure, panel, column)
        _curves(figure, panel, info, column)
    figure.update_yaxes(title_text="objective f", row=1, col=1)
    figure.update_yaxes(title_text="best f so far", row=2, col=1)
    lines = len(info.caption)
    figure.add_annotation(
        text=subscripted(markup("\n".join(info.caption))),
        xref="paper",
        x=0,
        xanchor="left",
        yref="paper",
        y=0,
        yanchor="top",
        yshift=-48,
        align="left",
        showarrow=False,
        font={"size": SMALL, "color": MUTED},
    )
    figure.update_layout(
        template=plotly_template(),
        title=TITLE,
        width=max(WIDTH, 300 * columns),
        height=580 + LINE * lines,
        margin_t=78,
        margin_b=64 + LINE * lines,
        hovermode="closest",
        showlegend=False,
    )
    return figure


def _points(figure: go.Figure, panel: Panel, column: int) -> None:
    for middle, group in enumerate(panel.groups):
        for trace in _marks(group, middle):
            figure.add_trace(trace, row=1, col=column)
    values = [f for group in panel.groups for f in (*group.stage1, *group.final) if math.isfinite(f)]
    figure.update_yaxes(tickformat=_format(min(values, default=0.0), max(values, default=0.0)), row=1, col=column)
    labels = [f'<span style="color:{arm_text_color(group.arm)}">{markup(group.tick)}</span>' for group in panel.groups]
    figure.update_xaxes(
        range=[-0.6, len(labels) - 0.4],
        tickvals=list(range(len(labels))),
        ticktext=labels,
        tickangle=0,
        tickfont_size=SMALL,
        ticks="",
        showgrid=False,
        row=1,
        col=column,
    )


def _marks(group: Group, middle: int) -> list[Any]:
    """Every seed of an arm: hollow after stage 1, filled at the end, joined by a thin line; mean and deviation."""
    import plotly.graph_objects as go

    n, color, symbol = len(group.final), ARM_COLORS[group.arm], SYMBOLS[ARM_MARKERS[group.arm]]
    name = markup(group.name)
    x = [middle + offset(k, n) for k in range(n)]
    joined_x = [value for v in x for value in (v - 0.28, v, None)]
    joined_y = [value for pair in zip(group.stage1, group.final, strict=True) for value in (*pair, None)]
    common = {"mode": "markers", "name": name, "legendgroup": group.arm}

    def hover(when: str) -> str:
        return f"{name}<br>seed %{{customdata}}, {when}: f = %{{y:.4f}}<extra></extra>"

    marks = [
        go.Scatter(
            x=joined_x,
            y=joined_y,
            mode="lines",
            line={"color": color, "width": 1},
            opacity=0.35,
            hoverinfo="skip",
        ),
        go.Scatter(
            x=[v - 0.28 for v in x],
            y=group.stage1,
            customdata=group.seeds,
            hovertemplate=hover("after stage 1"),
            **common,
            marker={"color": PAPER, "size": 6, "symbol": symbol, "line": {"color": color, "width": 1.4}},
        ),
        go.Scatter(
            x=x,
            y=group.final,
            customdata=group.seeds,
            hovertemplate=hover("after stage 3"),
            **common,
            marker={"color": color, "size": 8, "symbol": symbol, "line": {"color": PAPER, "width": 0.5}},
        ),
    ]
    if n > 1:
        marks.append(
            go.Scatter(
                x=[middle + 0.27],
                y=[group.mean],
                **common,
                error_y={"array": [group.half_width], "thickness": 2, "width": 0, "color": color},
                marker={"symbol": "line-ew", "size": 13, "line": {"width": 3, "color": color}},
                hovertemplate=f"{name}<br>mean f = %{{y:.4f}} ± {group.half_width:.4f} ({n} seeds)<extra></extra>",
            )
        )
    return marks


def _curves(figure: go.Figure, panel: Panel, info: ArmsInfo, column: int) -> None:
    import plotly.graph_objects as go

    for group in panel.groups:
        name = markup(group.name)
        figure.add_trace(
            go.Scatter(
                x=list(range(1, info.length + 1)),
                y=group.curve,
                mode="lines",
                name=name,
                text=info.positions,
                line={"color": ARM_COLORS[group.arm], "width": 2, "shape": "hvh"},
                legendgroup=group.arm,
                hovertemplate=f"{name}<br>%{{text}}: best f so far = %{{y:.4f}}<extra></extra>",
            ),
            row=2,
            col=column,
        )
    # after the traces: plotly leaves empty subplots out
    figure.add_vrect(*info.shaded, fillcolor=GRID, opacity=0.6, line_width=0, layer="below", row=2, col=column)  # type: ignore[arg-type]
    for x, stage in info.stage_names:
        figure.add_annotation(
            x=x,
            y=1.0,
            yref="y domain",
            yanchor="bottom",
            text=stage,
            showarrow=False,
            font={"size": SMALL, "color": MUTED},
            row=2,
            col=column,
        )
    figure.update_xaxes(
        range=[0.5, info.length + 0.5],
        tickvals=[x for x, _ in info.ticks],
        ticktext=[text for _, text in info.ticks],
        title_text="trials in the stage",
        row=2,
        col=column,
    )
    ends = panel.curve_range(info.trials)
    figure.update_yaxes(range=ends, tickformat=_format(*ends), row=2, col=column)


def _format(low: float, high: float) -> str:
    """As many decimals as about five ticks between the two values need, alike for all of them."""
    return f".{max(0, math.ceil(-math.log10((high - low) / 5)))}f" if high > low else ""
