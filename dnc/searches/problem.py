"""What is searched: data, objective, budget and seeds; and how one config is evaluated.

A `Problem` is what the stage functions share. Its evaluation can be replaced (`evaluate=`), so that a stage can be
run on an analytic function; otherwise every config is looked up in the store and, if it is new, timed and trained.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from dnc.config import Architecture, Config
from dnc.errors import ArgumentError, check_choice, check_float, check_int, short_repr
from dnc.objective import METRICS, Objective
from dnc.trial import Trial, Visit

if TYPE_CHECKING:
    from dnc.data.dataset import Dataset
    from dnc.evaluation.evaluator import Evaluator
    from dnc.searches.archive import Store
    from dnc.space import Space
    from dnc.workers.pool import Workers

OPTIMIZERS = ("bayesian", "sobol", "random")
METHODS = ("paper", "fast")
Evaluate = Callable[[Config], Trial]


class Observer(Protocol):
    """Is told of every finished step of a search."""

    def __call__(self, visit: Visit) -> None: ...


@dataclass
class Problem:
    """One search problem: minimise f = (1 - best validation accuracy) + wc * c / c_0 (eq. 1).

    Args:
        data: the data set; may be None only if `evaluate` is given.
        wc: penalty coefficient w_c >= 0.
        penalty: "t_tr" (seconds of training an epoch), "n_params", or a registered metric.
        epochs: epochs a config is trained for; None takes the family's default (CNN 100, MLP 60).
        seed: seed of the proposals.
        train_seed: seed of initial weights, shuffling and dropout; None takes `seed`.
        reference: c_0; None measures (t_tr) or computes (n_params) it on `space.reference()`.
        store: path of the trial store, an open `Store`, or None for one in memory.
        workers: 0 evaluates in this process; a number or "auto" starts worker processes; or a `Workers` to share.
        device: "auto", "cpu" or "cuda".
        method: "paper", or "fast" for certified pruning: what cannot win is not trained (see `Pruning`).
        optimizer: "bayesian", "sobol" or "random": what stages 1 and 3 search with.
        transform: "log10" models log10 f (as the authors' code does), "none" models f (as the paper says).
        xi: exploration of expected improvement ξ.
        noise: noise variance of the GP.
        batch: BO proposals evaluated at a time; more than 1 keeps several workers busy.
        early_stop: end trainings whose learning curves say that they cannot win (see `EarlyStop`).
        history: trials of other searches that stages 1 and 3 are told before they start.
        evaluate: replaces training, `Config -> Trial`.
        trial_timeout: seconds that a training may take; then it counts as failed. Worker processes are ended at once
            and replaced; in this process it is seen to between epochs. A timing may take 30 s in any case.
        retry_failed: train again what the store has as failed. Off, a failure is a record like any other, so that
            a search that is run again takes the same steps.
        measure: with `evaluate`, what is known before it: `Config -> Trial` without accuracy (for method="fast").
        observer: called with every finished `Visit`.

    Raises:
        ArgumentError: a value outside its range.
    """

    data: Dataset | None
    wc: float = 0.0
    penalty: str = "t_tr"
    epochs: int | None = None
    seed: int = 0
    train_seed: int | None = None
    reference: float | None = None
    store: Store | str | Path | None = None
    workers: int | str | Workers = 0
    device: str = "auto"
    method: str = "paper"
    optimizer: str = "bayesian"
    transform: str = "log10"
    xi: float = 1e-4
    noise: float = 1e-4
    batch: int = 1
    early_stop: bool = False
    history: Sequence[Trial] = ()
    evaluate: Evaluate | None = None
    measure: Evaluate | None = None
    trial_timeout: float | None = None
    retry_failed: bool = False
    observer: Observer | None = None
    stop: threading.Event = field(default_factory=threading.Event)
    _evaluators: dict[tuple[Any, ...], Evaluator] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        self.wc = check_float("wc", self.wc, 0)
        check_choice("penalty", self.penalty, METRICS)
        check_choice("method", self.method, METHODS)
        check_choice("optimizer", self.optimizer, OPTIMIZERS)
        check_choice("transform", self.transform, ("log10", "none"))
        check_choice("device", self.device, ("auto", "cpu", "cuda"))
        self.epochs = None if self.epochs is None else check_int("epochs", self.epochs, 1)
        self.seed = check_int("seed", self.seed, 0, 2**32 - 1)
        self.train_seed = (
            self.seed if self.train_seed is None else check_int("train_seed", self.train_seed, 0, 2**32 - 1)
        )
        self.reference = None if self.reference is None else check_float("reference", self.reference, 0, open_low=True)
        self.xi = check_float("xi", self.xi, 0)
        self.noise = check_float("noise", self.noise, 0)
        self.batch = check_int("batch", self.batch, 1)
        if self.trial_timeout is not None:
            self.trial_timeout = check_float("trial_timeout", self.trial_timeout, 0, open_low=True)
        for name in ("early_stop", "retry_failed"):
            if not isinstance(getattr(self, name), bool):
                raise ArgumentError(f"{name}={short_repr(getattr(self, name))} is not allowed: give True or False")
        if self.data is None and self.evaluate is None:
            raise ArgumentError("data=None is not allowed: give a dnc.Dataset, e.g. dnc.load_data('digits')")
        if self.data is not None and not hasattr(self.data, "x_train"):
            raise ArgumentError(
                f"data={short_repr(self.data)} is not a dnc.Dataset: see dnc.load_data and Dataset.from_arrays"
            )
        if self.data is not None and not (self.data.n_train and self.data.n_val):
            raise ArgumentError(
                f"data {self.data.name!r} has {self.data.n_train} training and {self.data.n_val} validation samples: "
                "a search needs both; make it with val_fraction= or x_val="
            )
        if self.evaluate is not None and self.measure is None and self.method == "fast":
            raise ArgumentError('measure=None is not allowed with evaluate= and method="fast": give Config -> Trial')
        if self.evaluate is not None and self.reference is None:
            raise ArgumentError("reference=None is not allowed with evaluate=: give c_0 as a number")

    # ---- what depends on the space's family ------------------------------------------------------

    def n_epochs(self, space: Space) -> int:
        """Epochs that each config is trained for."""
        return self.epochs or space.default_epochs

    def dataset(self, space: Space) -> Dataset:
        """The data as the family sees it: an MLP sees flat input without augmentation.

        Raises:
            ArgumentError: a CNN space on flat data.
        """
        if self.data is None:
            raise ArgumentError("data=None: this needs the data set; give data=")
        if space.family == "mlp":
            return self.data.flatten()
        if not self.data.is_image:
            raise ArgumentError(
                f"data {self.data.name!r} has flat samples of {self.data.n_features} numbers, but a CNNSpace needs "
                "images: load it with image_shape=(channels, height, width), or search an MLPSpace"
            )
        return self.data

    def evaluator(self, space: Space) -> Evaluator:
        """The evaluator of this problem's data, epochs, seed and engine."""
        from dnc.evaluation.evaluator import Evaluator
        from dnc.training.engine import select_engine
        from dnc.workers.pool import Workers, count_workers

        key = (space.family, self.n_epochs(space))
        if key not in self._evaluators:
            data = self.dataset(space)  # what is refused is refused before a store file is made
            self._check_memory(space, data)
            if not isinstance(self.workers, Workers):
                count_workers(self.workers, select_engine(self.device).device)
            self._evaluators[key] = Evaluator(
                data, self.n_epochs(space), self.train_seed or 0, self.open_store(), self.workers,
                self.device, space.family, self.penalty, self.stop.is_set, self.trial_timeout, self.retry_failed,
            )  # fmt: skip
            self.workers = self._evaluators[key].workers  # the next evaluator shares the processes
        return self._evaluators[key]

    def _check_memory(self, space: Space, data: Dataset) -> None:
        """Refuse a space whose largest network, which c_0 is measured on, certainly does not fit into memory."""
        from dnc.training.engine import select_engine
        from dnc.training.memory import device_bytes, gigabytes, needed_bytes

        engine, config = select_engine(self.device, family=space.family), self.preset(space, space.reference())
        needed, there = needed_bytes(config, data, engine), device_bytes(engine)
        if needed > there:
            names = "nodes=, hidden_layers=" if space.family == "mlp" else "conv_layers=, max_channels="
            raise ArgumentError(
                f"space={short_repr(str(config.arch), 40)} needs at least {gigabytes(needed)} of memory for its "
                f"largest network, there are {gigabytes(there)}: give smaller upper bounds of {names}"
            )

    def open_store(self) -> Store:
        """The trial store, opened at its first use."""
        from dnc.searches.archive import Store

        if not isinstance(self.store, Store):
            self.store = Store(self.store)
        return self.store

    def preset(self, space: Space, arch: Architecture) -> Config:
        """An architecture with the space's default training hyperparameters, as stages 1 and 2 train it."""
        training = space.default_training(self.n_params(space, arch))
        if self.data is not None:
            training = replace(training, batch_size=min(training.batch_size, self.data.n_train))
        return Config(arch, training)

    def n_params(self, space: Space, arch: Architecture) -> int:
        """N_p of an architecture on this data; 0 where there is no data (`evaluate=` alone)."""
        from dnc.networks.params import count_params

        if self.data is None:
            return 0
        data = self.dataset(space)
        return count_params(arch, data.input_shape, data.n_classes)

    def objective(self, space: Space) -> Objective:
        """f with its c_0: given, or that of the space's reference config."""
        return Objective(self.wc, self.penalty, self.references(space)[self.penalty])

    def references(self, space: Space) -> dict[str, float]:
        """c_0 of t_tr, n_params and the penalty: metrics of the space's reference config (nothing is trained)."""
        if self.evaluate is not None:
            return {self.penalty: self.reference or math.nan}
        found = self.evaluator(space).reference(self.preset(space, space.reference()))
        return found if self.reference is None else {**found, self.penalty: self.reference}

    def close(self) -> None:
        """End worker processes that this problem started."""
        for evaluator in self._evaluators.values():
            evaluator.close()

    def __enter__(self) -> Problem:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def check_space(space: object) -> None:
    """Refuse what is no search space.

    Raises:
        ArgumentError: neither a CNNSpace nor an MLPSpace.
    """
    from dnc.space import CNNSpace, MLPSpace

    if not isinstance(space, (CNNSpace, MLPSpace)):
        raise ArgumentError(f"space={short_repr(space)} is not allowed: give a dnc.CNNSpace or a dnc.MLPSpace")
