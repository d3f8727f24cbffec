"""The three stages of the search (Sec. 2.1, Fig. 1).

1. core architecture: BO over depth and widths, with presets for the rest;
2. advanced architecture: a sequence of grids, each starting from the best so far and kept only if it is beaten;
3. training hyperparameters: BO over learning rate, weight decay and batch size.

A stage is a function of (problem, space, previous result). Each step of it is a pure function of space, seed and
history, so that running it again over a store takes the same steps and trains nothing. `stage1`, `stage2` and `stage3`
are for users; a whole search calls `search_architecture`, `refine_architecture` and `search_training` on its study.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from dnc.bayesopt.optimizer import N1, N2, N3
from dnc.card import Card, HasCard
from dnc.config import Architecture, Config
from dnc.errors import ArgumentError, SearchError, check_int, short_repr
from dnc.evaluation.injected import unmeasured
from dnc.objective import Objective
from dnc.searches.cards import search_card
from dnc.searches.confirming import confirm_finalists
from dnc.searches.explore import Before, explore
from dnc.searches.opening import check_space
from dnc.searches.problem import Problem
from dnc.searches.study import Study, belongs
from dnc.searches.table import best_visits
from dnc.searches.visiting import visit_all
from dnc.space import Space
from dnc.trial import Trial, TrialStatus, Visit

NOTHING = object()  # there is no stage before


@dataclass(frozen=True, repr=False)
class StageResult(HasCard):
    """What a stage found.

    Attributes:
        stage: 1, 2 or 3.
        visits: its steps, in order; in stage 2 of all sub-stages.
        best: the best step of the search so far (of this stage and those before).
        objective: f.
        seconds: wall time.
        note: why it ended early, or empty.
        earlier: the steps of the stages before.

    >>> from dnc import MLPSpace, Problem, Trial, stage1
    >>> problem = Problem(None, reference=1.0, evaluate=lambda config: Trial(config, 0.5, t_tr=1.0, n_params=1))
    >>> stage1(problem, MLPSpace(), n1=3, n2=0).f
    0.5
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
        """The n best distinct configs of this stage's own steps, best first.

        Raises:
            ArgumentError: n is no whole number >= 1.
        """
        return best_visits(self.visits, self.objective)[: check_int("n", n, 1)]

    def _card(self) -> Card:
        card = search_card(f"stage {self.stage}", self.visits, self.objective, self.best.trial, None)
        return card._replace(notes=(f"ended early: {self.note}",) if self.note else ())


def stage1(problem: Problem, space: Space, n1: int = N1, n2: int = N2, n3: int = N3) -> StageResult:
    """Stage 1: search the core architecture, n1 + n2 trials.

    Args:
        problem: data, objective, seeds.
        space: a `CNNSpace` or `MLPSpace`.
        n1: initial Sobol points (>= 1).
        n2: optimization steps (>= 0).
        n3: random candidates of each step.

    Raises:
        ArgumentError: a bad argument.
        SearchError: every trial failed.

    >>> from dnc import MLPSpace, Problem, Trial, stage1
    >>> problem = Problem(None, reference=1.0, evaluate=lambda config: Trial(config, 0.5, t_tr=1.0, n_params=1))
    >>> len(stage1(problem, MLPSpace(), n1=3, n2=2).visits)
    5
    """
    _check_arguments(problem, space)
    return search_architecture(_study(problem, space, n1=n1, n2=n2, n3=n3))


def stage2(problem: Problem, space: Space, previous: StageResult, order: Sequence[str] | None = None) -> StageResult:
    """Stage 2: grids around the best architecture of stage 1, one hyperparameter after the other.

    Args:
        problem, space: as in stage 1.
        previous: stage 1's result.
        order: names of the sub-stages in another order, or some of them; None takes the space's.

    Raises:
        ArgumentError: a bad argument, or a problem with another objective than `previous` had.
        SearchError: every trial failed (an incumbent that did not fail keeps its place).

    >>> from dnc import MLPSpace, Problem, Trial, stage1, stage2
    >>> problem = Problem(None, reference=1.0, evaluate=lambda config: Trial(config, config.arch.drop, 1.0, 1))
    >>> space = MLPSpace(hidden_layers=(1, 2))
    >>> stage2(problem, space, stage1(problem, space, n1=3, n2=2)).best.trial.config.arch.drop
    0.5
    """
    _check_arguments(problem, space, previous)
    return refine_architecture(_study(problem, space, previous, stage2_order=order), previous)


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
        ArgumentError: a bad argument, or a problem with another objective than `previous` had.
        SearchError: every trial failed (the preset, if it did not fail, keeps its place).

    >>> from dnc import MLPSpace, Problem, Trial, stage1, stage3
    >>> def evaluate(config):
    ...     return Trial(config, val_acc=1 - config.training.batch_size / 1000, t_tr=1.0, n_params=1)
    >>> problem, space = Problem(None, reference=1.0, evaluate=evaluate), MLPSpace()
    >>> stage3(problem, space, stage1(problem, space, n1=3, n2=2)).best.trial.config.training.batch_size < 100
    True
    """
    _check_arguments(problem, space, previous)
    return search_training(_study(problem, space, previous, n1=n1, n2=n2, n3=n3), previous)


# ---- the stages on a study -----------------------------------------------------------------------------


def search_architecture(study: Study) -> StageResult:
    """Stage 1 (Sec. 2.2): BO over depth and widths."""
    started, space, objective = time.perf_counter(), study.space, study.objective
    optimizer, told = study.optimizer(space.stage1()), list[Trial]()
    for trial in _usable(study.history, objective):
        arch = trial.config.arch
        # only what stage 1 itself could propose: with its presets, not a variant that stage 2 tried
        if belongs(arch, study.space) and trial.config == study.preset(space.preset(arch.widths)):
            optimizer.tell(arch, objective.of(trial))
            told.append(trial)
    before = Before(told, [trial.config.arch for trial in _best(told, objective)])
    visits, note = explore(study, 1, optimizer, study.preset, before)
    return _conclude(1, confirm_finalists(study, visits), None, objective, started, note)


def refine_architecture(study: Study, previous: StageResult) -> StageResult:
    """Stage 2 (Sec. 2.1): one grid after the other, each around the best of those before."""
    started, objective = time.perf_counter(), study.objective
    best, visits = previous.best, list[Visit]()
    for substage in study.space.substages(study.settings.stage2_order):
        configs = [study.preset(arch) for arch in substage.candidates(best.trial.config.arch)]
        steps = [Visit(2, substage.name, len(visits) + i, unmeasured(c)) for i, c in enumerate(configs)]
        early_stop = study.early_stop(v.trial for v in [*previous.so_far, *visits])
        visits += confirm_finalists(study, visit_all(study, steps, objective.of(best.trial), early_stop), [best])
        best = best_visits([best, *visits], objective)[0]
    return _conclude(2, visits, previous, objective, started, "" if visits else "nothing to vary")


def search_training(study: Study, previous: StageResult) -> StageResult:
    """Stage 3 (Sec. 2.1): BO over the training hyperparameters of the architecture found."""
    started, objective, arch = time.perf_counter(), study.objective, previous.best.trial.config.arch
    optimizer, told = study.optimizer(study.space.stage3(max_batch=study.max_batch)), _usable(study.history, objective)
    same_arch = [trial for trial in told if trial.config.arch == arch]
    tuned = [trial for trial in told if _is_tuned(study, trial.config)]
    for trial in same_arch:
        optimizer.tell(trial.config.training, objective.of(trial))
    # the best for this architecture, if it beats the preset, and what was best for any
    better = [trial for trial in _best(same_arch, objective) if objective.of(trial) < previous.f]
    contenders = list(dict.fromkeys(trial.config.training for trial in better + _best(tuned, objective)))
    before = Before(told, contenders, previous.so_far, previous.best)
    visits, note = explore(study, 3, optimizer, lambda training: Config(arch, training), before)
    visits = confirm_finalists(study, visits, [previous.best])
    return _conclude(3, visits, previous, objective, started, note)


def grid_steps(space: Space, order: Sequence[str] | None = None, arch: Architecture | None = None) -> int:
    """Steps of stage 2 from `arch`, by default the space's reference; what it really finds may have fewer."""
    start = space.reference() if arch is None else arch
    return sum(len(substage.candidates(start)) for substage in space.substages(order))


# ---- checks and parts ----------------------------------------------------------------------------------


def _study(
    problem: Problem,
    space: Space,
    previous: StageResult | None = None,
    *,
    n1: int = N1,
    n2: int = N2,
    n3: int = N3,
    stage2_order: Sequence[str] | None = None,
) -> Study:
    """The problem's study with the sizes of a stage, and with the c_0 of the stage before."""
    settings = replace(problem.settings, n1=n1, n2=n2, n3=n3, stage2_order=stage2_order)
    if previous is not None:
        settings = replace(settings, reference=previous.objective.reference)
    return problem.study(space, settings)


def _check_arguments(problem: object, space: Space, previous: object = NOTHING) -> None:
    """Refuse what is not a problem, a space, or a result of this search: of its family, and of its objective."""
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
    arch, before, now = previous.best.trial.config.arch, previous.objective, problem.settings
    if not belongs(arch, space):
        raise ArgumentError(
            f"previous found {short_repr(str(arch))}, which is not a network of this space: give its own space"
        )
    # a c_0 that the problem would measure is taken from the stage before: measured again, it would differ by its error
    reference = before.reference if now.reference is None else now.reference
    if (before.wc, before.penalty, before.reference) != (now.wc, now.penalty, reference):
        raise ArgumentError(
            f"previous minimized w_c={before.wc:g} with penalty {before.penalty!r} and c_0={before.reference:g}, but "
            f"the problem has w_c={now.wc:g}, {now.penalty!r} and c_0={reference:g}: give the problem of the stage "
            "before, or run that stage again with this one"
        )


def _usable(history: Sequence[Trial], objective: Objective) -> list[Trial]:
    """Trials that say something of f: failed, or trained to the end and with the complexity that f needs."""
    return [t for t in history if t.status == TrialStatus.FAILED or math.isfinite(objective.of(t))]


def _best(trials: Sequence[Trial], objective: Objective) -> list[Trial]:
    """The best of the trials, or none if there is none."""
    best = min(trials, key=objective.of, default=None)
    return [best] if best is not None and best.ok else []


def _is_tuned(study: Study, config: Config) -> bool:
    """Whether a config's training hyperparameters can be tried here, and are not just its architecture's presets."""
    if not belongs(config.arch, study.space):
        return False
    fits = study.max_batch is None or config.training.batch_size <= study.max_batch
    return fits and config != study.preset(config.arch)


def _without_particulars(reason: str) -> str:
    """A reason without its numbers, so that like ones are counted together."""
    return reason.split(" in epoch")[0].split(":")[0] or "no complexity"


def _conclude(
    stage: int, visits: list[Visit], previous: StageResult | None, objective: Objective, started: float, note: str
) -> StageResult:
    ranked = best_visits([*([previous.best] if previous else []), *visits], objective)
    if not ranked:
        counts = Counter(_without_particulars(v.trial.reason) for v in visits).most_common()
        reasons = "; ".join(f"{n} × {reason}" for reason, n in counts)
        raise SearchError(
            f"stage {stage}: all {len(visits)} trials failed ({reasons}): look at these reasons, then make the space "
            "or the batch size smaller, or the learning rate lower"
        )
    earlier = previous.so_far if previous else ()
    return StageResult(stage, tuple(visits), ranked[0], objective, time.perf_counter() - started, note, earlier)
