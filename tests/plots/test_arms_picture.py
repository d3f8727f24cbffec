"""Fig. 7: its plain data, and that both back ends draw every seed."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dnc.errors import ArgumentError
from dnc.plots import arms_matplotlib, arms_plotly, palette
from dnc.plots.arms_info import arms_info, grid_width, offset

LABELS = {
    "random": "random\n2",
    "sobol": "Sobol grid\n2",
    "balanced": "balanced BO\n1 + 1",
    "extreme": "extreme BO\n1 + 1",
}


def steps(wc: float, arm: str, seed: int, best: list[tuple[int, float]]) -> list[dict[str, float | str]]:
    """Rows of one search from its (stage, best f so far)."""
    counts = itertools.count
    numbers = {stage: counts() for stage in (1, 2, 3)}
    return [
        {"wc": wc, "arm": arm, "seed": seed, "stage": s, "step": next(numbers[s]), "best_so_far": f} for s, f in best
    ]


def two_seeds() -> pd.DataFrame:
    rows = steps(0.1, "random", 0, [(1, 0.9), (1, 0.5), (2, 0.45), (3, 0.45), (3, 0.4)])
    rows += steps(0.1, "random", 1, [(1, 0.7), (1, 0.7), (3, 0.6), (3, 0.6)])  # its stage 2 had nothing to vary
    rows += steps(0.1, "extreme", 0, [(1, 0.8), (2, 0.8), (3, 0.2)])  # its stages ended early
    return pd.DataFrame(rows)


HALF_WIDTH = 6.313751514675043 * math.sqrt(0.02) / math.sqrt(2)  # of 0.4 and 0.6, with t_{0.95}(1) from tables


def test_arms_info_gathers_what_is_drawn() -> None:
    info = arms_info(two_seeds().sample(frac=1, random_state=0), LABELS, "a note")
    assert info.trials == 2
    assert info.note == "a note"
    ((wc, groups),) = info.panels
    assert wc == 0.1
    random, extreme = groups
    assert (random.arm, random.seeds, random.stage1, random.final) == ("random", (0, 1), (0.5, 0.7), (0.4, 0.6))
    assert random.mean == pytest.approx(0.5)
    assert random.half_width == pytest.approx(HALF_WIDTH)
    assert grid_width(2) == 1
    assert random.curve == pytest.approx([0.8, 0.6, (0.45 + 0.7) / 2, (0.45 + 0.6) / 2, 0.5])
    assert extreme.curve == pytest.approx([0.8, 0.8, 0.8, 0.2, 0.2])
    assert extreme.half_width == 0.0


def test_arms_pictures_show_every_seed() -> None:
    info = arms_info(two_seeds(), LABELS)
    figure = arms_matplotlib.draw(info)
    drawn = {tuple(np.asarray(line.get_ydata()).tolist()) for line in figure.axes[0].lines}
    assert {(0.4,), (0.6,), (0.5,), (0.7,), (0.2,), (0.8,)} <= drawn
    assert [t.get_text() for t in figure.axes[0].get_xticklabels()] == [LABELS["random"], LABELS["extreme"]]
    shown: Any = arms_plotly.draw(info)
    final = [t for t in shown.data if t.name == "random 2" and t.marker.symbol == "circle"]
    hollow = [t for t in final if t.marker.color == palette.PAPER]
    final = [t for t in final if t not in hollow]
    assert [tuple(t.y) for t in final] == [(0.4, 0.6)]
    assert [tuple(t.customdata) for t in final] == [(0, 1)]
    assert [tuple(t.y) for t in hollow] == [(0.5, 0.7)]
    assert [tuple(t.customdata) for t in hollow] == [(0, 1)]


def test_the_axis_of_trials_by_hand() -> None:
    info = arms_info(two_seeds(), LABELS)
    assert info.length == 5  # two trials, one place for stage 2, two trials
    assert info.positions == (
        "stage 1, trial 1", "stage 1, trial 2", "after stage 2", "stage 3, trial 1", "stage 3, trial 2",
    )  # fmt: skip
    assert info.shaded == (2.5, 3.5)
    assert info.ticks == ((1.0, "1"), (2.0, "2"), (4.0, "1"), (5.0, "2"))
    assert info.stage_names == ((1.5, "stage 1"), (3.0, "2"), (4.5, "stage 3"))
    low, high = info.panels[0].curve_range(2)  # the first trial is left out: f from 0.2 to 0.8
    assert (low, high) == pytest.approx((0.2 - 0.036, 0.8 + 0.036))
    assert "mean of 2 seeds with its 90% interval" in info.caption[0]
    assert not any(line.startswith("d:") for line in info.caption)  # distinct configs were not recorded


def test_plotly_draws_curves_means_and_labels() -> None:
    info = arms_info(two_seeds(), LABELS, "w_c and <b>c_0</b>\nsecond line")
    figure: Any = arms_plotly.draw(info)
    random, extreme = info.panels[0].groups
    curves = [t for t in figure.data if t.line.shape == "hvh"]
    assert [tuple(t.y) for t in curves] == [random.curve, extreme.curve]
    assert [t.line.color for t in curves] == [palette.ARM_COLORS["random"], palette.ARM_COLORS["extreme"]]
    assert all(list(t.x) == [1, 2, 3, 4, 5] and tuple(t.text) == info.positions for t in curves)
    (mean,) = (t for t in figure.data if t.marker.symbol == "line-ew")  # of one seed there is none
    assert (mean.y[0], mean.error_y.array[0]) == pytest.approx((0.5, HALF_WIDTH))
    assert "(2 seeds)" in mean.hovertemplate
    assert all(t.hovertemplate or t.hoverinfo == "skip" for t in figure.data)
    layout = figure.layout
    for text, label in zip(layout.xaxis.ticktext, ("random<br>2", "extreme BO<br>1 + 1"), strict=True):
        assert f">{label}<" in text
    assert layout.yaxis.title.text == "objective f"
    assert layout.yaxis2.title.text == "best f so far"
    assert tuple(layout.yaxis2.range) == info.panels[0].curve_range(2)
    (shade,) = layout.shapes
    assert (shade.x0, shade.x1) == info.shaded
    texts = [a.text for a in layout.annotations]
    assert {"stage 1", "2", "stage 3"} <= set(texts)
    assert "<i>w</i><sub>c</sub> and &lt;b&gt;<i>c</i><sub>0</sub>&lt;/b&gt;<br>second line" in texts[-1]


def test_pictures_say_how_many_distinct_configs_were_tried() -> None:
    # the second search tries its second config of stage 1 for the first time in stage 3
    info = arms_info(two_seeds().assign(distinct_so_far=[1, 2, 3, 4, 5, 1, 1, 2, 3, 1, 2, 3]), LABELS)
    random, extreme = info.panels[0].groups
    assert (random.distinct_stage1, random.distinct) == ((2, 1), (5, 3))
    assert (extreme.distinct_stage1, extreme.distinct) == ((1,), (3,))
    assert (random.tick, extreme.tick) == ("random\n2\nd 1–2", "extreme BO\n1 + 1\nd 1")
    assert "d: distinct configs among the 2 trials of stage 1, from the least to the most over seeds." in info.caption
    shown = [tick.get_text() for tick in arms_matplotlib.draw(info).axes[0].get_xticklabels()]
    assert shown == [random.tick, extreme.tick]
    layout: Any = arms_plotly.draw(info).layout
    assert "random<br>2<br>d 1–2" in layout.xaxis.ticktext[0]


def test_a_mark_never_hides_that_of_another_seed() -> None:
    assert offset(0, 1) == 0
    assert [offset(k, 3) for k in range(3)] == pytest.approx([-0.075, 0, 0.075])


def test_arms_info_refuses_what_it_cannot_draw() -> None:
    frame: Any = two_seeds()
    with pytest.raises(ArgumentError, match="no column 'best_so_far'"):
        arms_info(frame.drop(columns="best_so_far"), LABELS)
    with pytest.raises(ArgumentError, match="did you mean 'random'"):
        arms_info(frame, {"randon": "random"})
    for nothing in (frame.iloc[:0], frame[frame["stage"] == 2]):
        with pytest.raises(ArgumentError, match="no step of stage 1 or 3"):
            arms_info(nothing, LABELS)
    with pytest.raises(ArgumentError, match="no step of stage 1 or 3"):
        arms_info(frame, {"sobol": "Sobol"})
