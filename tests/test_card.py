"""The plain data behind what a notebook shows, its text and its HTML."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dnc
from dnc.card import LINES, ROWS, WIDTH, Card, accuracy, constructor, per_epoch

TEXTS = st.text(max_size=300)
HOSTILE = '<script>alert(\'1\')</script>&"><b onclick="x">'


def is_short(text: str) -> bool:
    return len(text.splitlines()) <= LINES and all(len(line) <= WIDTH for line in text.splitlines())


@given(TEXTS, TEXTS, st.lists(st.tuples(TEXTS, TEXTS), max_size=20), st.lists(TEXTS, max_size=4))
def test_any_card_is_short_as_text(title: str, headline: str, facts: list[tuple[str, str]], notes: list[str]) -> None:
    rows = tuple(facts)
    card = Card(title, headline, rows, ("name", "value") if rows else (), rows, tuple(notes))
    assert is_short(card.text())


def test_short_facts_are_told_whole() -> None:
    card = Card("search 7", "MLP 32", (("w_c", "0.1"), ("f", "0.2")), ("w_c", "f"), (("0", "0.1"), ("10", "0.2")))
    assert card.text().splitlines() == [
        "search 7",
        "  MLP 32",
        "  w_c = 0.1; f = 0.2",
        "  w_c  f",
        "  0    0.1",
        "  10   0.2",
    ]


def test_a_long_table_says_how_many_rows_are_left_out() -> None:
    card = Card("sweep", head=("w_c",), rows=tuple((str(i),) for i in range(20)))
    assert card.text().splitlines()[-1] == f"  … and {20 - ROWS} more"
    assert f"… and {20 - ROWS} more" in card.html()
    assert card.html().count("<tr>") == ROWS + 1


def test_every_text_is_escaped() -> None:
    html = Card(HOSTILE, HOSTILE, ((HOSTILE, HOSTILE),), (HOSTILE,), ((HOSTILE,),), (HOSTILE,)).html()
    assert html.count("&lt;script&gt;") == 7
    assert {element.tag for element in ElementTree.fromstring(html).iter()} <= {
        "div",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
    }
    assert not any("on" in name for element in ElementTree.fromstring(html).iter() for name in element.attrib)


def test_symbols_have_their_subscripts() -> None:
    assert '<i>t</i><sub style="line-height:0">tr</sub>' in Card("", facts=(("t_tr", "1 s"),)).html()
    assert "n_params" in Card("", facts=(("n_params", "1"),)).html()


def test_colors_are_those_of_the_page() -> None:
    html = Card("title", "headline", (("name", "value"),), ("a",), (("b",),), ("note",)).html()
    assert "var(--jp-border-color2, rgba(" in html
    assert "color:#" not in html.replace(" ", "")


def test_errors_are_shown_where_they_are_known() -> None:
    assert accuracy(0.8, 400) == "80.00% ± 2.00%"
    assert [accuracy(0.8), accuracy(1.0, 400), accuracy(0.0, 400)] == ["80.00%", "100.00%", "0.00%"]
    assert [per_epoch(0.5), per_epoch(0.5, 0.01)] == ["0.5 s", "0.50 ± 0.01 s"]
    assert [accuracy(float("nan"), 9), per_epoch(float("inf"))] == ["not known", "not measured"]


def test_a_space_is_written_as_the_call_that_makes_it() -> None:
    assert repr(dnc.MLPSpace()) == "MLPSpace(hidden_layers=(0, 2), nodes=(20, 400))"
    assert repr(dnc.MLPSpace(nodes=(4, 8), drop=0.5)) == "MLPSpace(hidden_layers=(0, 2), nodes=(4, 8), drop=0.5)"
    assert constructor(dnc.Training()) == "Training()"


def test_a_config_is_written_as_the_call_that_makes_it() -> None:
    config = dnc.Config(dnc.MLP((100, 20), drop=0.2), dnc.Training(lr=0.01))
    training = "Training(lr=0.01, weight_decay=0.0, batch_size=256)"
    assert repr(config) == f"Config(arch=MLP(hidden=(100, 20), drop=0.2), training={training})"
    assert repr(dnc.CNN((8, 16), pools=(1,))) == "CNN(channels=(8, 16), pools=(1,), dropout=(0.0, 0.0))"
    assert str(config) == "MLP 100-20, drop 0.2; lr 0.01, weight decay 0, batch 256"


@pytest.mark.parametrize(
    "thing",
    [
        dnc.CNNSpace(conv_layers=(1, 1000), first_channels=(1, 1), grid_drop=(0.1,) * 10_000),
        dnc.MLPSpace(hidden_layers=(0, 1000), nodes=(1, 100_000)),
        dnc.TrainingSpace(lr=(1e-300, 1e5)),
        dnc.Trial(dnc.Config(dnc.MLP((7,) * 1000)), float("nan"), float("nan"), 1, "failed", "no memory\n" * 100),
        dnc.Trial(dnc.Config(dnc.CNN((8,))), 0.9, 1.0, 1, curve=(dnc.Epoch(1, 1, 0.5, 1),) * 1000),
        dnc.CNN((64,) * 1000, batchnorm=tuple(range(1, 1001)), dropout=(0.3,) * 1000),
        dnc.Config(dnc.MLP((7,) * 1000)),
        dnc.similarity(dnc.MLP((50,)), dnc.MLP((20, 10)), dnc.MLPSpace()),
        dnc.Problem(None, reference=1.0, evaluate=lambda config: dnc.Trial(config, 0.5, 1.0, 1)).settings,
        dnc.Dataset.from_arrays(np.arange(200).reshape(100, 2), np.arange(100) % 2, name="x" * 5000),
        dnc.Visit(1, "", 0, dnc.Trial(dnc.Config(dnc.CNN((8,))), 0.9, 1.0, 1, curve=(dnc.Epoch(1, 1, 0.5, 1),) * 1000)),
    ],
    ids=lambda thing: type(thing).__name__,
)
def test_plain_data_is_short_however_much_it_holds(thing: object) -> None:
    assert is_short(repr(thing))
    if isinstance(thing, (dnc.CNNSpace, dnc.MLPSpace)):
        assert len(thing._repr_html_()) < 6_000
