"""What a store asks of SQLite: a row that was just written is not read back, and an unchanged one is not written."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
from small_store import identity, record

from dnc.config import content_hash
from dnc.errors import StoreError
from dnc.store.rows import TrialStore

TIMING = {"t_tr": 0.5, "machine": "m", "engine": "e", "blocks": ((1, 2), (3, 4))}
VISIT = {"stage": 1, "step": 0, "substage": "", "config": "{}", "status": "ok", "reason": "", "training": "k",
         "timing": "t", "n_params": 7, "metrics": "{}", "mu": None, "sigma": 0.1 + 0.2, "ei": None}  # fmt: skip
KEYS = [content_hash(identity(i)) for i in range(3)]


class Status(StrEnum):
    """As a caller may name statuses."""

    OK = "ok"
    FAILED = "failed"
    STOPPED = "stopped"


@contextmanager
def statements(store: TrialStore) -> Iterator[list[str]]:
    """The first word of each SQL statement that the store executes."""
    words: list[str] = []
    store._db.set_trace_callback(lambda sql: words.append(sql.split()[0]))
    try:
        yield words
    finally:
        store._db.set_trace_callback(None)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[TrialStore]:
    with TrialStore(tmp_path / "t.db") as opened:
        yield opened


def test_a_training_is_written_once_and_read_only_where_it_stood_before(store: TrialStore) -> None:
    with statements(store) as words:
        first = store.add_training(KEYS[0], identity(0), record(0))
    assert words == ["INSERT"]
    with statements(store) as words:
        assert store.add_training(KEYS[0], identity(0), record(5)) == first
    assert words == ["INSERT", "SELECT"]
    with statements(store) as words:
        store.add_training(KEYS[1], identity(1), record(1), replace_failed=True)
    assert words == ["DELETE", "INSERT"]


def test_timings_clocks_and_metrics_are_written_once(store: TrialStore) -> None:
    calls: list[tuple[Any, Any]] = [
        (lambda n: store.add_timing("k", {}, {**TIMING, "t_tr": n}), lambda: store.timing("k")),
        (lambda n: store.add_clock("m", "e", {"seconds": n, "blocks": ((n,),)}), lambda: store.clock("m", "e")),
        (lambda n: store.add_metric("k", "flops", {}, n), lambda: store.metric("k")),
    ]
    for add, get in calls:
        with statements(store) as words:
            first = add(0.25)
        assert words == ["INSERT"]
        assert first == get()  # tuples as lists, as a later reader sees them
        with statements(store) as words:
            assert add(9.0) == first
        assert words == ["INSERT", "SELECT"]


def test_several_keys_are_looked_up_at_once_and_the_first_is_taken(store: TrialStore) -> None:
    a, b, missing = KEYS
    for i in (0, 1):
        store.add_training(KEYS[i], identity(i), record(i))
    for keys, wanted in (((a, b), a), ((b, a), b), ((missing, b, a), b), ((missing,), None), ((), None), ((a,), a)):
        with statements(store) as words:
            row = store.training(*keys)
        assert words == ["SELECT"]
        assert (row and row["key"]) == wanted
        assert row == (store.training(wanted) if wanted else None)


@pytest.mark.parametrize("val_acc", [None, math.nan, 0, 1, -0.0, 0.1 + 0.2])
@pytest.mark.parametrize("seconds", [0, 1.5])
def test_what_was_inserted_is_what_is_read(store: TrialStore, val_acc: float | None, seconds: float) -> None:
    """Also in type and sign, so that a search does not depend on whether it trained or looked up."""
    changed = {**record(0), "val_acc": val_acc, "seconds": seconds, "status": Status.OK}
    row = store.add_training(KEYS[0], identity(0), changed)
    assert repr(row) == repr(store.training(KEYS[0]))
    assert repr(store.add_metric("k", "flops", {}, seconds)) == repr(store.metric("k"))


def test_a_row_that_the_table_refuses_is_an_error(store: TrialStore) -> None:
    with pytest.raises(StoreError, match="check the disk") as caught:
        store.add_training(KEYS[0], identity(0), {**record(0), "seconds": math.nan})
    assert "\n" not in str(caught.value)


def test_an_unchanged_visit_is_not_written(store: TrialStore) -> None:
    store.begin_search("s", {}, {})
    with statements(store) as words:
        store.add_visit("s", VISIT)
    assert words == ["SELECT", "INSERT"]
    before = store._db.total_changes
    with statements(store) as words:
        store.add_visit("s", VISIT)
        store.add_visit("s", {**VISIT, "status": Status.OK})
    assert words == ["SELECT", "SELECT"]
    assert store._db.total_changes == before
    store.add_visit("s", {**VISIT, "reason": "another"})
    assert store._db.total_changes > before
    assert [v["reason"] for v in store.visits("s")] == ["another"]


def test_statuses_may_be_enums(store: TrialStore) -> None:
    store.add_training(KEYS[0], identity(0), {**record(0), "status": Status.FAILED})
    store.begin_search("s", {}, {})
    store.add_visit("s", {**VISIT, "status": Status.FAILED})
    store.end_search("s", Status.STOPPED, {}, {})
    for sql in ("SELECT status FROM trainings", "SELECT status FROM visits", "SELECT status FROM searches"):
        ((status,),) = store._all(sql)
        assert type(status) is str
    assert store.search("s")["status"] == "stopped"
    added = store.add_training(KEYS[0], identity(0), record(0), replace_failed=True)
    assert added["status"] == "ok"
