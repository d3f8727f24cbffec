"""Files that are there whole or not at all, and values that strict JSON takes."""

from __future__ import annotations

import json
import math
import os
import sys
import threading
from pathlib import Path

import pytest

from dnc.files import finite_or_none, json_ready, replacing


def test_the_old_file_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    with replacing(target) as part:
        part.write_text("new")
        assert part.parent == target.parent
        assert target.read_text() == "old"
    assert target.read_text() == "new"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failure_leaves_everything_as_it_was(tmp_path: Path, error: type[BaseException]) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")

    def interrupted() -> None:
        with replacing(target) as part:
            part.write_text("half of")
            raise error

    with pytest.raises(error):
        interrupted()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_file_that_cannot_be_replaced_leaves_nothing_behind(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(OSError), replacing(folder) as part:
        part.write_text("new")
    assert list(tmp_path.iterdir()) == [folder]
    with pytest.raises(FileNotFoundError), replacing(tmp_path / "absent" / "a.txt"):
        pytest.fail("there is no folder to write to")


@pytest.mark.skipif(sys.platform == "win32", reason="needs file modes and links of POSIX")
def test_mode_and_links(tmp_path: Path) -> None:
    mine, link = tmp_path / "mine.txt", tmp_path / "link.txt"
    mine.write_text("mine")
    link.symlink_to(mine)
    before = os.umask(0o027)
    try:
        with replacing(link) as part:
            part.write_text("new")
    finally:
        os.umask(before)
    assert (mine.read_text(), link.read_text(), link.is_symlink()) == ("mine", "new", False)
    assert link.stat().st_mode & 0o777 == 0o640


def test_threads_that_write_one_file_do_not_disturb_each_other(tmp_path: Path) -> None:
    target, barrier = tmp_path / "a.txt", threading.Barrier(4, timeout=60)

    def write(number: int) -> None:
        with replacing(target) as part:
            part.write_text(str(number) * 1000)
            barrier.wait()

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    text = target.read_text()
    assert text == text[0] * 1000
    assert list(tmp_path.iterdir()) == [target]


def test_values_for_json() -> None:
    assert [finite_or_none(v) for v in (1.5, math.nan, math.inf, -math.inf)] == [1.5, None, None, None]
    assert isinstance(finite_or_none(3), int)
    nested = {"a": [1, math.nan, {"b": (math.inf, "text", None, True)}], 2: 0.25}
    assert json_ready(nested) == {"a": [1, None, {"b": [None, "text", None, True]}], "2": 0.25}
    json.dumps(json_ready(nested), allow_nan=False)
