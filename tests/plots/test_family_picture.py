"""Figs. 3 and 4: their plain data, and that the picture shows what the record says."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dnc.errors import ArgumentError
from dnc.plots import family_matplotlib
from dnc.plots.family_info import QUANTITIES, FamilyInfo, Printed, dot_area, family_info
from dnc.plots.family_matplotlib import log_ticks, plain
from dnc.plots.palette import wc_color

COLUMNS = {"MNIST": "MNIST", "RCV1": "Reuters for RCV1"}
PRINTED = (
    Printed("MNIST", "t_tr", 0.0, {"test_acc": 0.95, "t_tr": 10.0}),
    Printed("MNIST", "t_tr", 10.0, {"test_acc": 0.85, "t_tr": 2.0}),
)


def rows(seeds: int = 3, penalties: tuple[str, ...] = ("t_tr", "n_params")) -> pd.DataFrame:
    table = [
        {
            "column": column,
            "penalty": penalty,
            "wc": wc,
            "seed": seed,
            "test_acc": 0.8 - 0.1 * k + 0.01 * seed,
            "t_tr": 10.0 ** (seed - k),
            "search_cost": 100.0 / (k + 1),
            "n_params": 1000 * (2 - k),
        }
        for column in COLUMNS
        for penalty in penalties
        for k, wc in enumerate((0.0, 10.0))
        for seed in range(seeds)
    ]
    return pd.DataFrame(table).sample(frac=1, random_state=2)


def info(frame: pd.DataFrame | None = None, absolute: bool = False) -> FamilyInfo:
    return family_info(rows() if frame is None else frame, COLUMNS, "title", PRINTED, absolute, "made up")


def test_means_and_intervals_in_closed_form() -> None:
    first = info().columns[0].series[0].members[0]
    t_95 = 2.919985580355516  # Student's t, 2 degrees of freedom
    accuracy, t_tr = first.estimates["test_acc"], first.estimates["t_tr"]
    assert accuracy.values == pytest.approx((80, 81, 82))
    assert (accuracy.mean, accuracy.high) == pytest.approx((81, 81 + t_95 / math.sqrt(3)))
    # 1, 10, 100: the mean of the logarithms is 1, their standard deviation 1
    assert (t_tr.mean, t_tr.low) == pytest.approx((10, 10 ** (1 - t_95 / math.sqrt(3))))


def test_one_seed_has_no_interval() -> None:
    estimate = info(rows(seeds=1)).columns[0].series[0].members[0].estimates["t_tr"]
    assert (estimate.values, estimate.mean) == ((1.0,), 1.0)
    assert math.isnan(estimate.low)
    assert "one seed" in info(rows(seeds=1)).caption[0]


def test_a_failed_final_training_leaves_the_others() -> None:
    frame = rows()
    frame.loc[(frame["seed"] == 0) & (frame["wc"] == 0), "test_acc"] = math.nan
    assert info(frame).columns[0].series[0].members[0].estimates["test_acc"].mean == pytest.approx(81.5)


def test_the_papers_values_are_moved_to_meet_ours_or_drawn_as_printed() -> None:
    moved = info().columns[0].series[0].printed
    assert dict(moved["test_acc"]) == pytest.approx({0.0: 81, 10.0: 71})  # 10 percentage points less
    assert dict(moved["t_tr"]) == pytest.approx({0.0: 10, 10.0: 2})  # a fifth
    assert "n_params" not in moved
    printed = info(absolute=True).columns[0].series[0].printed
    assert dict(printed["test_acc"]) == pytest.approx({0.0: 95, 10.0: 85})
    assert not info().columns[1].series[0].printed
    assert "as printed" in info(absolute=True).caption[1]


def test_what_cannot_be_drawn() -> None:
    with pytest.raises(ArgumentError, match="no column 'n_params'"):
        info(rows().drop(columns="n_params"))
    one_column: Any = rows().query("column == 'MNIST'")
    with pytest.raises(ArgumentError, match="no row of 'RCV1'"):
        info(one_column)


@pytest.mark.parametrize("seeds", [1, 3])
def test_the_picture_shows_every_mean_in_the_color_of_its_wc(seeds: int) -> None:
    made = info(rows(seeds))
    figure = family_matplotlib.draw(made)
    figure.draw_without_rendering()
    axes: Any = np.array(figure.axes).reshape(len(QUANTITIES) + 1, len(made.columns))
    assert [axis.get_title(loc="left") for axis in axes[0]] == ["MNIST", "Reuters for RCV1"]
    for j, column in enumerate(made.columns):
        for i, quantity in enumerate(QUANTITIES):
            drawn = {
                (line.get_color(), round(float(line.get_ydata()[0]), 6))
                for line in axes[i, j].lines
                if len(line.get_ydata()) == 1
            }
            for series in column.series:
                for member in series.members:
                    mean = member.estimates[quantity.column].mean
                    assert (wc_color(member.wc), round(mean, 6)) in drawn
        offsets = {tuple(np.round(dot.get_offsets()[0], 6)) for dot in axes[-1, j].collections}
        first = column.series[0].members[0].estimates
        assert (round(first["t_tr"].mean, 6), round(100 - first["test_acc"].mean, 6)) in offsets


def test_dots_are_sized_by_search_cost() -> None:
    assert dot_area(50, largest=100) == pytest.approx(dot_area(100, largest=100) / 2)


@pytest.mark.parametrize(("low", "high"), [(1e-6, 1e6), (0.3, 700), (0.8, 6.5), (11, 19), (3, 4)])
def test_ticks_are_few_and_inside(low: float, high: float) -> None:
    ticks = log_ticks(low, high)
    assert len(ticks) in (0, 2, 3, 4, 5)
    assert all(low <= tick <= high for tick in ticks)


def test_numbers_of_ticks() -> None:
    assert [plain(x) for x in (0.02, 5, 1000, 20_000, 1_500_000, 2e9)] == ["0.02", "5", "1k", "20k", "1.5M", "2G"]
