"""The trade-off explorer without a browser: moving its slider in Python is `result.rescore`."""

from __future__ import annotations

import base64
import json
import math
import re
from dataclasses import replace
from typing import Any

import pytest
from test_tradeoff import make_result

from dnc.errors import ArgumentError, SearchError
from dnc.objective import METRICS, Objective
from dnc.plots import tradeoff_plotly
from dnc.plots.tradeoff_info import TradeoffInfo
from dnc.trial import Trial
from dnc.widgets import TradeoffExplorer

LIVE = "application/vnd.jupyter.widget-view+json"
STATIC = "application/vnd.plotly.v1+json"


def drawn(explorer: TradeoffExplorer) -> Any:
    return explorer.figure  # plotly's own types know too little


def star(explorer: TradeoffExplorer) -> tuple[float, float]:
    trace = drawn(explorer).data[tradeoff_plotly.WINNER]
    return trace.x[0], trace.y[0]


def winner(explorer: TradeoffExplorer) -> Trial:
    return explorer.best.trial


def test_it_begins_where_the_search_was() -> None:
    result = make_result(wc=0.123)
    explorer = TradeoffExplorer(result)
    assert (explorer.slider.value, explorer.choice.value) == (0.123, "t_tr")
    assert winner(explorer) == result.best.trial
    assert explorer.slider.options[0] == ("0", 0.0)
    assert explorer.slider.continuous_update
    assert [name for _, name in explorer.choice.options] == ["t_tr", "n_params"]


def test_it_can_begin_elsewhere() -> None:
    explorer = TradeoffExplorer(make_result(), wc=7.5, penalty="n_params")
    assert (explorer.slider.value, explorer.choice.value) == (7.5, "n_params")
    assert winner(explorer) == make_result().rescore(7.5, "n_params").best.trial


@pytest.mark.parametrize("penalty", ["t_tr", "n_params"])
def test_every_place_of_the_slider_shows_what_rescore_says(penalty: str) -> None:
    result = make_result()
    explorer = TradeoffExplorer(result)
    explorer.choice.value = penalty
    places, seen = [wc for _, wc in explorer.slider.options], set()
    for wc in places[::5] + places[::-7]:
        explorer.slider.value = wc
        best = result.rescore(wc=wc, penalty=penalty).best
        assert winner(explorer) == best.trial
        assert star(explorer) == (best.trial.complexity(penalty), pytest.approx(1 - best.val_acc))
        assert f"{best.f:.4f}" in explorer.children[2].value
        seen.add(best.trial.key)
    assert len(seen) >= 2


def test_the_points_are_ranked_again() -> None:
    explorer = TradeoffExplorer(make_result())

    def ranks() -> dict[float, int]:
        traces = [drawn(explorer).data[place] for place in tradeoff_plotly.STAGES]
        return {x: rank for trace in traces for x, rank in zip(trace.x, trace.marker.color, strict=True)}

    assert ranks() == {0.1: 6, 0.4: 2, 0.5: 4, 1.0: 1, 2.0: 3, 4.0: 5}
    explorer.slider.value = 0.0
    assert ranks() == {0.1: 6, 0.4: 4, 0.5: 5, 1.0: 3, 2.0: 2, 4.0: 1}
    assert [drawn(explorer).data[tradeoff_plotly.BEST_LINE].y[i] for i in (0, -1)] == pytest.approx([0.07, 0.07])


def test_the_other_penalty_changes_axis_points_and_front() -> None:
    explorer = TradeoffExplorer(make_result())
    explorer.choice.value = "n_params"
    figure = drawn(explorer)
    assert "parameter count" in figure.layout.xaxis.title.text
    assert list(figure.data[tradeoff_plotly.FRONT].x) == [2_000, 20_000, 50_000]
    assert [x for p in tradeoff_plotly.STAGES for x in figure.data[p].x] == [4_000, 3_000, 9_000, 2_000, 20_000, 50_000]
    fresh: Any = tradeoff_plotly.draw(explorer.info)
    for shown, expected in zip(figure.data, fresh.data, strict=True):
        assert same(shown.to_plotly_json(), expected.to_plotly_json())
    explorer.choice.value = "t_tr"
    assert list(figure.data[tradeoff_plotly.FRONT].x) == [0.1, 0.4, 1.0, 2.0, 4.0]


def same(shown: dict, expected: dict) -> bool:
    return json.dumps({k: v for k, v in shown.items() if k != "uid"}, default=list) == json.dumps(
        expected, default=list
    )


def test_the_table_lists_the_best_and_the_winners_interval() -> None:
    explorer = TradeoffExplorer(make_result())
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", explorer.children[2].value)
    assert cells[:6] == ["1", "0.2000", "90.00%", "1 s", "2,000", "2"]
    assert [cells[8 * i + 1] for i in range(5)] == ["0.2000", "0.2400", "0.2800", "0.3500", "0.4700"]
    assert "from 0.02 to 0.167" in explorer.children[2].value
    explorer.slider.value = max(wc for _, wc in explorer.slider.options)
    assert "to any larger" in explorer.children[2].value


def test_the_output_is_alive_and_has_a_figure_and_a_picture_for_viewers_without_a_kernel() -> None:
    explorer = TradeoffExplorer(make_result())
    bundle = explorer._repr_mimebundle_()
    assert bundle[LIVE]["model_id"] == explorer.model_id
    assert base64.b64decode(bundle["image/png"])[:8] == b"\x89PNG\r\n\x1a\n"
    figure = bundle[STATIC]
    slider = figure["layout"]["sliders"][0]
    assert slider["steps"][slider["active"]]["label"] == "0.1"
    assert len(figure["frames"]) == len(slider["steps"]) > 10
    assert len(json.dumps(figure)) < 300_000
    assert bundle["text/plain"] == repr(explorer)
    assert "90.00% validation accuracy" in repr(explorer)


def test_the_browser_is_told_everything_at_once() -> None:
    """The channel must not open with an empty figure: a slow browser would draw that one."""
    from unittest import mock

    import plotly.graph_objects as go

    opened: list[dict] = []
    original = go.FigureWidget.open

    def recorded(self: go.FigureWidget) -> None:
        opened.append(self.get_state())
        original(self)

    with mock.patch.object(go.FigureWidget, "open", recorded):
        TradeoffExplorer(make_result())
    (state,) = opened
    assert len(state["_widget_data"]) == tradeoff_plotly.WINNER + 1 + len(tradeoff_plotly.STAGES)
    assert state["_widget_layout"]["xaxis"]["type"] == "log"


def test_a_registered_metric_can_be_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    from dnc.objective import Metric

    monkeypatch.setitem(METRICS, "flops", Metric("flops", "FLOP", "arithmetic", lambda subject: 1.0))
    result = make_result()
    visits = tuple(replace(v, trial=replace(v.trial, metrics={"flops": 10.0 + i})) for i, v in enumerate(result.visits))
    facts = {"references": {"t_tr": 1.0, "n_params": 1e4, "flops": 10.0}}
    flops = replace(result, visits=visits, facts=facts, table=None, objective=Objective(0.1, "flops", 10.0))  # type: ignore[arg-type]
    explorer = TradeoffExplorer(flops)
    assert [name for _, name in explorer.choice.options] == ["flops", "t_tr", "n_params"]
    assert "(FLOP)" in drawn(explorer).layout.xaxis.title.text


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ArgumentError, match="not a search result"):
        TradeoffExplorer(None)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="wc=-1"):
        TradeoffExplorer(make_result(), wc=-1)
    with pytest.raises(SearchError, match="no finished trial"):
        TradeoffExplorer(make_result([]))


def test_thousands_of_trials_are_shown() -> None:
    rows = [(0.1 + math.sin(i) ** 2, 0.5 + 0.4 * math.cos(i), 10 + i, 1 + i % 3) for i in range(3_000)]
    result = make_result(rows)
    explorer = TradeoffExplorer(result)
    explorer.slider.value = explorer.slider.options[-1][1]
    info: TradeoffInfo = explorer.info
    assert sorted(info.order) == list(range(3_000))
    assert winner(explorer) == result.rescore(wc=explorer.slider.value).best.trial
