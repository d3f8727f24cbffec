"""How long a search will take, predicted from a few probe timings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dnc.bayesopt.acquisition import XI
from dnc.bayesopt.gp import NOISE
from dnc.bayesopt.optimizer import N1, N2, N3
from dnc.card import Card, HasCard
from dnc.config import Config
from dnc.data.dataset import Dataset
from dnc.errors import ArgumentError
from dnc.evaluation.evaluator import Evaluator
from dnc.searches.opening import open_study
from dnc.searches.settings import (
    Device,
    Method,
    OptimizerName,
    Resources,
    SearchSettings,
    StoreLike,
    Transform,
    WorkersLike,
    pack,
)
from dnc.searches.stages import grid_steps
from dnc.searches.study import Study
from dnc.space import Space

PROBES = 4  # configs timed for each of stages 1 and 3
EVALUATION = 1 / 3  # forward without backward, per sample
TIMING_SECONDS = 0.4  # a timing's blocks with their reference and warm-up


@dataclass(frozen=True, repr=False)
class Estimate(HasCard):
    """A prediction.

    Attributes:
        trainings: configs to train, at most.
        seconds: predicted wall seconds.
        low, high: the same if every config were as cheap, or as expensive, as the probes' extremes.
        per_training: predicted seconds of one training, the mean over the probes.
        workers: worker processes assumed.

    >>> print(Estimate(trainings=65, seconds=500.0, low=300.0, high=900.0, per_training=14.0, workers=2))
    about 8 min 20 s (5 min 0 s to 15 min 0 s) for 65 trainings of about 14 s each, 2 at a time where possible
    """

    trainings: int
    seconds: float
    low: float
    high: float
    per_training: float
    workers: int

    def _card(self) -> Card:
        low, high = duration(self.low), duration(self.high)
        facts = (
            ("expected", f"about {duration(self.seconds)}"),
            ("range", low if low == high else f"{low} to {high}"),
            ("trainings", f"at most {self.trainings:,}"),
            ("one training", f"about {duration(self.per_training)}"),
            ("at a time", f"{max(1, self.workers)} where possible"),
        )
        return Card("estimate of a search", facts=facts)

    def __str__(self) -> str:
        return (
            f"about {duration(self.seconds)} ({duration(self.low)} to {duration(self.high)}) for {self.trainings} "
            f"trainings of about {duration(self.per_training)} each, {max(1, self.workers)} at a time where possible"
        )


def estimate(
    data: Dataset,
    space: Space,
    *,
    wc: float = 0.1,
    penalty: str = "t_tr",
    epochs: int | None = None,
    n1: int = N1,
    n2: int = N2,
    n3: int = N3,
    seed: int = 0,
    train_seed: int | None = None,
    clock: int = 0,
    reference: float | None = None,
    store: StoreLike = None,
    workers: WorkersLike = "auto",
    device: Device = "auto",
    method: Method = "paper",
    optimizer: OptimizerName = "bayesian",
    transform: Transform = "log10",
    xi: float = XI,
    noise: float = NOISE,
    batch: int = 1,
    early_stop: bool = False,
    stage2_order: Sequence[str] | None = None,
    trial_timeout: float | None = None,
    retry_failed: bool = False,
) -> Estimate:
    """Predict the time of `search` with the same arguments by timing a few configs; trains nothing.

    Stage 1's probes are Sobol points with their presets, stage 3's the same architectures with sampled training
    hyperparameters. What the store already holds, and what method="fast" and `early_stop` save, is not subtracted.

    Raises:
        ArgumentError: a bad argument.

    >>> import dnc
    >>> data = dnc.load_data("digits", n_train=200, n_val=100)
    >>> dnc.estimate(data, dnc.MLPSpace(nodes=(8, 32)), epochs=1, n1=2, n2=1, workers=0).trainings
    11
    """
    settings, resources = pack(locals())
    return estimate_search(data, space, settings, resources)


def estimate_search(data: Dataset, space: Space, settings: SearchSettings, resources: Resources) -> Estimate:
    """What `estimate` does, with its keywords packed."""
    with open_study(data, space, settings, resources) as (study, evaluator, _):
        return probe(study, evaluator).estimate(settings.n1, settings.n2)


@dataclass(frozen=True)
class Probes:
    """Seconds of a few trainings as stages 1 and 3 would make them, and how a search of any size shares them out.

    Attributes:
        stage1, stage3: seconds of each probe's training and timing, shape (PROBES,).
        grid: steps of stage 2.
        workers: worker processes.
        at_a_time: BO proposals that are trained at a time.
    """

    stage1: NDArray[np.float64]
    stage3: NDArray[np.float64]
    grid: int
    workers: int
    at_a_time: int

    def estimate(self, n1: int, n2: int) -> Estimate:
        """The estimate of a search with n1 initial points and n2 steps."""
        parallel = max(1, self.workers)
        steps = n2 / self.at_a_time  # BO steps follow one another, initial points and grids need not

        def total(stage1: float, stage3: float) -> float:
            return stage1 * (n1 / parallel + steps + self.grid / parallel) + stage3 * (n1 / parallel + steps)

        return Estimate(
            trainings=2 * (n1 + n2) + self.grid,
            seconds=total(self.stage1.mean(), self.stage3.mean()),
            low=total(self.stage1.min(), self.stage3.min()),
            high=total(self.stage1.max(), self.stage3.max()),
            per_training=float(np.concatenate([self.stage1, self.stage3]).mean()),
            workers=self.workers,
        )


def probe(study: Study, evaluator: Evaluator) -> Probes:
    """Time random configs of a study, or look their times up."""
    setup = evaluator.setup
    share = 1 + EVALUATION * setup.data.n_val / setup.data.n_train  # validation follows each epoch

    def seconds(configs: list[Config]) -> NDArray[np.float64]:
        times = [evaluator.complexity.t_tr(config) for config in configs]
        return np.array(times) * share * setup.epochs + TIMING_SECONDS

    configs1, configs3 = _probes(study)
    grid, workers = grid_steps(study.space, arch=configs1[0].arch), evaluator.workers.count
    at_a_time = min(max(1, workers), study.settings.batch)
    return Probes(seconds(configs1), seconds(configs3), grid, workers, at_a_time)


def _probes(study: Study) -> tuple[list[Config], list[Config]]:
    """Random configs as stage 1 and as stage 3 would train them."""
    cube, space = np.random.default_rng(study.settings.seed), study.space
    domain, trainings = space.stage1(), space.stage3(max_batch=study.max_batch)
    archs = [domain.point(row) for row in domain.rows(cube.random((PROBES, domain.dim)))]
    sampled = [trainings.point(row) for row in trainings.rows(cube.random((PROBES, trainings.dim)))]
    return [study.preset(arch) for arch in archs], [Config(a, t) for a, t in zip(archs, sampled, strict=True)]


def shrink_to_fit(study: Study, evaluator: Evaluator, seconds: float) -> SearchSettings:
    """The settings with the largest (n1, n2), in the given proportion, whose predicted time fits into `seconds`.

    Raises:
        ArgumentError: not even one initial point and no step fits.
    """
    whole, probes = study.settings, probe(study, evaluator)
    sizes = [(max(1, whole.n1 * percent // 100), whole.n2 * percent // 100) for percent in range(100, 0, -5)]
    for n1, n2 in [*sizes, (1, 0)]:
        if probes.estimate(n1, n2).seconds <= seconds:
            return replace(whole, n1=n1, n2=n2)
    least = probes.estimate(1, 0).seconds
    raise ArgumentError(
        f"max_hours={seconds / 3600:.3g} is too short: the smallest search takes about {duration(least)}; give more "
        "time, fewer epochs, less data (n_train=) or a smaller space"
    )


def duration(seconds: float) -> str:
    """Seconds as text for people: '0.4 s', '12 s', '3 min 20 s', '2 h 5 min'."""
    if not math.isfinite(seconds):
        return "an unknown time"
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
