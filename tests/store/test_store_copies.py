"""Copies of a trial store: one moment of it, whole or not at all."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import pytest
from small_store import add

from dnc import cli
from dnc.errors import ArgumentError
from dnc.searches.archive import Store, open_store


def every_field(store: Store) -> str:
    """All that the store knows of the steps of its search; as text, in which NaN equals NaN."""
    return repr([asdict(visit) for visit in store.result("0a81e14c0b4e").visits])


@pytest.mark.parametrize("name", ["copy.db", "copy.sql"])
def test_export_copies_a_store_while_it_is_written(old: Path, tmp_path: Path, name: str) -> None:
    target = tmp_path / name
    with Store(old) as writer, open_store(old) as reader:
        add(writer, 0)
        reader.export(target)
        add(writer, 1)
    if name.endswith(".sql"):
        with closing(sqlite3.connect(tmp_path / "new.db")) as db:
            db.executescript(target.read_text(encoding="utf-8"))
        target = tmp_path / "new.db"
    with open_store(target) as copy, open_store(old) as store:
        assert copy.check()["trainings"] == 13
        assert every_field(copy) == every_field(store)
    assert not [p for p in tmp_path.iterdir() if p.name.endswith(".part")]


def test_export_overwrites_only_if_it_may(old: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "copy.db"
    target.write_text("mine")
    with open_store(old) as store:
        for bad in (target, tmp_path / "no" / "copy.db", tmp_path):
            with pytest.raises(ArgumentError, match=r"exists|create it first"):
                store.export(bad)
    assert cli.main(["store", "export", str(old), str(target)]) == 2
    assert target.read_text() == "mine"
    assert cli.main(["store", "export", str(old), str(target), "--force"]) == 0
    assert cli.main(["store", "check", str(target)]) == 0
    for argv in (["check", str(old), "x"], ["export", str(old)], ["repair", str(old)]):
        assert cli.main(["store", *argv]) == 2
    assert cli.main(["store", "check", str(tmp_path / "none.db")]) == 1
    assert capsys.readouterr().err.count("\n") == 5
