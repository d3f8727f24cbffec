"""The trade-off plot: its plain data, and its two back ends."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from matplotlib.collections import PathCollection
from test_tradeoff import make_result

from dnc.errors import ArgumentError, SearchError
from dnc.plots import tradeoff_matplotlib, tradeoff_plotly
from dnc.plots.axis_info import Axis
from dnc.plots.tradeoff_info import TradeoffInfo, quantity, tradeoff_info, wc_grid


def test_the_points_are_the_trials_that_did_not_fail() -> None:
    info = tradeoff_info(make_result(failed=2))
    assert info.points.x == (0.1, 0.4, 0.5, 1.0, 2.0, 4.0)
    assert info.points.y == pytest.approx((0.5, 0.2, 0.3, 0.1, 0.08, 0.07))
    assert info.points.stage == (1, 1, 1, 2, 3, 3)
    assert info.points.pareto == (0, 1, 3, 4, 5)
    assert "accuracy 80.00%" in info.points.text[1]
    assert "stage 2" in info.points.text[3]


def test_winner_order_and_interval_by_hand() -> None:
    info = tradeoff_info(make_result())
    # f = error + 0.1 t: 0.51, 0.24, 0.35, 0.20, 0.28, 0.47
    assert info.f == pytest.approx((0.51, 0.24, 0.35, 0.20, 0.28, 0.47))
    assert info.order == (3, 1, 4, 2, 5, 0)
    assert info.rank == (6, 2, 4, 1, 3, 5)
    assert info.winner == 3
    # against (2.0, 0.08): 0.02 / 1 = 0.02; against (0.4, 0.20): 0.10 / 0.6
    assert info.wins == pytest.approx((0.02, 1 / 6))
    assert info.points.winners == (5, 4, 3, 1, 0)
    assert info.points.starts == pytest.approx((0, 0.005, 0.02, 1 / 6, 1.0))
    assert info.title == "w_c = 0.1: 90.00% validation accuracy with t_tr = 1 s"


def test_the_last_winner_holds_for_every_larger_wc() -> None:
    info = tradeoff_info(make_result(), wc=100)
    assert (info.winner, info.wins) == (0, (pytest.approx(1.0), math.inf))


@pytest.mark.parametrize("penalty", ["t_tr", "n_params"])
@given(wc=st.one_of(st.just(0.0), st.floats(1e-4, 1e3)))
def test_it_shows_what_rescore_says(penalty: str, wc: float) -> None:
    result = make_result()
    info, scored = tradeoff_info(result, wc, penalty), result.rescore(wc, penalty)
    shown = result.table.visits[info.points.trial[info.winner]].trial
    assert shown == scored.best.trial
    assert info.f[info.winner] == pytest.approx(scored.best.f, rel=1e-12)
    assert [info.f[i] for i in info.order] == sorted(info.f)


@given(wc=st.one_of(st.just(0.0), st.floats(1e-3, 1e2)))
def test_lines_have_equal_f_and_nothing_lies_below_the_winners(wc: float) -> None:
    info = tradeoff_info(make_result(), wc)
    points = info.points
    for line in info.lines:
        f = np.array(line.y) + wc * np.array(line.x) / points.reference
        np.testing.assert_allclose(f, line.f, rtol=6e-5)  # they are rounded to five digits
        assert list(line.x) == sorted(line.x)
        assert points.x_axis.low * (1 - 1e-4) <= min(line.x) <= max(line.x) <= points.x_axis.high * (1 + 1e-4)
        assert points.y_axis.low * (1 - 1e-4) <= min(line.y) <= max(line.y) <= points.y_axis.high * (1 + 1e-4)
    assert info.lines[0].f == pytest.approx(min(info.f))
    assert all(
        y + wc * x / points.reference >= info.lines[0].f * (1 - 1e-12) for x, y in zip(points.x, points.y, strict=True)
    )


@pytest.mark.parametrize("penalty", ["t_tr", "n_params"])
@given(wc=st.one_of(st.just(0.0), st.floats(1e-3, 1e2)))
def test_labels_of_lines_stand_on_them_and_have_room(penalty: str, wc: float) -> None:
    info = tradeoff_info(make_result(), wc, penalty)
    for line in info.lines:
        if line.label is not None:
            assert line.label in zip(line.x, line.y, strict=True)
            for value, axis, room in zip(
                line.label, (info.points.x_axis, info.points.y_axis), (0.1, 0.05), strict=True
            ):
                low, at, high = np.log10((axis.low, value, axis.high)) if axis.log else (axis.low, value, axis.high)
                assert (high - at) / (high - low) > room  # a label is drawn above and to the right of its place
    if wc == 0:
        assert [line for line in info.lines if line.label is None] == []


def test_lines_are_horizontal_without_a_penalty() -> None:
    for line in tradeoff_info(make_result(), wc=0).lines:
        assert line.y == pytest.approx([line.f] * len(line.y), rel=1e-4)


def test_given_points_are_used_again_only_for_the_same_penalty() -> None:
    result = make_result()
    first = tradeoff_info(result)
    assert tradeoff_info(result, wc=1, points=first.points).points is first.points
    assert tradeoff_info(result, penalty="n_params", points=first.points).points.penalty == "n_params"


def test_axes_are_logarithmic_where_values_spread_and_linear_where_one_is_zero() -> None:
    info = tradeoff_info(make_result())
    assert (info.points.x_axis.log, info.points.y_axis.log) == (True, True)
    flat = tradeoff_info(make_result([(0.1, 0.0, 10, 1), (0.2, 0.5, 11, 1)]))
    assert (flat.points.x_axis.log, flat.points.y_axis.log) == (False, False)
    for axis in (info.points.x_axis, info.points.y_axis, flat.points.x_axis, flat.points.y_axis):
        assert axis.low < axis.high
        assert 2 <= len(axis.ticks) <= 9
        assert all(axis.low <= t <= axis.high for t in axis.ticks)
        assert len(set(axis.tick_text)) == len(axis.ticks)
    assert info.points.y_axis.tick_text == ("10 %", "20 %", "50 %")
    assert tradeoff_info(make_result(), penalty="n_params").points.x_axis.tick_text == ("2k", "5k", "10k", "20k", "50k")


@given(st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=20), st.floats(0, 1))
@example([44.0], 2.220446049250313e-16)  # of f, the error is less than rounding
def test_any_trials_give_a_sound_picture(times: list[float], error: float) -> None:
    info = tradeoff_info(make_result([(t, min(1.0, error + i / 50), i + 1, 1) for i, t in enumerate(times)]))
    for axis, values in ((info.points.x_axis, info.points.x), (info.points.y_axis, info.points.y)):
        assert axis.low < min(values)
        assert max(values) < axis.high
        assert len(axis.ticks) == len(axis.tick_text) >= 1
    assert len(info.lines[0].x) > 1


def test_a_single_trial_is_a_picture_too() -> None:
    info = tradeoff_info(make_result([(1.0, 0.5, 10, 1)]))
    assert (info.winner, info.points.pareto, info.wins) == (0, (0,), (0.0, math.inf))
    tradeoff_plotly.draw(info)
    tradeoff_matplotlib.draw(info)


def test_a_trial_whose_complexity_was_not_measured_is_left_out() -> None:
    """At w_c = 0 it has an f nevertheless, and may be the best of all."""
    result = make_result([(1.0, 0.5, 10, 1), (math.nan, 0.1, 20, 1)])
    info = tradeoff_info(result, wc=0)
    assert (info.points.x, info.order, info.winner) == ((1.0,), (0,), 0)


def test_no_finished_trial_is_said() -> None:
    with pytest.raises(SearchError, match="no finished trial"):
        tradeoff_info(make_result([]))


def test_bad_arguments_are_refused() -> None:
    for wc, penalty in ((-1, None), (math.nan, None), (None, "latency"), ("a", None)):
        with pytest.raises(ArgumentError):
            tradeoff_info(make_result(), wc, penalty)  # type: ignore[arg-type]


def test_quantities() -> None:
    assert quantity(82_353, "n_params") == "82,353 parameters"
    assert quantity(0.010731, "t_tr") == "10.7 ms"


def test_the_slider_reaches_beyond_every_change_of_winner() -> None:
    result = make_result()
    points = tuple(tradeoff_info(result, penalty=p).points for p in ("t_tr", "n_params"))
    grid = wc_grid(points, 0.123)
    assert grid[0] == 0
    assert list(grid) == sorted(set(grid))
    assert {0.123, 0.01, 0.1, 1.0, 10.0} <= set(grid)
    changes = [s for p in points for s in p.starts if s > 0]
    assert grid[1] < min(changes) / 5
    assert grid[-1] > max(changes) * 5
    assert max(b / a for a, b in zip(grid[1:-1], grid[2:], strict=True)) < 1.13  # 20 steps a decade
    winners = {tradeoff_info(result, wc=wc).winner for wc in grid}
    assert winners == set(points[0].winners)
    assert len(wc_grid((), 0.0)) > 10


# ---- back ends -----------------------------------------------------------------------------------------


def infos() -> list[TradeoffInfo]:
    result = make_result()
    return [tradeoff_info(result), tradeoff_info(result, 0, "n_params"), tradeoff_info(result, 50)]


@pytest.mark.parametrize("info", infos(), ids=["t_tr", "n_params", "large w_c"])
def test_plotly_draws_the_info(info: TradeoffInfo) -> None:
    figure = tradeoff_plotly.draw(info).to_plotly_json()
    data, points = figure["data"], info.points
    stages = [data[place] for place in tradeoff_plotly.STAGES]
    assert sorted(
        zip([x for t in stages for x in t["x"]], [c for t in stages for c in t["marker"]["color"]], strict=True)
    ) == sorted(zip(points.x, info.rank, strict=True))
    star = data[tradeoff_plotly.WINNER]
    assert (list(star["x"]), list(star["y"])) == ([points.x[info.winner]], [points.y[info.winner]])
    assert list(data[tradeoff_plotly.FRONT]["x"]) == [points.x[i] for i in points.pareto]
    assert list(data[tradeoff_plotly.BEST_LINE]["y"]) == list(info.lines[0].y)
    assert list(data[tradeoff_plotly.RINGS]["x"]) == [points.x[i] for i in points.winners]
    axis = figure["layout"]["xaxis"]
    assert axis["type"] == ("log" if points.x_axis.log else "linear")
    ends = [10**v for v in axis["range"]] if points.x_axis.log else axis["range"]
    assert ends == pytest.approx([points.x_axis.low, points.x_axis.high])
    assert "<sub>" in figure["layout"]["title"]["text"]


@pytest.mark.parametrize("info", infos(), ids=["t_tr", "n_params", "large w_c"])
def test_matplotlib_draws_the_info(info: TradeoffInfo) -> None:
    figure = tradeoff_matplotlib.draw(info)
    (ax,) = figure.axes
    points = info.points
    assert (ax.get_xscale(), ax.get_yscale()) == tuple("log" if a.log else "linear" for a in axes(info))
    assert ax.get_xlim() == pytest.approx((points.x_axis.low, points.x_axis.high))
    assert [t.get_text() for t in ax.get_yticklabels()] == list(points.y_axis.tick_text)
    star = np.asarray(ax.collections[-1].get_offsets())
    assert star.tolist() == [[points.x[info.winner], points.y[info.winner]]]
    marks = [c for c in ax.collections if isinstance(c, PathCollection)]
    shown = np.concatenate([np.asarray(c.get_offsets()) for c in marks[:-2]])
    assert sorted(map(tuple, shown.tolist())) == sorted(zip(points.x, points.y, strict=True))
    best = ax.lines[0]
    assert np.asarray(best.get_xdata()).tolist() == list(info.lines[0].x)
    assert figure._repr_png_()[:8] == b"\x89PNG\r\n\x1a\n"


def axes(info: TradeoffInfo) -> tuple[Axis, Axis]:
    return info.points.x_axis, info.points.y_axis


def test_the_slider_figure_has_a_frame_for_each_wc() -> None:
    result = make_result()
    steps = [tradeoff_info(result, wc) for wc in (0, 0.1, 10)]
    figure = tradeoff_plotly.draw_slider(steps, active=1).to_plotly_json()
    slider = figure["layout"]["sliders"][0]
    assert [s["label"] for s in slider["steps"]] == ["0", "0.1", "10"]
    assert slider["active"] == 1
    assert [frame["name"] for frame in figure["frames"]] == ["0", "0.1", "10"]
    for frame, step, info in zip(figure["frames"], slider["steps"], steps, strict=True):
        assert step["args"][0] == [frame["name"]]
        star = frame["data"][list(frame["traces"]).index(tradeoff_plotly.WINNER)]
        assert list(star["x"]) == [info.points.x[info.winner]]


def test_text_of_users_cannot_become_markup() -> None:
    info = tradeoff_info(make_result())
    text = ("<b>bold</b>\nnext", *info.points.text[1:])
    figure = tradeoff_plotly.draw(info._replace(points=info.points._replace(text=text)))
    assert "&lt;b&gt;bold&lt;/b&gt;<br>next" in figure.to_plotly_json()["data"][tradeoff_plotly.STAGES[0]]["text"][0]
