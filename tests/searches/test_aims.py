"""Which w_c a search's trials answer, and that everything that shows them says so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from small_search import tiny
from test_card import is_short
from test_tradeoff import make_result

import dnc
from dnc.plots import tradeoff_matplotlib, tradeoff_plotly
from dnc.plots.tradeoff_info import tradeoff_info
from dnc.searches.result import SearchResult
from dnc.searches.sweep import Sweep
from dnc.tradeoff import NEAR_ZERO, SOUND_DOWN, sound_range
from dnc.widgets import TradeoffExplorer


def aimed(wc: float, now: float | None = None) -> SearchResult:
    """A result by hand of a search aimed at `wc` under t_tr, ranked at `now`."""
    result = replace(make_result(wc=wc), spec={"train_seed": 0, "wc": wc, "penalty": "t_tr"})
    return result.rescore(wc=now)


@pytest.mark.parametrize(
    ("aims", "expected"),
    [
        ([1.0], [(1 / SOUND_DOWN, 1.0)]),
        ([0.0], [(0.0, NEAR_ZERO)]),
        ([NEAR_ZERO], [(0.0, NEAR_ZERO)]),
        ([0.0, 0.1], [(0.0, 0.1)]),
        ([0.0, 0.01, 0.1, 1.0, 10.0], [(0.0, 10)]),  # the paper's family has no gap
        ([10_000.0, 1.0], [(1 / SOUND_DOWN, 1.0), (10_000 / SOUND_DOWN, 10_000)]),
        ([1.0, 1.0], [(1 / SOUND_DOWN, 1.0)]),
        ([], []),
    ],
)
def test_the_range_of_aims(aims: list[float], expected: list[tuple[float, float]]) -> None:
    ends = [end for interval in sound_range(aims) for end in interval]
    assert ends == pytest.approx([end for interval in expected for end in interval])


def test_a_search_is_sound_where_it_was_aimed() -> None:
    for wc in (0.0, 1e-6, 0.1, 1.0, 1e6):
        result = aimed(wc)
        assert (result.aims, result.caution) == ((wc,), "")
        assert result.sound_range == sound_range([wc])


def test_beyond_the_range_it_says_what_to_do() -> None:
    result = aimed(0.1, now=10.0)
    assert (
        result.caution
        == "aimed at w_c = 0.1, sound at w_c 0.001 to 0.1: a search or sweep with wc=10 finds better networks"
    )
    for shown in (str(result), repr(result), str(result.best), repr(result.best), repr(result.top(1)[0])):
        assert result.caution in " ".join(shown.split())
    assert "finds better networks" in result._repr_html_()
    assert is_short(repr(result))


def test_inside_it_says_where_it_was_aimed() -> None:
    result = aimed(0.1, now=0.05)
    note = "aimed at w_c = 0.1; its trials may be ranked at w_c 0.001 to 0.1"
    for shown in (str(result), repr(result)):
        assert shown.count(note) == 1
    assert "aimed" not in str(result.best)


def test_another_penalty_was_not_aimed_at() -> None:
    result = aimed(0.1).rescore(penalty="n_params")
    assert (result.aims, result.sound_range) == ((), ())
    assert result.caution == (
        "not aimed at penalty n_params: a search with penalty='n_params', wc=0.1 finds better networks"
    )
    assert result.rescore(penalty="t_tr").caution == ""


def test_another_reference_scales_the_aim() -> None:
    """f = error + w_c c / c_0 stays the same if w_c and c_0 grow alike."""
    result = aimed(0.1).rescore(wc=1.0, reference=10.0)
    assert result.aims == pytest.approx((1.0,))
    assert result.best == aimed(0.1).best
    assert result.caution == ""
    assert aimed(0.1).rescore(wc=1.0).caution != ""


def test_nobody_knows_the_aim_of_a_result_by_hand() -> None:
    result = make_result().rescore(wc=1e6)
    assert (result.aims, result.sound_range, result.caution) == (None, (), "")
    assert "aimed" not in str(result)


def test_a_sweep_answers_what_its_members_do() -> None:
    family = Sweep({wc: aimed(wc) for wc in (0.0, 10.0)})
    assert family.sound_range == family.pooled.sound_range == sound_range([0.0, 10.0])
    assert family.pooled.rescore(wc=1.0).caution == ""
    assert family.pooled.rescore(wc=0.05).caution.startswith("aimed at w_c = 0, 10, sound at w_c 0 to 0.01 and 0.1")
    assert "aimed at w_c = 0, 10; its trials may be ranked at w_c 0 to 0.01 and 0.1 to 10" in repr(family)


def test_pictures_and_the_explorer_say_it() -> None:
    result = aimed(0.1)
    assert tradeoff_info(result).caution == ""
    assert tradeoff_info(result, wc=10).caution == result.rescore(wc=10).caution
    assert "finds better networks" in tradeoff_matplotlib.draw(tradeoff_info(result, wc=10)).get_supxlabel()
    assert tradeoff_matplotlib.draw(tradeoff_info(result)).get_supxlabel() == ""
    explorer = TradeoffExplorer(result)
    figure: Any = explorer.figure  # plotly's own types know too little
    layout, star = figure.layout, figure.data[tradeoff_plotly.WINNER]
    assert (layout.title.subtitle.text, star.marker.opacity) == ("", 1)
    assert "ts trials may be ranked at" in explorer.children[2].value
    explorer.slider.value = max(wc for _, wc in explorer.slider.options)
    assert "finds better networks" in layout.title.subtitle.text
    assert star.marker.opacity < 1
    assert "finds better networks" in explorer.children[2].value
    explorer.slider.value = 0.1
    assert (layout.title.subtitle.text, star.marker.opacity) == ("", 1)
    frames: Any = explorer.static().frames
    faded = ["finds better networks" in frame.layout.title.subtitle.text for frame in frames]
    assert faded == [not 0.001 <= float(frame.name) <= 0.1 for frame in frames]


def test_a_stored_search_knows_its_aim(tmp_path: Path, counted_clock: None) -> None:
    with dnc.Store(tmp_path / "trials.db") as store:
        result = tiny(store=store)
        opened = store.result(result.id)
    assert opened.aims == result.aims == (result.spec["wc"],)
    assert opened.rescore(wc=1e3).caution == result.rescore(wc=1e3).caution != ""
