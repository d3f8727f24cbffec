"""The trial store in adverse conditions: each either works or is one clear error, and no committed trial is lost."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from files import FUZZ, damaged
from hypothesis import given
from hypothesis import strategies as st
from small_store import add, identity

import dnc
from dnc import cli
from dnc.config import MLP, Config, content_hash
from dnc.errors import StoreError
from dnc.evaluation.complexity import EpochTime
from dnc.evaluation.evaluator import Evaluator
from dnc.evaluation.setup import TrainingSetup
from dnc.searches.archive import Store, open_store
from dnc.store.schema import APPLICATION_ID, SCHEMA
from dnc.training import engine

ROOT = Path(__file__).parents[2]
RECORDED = Path(__file__).with_name("recorded") / "version1.sql"


# ---- an old store --------------------------------------------------------------------------------------------


def test_a_store_of_version_1_stays_readable(old: Path) -> None:
    with open_store(old) as store:
        assert store.check() == {"trainings": 12, "timings": 10, "clocks": 1, "metrics": 0, "searches": 2, "visits": 22}
        result = store.result("0a81e14c0b4e")
        assert (result.status, len(result.visits)) == ("finished", 11)
        assert result.best.f == 0.6737967153400048
        assert result.best.config == Config(MLP((3,), 0.2), dnc.Training(batch_size=48))
        assert (result.best.val_acc, result.best.t_tr) == (0.4166666666666667, 8.713392833234347e-05)
        assert store.result("2a8a2367dcc2").best.f == 0.7078616352201257


def test_an_old_store_still_serves_as_a_cache(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The names of configs must never change: otherwise old trials would be trained again."""
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (60, 6), dtype=np.uint8), np.arange(60) % 3
    data = dnc.Dataset.from_arrays(x, y, name="sixty", scale="none").flatten()
    with open_store(old) as store:
        rows = store._all("SELECT config, engine FROM trainings")
        monkeypatch.setattr(engine, "VERSIONS", {})  # its engine is of an earlier version
        setup = TrainingSetup(data, 2, 0, engine.Engine.parse(rows[0][1]))
        for text, _ in rows:
            assert store.training(setup.key(Config.from_json(text))) is not None
        evaluator = Evaluator(setup, store)
        planned = [evaluator._planned(Config.from_json(text), EpochTime(1.0, 0.01)) for text, _ in rows]
        assert all(trial.cached for trial in evaluator.train(planned))


# ---- torn, cut and wrong files -------------------------------------------------------------------------------


@pytest.mark.parametrize("part", [0.3, 0.6, 0.95])
def test_a_cut_store_is_refused_and_not_touched(old: Path, part: float) -> None:
    whole = old.read_bytes()
    old.write_bytes(whole[: int(len(whole) * part)])
    with pytest.raises(StoreError, match=r"has been cut off at [\d,]+ of [\d,]+ bytes: restore|is damaged, or"):
        open_store(old)
    assert old.read_bytes() == whole[: int(len(whole) * part)]


def test_an_empty_file_becomes_a_store_but_is_none_to_open(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    path.touch()
    with pytest.raises(StoreError, match="is not a trial store"):
        open_store(path)
    with Store(path) as store:
        assert store.check()["trainings"] == 0


def test_a_store_that_another_process_is_just_creating(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other one makes its tables between two of our first looks at the file, or waits until we have made them."""
    path, connect = tmp_path / "t.db", sqlite3.connect
    path.touch()
    created: list[bool] = []

    class Interrupted(sqlite3.Connection):
        def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
            if sql == "SELECT count(*) FROM sqlite_master" and not created:
                created.append(True)
                with closing(connect(path, timeout=0, isolation_level=None)) as other:
                    create(other)
            return super().execute(sql, parameters)

    def create(db: sqlite3.Connection) -> None:
        with suppress(sqlite3.OperationalError):  # locked: it would wait
            db.execute("BEGIN IMMEDIATE")
            for statement in SCHEMA.split(";"):
                db.execute(statement)
            db.execute(f"PRAGMA application_id={APPLICATION_ID}")
            db.execute("PRAGMA user_version=1")
            db.execute("COMMIT")

    monkeypatch.setattr(sqlite3, "connect", lambda *args, **options: connect(*args, factory=Interrupted, **options))
    with Store(path) as store:
        assert created
        add(store, 0)
        assert store.counts()["trainings"] == 1


def test_a_write_that_was_torn_by_a_crash_is_undone(tmp_path: Path) -> None:
    """A journal beside the file, as a power cut in the middle of a write leaves it."""
    path = tmp_path / "t.db"
    with Store(path) as store:
        keys = [add(store, i) for i in range(5)]
    good = path.read_bytes()
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA cache_size=2")  # so that pages reach the file before the end of the transaction
    db.execute("BEGIN")
    for i in range(5, 400):
        row = (content_hash(identity(i)), "d", "{}", 1, 0, "e", "ok", "", 0.5, 1.0, "x" * 500, "m", "now")
        db.execute(f"INSERT INTO trainings VALUES ({','.join('?' * 13)})", row)
    torn, journal = path.read_bytes(), path.with_name("t.db-journal").read_bytes()
    db.close()
    assert torn != good
    path.write_bytes(torn)
    path.with_name("t.db-journal").write_bytes(journal)
    with open_store(path) as store:
        assert store.check()["trainings"] == 5
        assert all(store.training(key) for key in keys)


def test_check_finds_damage_that_opening_does_not(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def broken(sql: str, message: str) -> None:
        with closing(sqlite3.connect(old)) as db:
            db.execute(sql)
            db.commit()
        with open_store(old) as store, pytest.raises(StoreError, match=message) as caught:
            store.check()
        assert "\n" not in str(caught.value)

    assert cli.main(["store", "check", str(old)]) == 0
    assert "is sound: 12 trainings, 10 timings" in capsys.readouterr().out
    broken("UPDATE trainings SET epochs=3 WHERE rowid=1", "is not what its key says")
    assert cli.main(["store", "check", str(old)]) == 1
    broken("UPDATE timings SET timing='{' WHERE rowid=1", "timing of row 1 of timings cannot be read")
    broken("UPDATE visits SET search='other' WHERE rowid=1", "belongs to no search")
    page = old.read_bytes()
    old.write_bytes(page[:5000] + b"\xff" * 3000 + page[8000:])
    with pytest.raises(StoreError, match="damaged"), open_store(old) as store:
        store.check()


def everything(store: Store) -> Iterator[object]:
    yield lambda: store.check()
    yield lambda: store.searches()
    yield lambda: [store.result(str(r[0])).trials for r in store._all("SELECT id FROM searches")]
    yield lambda: [store.timing(r[0]) for r in store._all("SELECT key FROM timings")]
    yield lambda: [store.clock(*r) for r in store._all("SELECT machine, engine FROM clocks")]
    yield lambda: store.begin_search("a", {"wc": 1}, {})


def small_store() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.db"
        with closing(sqlite3.connect(path)) as db:
            db.execute("PRAGMA page_size=512")
            db.executescript(RECORDED.read_text(encoding="utf-8"))
        return path.read_bytes()


@FUZZ
@given(
    st.binary(max_size=200) | st.binary(max_size=900).map(lambda b: b"SQLite format 3\0" + b) | damaged(small_store())
)
def test_fuzz_store(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "f.db"
    path.write_bytes(content)
    path.with_name("f.db-journal").unlink(missing_ok=True)
    messages = []
    try:
        with Store(path) as store:
            for call in everything(store):
                try:
                    call()  # type: ignore[operator]
                except StoreError as error:
                    messages.append(str(error))
    except StoreError as error:
        messages.append(str(error))
    assert not any("\n" in message for message in messages)


# ---- a full disk, a read-only place ----------------------------------------------------------------------------

FULL = """
import resource, signal, sys
from dnc.errors import StoreError
from dnc.searches.archive import Store
sys.path.insert(0, sys.argv[2])
from small_store import add

path, added = sys.argv[1], 0
store = Store(path)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
try:
    while True:
        add(store, added, 40)
        added += 1
except StoreError as error:
    print(added, error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
add(store, added, 40)
assert store.check()["trainings"] == added + 1
store.close()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits of file sizes")
def test_a_full_disk_loses_nothing_that_was_kept(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    done = subprocess.run([sys.executable, "-c", FULL, str(path), str(Path(__file__).parents[1])], cwd=ROOT,
                          capture_output=True, text=True, timeout=300)  # fmt: skip
    assert done.returncode == 0, done.stderr
    added, message = done.stdout.strip().split(" ", 1)
    assert int(added) > 20
    assert "free some disk space, then run again: finished trials are kept" in message
    with open_store(path) as store:
        assert store.check()["trainings"] == int(added) + 1


def test_a_search_on_a_full_disk_is_one_error_and_goes_on_later(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    data = dnc.load_data("digits", n_train=60, n_val=30)
    space = dnc.MLPSpace(hidden_layers=(0, 1), nodes=(4, 9), training=dnc.TrainingSpace(batch_size=(32, 32)))

    def search(store: Store) -> dnc.SearchResult:
        return dnc.search(data, space, epochs=2, n1=2, n2=1, store=store, workers=0, device="cpu", progress=False)

    store = Store("t.db")
    pages = store._all("PRAGMA page_count")[0][0]
    store._db.execute(f"PRAGMA max_page_count={pages + 3}")
    with pytest.raises(StoreError, match="free some disk space") as caught:
        search(store)
    assert "\n" not in str(caught.value)
    recorded = {key for (key,) in store._all("SELECT key FROM trainings")}
    store._db.execute("PRAGMA max_page_count=1000000")
    result = search(store)
    assert result.status == "finished"
    assert recorded <= {v.trial.key for v in result.visits if v.trial.cached}
    store.check()
    store.close()


@contextmanager
def _no_root() -> Iterator[None]:
    """Without root's rights, which no permission binds."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX permissions")
def test_a_read_only_folder_can_be_read_and_refuses_writes() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with Store(folder / "t.db") as store:
            add(store, 0)
        (folder / "t.db").chmod(0o444)
        folder.chmod(0o555)
        try:
            with _no_root(), open_store(folder / "t.db") as store:
                assert store.check()["trainings"] == 1
                with pytest.raises(StoreError, match="it is read-only: give a path in a folder that you may write to"):
                    store.begin_search("a", {}, {})
                with pytest.raises(StoreError, match="check the path and its permissions"):
                    Store(folder / "new.db")
                with pytest.raises(StoreError, match=r"cannot be copied to .*copy.db"):
                    store.export(folder / "copy.db")
        finally:
            folder.chmod(0o755)
        assert [p.name for p in folder.iterdir()] == ["t.db"]
        (folder / "t.db").chmod(0)
        with _no_root(), pytest.raises(StoreError, match=r"cannot be read \(Permission denied\)"):
            open_store(folder / "t.db")


def test_a_store_that_another_process_keeps_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dnc.store.database.BUSY_SECONDS", 0.05)
    path = tmp_path / "t.db"
    with Store(path) as store:
        key = add(store, 0)
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            assert store.training(key)  # reading goes on while another writes
            with pytest.raises(StoreError, match="another process kept it locked"):
                add(store, 1)
        add(store, 1)
        assert store.check()["trainings"] == 2
