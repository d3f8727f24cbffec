"""How often a search reads its store: a timing and a training are looked up once per visit."""

from __future__ import annotations

from collections import Counter

import pytest
from small_search import tiny

import dnc

pytestmark = pytest.mark.usefixtures("counted_clock")


def selects(store: dnc.Store, **changes) -> tuple[Counter[str], int]:
    """SELECT statements by table during one search, and its visits."""
    statements: list[str] = []
    store._db.set_trace_callback(statements.append)
    result = tiny(store=store, **changes)
    store._db.set_trace_callback(None)
    reads = [
        text.split(" FROM ")[1].split()[0] for text in statements if text.startswith("SELECT") and " FROM " in text
    ]
    return Counter(reads), len(result.visits)


@pytest.mark.parametrize("changes", [{}, {"method": "fast", "wc": 1.0}], ids=["paper", "fast"])
def test_a_visit_reads_its_timing_and_its_training_once(changes: dict) -> None:
    with dnc.Store() as store:
        for again in (False, True):  # trained, then looked up
            reads, visits = selects(store, **changes)
            assert reads["trainings"] <= visits, again
            assert reads["timings"] <= visits + 1, again  # and that of the reference c_0
            assert reads["clocks"] <= 1
