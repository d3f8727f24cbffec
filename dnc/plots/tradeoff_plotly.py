"""The trade-off plot drawn by plotly: to hover over, to zoom into, and with a w_c slider that needs no kernel."""

from __future__ import annotations

from collections.abc import Sequence
from math import log10
from typing import TYPE_CHECKING, Any

from dnc.plots.axis_info import Axis
from dnc.plots.palette import BEST_RANK, BEYOND_OPACITY, INK, MUTED, PAPER, STAGE_MARKERS, WORST_RANK, wc_color
from dnc.plots.style_plotly import SMALL, SYMBOLS, markup, plotly_template, subscripted
from dnc.plots.tradeoff_info import TradeoffInfo

if TYPE_CHECKING:
    import plotly.graph_objects as go

STAGE_SYMBOLS = {stage: SYMBOLS[marker] for stage, marker in STAGE_MARKERS.items()}
FRONT, LINES, BEST_LINE, LABELS, STAGES, RINGS, NEAR, WINNER = 0, 1, 2, 3, (4, 5, 6), 7, 8, 9  # indices of the traces
HOVER = "%{text}<br>f = %{customdata:.4f}<extra></extra>"


def draw(info: TradeoffInfo, height: int = 460) -> go.Figure:
    """The figure of `info`, `height` pixels high and as wide as its place."""
    import plotly.graph_objects as go

    return go.Figure(traces(info), layout(info, height))


def draw_slider(infos: Sequence[TradeoffInfo], active: int = 0, height: int = 520) -> go.Figure:
    """The same with plotly's own slider over w_c: it works in a viewer without a kernel.

    Args:
        infos: of one result and penalty, in ascending w_c.
        active: index of the one that is shown at first.
        height: pixels.
    """
    import plotly.graph_objects as go

    figure = draw(infos[active], height)
    at_once = {"mode": "immediate", "frame": {"duration": 0, "redraw": True}, "transition": {"duration": 0}}
    steps, frames = [], []
    for info in infos:
        # a frame holds only what w_c changes: whole figures would multiply the size of a notebook by their number
        name, updates = f"{info.wc:.3g}", wc_updates(info)
        data: list[dict[str, Any]] = []
        for values in updates.values():
            data.append({"type": "scatter"})
            for key, value in values.items():
                _put(data[-1], key, value)
        frames.append(go.Frame(name=name, data=data, traces=list(updates), layout={"title": title(info)}))
        steps.append({"method": "animate", "label": name, "args": [[name], at_once]})
    figure.frames = frames
    figure.update_layout(
        margin_b=116,
        sliders=[
            {
                "active": active,
                "steps": steps,
                "pad": {"t": 56},
                "currentvalue": {"prefix": subscripted("w_c = "), "font": {"color": INK, "size": 13}},
                "ticklen": 0,
                "minorticklen": 0,
                "bordercolor": MUTED,
                "font": {"color": "rgba(0,0,0,0)"},
            }
        ],
    )
    return figure


def traces(info: TradeoffInfo) -> list[dict[str, Any]]:
    """All traces as plotly's plain data, in the order of the constants above."""
    points = info.points
    no_hover = {"hoverinfo": "skip"}
    line = {"type": "scatter", "mode": "lines"} | no_hover
    front = {
        "x": [points.x[i] for i in points.pareto],
        "y": [points.y[i] for i in points.pareto],
        "name": "Pareto front",
        "line": {"shape": "hv", "dash": "6px,3px", "width": 1.2, "color": MUTED},
    }
    drawn: list[dict[str, Any]] = [
        line | front,
        line | {"name": "equal f", "line": {"width": 1}, "opacity": 0.45, "showlegend": False},
        line | {"name": "equal f", "line": {"width": 2.2}},
        {"type": "scatter", "mode": "text", "textposition": "top right", "showlegend": False, "cliponaxis": True}
        | no_hover,
    ]
    for stage, symbol in STAGE_SYMBOLS.items():
        members = _of_stage(info, stage)
        drawn.append(
            {
                "type": "scatter",
                "mode": "markers",
                "showlegend": False,
                "legendgroup": f"stage {stage}",
                "x": [points.x[i] for i in members],
                "y": [points.y[i] for i in members],
                "text": [markup(points.text[i]) for i in members],
                "hovertemplate": HOVER,
                "marker": {
                    "symbol": symbol,
                    "size": 9,
                    "line": {"width": 0.8, "color": PAPER},
                    "cmin": 1,
                    "cmax": len(points.x),
                    "colorscale": [[0, BEST_RANK], [1, WORST_RANK]],
                },
            }
        )
    drawn.append(
        {
            "type": "scatter",
            "mode": "markers",
            "name": subscripted("wins at some w_c"),
            "x": [points.x[i] for i in points.winners],
            "y": [points.y[i] for i in points.winners],
            "marker": {"symbol": "circle-open", "size": 16, "color": INK, "line": {"width": 1.4}},
            **no_hover,
        }
    )
    bar = {"type": "data", "color": MUTED, "thickness": 1.2, "width": 0}
    drawn.append(
        {
            "type": "scatter",
            "mode": "markers",
            "name": "within the error<br>of the winner",
            "marker": {"symbol": "cross-thin-open", "size": 9, "color": MUTED},
            "error_x": bar.copy(),
            "error_y": bar.copy(),
            **no_hover,
        }
    )
    drawn.append(
        {
            "type": "scatter",
            "mode": "markers",
            "name": subscripted("wins at this w_c"),
            "hovertemplate": HOVER,
            "marker": {"symbol": "star", "size": 20, "line": {"width": 1.4, "color": PAPER}},
        }
    )
    for index, values in wc_updates(info).items():
        for key, value in values.items():
            _put(drawn[index], key, value)
    for stage, symbol in STAGE_SYMBOLS.items():  # the legend's marks: in one color, not in that of some rank
        drawn.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": f"stage {stage}",
                "legendgroup": f"stage {stage}",
                "x": [None],
                "y": [None],
                "showlegend": stage in points.stage,
                "legendrank": 990,
                "marker": {"symbol": symbol, "size": 9, "color": BEST_RANK},
            }
        )
    return drawn


def wc_updates(info: TradeoffInfo) -> dict[int, dict[str, Any]]:
    """What w_c changes: new values by index of the trace, with plotly's dotted keys.

    Dragging a slider sends nothing else, so that thousands of trials can follow it.
    """
    points, color, rank, winner = info.points, wc_color(info.wc), info.rank, info.winner
    best, *others = info.lines
    labels = [(*line.label, f"f = {line.f:.3g}") for line in info.lines if line.label]
    alike = (winner, *info.near)
    updates: dict[int, dict[str, Any]] = {
        LINES: {
            "x": _joined([line.x for line in others]),
            "y": _joined([line.y for line in others]),
            "line.color": color,
        },
        BEST_LINE: {"x": list(best.x), "y": list(best.y), "line.color": color},
        LABELS: {
            "x": [x for x, _, _ in labels],
            "y": [y for _, y, _ in labels],
            "text": [text for _, _, text in labels],
            "textfont.color": color,
        },
        NEAR: {
            "x": [points.x[i] for i in alike],
            "y": [points.y[i] for i in alike],
            "error_x.array": [_short(points.x_se[i]) for i in alike],
            "error_y.array": [_short(points.y_se[i]) for i in alike],
        },
        WINNER: {
            "x": [points.x[winner]],
            "y": [points.y[winner]],
            "text": [markup(points.text[winner])],
            "customdata": [info.f[winner]],
            "marker.color": color,
            "marker.opacity": BEYOND_OPACITY if info.caution else 1,
        },
    }
    for stage, index in zip(STAGE_SYMBOLS, STAGES, strict=True):
        members = _of_stage(info, stage)
        updates[index] = {
            "marker.color": [rank[i] for i in members],
            "customdata": [_short(info.f[i]) for i in members],
        }
    return updates


def title(info: TradeoffInfo) -> dict[str, Any]:
    """plotly's title: the winner, and below it where its w_c is beyond what was searched for."""
    caution = {"text": subscripted(info.caution), "font": {"size": SMALL, "color": INK}}
    return {"text": subscripted(info.title), "subtitle": caution}


def layout(info: TradeoffInfo, height: int = 460) -> dict[str, Any]:
    """plotly's layout as plain data."""
    points = info.points
    return {
        "template": plotly_template(),
        "height": height,
        "title": title(info),
        "hovermode": "closest",
        "xaxis": _axis(points.x_axis),
        "yaxis": _axis(points.y_axis),
        "legend": {"title": {"text": "darker: smaller f", "font": {"size": 12}}, "itemsizing": "trace"},
    }


def _axis(axis: Axis) -> dict[str, Any]:
    ends = [axis.low, axis.high]
    return {
        "title": {"text": subscripted(axis.label)},
        "type": "log" if axis.log else "linear",
        "range": [log10(v) for v in ends] if axis.log else ends,
        "tickmode": "array",
        "tickvals": list(axis.ticks),
        "ticktext": list(axis.tick_text),
    }


def _of_stage(info: TradeoffInfo, stage: int) -> list[int]:
    return [i for i, s in enumerate(info.points.stage) if s == stage]


def _joined(parts: Sequence[Sequence[float]]) -> list[float | None]:
    """Several lines as one trace, with gaps between them."""
    return [value for part in parts for value in (*part, None)]


def _short(value: float) -> float:
    """Five digits: finer than any screen, and a third of the size in a notebook."""
    return float(f"{value:.5g}")


def _put(target: dict[str, Any], key: str, value: Any) -> None:
    """Set plotly's dotted `key` in nested dicts."""
    *parents, last = key.split(".")
    for name in parents:
        target = target.setdefault(name, {})
    target[last] = value
