"""The trial store: a SQLite file that remembers what was measured, and what searches did with it.

Three measurements with three identities, joined when they are read (N_p is computed):

- a *training* belongs to (data fingerprint, config, epochs, train_seed, engine) and keeps its learning curve;
- a *timing* belongs to (architecture, batch size, input shape, classes, n_train, augmentation, engine, machine);
- a *clock* is the reference step time t_ref of (machine, engine), a *metric* a registered complexity metric.

A *search* row keeps what defines a search, its *visits* the steps it took. The store is a cache only: what lies in
it never changes a search's decisions. Rows are never changed once written: insert-or-ignore, then read back, so
that two searches on one store use the same record. Rollback journal and `synchronous=FULL`: a row that was
reported survives a power cut, also on network disks, where a write-ahead log would not be safe.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from dnc.errors import StoreError
from dnc.store.integrity import TABLES, copy_store, damage
from dnc.store.schema import (
    APPLICATION_ID,
    BUSY_SECONDS,
    SCHEMA,
    SCHEMA_VERSION,
    check_path,
    check_whole,
    now,
    remedy,
)
from dnc.store.search_table import SELECT, searches_frame

if TYPE_CHECKING:
    import pandas as pd


class TrialStore:
    """Open (or create) the trial store at `path`; `None` keeps it in memory.

    Args:
        path: the file. Its folder must exist.
        must_exist: refuse to create it.

    Raises:
        StoreError: not a trial store, a newer version's, damaged, or not writable.
    """

    def __init__(self, path: str | Path | None = None, *, must_exist: bool = False) -> None:
        self.path = None if path is None else Path(path).expanduser()
        self._lock = threading.RLock()  # a background search and a notebook cell may share one connection
        if self.path is not None:
            check_path(self.path, must_exist)
        with self._errors():
            self._db = sqlite3.connect(
                ":memory:" if self.path is None else self.path,
                timeout=BUSY_SECONDS,
                isolation_level=None,
                check_same_thread=False,
            )
            try:
                self._open()
            except BaseException:
                self._db.close()
                raise

    def _open(self) -> None:
        db = self._db
        db.execute("PRAGMA trusted_schema=OFF")
        version = db.execute("PRAGMA user_version").fetchone()[0]
        app = db.execute("PRAGMA application_id").fetchone()[0]
        if version == 0 and db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0:
            db.execute("BEGIN IMMEDIATE")
            if db.execute("PRAGMA user_version").fetchone()[0] == 0:  # nobody was faster
                for statement in SCHEMA.split(";"):
                    db.execute(statement)
                db.execute(f"PRAGMA application_id={APPLICATION_ID}")
                db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
            db.execute("COMMIT")
        elif app != APPLICATION_ID:
            raise StoreError(f"{self._name} is a database but no dnc trial store: give another path")
        elif version > SCHEMA_VERSION:
            raise StoreError(
                f"{self._name} was written by a newer dnc (store version {version}, this one reads up to "
                f"{SCHEMA_VERSION}): update dnc, or give another path"
            )
        elif self.path is not None:
            check_whole(db, self.path, self._name)
        db.execute("PRAGMA synchronous=FULL")
        db.execute("PRAGMA foreign_keys=ON")

    @property
    def _name(self) -> str:
        return "the trial store" if self.path is None else f"store={str(self.path)!r}"

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            text = " ".join(str(error).split())
            raise StoreError(f"{self._name} cannot be used ({text}): {remedy(text)}") from error

    def _plain(self, text: object) -> Any:
        """What a JSON column holds."""
        try:
            return json.loads(text)  # type: ignore[arg-type]
        except (ValueError, TypeError, RecursionError):
            raise StoreError(f"{self._name} is damaged: restore a copy, or give another path") from None

    def close(self) -> None:
        """Close the file. Closing twice does no harm."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # ---- reading and writing rows ---------------------------------------------------------------

    def _one(self, sql: str, *args: object) -> tuple[Any, ...] | None:
        with self._lock, self._errors():
            return self._db.execute(sql, args).fetchone()

    def _all(self, sql: str, *args: object) -> list[tuple[Any, ...]]:
        with self._lock, self._errors():
            return self._db.execute(sql, args).fetchall()

    def _write(self, sql: str, *args: object) -> None:
        with self._lock, self._errors():
            self._db.execute(sql, args)  # autocommit: each row is durable when this returns

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock, self._errors():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:  # a full disk ends it by itself
                    self._db.execute("ROLLBACK")
                raise

    def training(self, key: str) -> dict[str, Any] | None:
        """The record of a training, or None: config, status, reason, val_acc, seconds, curve, machine, created."""
        names = ("config", "epochs", "status", "reason", "val_acc", "seconds", "curve", "machine", "created")
        row = self._one(f"SELECT {','.join(names)} FROM trainings WHERE key=?", key)
        return None if row is None else dict(zip(names, row, strict=True))

    def add_training(
        self, key: str, identity: Mapping[str, Any], record: Mapping[str, Any], *, replace_failed: bool = False
    ) -> dict[str, Any]:
        """Keep a training unless its key is there already; returns the record that now stands.

        Only a failed one is ever replaced, and only if that is asked for.
        """
        if replace_failed:
            self._write("DELETE FROM trainings WHERE key=? AND status='failed'", key)
        self._write(
            "INSERT OR IGNORE INTO trainings VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)",
            key, identity["data"], json.dumps(identity["config"], sort_keys=True), identity["epochs"],
            identity["train_seed"], identity["engine"], record["status"], record["reason"], record["val_acc"],
            record["seconds"], record["curve"], record["machine"], now(),
        )  # fmt: skip
        kept = self.training(key)
        if kept is None:
            raise StoreError(f"{self._name} lost a row that was just written: check the disk")
        return kept

    def timing(self, key: str) -> dict[str, Any] | None:
        """The timing's fields as `Timing` names them, or None."""
        row = self._one("SELECT timing FROM timings WHERE key=?", key)
        return None if row is None else self._plain(row[0])

    def add_timing(self, key: str, subject: Mapping[str, Any], timing: Mapping[str, Any]) -> dict[str, Any]:
        """Keep a timing unless its key is there already; returns the one that now stands."""
        self._write(
            "INSERT OR IGNORE INTO timings VALUES (?,?,?,?,?,?,?)",
            key,
            json.dumps(subject, sort_keys=True),
            timing["machine"],
            timing["engine"],
            timing["t_tr"],
            json.dumps(timing),
            now(),
        )
        return self.timing(key) or dict(timing)

    def clock(self, machine: str, engine: str) -> dict[str, Any] | None:
        """The reference step time of a machine and engine, as `Calibration` names its fields, or None."""
        row = self._one("SELECT clock FROM clocks WHERE machine=? AND engine=?", machine, engine)
        return None if row is None else self._plain(row[0])

    def add_clock(self, machine: str, engine: str, clock: Mapping[str, Any]) -> dict[str, Any]:
        """Keep a reference step time unless there is one; returns the one that now stands."""
        self._write("INSERT OR IGNORE INTO clocks VALUES (?,?,?,?)", machine, engine, json.dumps(clock), now())
        return self.clock(machine, engine) or dict(clock)

    def metric(self, key: str) -> float | None:
        """A registered metric's value, or None."""
        row = self._one("SELECT value FROM metrics WHERE key=?", key)
        return None if row is None else float(row[0])

    def add_metric(self, key: str, name: str, subject: Mapping[str, Any], value: float) -> float:
        """Keep a metric's value unless there is one; returns the one that now stands."""
        text = json.dumps(subject, sort_keys=True)
        self._write("INSERT OR IGNORE INTO metrics VALUES (?,?,?,?,?)", key, name, text, value, now())
        kept = self.metric(key)
        return value if kept is None else kept

    # ---- searches ------------------------------------------------------------------------------

    def begin_search(self, search: str, spec: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
        """Record that a search runs; running it again keeps its row, and its steps take their old places."""
        with self._transaction():
            self._db.execute(
                "INSERT OR IGNORE INTO searches VALUES (?,?,?,'running',?,NULL)",
                (search, json.dumps(spec, sort_keys=True), json.dumps(facts), now()),
            )
            self._db.execute(
                "UPDATE searches SET status='running', facts=? WHERE id=? AND status<>'finished'",
                (json.dumps(facts), search),
            )

    def end_search(self, search: str, status: str, facts: Mapping[str, Any], steps: Mapping[int, int]) -> None:
        """Record how a search ended: "finished", "stopped" or "failed".

        One that had finished before stays finished when it is run again and stopped. One that finishes now has taken
        `steps[stage]` steps; those beyond, of an earlier run that took others, are dropped.
        """
        row = (status, json.dumps(facts), now(), search)
        with self._transaction():
            if status != "finished":
                self._db.execute(
                    "UPDATE searches SET status=?, facts=?, finished=? WHERE id=? AND status<>'finished'", row
                )
                return
            self._db.execute("UPDATE searches SET status=?, facts=?, finished=? WHERE id=?", row)
            for stage in (1, 2, 3):
                self._db.execute(
                    "DELETE FROM visits WHERE search=? AND stage=? AND step>=?", (search, stage, steps.get(stage, 0))
                )

    def add_visit(self, search: str, row: Mapping[str, Any]) -> None:
        """Record a step of a search; the same step of a search that is run again takes its place."""
        names = ("stage", "step", "substage", "config", "status", "reason", "training", "timing", "n_params", "metrics",
                 "mu", "sigma", "ei")  # fmt: skip
        columns, values = ",".join(names), tuple(row[name] for name in names)
        where = (search, row["stage"], row["step"])
        if self._one(f"SELECT {columns} FROM visits WHERE search=? AND stage=? AND step=?", *where) == values:
            return  # a search that is run again writes nothing: each write waits for the disk
        marks = ",?" * len(names)
        self._write(f"INSERT OR REPLACE INTO visits (search,{columns}) VALUES (?{marks})", search, *values)

    def visits(self, search: str) -> list[dict[str, Any]]:
        """A search's steps in order, each joined with its training's record and its t_tr (None if not measured)."""
        columns = {
            "stage": "v.stage", "step": "v.step", "substage": "v.substage", "training": "v.training",
            "n_params": "v.n_params", "metrics": "v.metrics", "mu": "v.mu", "sigma": "v.sigma", "ei": "v.ei",
            "config": "v.config", "status": "v.status", "reason": "v.reason", "val_acc": "t.val_acc",
            "seconds": "coalesce(t.seconds, 0.0)", "curve": "coalesce(t.curve, '[]')", "t_tr": "c.t_tr",
        }  # fmt: skip
        rows = self._all(
            f"SELECT {','.join(columns.values())} FROM visits v"
            " LEFT JOIN trainings t ON t.key = v.training AND t.status = v.status"
            " LEFT JOIN timings c ON c.key = v.timing WHERE v.search=? ORDER BY v.stage, v.step",
            search,
        )
        return [dict(zip(columns, row, strict=True)) for row in rows]

    def search(self, search: str) -> dict[str, Any]:
        """A search's row: id, spec, facts, status, created, finished.

        Raises:
            StoreError: no such search.
        """
        row = self._one("SELECT id, spec, facts, status, created, finished FROM searches WHERE id=?", search)
        if row is None:
            known = [r[0] for r in self._all("SELECT id FROM searches ORDER BY created")]
            listing = ", ".join(known[:8]) + (" …" if len(known) > 8 else "") if known else "none"
            raise StoreError(f"search {search!r} is not in {self._name}: it holds {listing}")
        return {**dict(zip(("id", "spec", "facts", "status", "created", "finished"), row, strict=True)),
                "spec": self._plain(row[1]), "facts": self._plain(row[2])}  # fmt: skip

    def searches(self) -> pd.DataFrame:
        """All searches, oldest first: id, data, family, penalty, wc, seed, epochs, visits, status, created."""
        return searches_frame(self._all(SELECT), self._name)

    def counts(self) -> dict[str, int]:
        """Rows of each table."""
        return {t: int((self._one(f"SELECT count(*) FROM {t}") or (0,))[0]) for t in TABLES}

    def check(self) -> dict[str, int]:
        """Read the whole file: its structure, and whether its rows are what they say. Returns the rows of each table.

        Raises:
            StoreError: it is damaged.
        """
        with self._lock, self._errors():
            found = list(islice(damage(self._db), 4))
        if found:
            raise StoreError(
                f"{self._name} is damaged ({'; '.join(found[:3])}{' …' if found[3:] else ''}): restore a copy, or "
                "give another path"
            )
        return self.counts()

    def export(self, path: str | Path, *, force: bool = False) -> None:
        """Copy the store as it is now, also while searches write to it; a path that ends in .sql gets SQL text.

        Raises:
            ArgumentError: the file exists (unless `force`), or its folder does not.
            StoreError: it cannot be written.
        """
        with self._lock, self._errors():
            copy_store(self._db, self._name, Path(path), force=force)
