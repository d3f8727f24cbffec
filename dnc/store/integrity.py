"""A trial store as a whole: is it sound, and a copy of it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from dnc.config import Config, content_hash
from dnc.errors import ArgumentError, DncError, StoreError, short_repr
from dnc.files import replacing

TABLES = ("trainings", "timings", "clocks", "metrics", "searches", "visits")
JSON_COLUMNS = {
    "trainings": ("config", "curve"),
    "timings": ("subject", "timing"),
    "clocks": ("clock",),
    "metrics": ("subject",),
    "searches": ("spec", "facts"),
    "visits": ("config", "metrics"),
}


def damage(db: sqlite3.Connection) -> Iterator[str]:
    """What is wrong with a store, a short text per problem: file structure, references, and what the rows say."""
    findings = db.execute("PRAGMA integrity_check(3)").fetchall()
    if findings != [("ok",)]:
        yield from (" ".join(str(text).split()) for (text,) in findings)
        return  # what its rows say means nothing then
    for table, row, *_ in db.execute("PRAGMA foreign_key_check").fetchall():
        yield f"row {row} of {table} belongs to no search"
    for table, columns in JSON_COLUMNS.items():
        for column in columns:
            for row, text in db.execute(f"SELECT rowid, {column} FROM {table}").fetchall():
                try:
                    json.loads(text)
                except (ValueError, TypeError, RecursionError):
                    yield f"{column} of row {row} of {table} cannot be read"
    yield from _wrong_keys(db)


def _wrong_keys(db: sqlite3.Connection) -> Iterator[str]:
    """Trainings whose content is not what their key names; that of a failed one may name its provenance too."""
    rows = db.execute(
        "SELECT key, data, config, epochs, train_seed, engine FROM trainings WHERE status='ok'"
    ).fetchall()
    for key, data, text, epochs, seed, engine in rows:
        try:
            config = Config.from_json(text).to_dict()
        except (DncError, ValueError, TypeError, RecursionError):
            yield f"training {short_repr(key, 16)} has no config"
            continue
        identity = {"data": data, "config": config, "epochs": epochs, "train_seed": seed, "engine": engine}
        if content_hash(identity) != key:
            yield f"training {short_repr(key, 16)} is not what its key says"


def copy_store(db: sqlite3.Connection, name: str, target: Path, *, force: bool = False) -> None:
    """Copy a store to `target`: text (SQL) where that ends in .sql, otherwise another store.

    The copy is one moment of it, also while searches write. It is there as a whole or not at all.

    Raises:
        ArgumentError: `target` exists, or its folder does not.
        StoreError: it cannot be written.
    """
    if target.exists() and (not force or target.is_dir()):
        raise ArgumentError(f"{str(target)!r} exists: give another file, or force to overwrite one")
    if not target.parent.is_dir():
        raise ArgumentError(f"{str(target)!r}: the folder {str(target.parent)!r} does not exist: create it first")
    try:
        with replacing(target) as part:
            if target.suffix == ".sql":
                part.write_text("\n".join(_statements(db)) + "\n", encoding="utf-8")
            else:
                with closing(sqlite3.connect(part)) as copy:
                    db.backup(copy)
    except (OSError, sqlite3.Error) as error:
        raise StoreError(f"{name} cannot be copied to {str(target)!r} ({error}): check both files and disks") from error


def _statements(db: sqlite3.Connection) -> Iterator[str]:
    """SQL that creates the store anew, for `sqlite3 new.db <trials.sql` or `sqlite3.Connection.executescript`."""
    for pragma in ("application_id", "user_version"):
        yield f"PRAGMA {pragma}={db.execute(f'PRAGMA {pragma}').fetchone()[0]};"
    yield from db.iterdump()
