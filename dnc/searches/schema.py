"""The trial store's tables, and how its file is told from others."""

from __future__ import annotations

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


def check_path(path: Path, must_exist: bool) -> None:
    """Refuse a path that cannot be a trial store, without touching it.

    Raises:
        StoreError: a folder, a missing folder, or a file that is no database.
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
    if head and head != b"SQLite format 3\x00":
        raise StoreError(f"store={str(path)!r} is no trial store: give another path")
