"""The plain way to search: what is written without this project's machinery, for the same three stages.

One config at a time by the plain trainer, t_tr as its mean wall time of an epoch, candidates drawn one by one, the
covariance of eq. (3) in a double loop over pairs, nothing shared between searches. Spaces, presets, kernels and
budgets are those of the project, so both ways search the same thing.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from baseline import Baseline
from scipy.stats import norm, qmc

from dnc.bayesopt.optimizer import Domain
from dnc.config import MLP, Config, Training
from dnc.data.dataset import Dataset
from dnc.networks.params import count_params
from dnc.space import MLPSpace

XI, NOISE, OMEGA = 1e-4, 1e-4, 3.0


@dataclass(frozen=True)
class PlainTrial:
    """A config with its best validation accuracy and its mean wall time of an epoch."""

    config: Config
    val_acc: float
    t_tr: float


@dataclass(frozen=True)
class PlainSearch:
    """What a plain search found, and what it cost.

    Attributes:
        best, f: the winner and its objective.
        trials: all trainings, in order; those looked up are not in it.
        seconds: wall time of everything; `proposing` is the part of it that went into choosing what to try.
    """

    best: PlainTrial
    f: float
    trials: tuple[PlainTrial, ...]
    seconds: float
    proposing: float


def plain_search(
    data: Dataset, space: MLPSpace, wc: float, epochs: int, n1: int, n2: int, n3: int, seed: int
) -> PlainSearch:
    """The three stages for one w_c, with t_tr as the penalty."""
    started = time.perf_counter()
    trained: dict[Config, PlainTrial] = {}
    proposing = 0.0

    def preset(arch: MLP) -> Config:
        n_params = count_params(arch, data.input_shape, data.n_classes)
        training = space.default_training(n_params)
        return Config(arch, replace(training, batch_size=min(training.batch_size, data.n_train)))

    def evaluate(config: Config) -> float:
        if config not in trained:
            trained[config] = plain_trial(config, data, seed, epochs)
        return f(trained[config])

    def f(trial: PlainTrial) -> float:
        return 1 - trial.val_acc + wc * trial.t_tr / reference

    def explore(domain: Domain, kernel: Callable[[Any, Any], float], to_config: Callable[[Any], Config]) -> None:
        nonlocal proposing
        rng = np.random.default_rng(seed)
        grid = qmc.Sobol(domain.dim, rng=rng).random_base2(math.ceil(math.log2(n1)))[:n1]
        points = [domain.point(row) for row in domain.rows(grid)]
        values = [evaluate(to_config(point)) for point in points]
        for _ in range(n2):
            started = time.perf_counter()
            point = plain_proposal(domain, kernel, points, values, n3, rng)
            proposing += time.perf_counter() - started
            points.append(point)
            values.append(evaluate(to_config(point)))

    reference = epoch_seconds(preset(space.reference()), data, seed)
    most, nodes = space.hidden_layers[1], space.nodes[1]
    explore(space.stage1(), lambda a, b: mlp_similarity(a, b, most * nodes, most), preset)
    best = min(trained.values(), key=f)
    for substage in space.substages():
        for arch in substage.candidates(best.config.arch):
            evaluate(preset(arch))
        best = min(trained.values(), key=f)
    arch = best.config.arch
    stage3 = space.stage3(max_batch=data.n_train)
    explore(stage3, training_similarity, lambda training: Config(arch, training))
    best = min(trained.values(), key=f)
    return PlainSearch(best, f(best), tuple(trained.values()), time.perf_counter() - started, proposing)


def plain_trial(config: Config, data: Dataset, seed: int, epochs: int) -> PlainTrial:
    """Train a config the plain way and keep the best validation accuracy."""
    baseline = Baseline(config, data, seed, epochs)
    scores, seconds = [], 0.0
    for _ in range(epochs):
        started = time.perf_counter()
        baseline.epoch()
        seconds += time.perf_counter() - started
        scores.append(baseline.accuracy())
    return PlainTrial(config, max(scores), seconds / epochs)


def epoch_seconds(config: Config, data: Dataset, seed: int) -> float:
    """Wall seconds of one epoch, as c_0 is measured: the second one, when all is warm."""
    baseline = Baseline(config, data, seed)
    baseline.epoch()
    started = time.perf_counter()
    baseline.epoch()
    return time.perf_counter() - started


def plain_proposal(
    domain: Domain,
    kernel: Callable[[Any, Any], float],
    points: Sequence[Any],
    values: Sequence[float],
    n3: int,
    rng: np.random.Generator,
) -> Any:
    """The best of n3 random candidates by expected improvement, on log10 f as the authors model it."""
    known = set(points)
    candidates = [domain.point(domain.rows(rng.random((1, domain.dim)))[0]) for _ in range(n3)]
    candidates = [c for c in candidates if c not in known]
    targets = np.log10(np.maximum(values, 1e-6))
    mean = targets.mean()
    among = np.array([[kernel(a, b) for b in points] for a in points]) + NOISE * np.eye(len(points))
    across = np.array([[kernel(c, b) for b in points] for c in candidates])
    inverse = np.linalg.inv(among + 1e-10 * np.eye(len(points)))
    mu = mean + across @ inverse @ (targets - mean)
    sigma = np.sqrt(np.maximum(1 - np.einsum("ij,jk,ik->i", across, inverse, across), 1e-12))
    gain = targets.min() - XI - mu
    improvement = gain * norm.cdf(gain / sigma) + sigma * norm.pdf(gain / sigma)
    return candidates[int(np.argmax(improvement))]


def mlp_similarity(a: MLP, b: MLP, most_nodes: float, most_layers: float) -> float:
    """Eq. (3) of two perceptrons: sum of nodes (r = 1/2) and number of layers (r = 1)."""
    nodes = OMEGA * math.sqrt(abs(sum(a.hidden) - sum(b.hidden)) / most_nodes)
    layers = OMEGA * abs(len(a.hidden) - len(b.hidden)) / most_layers
    return (math.exp(-nodes * nodes / 2) + math.exp(-layers * layers / 2)) / 2


def training_similarity(a: Training, b: Training) -> float:
    """Eq. (3) of two settings of learning rate (by log10), weight decay (by log10) and batch size."""
    gaps = (
        (math.log10(a.lr) - math.log10(b.lr)) / 4,
        (math.log10(a.weight_decay or 1e-6) - math.log10(b.weight_decay or 1e-6)) / 3,
        (a.batch_size - b.batch_size) / 480,
    )
    return sum(math.exp(-((OMEGA * gap) ** 2) / 2) for gap in gaps) / 3


def priced(configs: Sequence[Config], data: Dataset, epochs: int, steps: int = 8) -> float:
    """Predicted wall seconds of training the configs the plain way, from a few steps and one evaluation of each."""
    total = 0.0
    for config in configs:
        baseline = Baseline(config, data)
        baseline.steps(2)  # warm
        started = time.perf_counter()
        baseline.steps(steps)
        step = (time.perf_counter() - started) / steps
        started = time.perf_counter()
        baseline.accuracy()
        batches = math.ceil(data.n_train / config.training.batch_size)
        total += epochs * (batches * step + time.perf_counter() - started)
    return total
