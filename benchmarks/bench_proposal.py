"""One BO step (sampling, encoding, fit, posterior, EI) against a Python double loop for the covariance alone."""

from __future__ import annotations

import math
import statistics
import time

import numpy as np

import dnc
from dnc.bayesopt.optimizer import BayesianOptimizer, Domain

REPEATS = 15
HISTORY = (30, 100, 300, 1000)


def told(domain: Domain, trials: int) -> BayesianOptimizer:
    """An optimizer whose initial point and `trials` - 1 more have values of a smooth function."""
    optimizer = BayesianOptimizer(domain, n1=1, n3=1000, seed=0)
    optimizer.tell(optimizer.ask(), 0.1)
    rows = domain.rows(np.random.default_rng(1).random((4 * trials, domain.dim)))
    for row in np.unique(rows, axis=0)[: trials - 1]:
        optimizer.tell(domain.point(row), 0.1 + 0.05 * float(np.sin(row.sum())))
    return optimizer


def proposal_seconds(domain: Domain, trials: int) -> float:
    """Median seconds of one `ask`, the GP's fit included."""
    times = []
    for _ in range(REPEATS):
        optimizer = told(domain, trials)
        started = time.perf_counter()
        optimizer.ask()
        times.append(time.perf_counter() - started)
        assert optimizer.last.ei > 0, "a model was asked"
    return statistics.median(times)


def loop_seconds(trials: int) -> float:
    """The plain way: eq. (3) written with Python numbers for each pair of 1000 CNNs and `trials` known ones."""
    space = dnc.CNNSpace()
    domain = space.stage1()
    rng = np.random.default_rng(0)
    nets = [domain.point(row).channels for row in domain.rows(rng.random((50 + trials, domain.dim)))]
    started = time.perf_counter()
    for a in nets[:50]:  # a twentieth is enough to know the whole
        for b in nets[50:]:
            plain_similarity(a, b)
    return (time.perf_counter() - started) * 20


def plain_similarity(a: tuple[int, ...], b: tuple[int, ...]) -> float:
    depth, total = max(len(a), len(b)), 0.0
    for k in range(depth):
        if k < len(a) and k < len(b):
            upper = min(64 * 2**k, 512)
            d = 3.0 * (abs(a[k] - b[k]) / (upper - 16)) ** (1 / min(k + 1, 4))
        else:
            d = 3.0
        total += math.exp(-d * d / 2)
    return total / depth


def main() -> None:
    domains: dict[str, Domain] = {
        "CNN, 4 to 16 layers": dnc.CNNSpace().stage1(),
        "MLP, 0 to 2 layers": dnc.MLPSpace().stage1(),
        "training": dnc.TrainingSpace(),
    }
    print("| domain | trials | one proposal (ms) |")
    print("|---|---|---|")
    for name, domain in domains.items():
        proposal_seconds(domain, 10)  # loads scipy
        for trials in HISTORY:
            print(f"| {name} | {trials} | {proposal_seconds(domain, trials) * 1e3:.1f} |")
    print("\n| double loop, CNN, covariance alone | ms |\n|---|---|")
    for trials in HISTORY[:2]:
        print(f"| {trials} trials | {loop_seconds(trials) * 1e3:,.0f} |")


if __name__ == "__main__":
    main()
