"""How long a search will take, predicted from a few probe timings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dnc.config import Config
from dnc.errors import ArgumentError, check_int
from dnc.searches.archive import Store
from dnc.searches.problem import Problem
from dnc.searches.stages import N1, N2, grid_steps
from dnc.workers.pool import Workers

if TYPE_CHECKING:
    from dnc.data.dataset import Dataset
    from dnc.space import Space

PROBES = 4  # configs timed for each of stages 1 and 3
EVALUATION = 1 / 3  # forward without backward, per sample
TIMING_SECONDS = 0.4  # a timing's blocks with their reference and warm-up


@dataclass(frozen=True)
class Estimate:
    """A prediction.

    Attributes:
        trainings: configs to train, at most.
        seconds: predicted wall seconds.
        low, high: the same if every config were as cheap, or as expensive, as the probes' extremes.
        per_training: predicted seconds of one training, the mean over the probes.
        workers: worker processes assumed.
    """

    trainings: int
    seconds: float
    low: float
    high: float
    per_training: float
    workers: int

    def __str__(self) -> str:
        return (
            f"about {duration(self.seconds)} ({duration(self.low)} to {duration(self.high)}) for {self.trainings} "
            f"trainings of about {duration(self.per_training)} each, {max(1, self.workers)} at a time where possible"
        )


def estimate(
    data: Dataset,
    space: Space,
    *,
    epochs: int | None = None,
    n1: int = N1,
    n2: int = N2,
    seed: int = 0,
    store: Store | str | Path | None = None,
    workers: int | str | Workers = "auto",
    device: str = "auto",
    batch: int = 1,
) -> Estimate:
    """Predict the time of `search` with the same arguments by timing a few configs; trains nothing.

    Stage 1's probes are Sobol points with their presets, stage 3's the same architectures with sampled training
    hyperparameters. What the store already holds is not subtracted.

    Raises:
        ArgumentError: a bad argument.
    """
    with Problem(data, epochs=epochs, seed=seed, store=store, workers=workers, device=device, batch=batch) as problem:
        return predict(problem, space, check_int("n1", n1, 1), check_int("n2", n2, 0))


def predict(problem: Problem, space: Space, n1: int, n2: int) -> Estimate:
    """The estimate of a problem's search."""
    evaluator = problem.evaluator(space)
    data, epochs = problem.dataset(space), problem.n_epochs(space)
    domain, trainings = space.stage1(), space.stage3(max_batch=data.n_train)
    cube = np.random.default_rng(problem.seed)
    archs = [domain.point(row) for row in domain.rows(cube.random((PROBES, domain.dim)))]
    sampled = [trainings.point(row) for row in trainings.rows(cube.random((PROBES, trainings.dim)))]
    probes1 = [problem.preset(space, arch) for arch in archs]
    probes3 = [Config(arch, training) for arch, training in zip(archs, sampled, strict=True)]
    share = 1 + EVALUATION * data.n_val / data.n_train
    seconds1, seconds3 = (
        np.array([evaluator.t_tr(c) * share * epochs + TIMING_SECONDS for c in probes]) for probes in (probes1, probes3)
    )
    grid = grid_steps(space, arch=archs[0])
    count = max(1, evaluator.workers.count)
    steps = n2 / min(count, problem.batch)  # BO steps follow one another, initial points and grids need not

    def total(one: float, three: float) -> float:
        return one * (n1 / count + steps + grid / count) + three * (n1 / count + steps)

    return Estimate(
        trainings=2 * (n1 + n2) + grid,
        seconds=total(seconds1.mean(), seconds3.mean()),
        low=total(seconds1.min(), seconds3.min()),
        high=total(seconds1.max(), seconds3.max()),
        per_training=float(np.concatenate([seconds1, seconds3]).mean()),
        workers=evaluator.workers.count,
    )


def fit_budget(problem: Problem, space: Space, seconds: float, n1: int, n2: int) -> tuple[int, int]:
    """The largest (n1, n2), in the given proportion, whose predicted time fits into `seconds`.

    Raises:
        ArgumentError: not even one initial point and no step fits.
    """
    for percent in range(100, 0, -5):
        small = max(1, n1 * percent // 100), n2 * percent // 100
        if predict(problem, space, *small).seconds <= seconds:
            return small
    least = predict(problem, space, 1, 0).seconds
    if least <= seconds:
        return 1, 0
    raise ArgumentError(
        f"max_hours={seconds / 3600:.3g} is too short: the smallest search takes about {duration(least)}; give more "
        "time, fewer epochs, less data (n_train=) or a smaller space"
    )


def duration(seconds: float) -> str:
    """Seconds as text for people: '0.4 s', '12 s', '3 min 20 s', '2 h 5 min'."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
