"""How often a search reads its store: a timing and a training are looked up once per visit, and nothing else is."""

from __future__ import annotations

import pytest
from small_search import tiny

import dnc

pytestmark = pytest.mark.usefixtures("counted_clock")


def lookups(store: dnc.Store, **changes) -> tuple[int, int]:
    """Statements that read timings or trainings during one search, and the visits it made and timed again."""
    statements: list[str] = []
    store._db.set_trace_callback(statements.append)
    result = tiny(store=store, **changes)
    store._db.set_trace_callback(None)
    reads = [s for s in statements if s.startswith("SELECT") and ("trainings" in s or "timings" in s)]
    again = [visit for visit in result.visits if visit.trial.reading == "confirmed"]
    return len(reads), 2 * len(result.visits) + len(again)


@pytest.mark.parametrize("changes", [{}, {"method": "fast", "wc": 1.0}], ids=["paper", "fast"])
def test_a_visit_reads_its_timing_and_its_training_once(changes: dict) -> None:
    with dnc.Store() as store:
        for run in ("trained", "looked up"):
            reads, needed = lookups(store, **changes)
            # and the timings of the reference config, and of the winner at the end; all timings for `search_cost`
            assert reads <= needed + 3, run
