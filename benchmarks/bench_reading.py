"""Reading: `import dnc`, and rescoring 10,000 trials as a slider does while it is dragged."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np

import dnc
from dnc.config import MLP, Config, Training
from dnc.searches.result import SearchResult
from dnc.trial import Trial, Visit

REPEATS = 15
TRIALS = 10_000


def import_seconds(statement: str) -> float:
    """Median seconds of a new interpreter that runs `statement`, less those of one that runs nothing."""

    def once(code: str) -> float:
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        return time.perf_counter() - started

    pairs = [once(statement) - once("pass") for _ in range(REPEATS)]
    return statistics.median(pairs)


def large_result() -> SearchResult:
    """A result with many trials on a noisy trade-off curve."""
    rng = np.random.default_rng(0)
    visits = []
    for i in range(TRIALS):
        nodes = int(rng.integers(1, 10_000))
        config = Config(MLP((nodes,)), Training(lr=float(rng.uniform(1e-4, 1e-1))))
        error = 0.1 + 1 / (1 + nodes / 100) + rng.normal(0, 0.01)
        visits.append(Visit(1, "", i, Trial(config, 1 - error, nodes * 1e-4, nodes * 795)))
    objective = dnc.Objective(0.1, "t_tr", 1.0)
    facts = {"references": {"t_tr": 1.0, "n_params": 8e6}}
    return SearchResult("large", {}, facts, dnc.MLPSpace(), objective, tuple(visits))


def median_seconds(call: Callable[[], object]) -> float:
    call()  # columns are made once
    times = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def main() -> None:
    result = large_result()
    print("| what | median |")
    print("|---|---|")
    print(f"| `import dnc` | {import_seconds('import dnc') * 1e3:.0f} ms |")
    print(f"| `import dnc; dnc.search`, torch included | {import_seconds('import dnc; dnc.search') * 1e3:.0f} ms |")
    for name, call in {
        "rescore(wc=…).best": lambda: result.rescore(wc=1.0).best,
        "pareto()": result.pareto,
        "breakpoints()": result.breakpoints,
    }.items():
        print(f"| {TRIALS:,} trials: {name} | {median_seconds(call) * 1e3:.1f} ms |")


if __name__ == "__main__":
    main()
