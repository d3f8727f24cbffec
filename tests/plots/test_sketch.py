"""The small drawing of a card."""

from __future__ import annotations

import sys
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from test_tradeoff import make_result

from dnc.plots.sketch import CHARACTER, LEFT, WIDTH, Mark, sketch, winner_marks

RANDOM = np.random.default_rng(0)
MANY = [
    (float(t), float(e), 1000, 1) for t, e in zip(RANDOM.uniform(1e-3, 10, 10_000), RANDOM.random(10_000), strict=True)
]


def elements(svg: str, tag: str) -> list[ElementTree.Element]:
    return ElementTree.fromstring(svg).findall(tag)


def test_it_shows_every_trial_the_front_and_the_winner() -> None:
    svg = sketch(make_result())
    dots = next(path for path in elements(svg, "path") if path.get("stroke-linecap") == "round").attrib["d"]
    assert dots.count("M") == 6
    (winner,) = elements(svg, "circle")
    # t_tr 1 of 0.1 to 4 and error 10 % of 7 to 50 %: right of the middle, and low
    assert 165 < float(winner.attrib["cx"]) < 270
    assert 100 < float(winner.attrib["cy"]) < 158
    assert "error against training time per epoch" in ElementTree.fromstring(svg).attrib["aria-label"]


def test_marks_take_the_place_of_the_winner() -> None:
    svg = sketch(make_result(), [Mark(0.1, 0.5, "10"), Mark(4.0, 0.07, "<0>")])
    assert len(elements(svg, "circle")) == 2
    assert [text.text for text in elements(svg, "text")][-2:] == ["10", "<0>"]


def test_texts_of_marks_keep_clear_of_the_axis_and_the_edge() -> None:
    cheapest, dearest = Mark(0.1, 0.5, "0.01, 0.1, 1, 10"), Mark(4.0, 0.07, "0, 0.001, 0.01")
    texts = elements(sketch(make_result(), [cheapest, dearest]), "text")[-2:]
    ends = [
        (
            float(t.attrib["x"]) - CHARACTER * len(t.text or "") / 2,
            float(t.attrib["x"]) + CHARACTER * len(t.text or "") / 2,
        )
        for t in texts
    ]
    assert all(left > LEFT and right <= WIDTH for left, right in ends), ends


def test_networks_that_win_several_wc_have_one_mark() -> None:
    best = make_result().best.trial
    assert winner_marks({0.0: best, 0.1: None, 1.0: best}, "n_params") == [Mark(2_000, 1 - best.val_acc, "0, 1")]


def test_thousands_of_trials_make_a_small_drawing() -> None:
    assert len(sketch(make_result(MANY))) < 15_000


def test_it_needs_no_plotting_library(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("matplotlib", "plotly"):
        monkeypatch.setitem(sys.modules, name, None)
    assert make_result()._repr_html_().count("<svg") == 1


def test_nothing_is_drawn_without_a_place_for_the_trials() -> None:
    assert sketch(make_result([], failed=3)) == ""
    assert sketch(make_result([(np.nan, 0.1, 10, 1)], wc=0)) == ""
    one = make_result([(1.0, 0.1, 10, 1)])
    assert len(elements(sketch(one), "circle")) == 1
    # at w_c = 0 the winner may be a trial that could not be timed: it has no place, and nobody takes its place
    untimed = make_result([(np.nan, 0.1, 10, 1), (1.0, 0.2, 10, 1)], wc=0)
    assert elements(sketch(untimed), "circle") == []
    assert replace(untimed, visits=(), table=None)._drawing() == ""  # type: ignore[arg-type]
