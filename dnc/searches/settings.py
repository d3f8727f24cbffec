"""What a search is asked to do (`SearchSettings`) and what it may use (`Resources`): every default and every check.

The public functions take these as keywords and pack them here once. Settings decide the steps of a search and name it
in the store; resources do not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

from dnc.bayesopt.acquisition import XI
from dnc.bayesopt.gp import NOISE
from dnc.bayesopt.optimizer import N1, N2, N3
from dnc.card import constructor
from dnc.config import assign
from dnc.data.readers import machine_memory
from dnc.errors import ArgumentError, check_choice, check_float, check_int, short_repr
from dnc.objective import METRICS
from dnc.store.rows import TrialStore
from dnc.workers.pool import Workers

Method = Literal["paper", "fast"]
OptimizerName = Literal["bayesian", "sobol", "random"]
Transform = Literal["log10", "none"]
Device = Literal["auto", "cpu", "cuda"]
StoreLike = TrialStore | str | Path | None
WorkersLike = int | str | Workers


MAX_SEED = 2**32 - 1
MAX_TRIALS, MAX_CANDIDATES = 100_000, 10_000_000
KERNEL_BYTES = 24  # of a candidate's similarity to a trial, with what is computed on the way


@dataclass(frozen=True, kw_only=True, repr=False)
class SearchSettings:
    """What defines a search apart from its data and space.

    Args:
        wc: penalty coefficient w_c >= 0 (eq. 1); higher values give cheaper networks.
        penalty: the complexity metric c: "t_tr" (seconds of training per epoch), "n_params", or a registered metric.
        reference: c_0 > 0; None takes the metric of `space.reference()`.
        epochs: epochs that each config is trained for; None takes the default of the space's family.
        n1: initial Sobol points of stages 1 and 3 (Sec. 2.2).
        n2: optimization steps of stages 1 and 3.
        n3: random candidates of each step.
        stage2_order: stage 2's grids in another order, or some of them; None takes the space's.
        optimizer: what stages 1 and 3 search with: "bayesian", "sobol" (grid) or "random".
        transform: "log10" models log10 f (as the authors' code does), "none" models f (as the paper says).
        xi: exploration of expected improvement ξ.
        noise: noise variance σ_n² of the GP.
        batch: proposals that are evaluated at a time; more than 1 keeps several workers busy.
        method: "paper", or "fast" for certified pruning: what cannot win is not trained (see `Pruning`).
        early_stop: end trainings whose learning curves say that they cannot win (see `EarlyStop`).
        seed: seed of the proposals.
        train_seed: seed of initial weights, shuffling and dropout; None takes `seed`.
        clock: number of the series of timings. Searches with different numbers share trainings but no timing, c_0's
            included, as independent repetitions of a search need: else one lucky timing would be in all of them.

    Raises:
        ArgumentError: a value outside its range, or candidates x trials that do not fit into memory.

    >>> SearchSettings(wc=0.5, penalty="n_params").n1
    15
    >>> SearchSettings(method="quick")
    Traceback (most recent call last):
    dnc.errors.ArgumentError: method='quick' is unknown: choose one of 'paper', 'fast'
    """

    wc: float = 0.1
    penalty: str = "t_tr"
    reference: float | None = None
    epochs: int | None = None
    n1: int = N1
    n2: int = N2
    n3: int = N3
    stage2_order: Sequence[str] | None = None
    optimizer: OptimizerName = "bayesian"
    transform: Transform = "log10"
    xi: float = XI
    noise: float = NOISE
    batch: int = 1
    method: Method = "paper"
    early_stop: bool = False
    seed: int = 0
    train_seed: int | None = None
    clock: int = 0

    def __post_init__(self) -> None:
        assign(self, wc=check_float("wc", self.wc, 0))
        check_choice("penalty", self.penalty, METRICS)
        check_choice("method", self.method, get_args(Method))
        check_choice("optimizer", self.optimizer, get_args(OptimizerName))
        check_choice("transform", self.transform, get_args(Transform))
        if self.reference is not None:
            assign(self, reference=check_float("reference", self.reference, 0, open_low=True))
        if self.epochs is not None:
            assign(self, epochs=check_int("epochs", self.epochs, 1))
        assign(self, n1=check_int("n1", self.n1, 1, MAX_TRIALS), n2=check_int("n2", self.n2, 0, MAX_TRIALS))
        assign(self, n3=check_int("n3", self.n3, 1, MAX_CANDIDATES), batch=check_int("batch", self.batch, 1))
        assign(self, xi=check_float("xi", self.xi, 0), noise=check_float("noise", self.noise, 0))
        if self.stage2_order is not None:  # the space checks the names: it alone knows them
            if not isinstance(self.stage2_order, (list, tuple)):
                raise ArgumentError(
                    f"stage2_order={short_repr(self.stage2_order)} is not allowed: give a list of names"
                )
            assign(self, stage2_order=tuple(self.stage2_order))
        check_bool("early_stop", self.early_stop)
        assign(self, seed=check_int("seed", self.seed, 0, MAX_SEED))
        if self.train_seed is not None:
            assign(self, train_seed=check_int("train_seed", self.train_seed, 0, MAX_SEED))
        assign(self, clock=check_int("clock", self.clock, 0, MAX_SEED))
        self._check_memory()

    def _check_memory(self) -> None:
        needed, available = KERNEL_BYTES * self.n3 * (self.n1 + self.n2), machine_memory()
        if self.n2 and needed > available:
            raise ArgumentError(
                f"n3={self.n3} candidates for n1 + n2 = {self.n1 + self.n2} trials need {needed / 1e9:,.0f} GB of "
                f"memory, but there are only {available / 1e9:,.0f}: give a smaller n3"
            )

    def __repr__(self) -> str:
        return constructor(self, ("wc", "penalty"))

    @property
    def seed_of_trainings(self) -> int:
        """`train_seed`, or `seed` where it was not given."""
        return self.seed if self.train_seed is None else self.train_seed

    def to_dict(self) -> dict[str, Any]:
        """Plain data that names a search in its store; `train_seed` is filled in."""
        described = {**asdict(self), "train_seed": self.seed_of_trainings}
        described["stage2_order"] = None if self.stage2_order is None else list(self.stage2_order)
        for name in ("early_stop", "clock"):  # absent in searches from before there were such: their names stay
            if not described[name]:
                del described[name]
        return described

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> SearchSettings:
        """The settings in the description of a search, which may hold more than them."""
        return cls(**{f.name: data[f.name] for f in fields(cls) if f.name in data})


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What a search may use. None of it is part of its name in the store.

    The device decides the engine, whose numerics are. A time limit, a lack of memory or a retry decides which trainings
    fail; everything else is the same with any of them.

    Args:
        store: file of the trial store, an open `Store`, or None to keep trials in memory.
        workers: worker processes: a number, 0 for none, "auto" for one per core, or a `Workers` to share.
        device: "auto", "cpu" or "cuda".
        trial_timeout: seconds that a training may take; then it counts as failed. Worker processes are ended at once
            and replaced; without them the time is checked between epochs. A timing may take 30 s in any case.
        retry_failed: train again what the store has as failed, e.g. after a lack of memory. Off, a failure is a record
            like any other, so that a search that is run again takes the same steps.

    Raises:
        ArgumentError: a value outside its range.

    >>> Resources(workers=0, trial_timeout=60)
    Resources(store=None, workers=0, device='auto', trial_timeout=60.0, retry_failed=False)
    """

    store: StoreLike = None
    workers: WorkersLike = "auto"
    device: Device = "auto"
    trial_timeout: float | None = None
    retry_failed: bool = False

    def __post_init__(self) -> None:
        check_choice("device", self.device, get_args(Device))
        if self.trial_timeout is not None:
            assign(self, trial_timeout=check_float("trial_timeout", self.trial_timeout, 0, open_low=True))
        check_bool("retry_failed", self.retry_failed)


def pack(arguments: Mapping[str, Any]) -> tuple[SearchSettings, Resources]:
    """The settings and resources among the keywords of a public function.

    Args:
        arguments: `locals()` in the first line of the function, where it holds the arguments and nothing else. The
            signatures stay explicit, for readers, editors and type checkers; a test compares them with the fields.

    >>> pack({"wc": 0.5, "workers": 0, "progress": True})[0].wc
    0.5
    """
    settings, resources = (
        {field.name: arguments[field.name] for field in fields(kind) if field.name in arguments}
        for kind in (SearchSettings, Resources)
    )
    return SearchSettings(**settings), Resources(**resources)


def check_bool(name: str, value: object) -> bool:
    """Return `value` if it is True or False.

    Raises:
        ArgumentError: it is something else.
    """
    if not isinstance(value, bool):
        raise ArgumentError(f"{name}={short_repr(value)} is not allowed: give True or False")
    return value
