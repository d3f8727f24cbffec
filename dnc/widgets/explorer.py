"""The trade-off explorer: drag w_c, and the trials of a search are ranked again at once."""

from __future__ import annotations

import base64
import json
import math
from html import escape
from typing import Any

import ipywidgets as widgets
import plotly.graph_objects as go

from dnc.errors import ArgumentError
from dnc.objective import METRICS
from dnc.plots.palette import FONTS, GRID, MUTED, wc_color
from dnc.plots.style_plotly import subscripted
from dnc.plots.tradeoff_info import Points, TradeoffInfo, quantity, tradeoff_info, wc_grid
from dnc.plots.tradeoff_matplotlib import draw as draw_picture
from dnc.plots.tradeoff_plotly import draw, draw_slider, layout, title, traces, wc_updates
from dnc.searches.aims import aim_notes
from dnc.searches.best import Best
from dnc.searches.result import SearchResult

TOP = 5  # trials in the table below the plot
STATIC_PER_DECADE = 4  # slider steps of the figure that is shown without a kernel
STATIC_WIDTH = 8.0  # inches, of the picture for viewers that draw nothing themselves


class _Figure(go.FigureWidget):
    """A figure widget that opens its channel only when its data is complete.

    plotly's own opens the channel empty and sends the data afterwards. A browser that is slow to load the plot may then
    draw the empty one and never redraw it.
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
    penalty is `result.rescore`: nothing is trained. At a w_c that the search was not aimed at, the star fades and a
    sentence says what to do (`result.caution`). Where no kernel runs (an exported or a published notebook) the
    output is the same figure with a slider of plotly's own, or a picture.

    Args:
        result: what `dnc.search` or `store.result` returned.
        wc, penalty: where to begin; None takes those of the search.

    Attributes:
        slider: the w_c slider; setting `slider.value` to one of its options is the same as dragging it.
        choice: the buttons that choose the penalty.
        figure: plotly's figure.
        result: the search's result under the w_c and penalty that are shown.
        info: what is shown, as plain data.

    Raises:
        ArgumentError: the penalty was not recorded, or w_c is negative.
        SearchError: no trial has finished.

    >>> import dnc
    >>> data = dnc.load_data("digits", n_train=200, n_val=100)
    >>> result = dnc.search(data, dnc.MLPSpace(nodes=(8, 32)), penalty="n_params", epochs=1, n1=2, n2=1, workers=0,
    ...                     progress=False)
    >>> explorer = dnc.TradeoffExplorer(result, wc=100)  # the last line of a cell shows it
    >>> explorer.best == result.rescore(wc=100).best
    True
    """

    def __init__(self, result: SearchResult, wc: float | None = None, penalty: str | None = None) -> None:
        if not isinstance(result, SearchResult):
            raise ArgumentError("result is not a search result: give what dnc.search or store.result returned")
        self._searched = result
        self._points: dict[str, Points] = {}
        self._rescore(wc, penalty)
        first = self.result.objective
        # one grid for all penalties, gathered before anything is shown: a slider whose options changed with the
        # penalty would jump under the user's hand
        for name in _penalties(result):
            self._points.setdefault(name, tradeoff_info(result, penalty=name).points)
        grid = wc_grid(tuple(self._points.values()), first.wc)
        self.slider = widgets.SelectionSlider(
            options=[(f"{value:.3g}", value) for value in grid],
            value=first.wc,
            description="w_c",
            layout=widgets.Layout(flex="1 1 320px", max_width="620px"),
            style={"description_width": "28px"},
            continuous_update=True,
        )
        self.choice = widgets.ToggleButtons(
            options=[(METRICS[name].label, name) for name in self._points],
            value=first.penalty,
            style={"button_width": "auto"},
        )
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
        """The winner: the trial with the smallest f."""
        return self.result.best

    def _rescore(self, wc: float | None, penalty: str | None) -> None:
        self.result = self._searched.rescore(wc=wc, penalty=penalty)
        name = self.result.objective.penalty
        self.info: TradeoffInfo = tradeoff_info(self.result, points=self._points.get(name))
        self._points[name] = self.info.points

    def _changed(self, change: dict[str, Any]) -> None:
        only_wc = change["owner"] is self.slider
        self._rescore(self.slider.value, self.choice.value)
        with self.figure.batch_update():  # one message to the browser, however many traces change
            shown: Any = self.figure.data
            if only_wc:  # axes, points and front stay: sending them at every step of a drag would make it stutter
                for index, values in wc_updates(self.info).items():
                    shown[index].update({key.replace(".", "_"): value for key, value in values.items()})
                self.figure.layout.title = title(self.info)  # type: ignore[attr-defined]
            else:
                for trace, new in zip(shown, traces(self.info), strict=True):
                    trace.update(new)
                self.figure.update_layout(layout(self.info))
        self._table.value = _table(self.info, self.result)

    def static(self) -> go.Figure:
        """The figure with plotly's own slider, as it is shown where no kernel runs.

        `explorer.static().write_html("tradeoff.html", auto_play=False)` turns it into a web page.
        """
        points, wc = self.info.points, self.info.wc
        grid = wc_grid((points,), wc, STATIC_PER_DECADE)
        infos = [tradeoff_info(self.result, wc=value, points=points) for value in grid]
        return draw_slider(infos, grid.index(wc))

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        bundle = super()._repr_mimebundle_(**kwargs) or {}
        # a viewer takes the richest format that it can show: the live widget, else plotly's slider, else the picture
        picture = draw_picture(self.info, STATIC_WIDTH)._repr_png_()
        return {
            **bundle,
            "application/vnd.plotly.v1+json": json.loads(self.static().to_json() or "{}"),
            "image/png": base64.b64encode(picture).decode(),
            "text/plain": repr(self),
        }

    def __reduce__(self) -> tuple[Any, ...]:
        return TradeoffExplorer, (self.result,)  # a widget belongs to its kernel: pickled, it is made anew

    def __repr__(self) -> str:
        return f"<TradeoffExplorer: {len(self.info.points.x)} trials; {self.info.title}>"


def _penalties(result: SearchResult) -> list[str]:
    """Metrics whose c_0 was recorded with the search, its own penalty first."""
    recorded = [result.objective.penalty, *result.facts.get("references", {})]
    return [name for name in dict.fromkeys(recorded) if name in METRICS]


def _table(info: TradeoffInfo, result: SearchResult) -> str:
    """The best trials as HTML."""
    low, high = info.wins
    upper = "any larger w_c" if math.isinf(high) else f"{high:.3g}"
    wins = [] if math.isnan(low) else [f"The winner holds for w_c from {low:.3g} to {upper}."]
    aims = aim_notes(result.aims, result.objective)
    notes = " ".join([*wins, *(f"{text[0].upper()}{text[1:]}." for text in (*aims, *filter(None, [info.caution])))])
    cell = f"padding:2px 14px 2px 0;border-bottom:1px solid {GRID};text-align:"
    head = (
        ("rank", "right"),
        ("f", "right"),
        ("accuracy", "right"),
        ("t_tr", "right"),
        ("N_p", "right"),
        ("stage", "right"),
        ("architecture", "left"),
        ("training", "left"),
    )
    rows = [
        "".join(f'<th style="{cell}{side};color:{MUTED};font-weight:normal">{subscripted(t)}</th>' for t, side in head)
    ]
    for rank, point in enumerate(info.order[:TOP], 1):
        visit = result.table.visits[info.points.trial[point]]
        trial = visit.trial
        texts = (
            str(rank),
            f"{result.objective.of(trial):.4f}",
            f"{trial.val_acc:.2%}",
            quantity(trial.t_tr, "t_tr"),
            f"{trial.n_params:,}",
            str(visit.stage),
            str(trial.config.arch),
            str(trial.config.training),
        )
        style = f"font-weight:bold;color:{wc_color(info.wc)}" if rank == 1 and not info.caution else ""
        cells = (f'<td style="{cell}{side};{style}">{escape(t)}</td>' for t, (_, side) in zip(texts, head, strict=True))
        rows.append("".join(cells))
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    return (
        f'<div style="font-family:{", ".join(FONTS)};font-size:12px;line-height:1.5;overflow-x:auto">'
        f'<table style="border-collapse:collapse">{body}</table>'
        f'<p style="color:{MUTED};margin:4px 0">{subscripted(escape(notes))}</p></div>'
    )
