"""Whole three-stage MLP searches against the plain way: one w_c, and the paper's family of five.

    usage: python benchmarks/bench_search.py [--images 5000] [--epochs 5] [--seed 0] [--wc 0] [--five]
           python benchmarks/bench_search.py --quality 5 [--images 5000] [--epochs 5] [--keep FOLDER]
           (both: [--n1 15] [--n2 15] [--n3 1000])

The first form measures wall seconds: every arm from nothing, with its own store in memory and two worker processes that
start with it. The plain search of w_c = 0 runs in full. Five plain searches are not run but, with --five, priced: the
configs that five independent searches visit, each from eight steps and one evaluation the plain way (the price of
w_c = 0 stands beside its measured time as the check). CPU seconds of all processes stand beside wall seconds, as other
jobs on the machine change them less. The second form compares what is found over several seeds; all arms of a seed
share a store, which changes no decision and gives equal configs equal times.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from plain_search import plain_search, priced

import dnc
from dnc.config import Config
from dnc.data.dataset import Dataset
from dnc.errors import DataError
from dnc.searches.archive import Store
from dnc.searches.result import SearchResult
from dnc.searches.settings import Method
from dnc.searches.sweep import WCS, Sweep
from dnc.training.engine import machine_name, select_engine
from dnc.workers.pool import Workers

WORKERS = 2
Found = TypeVar("Found")


@dataclass(frozen=True)
class Cost:
    """Wall seconds, and CPU seconds of all threads and processes, which other jobs on the machine inflate less."""

    wall: float
    cpu: float


@dataclass(frozen=True)
class Setting:
    """Data and budget of a run."""

    data: Dataset
    epochs: int
    n1: int
    n2: int
    n3: int

    def search(
        self,
        wc: float,
        seed: int,
        method: Method,
        batch: int,
        store: Store | None = None,
        workers: Workers | int = WORKERS,
        early_stop: bool = False,
    ) -> SearchResult:
        """One search by the project."""
        return dnc.search(
            self.data,
            dnc.MLPSpace(),
            wc=wc,
            epochs=self.epochs,
            n1=self.n1,
            n2=self.n2,
            n3=self.n3,
            seed=seed,
            method=method,
            batch=batch,
            early_stop=early_stop,
            workers=workers,
            store=store,
            progress=False,
        )

    def sweep(
        self,
        seed: int,
        batch: int,
        share: bool,
        store: Store | None = None,
        workers: Workers | int = WORKERS,
        early_stop: bool = False,
    ) -> Sweep:
        """One search for each w_c, pruned."""
        return dnc.sweep(
            self.data,
            dnc.MLPSpace(),
            wcs=WCS,
            epochs=self.epochs,
            n1=self.n1,
            n2=self.n2,
            n3=self.n3,
            seed=seed,
            method="fast",
            batch=batch,
            early_stop=early_stop,
            share_history=share,
            workers=workers,
            store=store,
            progress=False,
        )


def load(images: int) -> Dataset:
    """Fashion-MNIST's first images, or digits where its files are absent."""
    try:
        data = dnc.load_data("fmnist", n_train=images, n_val=min(10_000, images), download=False)
    except DataError:
        data = dnc.load_data("digits")
    return data.flatten()


def clocked(call: Callable[[], Found]) -> tuple[Found, Cost]:
    """The answer and what it cost."""
    started, before = time.perf_counter(), cpu_seconds()
    result = call()
    return result, Cost(time.perf_counter() - started, cpu_seconds() - before)


def cpu_seconds() -> float:
    """CPU seconds of this process, all threads, and of its worker processes that have ended."""
    return sum(os.times()[:4])


def counts(results: Sequence[SearchResult]) -> dict[str, int]:
    """Visits of the searches by what became of them; a config that several visit is trained once."""
    visits = [v for result in results for v in result.visits]
    trained = {v.trial.config for v in visits if v.trial.status != "pruned" and not v.trial.cached}
    pruned = sum(v.trial.status == "pruned" for v in visits)
    return {
        "visits": len(visits),
        "trained": len(trained),
        "of it in part": len({v.trial.config for v in visits if v.trial.status == "ended" and not v.trial.cached}),
        "pruned": pruned,
        "looked up": len(visits) - len(trained) - pruned,
    }


def row(name: str, cost: Cost, plain: Cost, results: Sequence[SearchResult]) -> str:
    """One line of the table of costs."""
    best = ", ".join(f"{r.best.f:.4f}" for r in results)
    numbers = " | ".join(str(n) for n in counts(results).values())
    ratios = f"{plain.wall / cost.wall:.2f} | {plain.cpu / cost.cpu:.2f}"
    return f"| {name} | {cost.wall:.1f} | {cost.cpu:.1f} | {ratios} | {best} | {numbers} |"


def trainings(result: SearchResult) -> list[Config]:
    """The distinct configs that a search visited."""
    return list(dict.fromkeys(v.trial.config for v in result.visits))


def times(setting: Setting, wc: float, seed: int, five: bool) -> None:
    """Costs of the arms, each from nothing."""
    data, space = setting.data, dnc.MLPSpace()
    print(f"w_c = {wc:g}, seed {seed}; load average before: {os.getloadavg()[0]:.2f}")
    plain, cost = clocked(
        lambda: plain_search(data, space, wc, setting.epochs, setting.n1, setting.n2, setting.n3, seed)
    )
    visits = 2 * (setting.n1 + setting.n2) + len(space.grid_drop) - 1
    numbers = f"{visits} | {len(plain.trials)} | 0 | 0 | {visits - len(plain.trials)}"
    print("| arm | wall s | CPU s | × wall | × CPU | f | visits | trained | of it in part | pruned | looked up |")
    print("|---" * 11 + "|")
    name = f"plain, w_c = {wc:g} ({plain.proposing:.0f} s of it proposing)"
    print(f"| {name} | {cost.wall:.1f} | {cost.cpu:.1f} | 1 | 1 | {plain.f:.4f} | {numbers} |", flush=True)
    arms: list[tuple[Method, int, bool]] = [("paper", 1, False), ("fast", 2, False), ("fast", 2, True)]
    for method, batch, early in arms:
        result, own = clocked(lambda m=method, b=batch, e=early: setting.search(wc, seed, m, b, early_stop=e))
        name = f'search(method="{method}", batch={batch}{", early_stop=True" if early else ""})'
        print(row(name, own, cost, [result]), flush=True)
    if wc:
        return
    for share, early in ((False, False), (True, False), (True, True)):
        swept, own = clocked(lambda s=share, e=early: setting.sweep(seed, 2, s, early_stop=e))
        options = f"share_history={share}{', early_stop=True' if early else ''}"
        name = f'sweep of 5 w_c (method="fast", batch=2, {options})'
        print(row(name, own, cost, list(swept.results.values())), flush=True)
    print(f"\ntarget of a sweep: half of one plain search, {cost.wall / 2:.1f} s of wall time")
    print(f"load average after: {os.getloadavg()[0]:.2f}", flush=True)
    if five:
        print(priced_five(setting, seed, plain.proposing))


def priced_five(setting: Setting, seed: int, proposing: float) -> str:
    """What five plain searches would take, from the configs that five independent searches of ours visit."""
    lines, total, store = [], 0.0, Store()
    with Workers(WORKERS) as pool:
        for wc in WCS:
            result = setting.search(wc, seed, "paper", 1, store, pool)
            seconds = priced(trainings(result), setting.data, setting.epochs) + proposing
            total += seconds
            lines.append(f"priced plain search of w_c = {wc:g}: {seconds:.1f} s; f {result.best.f:.4f} by method paper")
    return "\n".join([*lines, f"five plain searches, priced: {total:.1f} s"])


def quality(setting: Setting, seeds: int, folder: str | None) -> None:
    """f of the arms over seeds: the family against independent searches, and batches against single proposals."""
    arms: dict[str, dict[float, list[float]]] = {}
    with Workers(WORKERS) as pool:
        for seed in range(seeds):
            store = Store(None if folder is None else Path(folder) / f"seed{seed}.db")
            for wc in WCS:
                best = setting.search(wc, seed, "paper", 1, store, pool).best
                arms.setdefault("independent, paper", {}).setdefault(wc, []).append(best.f)
            for batch, early in ((2, False), (2, True)):
                name = f"independent, fast, batch {batch}{', early_stop' if early else ''}"
                for wc in WCS:
                    best = setting.search(wc, seed, "fast", batch, store, pool, early).best
                    arms.setdefault(name, {}).setdefault(wc, []).append(best.f)
            for early in (False, True):
                name = f"sweep, fast, batch 2, share_history{', early_stop' if early else ''}"
                for wc, result in setting.sweep(seed, 2, True, store, pool, early).results.items():
                    arms.setdefault(name, {}).setdefault(wc, []).append(result.best.f)
            print(f"seed {seed} done", flush=True)
    print(quality_table(arms))


def quality_table(arms: dict[str, dict[float, list[float]]]) -> str:
    """Mean f ± standard error by w_c, and in brackets the mean of the paired differences to the first arm."""
    base = next(iter(arms.values()))
    lines = ["| arm | " + " | ".join(f"w_c = {wc:g}" for wc in base) + " |", "|---" * (1 + len(base)) + "|"]
    for name, f_of in arms.items():
        cells = []
        for wc in base:
            values = f_of.get(wc, [])
            if not values:
                cells.append("")
                continue
            gaps = [a - b for a, b in zip(values, base[wc], strict=True)]
            cells.append(f"{_mean(values)} ({_mean(gaps, '+')})")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _mean(values: Sequence[float], sign: str = "") -> str:
    error = statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else float("nan")
    return f"{statistics.mean(values):{sign}.4f} ± {error:.4f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--n1", type=int, default=15)
    parser.add_argument("--n2", type=int, default=15)
    parser.add_argument("--n3", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--wc", type=float, default=0.0, help="w_c of the single searches (0)")
    parser.add_argument("--quality", type=int, metavar="SEEDS", help="compare final f over so many seeds")
    parser.add_argument("--five", action="store_true", help="also price five plain searches")
    parser.add_argument("--keep", metavar="FOLDER", help="with --quality: keep the stores, to go on from them")
    o = parser.parse_args()
    data = load(o.images)
    setting = Setting(data, o.epochs, o.n1, o.n2, o.n3)
    print(f"{machine_name(select_engine('cpu'))}, {WORKERS} workers; plain: {torch.get_num_threads()} threads")
    budget = f"{setting.epochs} epochs, n1={o.n1} n2={o.n2} n3={o.n3}"
    print(f"{data.name}: {data.n_train:,} + {data.n_val:,} samples, {budget}")
    if o.quality:
        quality(setting, o.quality, o.keep)
    else:
        times(setting, o.wc, o.seed, o.five)


if __name__ == "__main__":
    main()
