"""One search as its stages see it: data, space and settings, with the evaluator that gives the trials."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Protocol

from dnc.bayesopt.optimizer import BayesianOptimizer, Optimizer, RandomSearch, SobolSearch
from dnc.config import CNN, Architecture, Config
from dnc.data.dataset import Dataset
from dnc.evaluation.early_stop import EarlyStop
from dnc.evaluation.evaluator import Evaluation
from dnc.networks.params import count_params
from dnc.objective import Objective
from dnc.searches.settings import SearchSettings
from dnc.space import CNNSpace, Space
from dnc.trial import Trial, Visit

FLOOR_WITHOUT_DATA = 1e-6  # least value whose logarithm is modelled, where the number of samples is not known


class Observer(Protocol):
    """Is told of every finished step of a search, and again of a step whose trial has been timed again."""

    def __call__(self, visit: Visit, /) -> None: ...


def ignore(visit: Visit) -> None:
    """The observer of a search that nobody watches."""


@dataclass(frozen=True)
class Study:
    """One search: what its stages share. Frozen; `replace` makes one with another observer, or other sizes of stages.

    Its evaluator has penalty, epochs, train_seed and device of its own: for others, open another study.

    Attributes:
        data: the data set as the space's family sees it; None for an injected evaluation without data.
        space: what is searched.
        settings: how; `epochs` is filled in. A given `reference` keeps c_0 from being measured for the objective.
        evaluator: gives the trials.
        history: trials of other searches that the optimizers of stages 1 and 3 are told first.
        observer: is told of every finished step.
    """

    data: Dataset | None
    space: Space
    settings: SearchSettings
    evaluator: Evaluation
    history: tuple[Trial, ...] = ()
    observer: Observer = field(default=ignore, compare=False)

    @cached_property
    def references(self) -> dict[str, float]:
        """c_0 of t_tr, n_params and the penalty: metrics of the space's reference config (nothing is trained)."""
        measured = self.evaluator.references(self.preset(self.space.reference()))
        given = self.settings.reference
        return measured if given is None else {**measured, self.settings.penalty: given}

    @cached_property
    def objective(self) -> Objective:
        """f (eq. 1) with its c_0: given, or that of the space's reference config."""
        wc, penalty, reference = self.settings.wc, self.settings.penalty, self.settings.reference
        return Objective(wc, penalty, self.references[penalty] if reference is None else reference)

    def preset(self, arch: Architecture) -> Config:
        """An architecture with the space's default training hyperparameters, as stages 1 and 2 train it."""
        return preset_config(arch, self.space, self.data)

    @property
    def max_batch(self) -> int | None:
        """The largest batch size: the number of training samples; None where there is no data."""
        return None if self.data is None else self.data.n_train

    def optimizer(self, domain: Any) -> Optimizer:
        """What the settings search a domain with."""
        s = self.settings
        if s.optimizer == "sobol":
            return SobolSearch(domain, seed=s.seed)
        if s.optimizer == "random":
            return RandomSearch(domain, seed=s.seed)
        floor = FLOOR_WITHOUT_DATA if self.data is None else 0.5 / self.data.n_val  # half a validation sample
        return BayesianOptimizer(
            domain, n1=s.n1, n3=s.n3, seed=s.seed, xi=s.xi, noise=s.noise, transform=s.transform, floor=floor
        )

    def early_stop(self, trials: Iterable[Trial]) -> EarlyStop | None:
        """What the search may conclude from the learning curves of `trials`; None if it must not."""
        if not (self.settings.early_stop and self.evaluator.early_stopping):
            return None
        return EarlyStop(trials, epochs_of(self.settings, self.space))


def preset_config(arch: Architecture, space: Space, data: Dataset | None) -> Config:
    """An architecture with the default training hyperparameters of its space (Sec. 3.1), on data if there is any."""
    if data is None:
        return Config(arch, space.default_training(0))
    training = space.default_training(count_params(arch, data.input_shape, data.n_classes))
    return Config(arch, replace(training, batch_size=min(training.batch_size, data.n_train)))


def epochs_of(settings: SearchSettings, space: Space) -> int:
    """Epochs of each training: given, or the default of the space's family."""
    return space.default_epochs if settings.epochs is None else settings.epochs


def belongs(arch: Architecture, space: Space) -> bool:
    """Whether an architecture is of the space's family."""
    return isinstance(arch, CNN) == isinstance(space, CNNSpace)
