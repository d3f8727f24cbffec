"""What results, sweeps, estimates, stages, stores and models show as the last line of a cell."""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from small_search import SPACE, tiny
from test_card import HOSTILE, is_short
from test_tradeoff import make_result

import dnc
from dnc.card import Card
from dnc.models.final_training import train_final
from dnc.searches.estimate import Estimate
from dnc.searches.result import SearchResult
from dnc.searches.stages import StageResult
from dnc.searches.sweep import Sweep
from dnc.trial import SearchStatus

CURVE = (dnc.Epoch(0.5, 0.5, 0.9, 0.1),) * 30


def large(n: int) -> SearchResult:
    rows = [(0.1 + i % 100, 0.1 + i / 2 / n, 1_000 + i, 1 + i % 3) for i in range(n)]
    visits = [replace(v, trial=replace(v.trial, curve=CURVE)) for v in make_result(rows).visits]
    return replace(make_result(), visits=tuple(visits), table=None)  # type: ignore[arg-type]


def facts(card: Card) -> dict[str, str]:
    return dict(card.facts)


def html_of(thing: SearchResult | Sweep) -> str:
    text = thing._repr_html_()
    ElementTree.fromstring(text)  # well-formed: every tag is closed, every text escaped
    return text


@pytest.fixture
def searched(tmp_path: Path, counted_clock: None) -> Iterator[SearchResult]:
    with dnc.Store(tmp_path / "trials.db") as store:
        yield tiny(store=store)


def test_a_result_of_ten_thousand_trials_is_short() -> None:
    result = large(10_000)
    assert is_short(repr(result))
    assert "10,001 trials in 10,001 steps, 1 failed" in repr(result)
    assert len(html_of(result)) < 30_000
    family = Sweep({0.1: result, 1.0: result.rescore(wc=1)})
    assert is_short(repr(family))
    assert len(html_of(family)) < 30_000
    stage = StageResult(3, result.visits, result.visits[0], result.objective, 1.0, earlier=result.visits)
    assert is_short(repr(stage))
    assert is_short(repr(result.best))


def test_the_card_of_a_result_says_who_won_and_how_well_it_is_known() -> None:
    result = replace(make_result(), spec={"train_seed": 0, "data": {"n_val": 400}})
    card = result._card()
    assert card.title == "search s (finished): 7 trials in 7 steps, 1 failed"
    assert card.headline == "MLP 4"
    assert card.detail == "lr 0.01, weight decay 0, batch 256"
    assert facts(card) == {
        "f": "0.2000",
        "accuracy": "90.00% ± 1.50%",
        "t_tr": "1 s",
        "N_p": "2,000",
        "w_c": "0.1",
        "c_0 of t_tr": "1 s",
    }
    assert facts(result.best._card()) == facts(card)
    assert facts(make_result()._card())["accuracy"] == "90.00%"  # nobody knows how many samples that is of
    assert facts(result.rescore(penalty="n_params")._card())["c_0 of N_p"] == "10,000 parameters"


def test_results_without_a_winner_show_too() -> None:
    unfinished = replace(make_result([]), status=SearchStatus.STOPPED)
    for result in (unfinished, replace(unfinished, visits=(), table=None)):  # type: ignore[arg-type]
        assert result._card().headline == "no finished trial yet"
        assert is_short(repr(result))
        assert "<svg" not in html_of(result)
    untimed = make_result([(math.nan, 0.1, 10, 1)], wc=0)
    assert facts(untimed._card())["t_tr"] == "not measured"
    assert "<svg" not in html_of(untimed)


def test_a_metric_that_is_registered_no_longer_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(dnc.METRICS, "depth", dnc.Metric("depth", "layers", "depth"))
    visits = [replace(v, trial=replace(v.trial, metrics={"depth": 2.0})) for v in make_result().visits]
    result = replace(make_result(), visits=tuple(visits), objective=dnc.Objective(1, "depth", 4.0), table=None)  # type: ignore[arg-type]
    assert "<svg" in html_of(result)
    monkeypatch.undo()
    assert facts(result._card())["c_0 of depth"] == "4"
    assert "<svg" not in html_of(result)


def test_a_sweep_has_a_row_for_each_wc() -> None:
    results = {wc: make_result(wc=wc) for wc in (0.0, 0.1, 10.0)} | {5.0: make_result([], wc=5.0)}
    card = Sweep(results)._card()
    assert [row[0] for row in card.rows] == ["0", "0.1", "10", "5"]
    assert card.rows[1][1:5] == ("0.2000", "90.00%", "1 s", "2,000")
    assert card.rows[3][5] == "no finished trial yet"
    assert html_of(Sweep(results)).count("<circle") == 3
    assert is_short(repr(Sweep({float(i): make_result(wc=i) for i in range(100)})))
    assert "<svg" not in html_of(Sweep({}))


def test_what_a_search_leaves_shows_itself(searched: SearchResult, tmp_path: Path) -> None:
    assert facts(searched._card())["accuracy"].endswith("%")
    assert " ± " in facts(searched._card())["accuracy"]
    store = dnc.open_store(tmp_path / "trials.db")
    opened = store.result(searched.id)  # without its data
    assert opened._card() == searched._card()
    assert html_of(opened) == html_of(searched)
    assert repr(store).splitlines()[1].startswith("  searches = 1; trainings = ")
    assert searched.id in store._repr_html_()
    store.close()
    assert "closed" in repr(store)
    assert "closed" in store._repr_html_()


def test_what_is_shown_changes_neither_equality_nor_str_nor_copies(searched: SearchResult) -> None:
    best = searched.best
    assert best == replace(best, objective=None, n_val=None)
    assert str(best).startswith("f = 0.")
    assert str(searched).startswith(f"search {searched.id} (finished): ")
    result = replace(searched, store=None)
    for other in (pickle.loads(pickle.dumps(result)), copy.deepcopy(result)):
        assert repr(other) == repr(result)
        assert html_of(other) == html_of(result)


def test_an_estimate_says_what_it_expects() -> None:
    estimate = Estimate(65, 500.0, 300.0, 900.0, 14.0, 2)
    assert facts(estimate._card()) == {
        "expected": "about 8 min 20 s",
        "range": "5 min 0 s to 15 min 0 s",
        "trainings": "at most 65",
        "one training": "about 14 s",
        "at a time": "2 where possible",
    }
    unknown = Estimate(65, math.nan, math.nan, math.inf, math.nan, 2)
    assert "an unknown time" in repr(unknown)
    assert "an unknown time" in str(unknown)


def test_problems_models_and_ensembles_are_short() -> None:
    data = dnc.load_data("digits", n_train=300, n_val=100, n_test=100)
    assert repr(dnc.Problem(data, wc=0.5)) == "<Problem on digits: w_c = 0.5, penalty t_tr, method paper>"
    model = train_final(dnc.Config(dnc.MLP((20,))), data, epochs=1, progress=False)
    assert facts(model._card())["N_p"] == "1,510"
    voters = dnc.Ensemble((model,) * 20, data)
    assert " ± " in voters._card().rows[0][0]
    for thing in (model, voters):
        assert is_short(repr(thing))
        assert len(thing._repr_html_()) < 30_000


def test_a_space_says_what_each_stage_explores() -> None:
    card = SPACE._card()
    assert facts(card)["stage 1: hidden layers"] == "0 to 2"
    assert facts(card)["stage 1: nodes"] == "4 to 32"
    assert facts(card)["stage 3: batch size"] == "32 to 512"
    assert card.notes == ("c_0 is measured on MLP 32-32, drop 0.2",)
    assert facts(dnc.CNNSpace()._card())["stage 1: max channels"] == "512"


def test_names_from_outside_cannot_leave_their_place() -> None:
    result = replace(make_result(), id=HOSTILE)
    html = html_of(result)
    assert "<script" not in html
    assert "&lt;script" in html
