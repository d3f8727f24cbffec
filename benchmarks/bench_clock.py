"""How far t_tr can be trusted: repeated timings, the errors that they claim, and repeated searches.

    usage: python benchmarks/bench_clock.py [spread errors searches] [--repeats 6] [--images 10000] [--precise]

spread: ten perceptrons (the first Sobol points of the paper's space) and three small CNNs are timed in turns by the
project's clock, and beside it the naive way: mean wall time of an epoch, over as many epochs as take about as long as
the clock does. For each way: the coefficient of variation of a config's times over the repeats, and Kendall's τ between
the orders that two repeats give the configs. The busy job is a process that multiplies matrices without a pause.

errors: the same configs, and perceptrons of 20 nodes and of one layer, are timed ten times in turns. Errors are honest
if the coefficient of variation (CV) of a config's ten times is about the standard error that the timings claim, and if
68 % of the times are within one and 95 % within two such errors of their mean. `--precise` measures to 1 %.

searches: two searches, README's first and the quick-start notebook's, eight times each from empty stores: how often the
same architecture wins, and how far f spreads. Nothing but the timings differs between repetitions.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import kendalltau

import dnc
from dnc.bayesopt.optimizer import SobolSearch
from dnc.config import CNN, MLP, Config, Training
from dnc.data.dataset import Dataset
from dnc.networks.params import count_params
from dnc.training.clock import Calibration, Timing, calibrate, measure_t_tr
from dnc.training.engine import Engine, compute_settings, machine_name, select_engine
from dnc.training.stepper import build_stepper
from dnc.training.streams import batch_bounds

PARTS = ("spread", "errors", "searches")
TIMINGS, SEARCHES = 10, 8
QUICK_STARTS = {"README": ((8, 64), 10, 15), "notebook": ((20, 400), 15, 8)}  # nodes, epochs, n1 = n2
EPOCHS = 10  # of the trainings that a timing is for: it may take a share of them
NAIVE_SECONDS = 0.4  # about what the clock takes for a config
CLASSES = 10
BUSY = "import torch; torch.set_num_threads(1); a = torch.randn(700, 700)\nwhile True: a @ a"


@dataclass(frozen=True)
class Subject:
    """A config, the data and engine that it is timed with, and the calibration of that engine."""

    config: Config
    data: Dataset
    engine: Engine
    calibration: Calibration

    def timing(self, precise: bool = False) -> Timing:
        """A timing by the project's clock."""
        more = {"precise": True} if precise else {}
        return measure_t_tr(self.config, self.data, self.engine, self.calibration, EPOCHS, **more)

    def clock(self) -> float:
        """Seconds of an epoch by the project's clock."""
        return self.timing().t_tr

    def naive(self) -> float:
        """Mean wall seconds of an epoch of training."""
        with compute_settings(self.engine):
            stepper = build_stepper(self.config, self.data, self.engine, seed=0)
            started, epochs = time.perf_counter(), 0
            while epochs == 0 or time.perf_counter() - started < NAIVE_SECONDS:
                stepper.start_epoch(epochs, self.config.training.lr)
                for start, stop in batch_bounds(stepper.n_train, stepper.batch_size):
                    stepper.step(start, stop)
                epochs += 1
            return (time.perf_counter() - started) / epochs


@contextmanager
def busy_job() -> Iterator[None]:
    """A second process that computes all the while."""
    job = subprocess.Popen([sys.executable, "-c", BUSY])
    try:
        time.sleep(5)  # until it has loaded torch
        if job.poll() is not None:
            raise RuntimeError("the busy job ended by itself")
        yield
    finally:
        job.kill()
        job.wait()


def random_data(n: int, shape: tuple[int, ...]) -> Dataset:
    """n training samples of random bytes: the time of a step does not depend on them."""
    x = np.random.default_rng(0).integers(0, 256, (n + 50, *shape), dtype=np.uint8)
    n_val = 50 / len(x)
    return Dataset.from_arrays(
        x, np.arange(len(x)) % CLASSES, layout="NCHW" if len(shape) == 3 else None, val_fraction=n_val
    )


def perceptrons(images: int) -> list[Subject]:
    """Ten Sobol points of stage 1."""
    data, engine = random_data(images, (784,)), select_engine("cpu", family="mlp")
    calibration, space = calibrate(engine), dnc.MLPSpace()
    points = SobolSearch(space.stage1(), seed=0)
    configs: dict[Config, None] = {}
    while len(configs) < 10:
        arch = points.ask()
        n_params = count_params(arch, data.input_shape, CLASSES)
        configs[Config(arch, space.default_training(n_params))] = None
    return [Subject(config, data, engine, calibration) for config in configs]


def convolutional() -> list[Subject]:
    """Three small CNNs."""
    data, engine = random_data(640, (3, 16, 16)), select_engine("cpu", family="cnn")
    calibration = calibrate(engine)
    configs = [
        Config(CNN(channels, pools=(2,), batchnorm=tuple(range(1, len(channels) + 1))), Training(batch_size=64))
        for channels in ((16, 24), (16, 32, 48), (24, 48, 64))
    ]
    return [Subject(config, data, engine, calibration) for config in configs]


def repeated(ways: Sequence[Callable[[Subject], float]], subjects: Sequence[Subject], repeats: int) -> list[np.ndarray]:
    """Times (repeats, configs) of each way, all in turns."""
    times = [np.empty((repeats, len(subjects))) for _ in ways]
    for i in range(repeats):
        for j, subject in enumerate(subjects):
            for way, table in zip(ways, times, strict=True):
                table[i, j] = way(subject)
    return times


def variation(times: np.ndarray) -> np.ndarray:
    """Coefficient of variation (configs,) of times (repeats, configs)."""
    return times.std(axis=0, ddof=1) / times.mean(axis=0)


def agreement(times: np.ndarray) -> list[float]:
    """Kendall's τ of each two repeats of times (repeats, configs)."""
    pairs: list[Any] = [kendalltau(a, b) for a, b in itertools.combinations(times, 2)]
    return [float(pair.statistic) for pair in pairs]


def summary(name: str, times: np.ndarray) -> str:
    """One line of the table; τ says little of fewer than five configs."""
    spread, orders = variation(times), agreement(times)
    tau = f"{statistics.mean(orders):.3f} | {min(orders):.3f}" if times.shape[1] >= 5 else "– | –"
    return f"| {name} | {np.median(spread):.1%} | {spread.max():.1%} | {tau} |"


def spread(repeats: int, images: int) -> None:
    """Print how far repeated timings of a config lie apart, quiet and beside a busy job."""
    groups = {"MLP": perceptrons(images), "CNN": convolutional()}
    engines = ", ".join(f"{name} {subjects[0].engine.id}" for name, subjects in groups.items())
    print(f"{machine_name(groups['MLP'][0].engine)}; {engines}; {repeats} repeats")
    lines = ["| configs, machine, way | CV, median | CV, worst | τ, mean | τ, worst |", "|---|---|---|---|---|"]
    details: list[str] = []
    ways: dict[str, Callable[[Subject], float]] = {"clock": Subject.clock, "naive wall time": Subject.naive}
    levels: dict[str, np.ndarray] = {}
    for state in ("quiet", "one busy job"):
        load = os.getloadavg()[0]
        if state == "quiet":
            tables = {name: repeated(list(ways.values()), subjects, repeats) for name, subjects in groups.items()}
        else:
            with busy_job():
                tables = {name: repeated(list(ways.values()), subjects, repeats) for name, subjects in groups.items()}
        print(f"{state}: load average {load:.2f} before, {os.getloadavg()[0]:.2f} after", flush=True)
        for name, subjects in groups.items():
            for way, times in zip(ways, tables[name], strict=True):
                lines.append(summary(f"{len(subjects)} {name}, {state}, {way}", times))
                place = f"{name}, {way}"
                if state == "quiet":
                    levels[place] = np.median(times, axis=0)
                else:
                    shift = np.median(times, axis=0) / levels[place] - 1
                    details.append(f"| {place} | {np.median(shift):+.1%} | {np.abs(shift).max():.1%} |")
    print("\n".join(lines))
    print("\nmedian times beside the busy job against the quiet machine")
    print("| configs, way | median | largest |\n|---|---|---|")
    print("\n".join(details))
    print("\nquiet, by the clock: config, t_tr (ms)")
    for name, subjects in groups.items():
        for subject, seconds in zip(subjects, levels[f"{name}, clock"], strict=True):
            print(f"  {subject.config.arch}  {1e3 * seconds:.2f}")


def errors(images: int, precise: bool) -> None:
    """Print whether the errors that timings claim are those that they have."""
    wide = perceptrons(images)
    archs = (MLP(), MLP((20,)), MLP((20,), drop=0.2))
    narrow = [Subject(Config(arch), wide[0].data, wide[0].engine, wide[0].calibration) for arch in archs]
    print(f"{machine_name(wide[0].engine)}, load average {os.getloadavg()[0]:.2f}; {TIMINGS} timings of each config")
    print("| config | t_tr, ms | CV | claimed error, median | CV / error | blocks | seconds |")
    print("|---|---|---|---|---|---|---|")
    ratios, misses = list[float](), list[np.ndarray]()
    subjects = [*narrow, *wide, *convolutional()]
    timings: list[list[tuple[Timing, float]]] = [[] for _ in subjects]
    for _ in range(TIMINGS):
        for subject, taken in zip(subjects, timings, strict=True):
            started = time.thread_time()
            taken.append((subject.timing(precise), time.thread_time() - started))
    for subject, taken in zip(subjects, timings, strict=True):
        times = np.array([timing.t_tr for timing, _ in taken])
        claimed = np.array([timing.error for timing, _ in taken])
        mean, error = times.mean(), float(np.median(claimed))
        cv = float(times.std(ddof=1) / mean)
        ratios.append(cv / error)
        own_share = np.sqrt(1 - 1 / TIMINGS)  # each time has a share in the mean, so it lies nearer to it
        misses.append(np.abs(times - mean) / (claimed * times * own_share))
        count, seconds = statistics.median(len(t.blocks) for t, _ in taken), statistics.median(s for _, s in taken)
        print(
            f"| {subject.config.arch} | {1e3 * mean:.2f} | {cv:.1%} | {error:.1%} | {ratios[-1]:.2f} | {count:g} "
            f"| {seconds:.2f} |"
        )
    within = [float(np.mean(np.concatenate(misses) <= errors)) for errors in (1, 2)]
    print(f"CV / error: median {statistics.median(ratios):.2f}, largest {max(ratios):.2f}")
    print(f"within one error: {within[0]:.0%}, within two: {within[1]:.0%}")


def searches() -> None:
    """Print what searches find from empty stores."""
    for name, (nodes, epochs, n) in QUICK_STARTS.items():
        print(f"{name}, load average {os.getloadavg()[0]:.2f}: f, winner, wall seconds")
        repeated_search(dnc.MLPSpace(hidden_layers=(0, 2), nodes=nodes), epochs, n)


def repeated_search(space: dnc.MLPSpace, epochs: int, n: int) -> None:
    """Search digits again and again; print each winner, then how far they agree and what their timings claim."""
    data = dnc.load_data("digits")
    winners: list[tuple[str, float]] = []
    claimed: dict[str, list[float]] = {}
    flagged: list[bool] = []
    for _ in range(SEARCHES):
        with tempfile.TemporaryDirectory() as folder:
            path, started = Path(folder) / "trials.db", time.perf_counter()
            best = dnc.search(data, space, wc=0.1, epochs=epochs, n1=n, n2=n, store=path, progress=False).best
            seconds = time.perf_counter() - started
            with closing(sqlite3.connect(path)) as store:
                rows = store.execute("SELECT subject, timing FROM timings").fetchall()
        winners.append((str(best.config.arch), best.f))
        print(f"  {best.f:.4f}  {best.config}  {seconds:.0f}", flush=True)
        for subject, timing in (map(json.loads, row) for row in rows):
            claimed.setdefault(subject.get("reading", "screened"), []).append(timing["error"])
            flagged += [timing["flagged"]] if "flagged" in timing else []
    names, f = Counter(name for name, _ in winners), [value for _, value in winners]
    print(f"{len(names)} architectures in {SEARCHES} searches; the commonest wins {max(names.values())} of them")
    print(f"f {min(f):.4f} to {max(f):.4f}, standard deviation {statistics.stdev(f):.4f}")
    for reading, values in claimed.items():
        low, high = np.quantile(values, [0.05, 0.95])
        median = statistics.median(values)
        print(f"{len(values)} timings {reading}: error {median:.1%} (median), {low:.1%} to {high:.1%} (90 % of them)")
    print(f"flagged: {statistics.mean(flagged):.0%}" if flagged else "flagged: there is no such mark")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=PARTS, metavar="part", help=" ".join(PARTS))
    parser.add_argument("--repeats", type=int, default=6)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--precise", action="store_true")
    o = parser.parse_args()
    if unknown := set(o.parts) - set(PARTS):
        parser.error(f"{', '.join(unknown)}: choose of {', '.join(PARTS)}")
    if "spread" in o.parts:
        spread(o.repeats, o.images)
    if "errors" in o.parts:
        errors(o.images, o.precise)
    if "searches" in o.parts:
        searches()


if __name__ == "__main__":
    main()
