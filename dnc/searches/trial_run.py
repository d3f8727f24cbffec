"""Planned steps of a stage become visits: every one trained, or with method="fast" only those that can still win."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from dnc.config import Config
from dnc.errors import ArgumentError, short_repr
from dnc.evaluation.early_stop import EarlyStop, LimitsFor
from dnc.objective import Objective
from dnc.searches.problem import Problem
from dnc.searches.pruning import Pruning
from dnc.space import Space
from dnc.trial import Trial, Visit


def planned_trial(config: Config) -> Trial:
    """A trial before any measurement."""
    return Trial(config, math.nan, math.nan, 0, status="planned")


def evaluate_steps(
    problem: Problem,
    space: Space,
    objective: Objective,
    steps: Sequence[Visit],
    incumbent: float,
    early_stop: EarlyStop | None = None,
) -> list[Visit]:
    """The planned steps with their trials, in their order; each is reported to the observer once it is decided.

    Args:
        steps: visits of planned trials.
        incumbent: the best f of the search so far.
        early_stop: what the search knows of learning curves, if it may end trainings early.
    """
    done: dict[int, Visit] = {}
    configs = [s.trial.config for s in steps]
    for index, trial in _decided(problem, space, objective, configs, incumbent, early_stop):
        done[index] = replace(steps[index], trial=trial)
        if problem.observer is not None:
            problem.observer(done[index])
    return [done[i] for i in range(len(steps))]


def _decided(
    problem: Problem,
    space: Space,
    objective: Objective,
    configs: Sequence[Config],
    incumbent: float,
    early_stop: EarlyStop | None,
) -> Iterator[tuple[int, Trial]]:
    limits_of = _limits_of(early_stop, objective, incumbent)
    if problem.method == "fast":
        yield from _pruning(problem, space, objective, configs, incumbent, limits_of)
    elif problem.evaluate is None:
        yield from problem.evaluator(space).as_finished(configs, limits_of)
    else:
        yield from _injected(problem, problem.evaluate, configs)


def _limits_of(early_stop: EarlyStop | None, objective: Objective, incumbent: float) -> LimitsFor | None:
    if early_stop is None:
        return None
    return lambda planned: early_stop.limits(incumbent - objective.bound(planned))


def _injected(
    problem: Problem, evaluate: Callable[[Config], Trial], configs: Iterable[Config]
) -> Iterator[tuple[int, Trial]]:
    for index, config in enumerate(configs):
        if problem.stop.is_set():
            raise KeyboardInterrupt
        trial = evaluate(config)
        if not isinstance(trial, Trial):
            raise ArgumentError(f"evaluate(config) gave {short_repr(trial)}: it must return a dnc.Trial")
        if trial.ok and not 0 <= trial.val_acc <= 1:
            raise ArgumentError(f"evaluate(config) gave val_acc={trial.val_acc!r}: give a fraction from 0 to 1")
        yield index, trial


def _pruning(
    problem: Problem,
    space: Space,
    objective: Objective,
    configs: Sequence[Config],
    incumbent: float,
    limits_of: LimitsFor | None,
) -> Iterator[tuple[int, Trial]]:
    """Measure all, then train in the order of the bounds what its bound does not rule out."""
    unique = list(dict.fromkeys(configs))
    if problem.evaluate is None:
        known = problem.evaluator(space).measure(unique)
    else:
        known = [problem.measure(c) if problem.measure else planned_trial(c) for c in unique]
    pruning = Pruning([objective.bound(t) for t in known], incumbent)
    places = {config: [i for i, c in enumerate(configs) if c == config] for config in unique}
    trained: dict[int, Trial] = {}
    chosen: list[int] = []

    def feed() -> Iterator[Config]:
        for index in pruning.to_train():
            chosen.append(index)
            yield unique[index]

    def settled() -> Iterator[tuple[int, Trial]]:
        for index, pruned in pruning.settle():
            trial = replace(known[index], status="pruned", reason=_reason(objective, known[index])) if pruned else None
            yield from ((place, trial or trained[index]) for place in places[unique[index]])

    yield from settled()
    if problem.evaluate is None:
        evaluator = problem.evaluator(space)
        answers = evaluator.train(feed(), evaluator.side_by_side(len(unique)), limits_of)
    else:
        answers = _injected(problem, problem.evaluate, feed())
    for number, trial in answers:
        index = chosen[number]
        trained[index] = trial
        pruning.finish(index, objective.of(trial))
        yield from settled()
    yield from settled()


def _reason(objective: Objective, trial: Trial) -> str:
    return f"cannot win: w_c c / c_0 alone is {objective.bound(trial):.4g}"
