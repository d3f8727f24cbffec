"""What the public stage functions share: data, objective, budget and seeds, and how a config is evaluated."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from dnc.bayesopt.acquisition import XI
from dnc.bayesopt.gp import NOISE
from dnc.card import fitted
from dnc.data.dataset import Dataset
from dnc.errors import ArgumentError
from dnc.evaluation.evaluator import Evaluator
from dnc.evaluation.injected import InjectedEvaluator, TrialFunction
from dnc.objective import Objective
from dnc.searches.opening import (
    OpenResources,
    check_data,
    check_space,
    check_study,
    family_view,
    make_evaluator,
    open_resources,
)
from dnc.searches.settings import (
    Device,
    Method,
    OptimizerName,
    SearchSettings,
    StoreLike,
    Transform,
    WorkersLike,
    pack,
)
from dnc.searches.study import Observer, Study, epochs_of, ignore
from dnc.space import Space
from dnc.trial import Trial


class Problem:
    """One search problem for `stage1`, `stage2` and `stage3`: minimize f = (1 - best val_acc) + wc * c / c_0 (eq. 1).

    Every config is looked up in the store and, if it is new, timed and trained; `evaluate` replaces that by a function,
    so that a stage can be run on an analytic function. The store and the worker processes are opened at the first use
    and shared by all stages; `close`, or leaving a `with` block, ends the processes.

    Args:
        data: the data set; may be None only if `evaluate` is given.
        history: trials of other searches that stages 1 and 3 are told before they start.
        evaluate: replaces training, `Config -> Trial`.
        measure: with `evaluate`, what is known before it: `Config -> Trial` without accuracy (for method="fast").
        observer: called with every finished `Visit`.
        stop: setting this event stops a stage as Ctrl-C does.

    The other arguments are those of `SearchSettings` and `Resources`.

    Attributes:
        settings: the `SearchSettings`; stages take n1, n2 and n3 as arguments of their own.
        resources: the `Resources`.
        stop: the event.

    Raises:
        ArgumentError: a value outside its range.

    >>> from dnc import MLPSpace, Problem, Trial, stage1
    >>> def evaluate(config):  # the fewer nodes, the better
    ...     return Trial(config, val_acc=1 - sum(config.arch.hidden) / 1000, t_tr=1.0, n_params=1)
    >>> problem = Problem(None, wc=0.0, reference=1.0, evaluate=evaluate)
    >>> stage1(problem, MLPSpace(hidden_layers=(1, 2), nodes=(20, 400)), n1=4, n2=6).best.trial.config.arch.depth
    1
    """

    def __init__(
        self,
        data: Dataset | None,
        wc: float = 0.0,
        penalty: str = "t_tr",
        epochs: int | None = None,
        seed: int = 0,
        train_seed: int | None = None,
        clock: int = 0,
        reference: float | None = None,
        store: StoreLike = None,
        workers: WorkersLike = 0,
        device: Device = "auto",
        method: Method = "paper",
        optimizer: OptimizerName = "bayesian",
        transform: Transform = "log10",
        xi: float = XI,
        noise: float = NOISE,
        batch: int = 1,
        early_stop: bool = False,
        history: Sequence[Trial] = (),
        evaluate: TrialFunction | None = None,
        measure: TrialFunction | None = None,
        trial_timeout: float | None = None,
        retry_failed: bool = False,
        observer: Observer | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        self.settings, self.resources = pack(locals())
        self.data = data if data is None and evaluate is not None else check_data(data)
        self.history, self.observer = tuple(history), observer or ignore
        self.stop, self._evaluate, self._complexities = stop or threading.Event(), evaluate, measure
        self._evaluators: dict[tuple[str, int], Evaluator] = {}
        if evaluate is not None and measure is None and method == "fast":
            raise ArgumentError('measure=None is not allowed with evaluate= and method="fast": give Config -> Trial')
        if evaluate is not None and reference is None:
            raise ArgumentError("reference=None is not allowed with evaluate=: give c_0 as a number")

    def study(self, space: Space, settings: SearchSettings | None = None) -> Study:
        """The problem on a space, open for work; `settings` are those of the problem unless they are given.

        Raises:
            ArgumentError: data and space do not fit together.
            StoreError: the store cannot be used.
        """
        check_space(space)
        settings = settings or self.settings
        settings = replace(settings, epochs=epochs_of(settings, space))
        if self._evaluate is None:
            view = check_study(self.data, space, settings, self.resources)
            evaluator = self._evaluator(view, space, settings)
        else:
            view = None if self.data is None else family_view(self.data, space)
            evaluator = self._injected(self._evaluate, settings)
        return Study(view, space, settings, evaluator, self.history, self.observer)

    def _evaluator(self, view: Dataset, space: Space, settings: SearchSettings) -> Evaluator:
        """One for all stages: it knows what could not be timed, and what has been tried again."""
        key = space.family, epochs_of(settings, space)
        if key not in self._evaluators:
            opened, stopped = self._opened, self.stop.is_set
            self._evaluators[key] = make_evaluator(view, space, settings, self.resources, opened, stopped)
        return self._evaluators[key]

    def _injected(self, evaluate: TrialFunction, settings: SearchSettings) -> InjectedEvaluator:
        complexities = self._complexities if settings.method == "fast" else None  # nobody else asks before training
        reference = float(settings.reference or 0)  # it was given: __init__ has checked it
        return InjectedEvaluator(evaluate, complexities, settings.penalty, reference, self.stop.is_set)

    def objective(self, space: Space) -> Objective:
        """f with its c_0: given, or that of the space's reference config."""
        return self.study(space).objective

    @cached_property
    def _opened(self) -> OpenResources:
        return open_resources(self.resources)

    def close(self) -> None:
        """End worker processes that this problem has started."""
        if "_opened" in self.__dict__:
            self._opened.close()

    def __getstate__(self) -> dict[str, Any]:
        """What a copy has: its own evaluators, worker processes and stop event, and the store with its trials."""
        opened = self.__dict__.get("_opened")
        resources = self.resources if opened is None else replace(self.resources, store=opened.store)
        kept = {name: value for name, value in self.__dict__.items() if name not in ("_opened", "stop")}
        return {**kept, "resources": resources, "_evaluators": {}, "stop_set": self.stop.is_set()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        stopped = state.pop("stop_set")
        self.__dict__.update(state, stop=threading.Event())
        if stopped:
            self.stop.set()

    def __repr__(self) -> str:
        s, data = self.settings, "a function" if self.data is None else self.data.name
        c_0 = "" if s.reference is None else f", c_0 = {s.reference:.4g}"
        return fitted([f"<Problem on {data}: w_c = {s.wc:g}, penalty {s.penalty}{c_0}, method {s.method}>"])

    def __enter__(self) -> Problem:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
