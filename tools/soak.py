"""A search of a great many tiny trials: memory, open files and the store's size, watched while it runs.

    usage: python tools/soak.py [--trials N] [--json]

Stage 3 of a tiny perceptron: all trials share one timing, so that a trial is little more than a small training and
the machinery around it is what is worn. The parent keeps the visits of the search, by which its memory grows.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import dnc

SKIPPED = 0.3  # of the trials: imports, first steps of everything
MAX_PARENT, MAX_WORKER = 40.0, 4.0  # kB per trial
MAX_UNEVEN = 1.5  # the store's growth over the second half, relative to that over the first


def steps(trials: int) -> int:
    """How many of the trials, the last ones, are proposed by the model: its matrices grow with their square."""
    return min(50, trials // 4)


def memory(pid: int) -> float:
    """Resident memory of a process in kB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1024


def handles(pid: int) -> int:
    """Open files of a process."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def soak(trials: int, store: Path) -> list[dict[str, Any]]:
    """Search, and return a sample of memory, handles and the store's size after each trial of stage 3."""
    data = dnc.load_data("digits", n_train=40, n_val=20)
    space = dnc.MLPSpace(hidden_layers=(0, 1), nodes=(4, 5), training=dnc.TrainingSpace(batch_size=(32, 32)))
    samples: list[dict[str, Any]] = []
    with dnc.Workers(2) as workers:

        def sample(progress: dnc.Progress) -> None:
            if progress.stage < 3:
                return
            pids = workers.pids
            if len(pids) == workers.count:
                samples.append(
                    {
                        "parent": memory(os.getpid()),
                        "workers": [memory(pid) for pid in pids],
                        "pids": pids,
                        "handles": [handles(pid) for pid in (os.getpid(), *pids)],
                        "store": store.stat().st_size,
                    }
                )

        n2 = steps(trials)
        dnc.search(
            data,
            space,
            penalty="n_params",
            epochs=1,
            n1=trials - n2,
            n2=n2,
            n3=50,
            store=store,
            workers=workers,
            device="cpu",
            progress=sample,
        )
    return samples


def figures(samples: list[dict[str, Any]]) -> dict[str, Any]:
    """Growth per trial after the first part, kB; handles; the store's bytes per trial in both halves."""
    start, end = int(len(samples) * SKIPPED), -1 - steps(len(samples))
    first, middle, last = samples[start], samples[len(samples) // 2], samples[end]
    n = len(samples) - start - steps(len(samples))
    half = len(samples) - len(samples) // 2 - steps(len(samples))
    return {
        "trials": len(samples),
        "same_workers": all(s["pids"] == first["pids"] for s in samples),
        "parent_kb_per_trial": round((last["parent"] - first["parent"]) / n, 2),
        "worker_kb_per_trial": [round((b - a) / n, 2) for a, b in zip(first["workers"], last["workers"], strict=True)],
        "parent_mb": [round(s["parent"] / 1024) for s in (samples[0], first, last, samples[-1])],
        "worker_mb": [round(max(s["workers"]) / 1024) for s in (samples[0], first, last)],
        "handles": [first["handles"], last["handles"]],
        "store_bytes_per_trial": [
            round((middle["store"] - samples[0]["store"]) / (len(samples) // 2)),
            round((last["store"] - middle["store"]) / half),
        ],
    }


def verdict(measured: dict[str, Any]) -> list[str]:
    """What is wrong, in words."""
    first_half, second_half = measured["store_bytes_per_trial"]
    return [
        text
        for wrong, text in (
            (not measured["same_workers"], "a worker was replaced"),
            (measured["parent_kb_per_trial"] > MAX_PARENT, "the parent's memory grows"),
            (max(measured["worker_kb_per_trial"]) > MAX_WORKER, "a worker's memory grows"),
            (measured["handles"][0] != measured["handles"][1], "the number of open files changes"),
            (second_half > MAX_UNEVEN * first_half, "the store grows faster and faster"),
        )
        if wrong
    ]


def main(arguments: list[str]) -> int:
    p = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0], allow_abbrev=False)
    p.add_argument("--trials", type=int, default=2000, help="trials of the search (2000)")
    p.add_argument("--json", action="store_true", help="print the figures only, as JSON")
    options = p.parse_args(arguments)
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        measured = figures(soak(options.trials, Path(folder) / "soak.db"))
    measured["seconds"] = round(time.monotonic() - started)
    print(json.dumps(measured) if options.json else f"soak: {measured}")
    for text in verdict(measured):
        print(f"BROKEN: {text}", file=sys.stderr)
    return 1 if verdict(measured) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
