"""The trial store: rows survive, are never changed, and a file that is not a trial store is refused."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest

from dnc.config import MLP, Config, content_hash
from dnc.errors import StoreError
from dnc.searches.archive import Store, open_store
from dnc.store.schema import SCHEMA_VERSION

IDENTITY = {"data": "d", "config": Config(MLP((5,))).to_dict(), "epochs": 2, "train_seed": 0, "engine": "e"}
KEY = content_hash(IDENTITY)
RECORD = {"status": "ok", "reason": "", "val_acc": 0.1 + 0.2, "seconds": 1.5, "curve": "[[1,2,3,4]]", "machine": "m"}


def test_the_first_row_stands(tmp_path: Path) -> None:
    with Store(tmp_path / "t.db") as store:
        first = store.add_training(KEY, IDENTITY, RECORD)
        second = store.add_training(KEY, IDENTITY, {**RECORD, "val_acc": 0.9})
        assert first == second
        assert second["val_acc"] == 0.1 + 0.2  # every bit
        assert store.counts()["trainings"] == 1
        assert store.training("other") is None
    with open_store(tmp_path / "t.db") as again:
        assert again.training(KEY) == first
        again.check()


def test_timings_clocks_and_metrics_stand_too() -> None:
    store = Store()
    timing = {"t_tr": 0.5, "machine": "m", "engine": "e", "blocks": [[1, 2]]}
    assert store.add_timing("k", {}, timing) == timing
    assert store.add_timing("k", {}, {**timing, "t_tr": 9.0}) == timing
    assert (
        store.add_clock("m", "e", {"seconds": 1.0}) == store.add_clock("m", "e", {"seconds": 2.0}) == {"seconds": 1.0}
    )
    assert store.clock("m", "other") is None
    assert store.add_metric("k", "flops", {}, 3.0) == store.add_metric("k", "flops", {}, 4.0) == 3.0


def test_two_connections_read_back_the_same_row(tmp_path: Path) -> None:
    stores = [Store(tmp_path / "t.db") for _ in range(4)]
    seen: list[float] = []

    def write(store: Store, value: float) -> None:
        rows = (store.add_training(f"k{i}", IDENTITY, {**RECORD, "val_acc": value}) for i in range(10))
        seen.extend(row["val_acc"] + i for i, row in enumerate(rows))

    threads = [threading.Thread(target=write, args=(s, v / 8)) for v, s in enumerate(stores)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 40
    assert len(set(seen)) == 10  # one value a key, whoever wrote it
    assert stores[0].counts()["trainings"] == 10
    for store in stores:
        store.close()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"not a database at all", "is not a trial store"),
        (b"SQLite format 3\x00" + b"\x01" * 200, "damaged, or not a trial store|is a database, but|is damaged"),
    ],
)
def test_wrong_files_are_refused_and_not_touched(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "file.db"
    path.write_bytes(content)
    with pytest.raises(StoreError, match=message) as caught:
        Store(path)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == content


def test_another_programs_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE notes (text TEXT)")
    db.close()
    with pytest.raises(StoreError, match="not a dnc trial store"):
        Store(path)


def test_a_newer_store_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    Store(path).close()
    db = sqlite3.connect(path)
    db.execute(f"PRAGMA user_version={SCHEMA_VERSION + 1}")
    db.close()
    with pytest.raises(StoreError, match="newer dnc"):
        Store(path)


def test_paths(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is a folder"):
        Store(tmp_path)
    with pytest.raises(StoreError, match="does not exist: create it first"):
        Store(tmp_path / "no" / "t.db")
    with pytest.raises(StoreError, match="does not exist: give the path"):
        open_store(tmp_path / "t.db")
    assert list(tmp_path.iterdir()) == []


def test_unknown_search_names_the_known(tmp_path: Path) -> None:
    with Store() as store:
        store.begin_search("abc", {"wc": 1}, {})
        with pytest.raises(StoreError, match="it holds abc"):
            store.search("xyz")
        assert store.search("abc")["spec"] == {"wc": 1}
