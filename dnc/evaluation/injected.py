"""A function in place of training, so that a search can be run on an analytic function or on a table."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from dnc.config import Config
from dnc.errors import ArgumentError, short_repr
from dnc.evaluation.early_stop import LimitsFor
from dnc.trial import Reading, Trial, TrialStatus

TrialFunction = Callable[[Config], Trial]


@dataclass(frozen=True)
class InjectedEvaluator:
    """Evaluates configs by a function; the interface is that of `Evaluator` (see `Evaluation`).

    Args:
        evaluate: gives a config's trial, with its key left empty.
        complexities: gives what is known before that: a trial without an accuracy; None knows nothing.
        penalty, reference: the objective's metric and its c_0.
        stopped: asked before each config; True raises KeyboardInterrupt.
    """

    evaluate: TrialFunction
    complexities: TrialFunction | None
    penalty: str
    reference: float
    stopped: Callable[[], bool] = lambda: False
    early_stopping: bool = False

    def references(self, config: Config) -> dict[str, float]:
        """c_0 as it was given."""
        return {self.penalty: self.reference}

    def plan(self, configs: Sequence[Config]) -> list[Trial]:
        """See `Evaluation`.

        Raises:
            ArgumentError: the function gave something else than a trial of the config it was given.
        """
        if self.complexities is None:
            return [unmeasured(config) for config in configs]
        return [_checked("measure", config, self.complexities(config)) for config in configs]

    def time_again(self, trials: Sequence[Trial], reading: Reading) -> list[Trial]:
        """The trials as they are: what a function gives is exact."""
        return list(trials)

    def train(self, planned: Iterable[Trial], count: int = 1, limits_for: LimitsFor | None = None) -> Iterator[Trial]:
        """See `Evaluation`; limits are of no use, as nothing is trained.

        Raises:
            ArgumentError: the function gave something else than a trial of the config it was given, or one that did
                not fail without the penalty.
        """
        for plan in planned:
            if self.stopped():
                raise KeyboardInterrupt
            trial = _checked("evaluate", plan.config, self.evaluate(plan.config))
            if trial.ok and self.penalty not in ("t_tr", "n_params", *trial.metrics):
                raise ArgumentError(
                    f"evaluate(config) gave a trial of {trial.config} without the penalty {self.penalty!r}: give it in "
                    f"metrics={{{self.penalty!r}: …}}"
                )
            yield trial


def unmeasured(config: Config) -> Trial:
    """The planned trial of a config of which nothing is known."""
    return Trial(config, math.nan, math.nan, 0, status=TrialStatus.PLANNED)


def _checked(function: str, config: Config, trial: object) -> Trial:
    if not isinstance(trial, Trial):
        raise ArgumentError(f"{function}(config) gave {short_repr(trial)}: it must return a dnc.Trial")
    if trial.config != config:
        raise ArgumentError(
            f"{function}(config) gave a trial of {trial.config}: it must be one of {config}, its argument"
        )
    if trial.ok and not 0 <= trial.val_acc <= 1:
        raise ArgumentError(f"{function}(config) gave val_acc={trial.val_acc!r}: give a fraction from 0 to 1")
    return trial
