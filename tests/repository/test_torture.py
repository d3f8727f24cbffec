"""Small doses of `make torture`: searches killed at random moments, and one of very many trials."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from small_store import add

from dnc.searches.archive import Store

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs os.fork and /proc")


def tool(name: str, *arguments: str) -> dict[str, Any]:
    command = [sys.executable, str(ROOT / "tools" / name), *arguments, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_killed_at_any_moment_a_search_goes_on_and_loses_nothing() -> None:
    found = tool("torture.py", "--kills", "17", "--worker-kills", "3")
    assert found["kills"] == 20
    assert found["at_writes"] > 3
    assert found["trainings"] > 0
    assert found["reads_while_two_write"] > 0


def test_many_trials_leave_memory_and_files_as_they_are() -> None:
    found = tool("soak.py", "--trials", "200")
    assert found["trials"] == 200
    assert found["store_bytes_per_trial"][1] > 0


def test_a_loss_would_be_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The checks of torture.py, on a store that has lost a row, or has one anew."""
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    forked = pytest.importorskip("forked")
    torture = pytest.importorskip("torture")
    path = tmp_path / "t.db"
    with Store(path) as store:
        keys = [add(store, i) for i in range(3)]
        kept = [store.training(key) for key in keys]
        seen = torture.Torture(tmp_path, 0, print)
        nothing: dict[str, dict[str, Any]] = {"trainings": {}, "visits": {}}
        said = [f"T {json.dumps([k, r['val_acc'], r['curve']])}" for k, r in zip(keys, kept, strict=True) if r]
        before = seen._compare(path, nothing, said)
        assert set(before["trainings"]) == set(keys)
        with pytest.raises(forked.Broken, match="a step that was reported is not there"):
            seen._compare(path, before, ['V [1, 0, "k"]'])
        store._write("UPDATE trainings SET created='later' WHERE key=?", keys[1])
        with pytest.raises(forked.Broken, match="lost or written anew"):
            seen._compare(path, before, [])
        store._write("DELETE FROM trainings WHERE key=?", keys[2])
        with pytest.raises(forked.Broken, match="a trial that was reported is not there"):
            seen._compare(path, nothing, said)
