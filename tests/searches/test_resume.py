"""A search that is killed with SIGKILL goes on, and ends as if it had never been killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import dnc

SCRIPT = """
import json, sys
import dnc

data = dnc.load_data("digits", n_train=400, n_val=200)
space = dnc.MLPSpace(hidden_layers=(0, 2), nodes=(4, 64))
result = dnc.search(data, space, wc=0.1, penalty=sys.argv[3], epochs=4, n1=4, n2=3, n3=100, seed=1,
                    store=sys.argv[1], workers=int(sys.argv[2]), progress=False)
rows = [[v.stage, v.step, v.substage, v.trial.config.to_json(), v.trial.val_acc, v.trial.t_tr,
         [[e.train_loss, e.val_loss, e.val_acc] for e in v.trial.curve], repr(v.mu), repr(v.sigma), repr(v.ei)]
        for v in result.visits]
print(json.dumps({"rows": rows, "best": result.best.config.to_json(), "f": result.best.f,
                  "cached": [v.trial.cached for v in result.visits]}))
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "plain_script.py"  # without a main guard: worker processes must not run it again
    path.write_text(SCRIPT)
    return path


def run(script: Path, store: Path, workers: int, penalty: str) -> dict:
    done = subprocess.run(
        [sys.executable, str(script), str(store), str(workers), penalty], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def trained(store: Path) -> dict[str, str]:
    if not store.exists():
        return {}
    with dnc.Store(store) as opened:
        return {r[0]: r[1] for r in opened._all("SELECT key, created FROM trainings")}


def test_killed_and_run_again(script: Path, tmp_path: Path) -> None:
    workers, penalty = 2, "t_tr"  # test_torture.py kills more, but not a user's own script
    store = tmp_path / "killed.db"
    kept: dict[str, str] = {}
    for target in (2, 7):  # kill it twice, at different places
        process = subprocess.Popen([sys.executable, str(script), str(store), str(workers), penalty])
        try:
            while process.poll() is None and len(trained(store)) < target:
                time.sleep(0.02)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
        now = trained(store)
        assert len(now) >= target
        assert kept.items() <= now.items()  # nothing lost, nothing trained again
        kept = now

    resumed = run(script, store, workers, penalty)
    assert kept.items() <= trained(store).items()
    assert sum(resumed["cached"]) >= 7

    replayed = run(script, store, 0, penalty)
    assert all(replayed["cached"])
    assert replayed["rows"] == resumed["rows"]
    assert (replayed["best"], replayed["f"]) == (resumed["best"], resumed["f"])


def test_workers_do_not_outlive_a_killed_parent(script: Path, tmp_path: Path) -> None:
    store = tmp_path / "t.db"
    process = subprocess.Popen([sys.executable, str(script), str(store), "2", "n_params"])
    try:
        while process.poll() is None and len(trained(store)) < 1:
            time.sleep(0.05)
        children = [int(p) for p in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]
        assert children
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    deadline = time.monotonic() + 60  # not a speed limit: orphans must end at all
    while any(Path(f"/proc/{c}").exists() for c in children) and time.monotonic() < deadline:
        time.sleep(0.1)
    alive = [c for c in children if Path(f"/proc/{c}").exists()]
    for child in alive:
        os.kill(child, signal.SIGKILL)
    assert alive == []


test_workers_do_not_outlive_a_killed_parent = pytest.mark.skipif(
    not Path("/proc/self/task").is_dir(), reason="needs /proc to list child processes"
)(test_workers_do_not_outlive_a_killed_parent)
