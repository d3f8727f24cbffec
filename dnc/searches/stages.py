"""The three stages of the search (Sec. 2.1, Fig. 1).

1. core architecture: BO over depth and widths, with presets for the rest;
2. advanced architecture: a sequence of grids, each starting from the best so far and kept only if it is beaten;
3. training hyperparameters: BO over learning rate, weight decay and batch size.

A stage is a function of (problem, space, previous result). Each step of it is a pure function of space, seed and
history, so that running it again over a store takes the same steps and trains nothing.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from dnc.bayesopt.optimizer import BayesianOptimizer, Optimizer, Proposal, RandomSearch, SobolSearch
from dnc.config import CNN, MLP, Architecture, Config
from dnc.errors import ArgumentError, SearchError, check_int, short_repr
from dnc.evaluation.early_stop import EarlyStop
from dnc.objective import Objective
from dnc.searches.problem import Problem, check_space
from dnc.searches.trial_run import evaluate_steps, planned_trial
from dnc.space import CNNSpace, Space
from dnc.tradeoff import rank
from dnc.trial import Trial, Visit

NOTHING = object()  # there is no stage before
N1, N2, N3 = 15, 15, 1000  # initial points, BO steps, candidates a step (Sec. 3)


@dataclass(frozen=True)
class StageResult:
    """What a stage found.

    Attributes:
        stage: 1, 2 or 3.
        visits: its steps, in order; in stage 2 of all sub-stages.
        best: the best step of the search so far (of this stage and those before).
        objective: f.
        seconds: wall time.
        note: why it ended early, or empty.
        earlier: the steps of the stages before.
    """

    stage: int
    visits: tuple[Visit, ...]
    best: Visit
    objective: Objective
    seconds: float
    note: str = ""
    earlier: tuple[Visit, ...] = ()

    @property
    def f(self) -> float:
        """f of the best step so far."""
        return self.objective.of(self.best.trial)

    @property
    def so_far(self) -> tuple[Visit, ...]:
        """The steps of the search up to the end of this stage."""
        return (*self.earlier, *self.visits)

    def top(self, n: int) -> list[Visit]:
        """The n best distinct configs of this stage's own steps, best first."""
        return best_visits(self.visits, self.objective)[:n]


def stage1(problem: Problem, space: Space, n1: int = N1, n2: int = N2, n3: int = N3) -> StageResult:
    """Stage 1: search the core architecture, n1 + n2 trials.

    Args:
        problem: data, objective, seeds.
        space: a `CNNSpace` or `MLPSpace`.
        n1: initial Sobol points (>= 1).
        n2: optimization steps (>= 0).
        n3: random candidates a step.

    Raises:
        SearchError: every trial failed.
    """
    _check_arguments(problem, space)
    started = time.perf_counter()
    objective = problem.objective(space)
    optimizer, told = _optimizer(problem, space.stage1(), n1, n2, n3), list[Trial]()
    for trial in _told(problem):
        arch = trial.config.arch
        same_family = isinstance(arch, CNN if space.family == "cnn" else MLP)
        # only what stage 1 itself could propose: with its presets, not a variant that stage 2 tried
        if same_family and trial.config == problem.preset(space, space.preset(arch.widths)):
            optimizer.tell(arch, objective.of(trial))
            told.append(trial)
    explore = _Explorer(problem, space, objective, told, [t.config.arch for t in _best(told, objective)])
    visits, note = explore(1, optimizer, lambda arch: problem.preset(space, arch), n1, n2)
    return _conclude(1, visits, None, objective, started, note)


def stage2(problem: Problem, space: Space, previous: StageResult, order: Sequence[str] | None = None) -> StageResult:
    """Stage 2: grids around the best architecture of stage 1, one hyperparameter after the other.

    Args:
        problem, space: as in stage 1.
        previous: stage 1's result.
        order: names of the sub-stages in another order, or some of them; None takes the space's.

    Raises:
        SearchError: every trial failed (an incumbent that did not fail keeps its place).
    """
    _check_arguments(problem, space, previous)
    started = time.perf_counter()
    objective = previous.objective
    best, visits = previous.best, []
    for substage in space.substages(order):
        configs = [problem.preset(space, arch) for arch in substage.candidates(best.trial.config.arch)]
        steps = [Visit(2, substage.name, len(visits) + i, planned_trial(c)) for i, c in enumerate(configs)]
        early_stop = _early_stop(problem, space, [*previous.so_far, *visits])
        visits += evaluate_steps(problem, space, objective, steps, objective.of(best.trial), early_stop)
        best = best_visits([best, *visits], objective)[0]
    return _conclude(2, visits, previous, objective, started, "" if visits else "nothing to vary")


def stage3(
    problem: Problem, space: Space, previous: StageResult, n1: int = N1, n2: int = N2, n3: int = N3
) -> StageResult:
    """Stage 3: search learning rate, weight decay and batch size of the architecture found, n1 + n2 trials.

    The preset that stages 1 and 2 used is a contender at the end. In `method="paper"` the model is not told of it.
    With a history, the hyperparameters that were best in it are tried first, also those of another architecture.

    Args:
        problem, space, n1, n2, n3: as in stage 1.
        previous: stage 2's (or stage 1's) result.

    Raises:
        SearchError: every trial failed (the preset, if it did not fail, keeps its place).
    """
    _check_arguments(problem, space, previous)
    started = time.perf_counter()
    objective, arch = previous.objective, previous.best.trial.config.arch
    domain = space.stage3(max_batch=None if problem.data is None else problem.data.n_train)
    optimizer, told = _optimizer(problem, domain, n1, n2, n3), _told(problem)
    own, tuned = [t for t in told if t.config.arch == arch], [t for t in told if _is_tuned(problem, space, t.config)]
    for trial in own:
        optimizer.tell(trial.config.training, objective.of(trial))
    # the best for this architecture, if it beats the preset, and what was best for any
    contenders = [t for t in _best(own, objective) if objective.of(t) < previous.f] + _best(tuned, objective)
    points = list(dict.fromkeys(t.config.training for t in contenders))
    explore = _Explorer(problem, space, objective, told, points, previous.best, previous.so_far)
    visits, note = explore(3, optimizer, lambda training: Config(arch, training), n1, n2)
    return _conclude(3, visits, previous, objective, started, note)


def _check_arguments(problem: object, space: object, previous: object = NOTHING) -> None:
    if not isinstance(problem, Problem):
        raise ArgumentError(
            f"problem={short_repr(problem)} is not allowed: give a dnc.Problem, e.g. dnc.Problem(data, wc=0.1)"
        )
    check_space(space)
    if previous is NOTHING:
        return
    if not isinstance(previous, StageResult):
        raise ArgumentError(
            f"previous={short_repr(previous)} is not allowed: give what dnc.stage1 or dnc.stage2 returned"
        )
    arch = previous.best.trial.config.arch
    if isinstance(arch, CNN) != isinstance(space, CNNSpace):
        raise ArgumentError(
            f"previous found {short_repr(str(arch))}, which is no network of this space: give its own space"
        )


def grid_steps(space: Space, order: Sequence[str] | None = None, arch: Architecture | None = None) -> int:
    """Steps of stage 2 from `arch`, by default the space's reference; what it really finds may have fewer."""
    start = space.reference() if arch is None else arch
    return sum(len(substage.candidates(start)) for substage in space.substages(order))


def best_visits(visits: Sequence[Visit], objective: Objective) -> list[Visit]:
    """Visits in order of f (ties: cheaper, then earlier first), failed ones left out, each config once."""
    f = [objective.of(v.trial) for v in visits]
    complexity = [v.trial.complexity(objective.penalty) for v in visits]
    first: dict[Config, Visit] = {}
    for i in rank(f, complexity):
        if visits[i].trial.ok:
            first.setdefault(visits[i].trial.config, visits[i])
    return list(first.values())


def _optimizer(problem: Problem, domain: Any, n1: int, n2: int, n3: int) -> Optimizer:
    check_int("n1", n1, 1)
    check_int("n2", n2, 0)
    check_int("n3", n3, 1)
    if problem.optimizer == "sobol":
        return SobolSearch(domain, seed=problem.seed)
    if problem.optimizer == "random":
        return RandomSearch(domain, seed=problem.seed)
    floor = 0.5 / problem.data.n_val if problem.data is not None else 1e-6
    return BayesianOptimizer(
        domain, n1=n1, n3=n3, seed=problem.seed, xi=problem.xi, noise=problem.noise, transform=problem.transform,
        floor=floor,
    )  # fmt: skip


def _told(problem: Problem) -> list[Trial]:
    return [trial for trial in problem.history if trial.status not in ("pruned", "ended")]


def _best(trials: Sequence[Trial], objective: Objective) -> list[Trial]:
    """The best of the trials, or none if there is none."""
    best = min(trials, key=objective.of, default=None)
    return [best] if best is not None and best.ok else []


def _is_tuned(problem: Problem, space: Space, config: Config) -> bool:
    """Whether a config's training hyperparameters can be tried here, and are not just its architecture's presets."""
    if isinstance(config.arch, CNN) != isinstance(space, CNNSpace):
        return False
    fits = problem.data is None or config.training.batch_size <= problem.data.n_train
    return fits and config != problem.preset(space, config.arch)


@dataclass(frozen=True)
class _Explorer:
    """Evaluate the contenders, then ask, evaluate, tell: n1 points at once, then n2 in batches.

    The best of the history is a contender: a known point is never proposed, and could not win.
    """

    problem: Problem
    space: Space
    objective: Objective
    told: Sequence[Trial]
    contenders: Sequence[Any]  # points
    incumbent: Visit | None = None
    earlier: Sequence[Visit] = ()

    def __call__(
        self, stage: int, optimizer: Optimizer, to_config: Callable[[Any], Config], n1: int, n2: int
    ) -> tuple[list[Visit], str]:
        visits: list[Visit] = []

        def evaluate(proposals: Sequence[Proposal], substage: str = "") -> None:
            steps = [
                Visit(stage, substage, len(visits) + i, planned_trial(to_config(p.point)), p.mu, p.sigma, p.ei)
                for i, p in enumerate(proposals)
            ]
            early_stop = _early_stop(self.problem, self.space, [*self.earlier, *visits], self.told)
            best = self._best_f(visits)
            done = evaluate_steps(self.problem, self.space, self.objective, steps, best, early_stop)
            visits.extend(done)
            error = self._mean_error(visits)
            for proposal, visit in zip(proposals, done, strict=True):
                optimizer.tell(proposal.point, self._value(visit.trial, error, early_stop))

        evaluate([Proposal(point) for point in self.contenders], "history")
        started, total = len(visits), len(visits) + n1 + n2
        first = n1 if self.problem.optimizer == "bayesian" else n1 + n2  # nothing to learn from: all at once
        while len(visits) < total:
            size = first if len(visits) == started else min(self.problem.batch, total - len(visits))
            planned: list[Proposal] = []
            while len(planned) < size and optimizer.ask() is not None:
                planned.append(optimizer.last)
            evaluate(planned)
            if len(planned) < size:
                return (
                    visits,
                    f"ended after {len(visits) - started} of {n1 + n2} trials: the space has no further config",
                )
        return visits, ""

    def _known(self, visits: Sequence[Visit]) -> list[Trial]:
        return [v.trial for v in ([self.incumbent] if self.incumbent else []) + list(visits) if v.trial.ok]

    def _best_f(self, visits: Sequence[Visit]) -> float:
        return min((self.objective.of(t) for t in self._known(visits)), default=math.inf)

    def _mean_error(self, visits: Sequence[Visit]) -> float:
        errors = [1 - t.val_acc for t in self._known(visits)]
        return sum(errors) / len(errors) if errors else math.nan

    def _value(self, trial: Trial, mean_error: float, early_stop: EarlyStop | None) -> float:
        """f; for a pruned trial what it would be with the mean error of the finished ones, for an ended one with its
        expected error."""
        if trial.status == "pruned":
            return self.objective.bound(trial) + mean_error
        if trial.status == "ended" and early_stop is not None:
            return self.objective.bound(trial) + early_stop.expected_error(trial.curve)
        return self.objective.of(trial)


def _early_stop(
    problem: Problem, space: Space, visits: Sequence[Visit], told: Sequence[Trial] = ()
) -> EarlyStop | None:
    if not problem.early_stop or problem.evaluate is not None:
        return None
    return EarlyStop([*told, *(v.trial for v in visits)], problem.n_epochs(space))


def _kind(reason: str) -> str:
    """A reason without its particulars, so that like ones are counted together."""
    return reason.split(" in epoch")[0].split(":")[0]


def _conclude(
    stage: int, visits: list[Visit], previous: StageResult | None, objective: Objective, started: float, note: str
) -> StageResult:
    ranked = best_visits([*([previous.best] if previous else []), *visits], objective)
    if not ranked:
        counts = Counter(_kind(v.trial.reason) for v in visits).most_common()
        reasons = "; ".join(f"{n} × {reason}" for reason, n in counts)
        raise SearchError(
            f"stage {stage}: all {len(visits)} trials failed ({reasons}): look at these reasons, then make the space "
            "or the batch size smaller, or the learning rate lower"
        )
    earlier = previous.so_far if previous else ()
    return StageResult(stage, tuple(visits), ranked[0], objective, time.perf_counter() - started, note, earlier)
