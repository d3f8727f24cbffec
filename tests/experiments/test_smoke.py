"""Every experiment that is ready runs at smoke scale, as a user starts it, and again without training anything."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from dnc.experiments import registry
from dnc.experiments.statistics import FAILS, HOLDS, NOT_TESTABLE, ONE_RUN, UNDECIDED

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.slow


def reproduce(entry: registry.Entry, folder: Path) -> str:
    command = [sys.executable, str(ROOT / "reproduce.py"), f"--{entry.kind}", entry.key]
    done = subprocess.run(
        [*command, "--scale", "smoke", "--out", str(folder)], capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("entry", registry.ready(), ids=lambda entry: entry.name)
def test_an_experiment_runs_at_smoke_scale_and_again_from_its_store(entry: registry.Entry, tmp_path: Path) -> None:
    text, name = reproduce(entry, tmp_path), entry.load().name
    assert entry.title in text
    facts: dict[str, Any] = json.loads((tmp_path / f"{name}.json").read_text(encoding="utf-8"))
    assert facts["scale"] == "smoke"
    assert facts["claims"]
    assert {claim["verdict"] for claim in facts["claims"]} <= {HOLDS, FAILS, UNDECIDED, NOT_TESTABLE, ONE_RUN}
    frame = pd.read_csv(tmp_path / f"{name}.csv")
    assert len(frame)
    assert all((tmp_path / f"{name}.{kind}").stat().st_size > 5_000 for kind in ("png", "pdf"))

    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.suffix == ".csv"}
    again = reproduce(entry, tmp_path)
    assert entry.title in again
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.suffix == ".csv"} == before
    if "trainings" in facts:  # it trains: the estimate before the second run says that nothing is left
        assert "nothing is trained" in again
