"""The SQLite file under a trial store: opened or created, its errors in words, its writes durable.

Rollback journal and `synchronous=FULL`: a row that was reported survives a power cut, also on network disks, where a
write-ahead log would not be safe.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from dnc.errors import StoreError
from dnc.files import user_path
from dnc.store.schema import (
    APPLICATION_ID,
    BUSY_SECONDS,
    SCHEMA,
    SCHEMA_VERSION,
    check_path,
    check_whole,
    remedy,
)


class Database:
    """A connection to the file at `path` (None: in memory) that threads may share; see `TrialStore`."""

    def __init__(self, path: str | Path | None = None, *, must_exist: bool = False) -> None:
        self.path = None if path is None else user_path("store", path, StoreError)
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
        db.execute("PRAGMA trusted_schema=OFF")  # the file may come from somebody else
        db.execute("BEGIN")  # all of these at one moment: another process may be creating the tables right now
        try:
            version = db.execute("PRAGMA user_version").fetchone()[0]
            app = db.execute("PRAGMA application_id").fetchone()[0]
            tables = db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        finally:
            db.execute("ROLLBACK")
        if version == 0 and tables == 0:
            self._create()
        elif app != APPLICATION_ID:
            raise StoreError(f"{self._name} is a database, but not a dnc trial store: give another path")
        elif version > SCHEMA_VERSION:
            raise StoreError(
                f"{self._name} was written by a newer dnc (store version {version}, this one reads up to "
                f"{SCHEMA_VERSION}): update dnc, or give another path"
            )
        elif self.path is not None:
            check_whole(db, self.path, self._name)
        db.execute("PRAGMA synchronous=FULL")
        db.execute("PRAGMA foreign_keys=ON")

    def _create(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        # asked again under the lock: another process may have created the tables since the file looked empty
        if self._db.execute("PRAGMA user_version").fetchone()[0] == 0:
            for statement in SCHEMA.split(";"):
                self._db.execute(statement)
            self._db.execute(f"PRAGMA application_id={APPLICATION_ID}")
            self._db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
        self._db.execute("COMMIT")

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

    def _from_json(self, text: object) -> Any:
        """What a JSON column holds.

        Raises:
            StoreError: not JSON.
        """
        try:
            return json.loads(text)  # type: ignore[arg-type]
        except (ValueError, TypeError, RecursionError):
            raise StoreError(f"{self._name} is damaged: restore a copy, or give another path") from None

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled, a store in a file is its path, and is opened there again; one in memory is its rows."""
        if self.path is not None:
            return _reopened, (type(self), self.path.absolute())
        try:
            with self._lock:
                return _with_rows, (type(self), self._db.serialize())
        except sqlite3.ProgrammingError:  # it has been closed, and its rows are gone
            return _with_rows, (type(self), None)

    def __deepcopy__(self, memo: object) -> Self:
        return self  # a copy of a result has its trials where they are, as a store is shared by all who write to it

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

    def _write(self, sql: str, *args: object) -> int:
        """The number of rows that the statement wrote."""
        with self._lock, self._errors():
            return self._db.execute(sql, args).rowcount  # autocommit: each row is durable when this returns

    def _insert(self, table: str, *values: object) -> bool:
        """Whether the row was inserted; if not, one with its key is there already and is left as it is."""
        marks = ",".join("?" * len(values))
        return self._write(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", *values) == 1

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock, self._errors():
            self._db.execute("BEGIN IMMEDIATE")  # a lock asked for halfway could be refused at once, without waiting
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:  # a full disk ends it by itself
                    self._db.execute("ROLLBACK")
                raise


def _reopened(kind: type[Database], path: Path) -> Database:
    """The store at a path; a closed one if it cannot be used, so that a result without its store can still be read."""
    try:
        return kind(path, must_exist=True)
    except StoreError:
        store = _with_rows(kind, None)
        store.path = path
        return store


def _with_rows(kind: type[Database], content: bytes | None) -> Database:
    """A store in memory with these rows; a closed one if there are none."""
    store = kind()
    if content is None:
        store.close()
    else:
        store._db.deserialize(content)
    return store


def as_real(value: float | None) -> float | None:
    """A number as a REAL column gives it back: SQLite keeps NaN as NULL and has no negative zero."""
    return None if value is None or value != value else float(value) + 0.0
