"""A recorded store, for the tests of this folder."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

RECORDED = Path(__file__).with_name("recorded") / "version1.sql"


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A store as version 1 wrote it."""
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path)) as db:
        db.executescript(RECORDED.read_text(encoding="utf-8"))
    return path
