"""Do batch sizes that are no multiples of 8 cost more? The paper calls them free (Sec. 3.1), and stage 3 proposes them.

    usage: python benchmarks/odd_batches.py [--pairs 30]

For each network and precision, a training step at an odd batch size is timed in pairs with a step at a multiple of 8
next to it. The ratio is that of the times per sample, so 1 means that an odd batch size costs nothing; the last line is
the largest of them.
"""

from __future__ import annotations

import argparse

import numpy as np

from dnc.config import MLP, Config, Training
from dnc.data.dataset import Dataset
from dnc.training.clock import StepRunner
from dnc.training.engine import Engine, compute_settings, select_engine
from dnc.training.paired_timing import StopRule, paired_ratio, time_block, warm_up
from dnc.training.stepper import build_stepper

NETS = ((20,), (100,), (200, 100))
BATCHES = ((255, 256), (257, 256), (133, 136), (45, 48))  # odd, and the multiple of 8 that it is compared with


def ratio(
    hidden: tuple[int, ...], odd: int, even: int, engine: Engine, data: Dataset, pairs: int
) -> tuple[float, float]:
    """Time per sample at batch size `odd` in units of that at `even`, and its relative standard error."""

    def timer(batch_size: int):
        config = Config(MLP(hidden, drop=0.2), Training(batch_size=batch_size))
        run = StepRunner(build_stepper(config, data, engine, seed=0), engine)
        warm_up(run)
        return lambda: time_block(run)

    with compute_settings(engine):
        measured = paired_ratio(timer(odd), timer(even), StopRule(10, pairs, lambda ratio: 1e9))
    return measured.median * even / odd, measured.error


def main() -> None:
    """Print one row for each network, precision and batch size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=30, help="pairs of blocks for each ratio, at most (default: 30)")
    pairs = parser.parse_args().pairs
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (2048, 784), dtype=np.uint8), np.arange(2048) % 10
    data = Dataset.from_arrays(x, y, val_fraction=0.1)
    reduced = select_engine("cpu", family="mlp").dtype == "bfloat16"
    worst = 0.0
    print(f"{'nodes':>8}  {'precision':9}  {'batch':>5}  {'against':>7}  time per sample, ratio ± standard error")
    for dtype in ("float32", "bfloat16") if reduced else ("float32",):
        engine = Engine(kind="direct", dtype=dtype)
        for hidden in NETS:
            for odd, even in BATCHES:
                value, error = ratio(hidden, odd, even, engine, data, pairs)
                worst = max(worst, value)
                nodes = "-".join(map(str, hidden))
                print(f"{nodes:>8}  {dtype:9}  {odd:5}  {even:7}  {value:.3f} ± {error * value:.3f}", flush=True)
    print(f"largest: {worst:.3f}")


if __name__ == "__main__":
    main()
