"""The trial store's tables, and how its file is told from others."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from pathlib import Path

from dnc.errors import StoreError

SCHEMA_VERSION = 1
APPLICATION_ID = 0x646E6331  # "dnc1": tells a trial store from any other SQLite file

SCHEMA = """
CREATE TABLE trainings (
    key TEXT PRIMARY KEY, data TEXT NOT NULL, config TEXT NOT NULL, epochs INTEGER NOT NULL,
    train_seed INTEGER NOT NULL, engine TEXT NOT NULL, status TEXT NOT NULL, reason TEXT NOT NULL,
    val_acc REAL, seconds REAL NOT NULL, curve TEXT NOT NULL, machine TEXT NOT NULL, created TEXT NOT NULL);
CREATE TABLE timings (
    key TEXT PRIMARY KEY, subject TEXT NOT NULL, machine TEXT NOT NULL, engine TEXT NOT NULL,
    t_tr REAL NOT NULL, timing TEXT NOT NULL, created TEXT NOT NULL);
CREATE TABLE clocks (
    machine TEXT NOT NULL, engine TEXT NOT NULL, clock TEXT NOT NULL, created TEXT NOT NULL,
    PRIMARY KEY (machine, engine));
CREATE TABLE metrics (
    key TEXT PRIMARY KEY, name TEXT NOT NULL, subject TEXT NOT NULL, value REAL NOT NULL, created TEXT NOT NULL);
CREATE TABLE searches (
    id TEXT PRIMARY KEY, spec TEXT NOT NULL, facts TEXT NOT NULL, status TEXT NOT NULL,
    created TEXT NOT NULL, finished TEXT);
CREATE TABLE visits (
    search TEXT NOT NULL REFERENCES searches (id), stage INTEGER NOT NULL, step INTEGER NOT NULL,
    substage TEXT NOT NULL, config TEXT NOT NULL, status TEXT NOT NULL, reason TEXT NOT NULL,
    training TEXT NOT NULL, timing TEXT NOT NULL, n_params INTEGER NOT NULL, metrics TEXT NOT NULL,
    mu REAL, sigma REAL, ei REAL, PRIMARY KEY (search, stage, step));
"""

BUSY_SECONDS = 30.0  # how long to wait for another process that writes


def remedy(text: str) -> str:
    """What to do about an error of SQLite."""
    if "locked" in text:
        return f"another process kept it locked for {BUSY_SECONDS:.0f} s: wait for it, then run again"
    if "full" in text or "disk I/O" in text:
        return "free some disk space, then run again: finished trials are kept"
    if "readonly" in text:
        return "it is read-only: give a path in a folder that you may write to"
    if any(sign in text for sign in ("not a database", "malformed", "corrupt", "decode", "no such", "unsupported")):
        return "it is damaged, or not a trial store: give another path, or restore a copy"
    return "check the path and its permissions"


def check_whole(db: sqlite3.Connection, path: Path, name: str) -> None:
    """Refuse a file that has been cut off.

    Raises:
        StoreError: it is shorter than it says.
    """
    db.execute("BEGIN")  # a read lock, so that nobody writes between the two sizes
    try:
        db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        states = db.execute("PRAGMA page_count").fetchone()[0] * db.execute("PRAGMA page_size").fetchone()[0]
        size = path.stat().st_size
    finally:
        db.execute("ROLLBACK")
    if size < states:
        raise StoreError(
            f"{name} has been cut off at {size:,} of {states:,} bytes: restore a copy, or give another path"
        )


def check_path(path: Path, must_exist: bool) -> None:
    """Refuse a path that cannot be a trial store, without touching it.

    Raises:
        StoreError: a folder, a missing folder, or a file that is not a database.
    """
    if path.is_dir():
        raise StoreError(f"store={str(path)!r} is a folder: give a file in it, e.g. {str(path / 'trials.db')!r}")
    if not path.exists():
        if must_exist:
            raise StoreError(f"store={str(path)!r} does not exist: give the path of a trial store")
        if not path.parent.is_dir():
            raise StoreError(f"store={str(path)!r}: the folder {str(path.parent)!r} does not exist: create it first")
        return
    try:
        with path.open("rb") as file:
            head = file.read(16)
    except OSError as error:
        raise StoreError(f"store={str(path)!r} cannot be read ({error.strerror}): check its permissions") from None
    if head != b"SQLite format 3\x00" and (head or must_exist):  # an empty file may become one
        raise StoreError(f"store={str(path)!r} is not a trial store: give another path")


def now() -> str:
    """This moment in UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
