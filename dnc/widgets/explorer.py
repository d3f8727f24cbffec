"""The trade-off explorer: drag w_c, and the trials of a search are ranked again at once."""

from __future__ import annotations

import base64
import json
from html import escape
from typing import Any

import ipywidgets as widgets
import plotly.graph_objects as go

from dnc.errors import ArgumentError
from dnc.objective import METRICS
from dnc.plots.style import FONTS, GRID, MUTED, wc_color
from dnc.plots.tradeoff import Points, TradeoffInfo, quantity, tradeoff_info, wc_grid
from dnc.plots.tradeoff_matplotlib import draw as draw_picture
from dnc.plots.tradeoff_plotly import draw, draw_slider, layout, moving, subscripted, traces
from dnc.searches.result import Best, SearchResult

TOP = 5  # trials in the table below the plot
STATIC_PER_DECADE = 4  # slider steps of the figure that is shown without a kernel
STATIC_WIDTH = 8.0  # inches, of the picture for viewers that draw nothing themselves


class _Figure(go.FigureWidget):
    """A figure widget that opens its channel when its data is complete.

    plotly's own opens it empty and sends the data after it. A browser that is slow to load the plot may then draw the
    empty one, for good.
    """

    _complete = False

    def __init__(self, figure: go.Figure) -> None:
        super().__init__(figure)
        self._complete = True
        self.open()

    def open(self) -> None:
        if self._complete:
            super().open()


class TradeoffExplorer(widgets.VBox):
    """Error against complexity with a w_c slider: the last line of a cell shows it.

    The plot has every trial of the search (darker: smaller f), the Pareto front, the trials that win at some w_c,
    the winner, and the lines of equal f; the table below lists the best. Moving the slider or choosing the other
    penalty is `result.rescore`: nothing is trained. Where no kernel runs (an exported or a published notebook) the
    output is the same figure with a slider of plotly's own, or a picture.

    Args:
        result: what `dnc.search` or `store.result` gave.
        wc, penalty: where to begin; None takes those of the search.

    Attributes:
        slider: the w_c slider; setting `slider.value` to one of its options is dragging it.
        choice: the penalty.
        figure: plotly's figure.
        result: the search's result under the w_c and penalty that are shown.
        info: what is shown, as plain data.

    Raises:
        ArgumentError: the penalty was not recorded, or w_c is negative.
        SearchError: no trial has finished.
    """

    def __init__(self, result: SearchResult, wc: float | None = None, penalty: str | None = None) -> None:
        if not isinstance(result, SearchResult):
            raise ArgumentError("result is not a search result: give what dnc.search or store.result returned")
        self._source = result
        self._points: dict[str, Points] = {}
        self._gather(result, wc, penalty)
        own = self.result.objective
        for name in _penalties(result):
            self._points.setdefault(name, tradeoff_info(result, penalty=name).points)
        grid = wc_grid(tuple(self._points.values()), own.wc)
        self.slider = widgets.SelectionSlider(
            options=[(f"{value:.3g}", value) for value in grid], value=own.wc, description="w_c",
            layout=widgets.Layout(flex="1 1 320px", max_width="620px"), style={"description_width": "28px"},
            continuous_update=True,
        )  # fmt: skip
        self.choice = widgets.ToggleButtons(
            options=[(METRICS[name].label, name) for name in self._points], value=own.penalty,
            style={"button_width": "auto"},
        )  # fmt: skip
        self.figure = _Figure(draw(self.info))
        self._table = widgets.HTML(_table(self.info, self.result))
        self.slider.observe(self._changed, "value")
        self.choice.observe(self._changed, "value")
        controls = widgets.HBox(
            [self.slider, self.choice],
            layout=widgets.Layout(flex_flow="row wrap", align_items="center", grid_gap="4px 24px"),
        )
        super().__init__([controls, self.figure, self._table])

    @property
    def best(self) -> Best:
        """The winner that is highlighted."""
        return self.result.best

    def _gather(self, result: SearchResult, wc: float | None, penalty: str | None) -> None:
        self.result = result.rescore(wc=wc, penalty=penalty)
        name = self.result.objective.penalty
        self.info: TradeoffInfo = tradeoff_info(self.result, points=self._points.get(name))
        self._points[name] = self.info.points

    def _changed(self, change: dict[str, Any]) -> None:
        same = change["owner"] is self.slider
        self._gather(self._source, self.slider.value, self.choice.value)
        with self.figure.batch_update():
            drawn: Any = self.figure.data
            if same:
                for place, keys in moving(self.info).items():
                    drawn[place].update({key.replace(".", "_"): value for key, value in keys.items()})
                self.figure.layout.title.text = subscripted(self.info.title)  # type: ignore[attr-defined]
            else:
                for trace, new in zip(drawn, traces(self.info), strict=True):
                    trace.update(new)
                self.figure.update_layout(layout(self.info))
        self._table.value = _table(self.info, self.result)

    def static(self) -> go.Figure:
        """The figure with plotly's own slider, as it is shown where no kernel runs.

        `explorer.static().write_html("tradeoff.html", auto_play=False)` makes a page of it.
        """
        points, wc = self.info.points, self.info.wc
        grid = wc_grid((points,), wc, STATIC_PER_DECADE)
        infos = [tradeoff_info(self.result, wc=value, points=points) for value in grid]
        return draw_slider(infos, grid.index(wc))

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        bundle = super()._repr_mimebundle_(**kwargs) or {}
        picture = draw_picture(self.info, STATIC_WIDTH)._repr_png_()
        return {
            **bundle,
            "application/vnd.plotly.v1+json": json.loads(self.static().to_json() or "{}"),
            "image/png": base64.b64encode(picture).decode(),
            "text/plain": repr(self),
        }

    def __repr__(self) -> str:
        return f"<TradeoffExplorer: {len(self.info.points.x)} trials; {self.info.title}>"


def _penalties(result: SearchResult) -> list[str]:
    """Metrics that the trials carry and whose c_0 is known, the search's own first."""
    known = [result.objective.penalty, *result.facts.get("references", {})]
    return [name for name in dict.fromkeys(known) if name in METRICS]


def _table(info: TradeoffInfo, result: SearchResult) -> str:
    """The best trials as HTML."""
    low, high = info.wins
    upper = "any larger w_c" if high == float("inf") else f"{high:.3g}"
    wins = "" if low != low else f"The winner holds for w_c from {low:.3g} to {upper}."
    cell = f"padding:2px 14px 2px 0;border-bottom:1px solid {GRID};text-align:"
    head = (("rank", "right"), ("f", "right"), ("accuracy", "right"), ("t_tr", "right"), ("N_p", "right"),
            ("stage", "right"), ("architecture", "left"), ("training", "left"))  # fmt: skip
    rows = [
        "".join(f'<th style="{cell}{side};color:{MUTED};font-weight:normal">{subscripted(t)}</th>' for t, side in head)
    ]
    for rank, best in enumerate(
        (result._as_best(result.table.visits[info.points.trial[i]]) for i in info.order[:TOP]), 1
    ):
        texts = (str(rank), f"{best.f:.4f}", f"{best.val_acc:.2%}", quantity(best.t_tr, "t_tr"), f"{best.n_params:,}",
                 str(best.stage), str(best.config.arch), str(best.config.training))  # fmt: skip
        style = f"font-weight:bold;color:{wc_color(info.wc)}" if rank == 1 else ""
        cells = (f'<td style="{cell}{side};{style}">{escape(t)}</td>' for t, (_, side) in zip(texts, head, strict=True))
        rows.append("".join(cells))
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    return (
        f'<div style="font-family:{", ".join(FONTS)};font-size:12px;line-height:1.5;overflow-x:auto">'
        f'<table style="border-collapse:collapse">{body}</table>'
        f'<p style="color:{MUTED};margin:4px 0">{subscripted(wins)}</p></div>'
    )
