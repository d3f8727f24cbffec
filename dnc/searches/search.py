"""`search` runs the three stages and records them."""

from __future__ import annotations

import json
import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dnc.config import Architecture, Config, content_hash
from dnc.data.readers import machine_memory
from dnc.environment import versions
from dnc.errors import ArgumentError, StoreError, check_float, check_int
from dnc.objective import Objective
from dnc.searches.archive import Store
from dnc.searches.estimate import fit_budget
from dnc.searches.problem import Problem, check_space
from dnc.searches.progress import Progress, Reporter
from dnc.searches.result import SearchResult
from dnc.searches.stages import N1, N2, N3, StageResult, grid_steps, stage1, stage2, stage3
from dnc.space import Space
from dnc.training.engine import Engine, machine_id, machine_name
from dnc.trial import Trial, Visit
from dnc.workers.pool import Workers

if TYPE_CHECKING:
    from dnc.data.dataset import Dataset

MAX_TRIALS, MAX_CANDIDATES = 100_000, 10_000_000
KERNEL_BYTES = 24  # of a candidate's similarity to a trial, with what is computed on the way

ProgressOption = bool | Callable[[Progress], None]


class SearchStopped(KeyboardInterrupt):
    """A search was stopped (Ctrl-C, or `handle.stop()`); nothing finished is lost.

    Attributes:
        result: what it has so far.
        store: where its trials are: the same call with `store=error.store` goes on.
    """

    def __init__(self, message: str, result: SearchResult, store: Store) -> None:
        super().__init__(message)
        self.result, self.store = result, store


def search(
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
    reference: float | None = None,
    store: Store | str | Path | None = None,
    workers: int | str | Workers = "auto",
    device: str = "auto",
    method: str = "paper",
    optimizer: str = "bayesian",
    transform: str = "log10",
    batch: int = 1,
    early_stop: bool = False,
    stage2_order: Sequence[str] | None = None,
    history: Sequence[Trial] = (),
    max_hours: float | None = None,
    trial_timeout: float | None = None,
    retry_failed: bool = False,
    progress: ProgressOption = True,
    stop: threading.Event | None = None,
) -> SearchResult:
    """Search architecture and training hyperparameters in three stages (Sec. 2.1), minimising eq. (1).

    Running the same call again over its store trains nothing and gives the same result; a search that was killed
    goes on where it was.

    Args:
        data: the data set; an MLPSpace sees it flat.
        space: a `CNNSpace` or `MLPSpace`.
        wc: penalty coefficient w_c >= 0; higher values give cheaper networks.
        penalty: "t_tr" (training seconds an epoch), "n_params", or a registered metric.
        epochs: epochs of each training; None: 100 (CNN) or 60 (MLP).
        n1, n2, n3: initial points, optimization steps, candidates a step, of stages 1 and 3.
        seed: seed of the proposals.
        train_seed: seed of the trainings; None takes `seed`.
        reference: c_0; None takes the space's reference config's metric.
        store: file of the trial store, or None to keep trials in memory.
        workers: worker processes: a number, 0 for none, or "auto" for one a core.
        device: "auto", "cpu" or "cuda".
        method: "paper", or "fast": what cannot win is not trained (see `Problem`).
        optimizer: "bayesian", "sobol" (grid) or "random", for stages 1 and 3.
        transform: "log10" models log10 f, "none" models f.
        batch: BO proposals evaluated at a time.
        early_stop: end trainings whose learning curves say that they cannot win (see `Problem`).
        stage2_order: stage 2's sub-stages in another order, or some of them.
        history: trials of other searches that the optimizers are told first.
        max_hours: shrink n1 and n2 so that the predicted time fits.
        trial_timeout: seconds that one training may take (see `Problem`); then it is a failed trial.
        retry_failed: train again what the store has as failed, e.g. after a lack of memory.
        progress: True for a bar, or a function of a `Progress`.
        stop: setting this event stops the search as Ctrl-C does.

    Returns:
        A `SearchResult`: best, trials, pareto, rescore, breakpoints, refit, ensemble.

    Raises:
        ArgumentError: a bad argument.
        SearchError: every trial of a stage failed.
        StoreError: the store cannot be used.
        SearchStopped: Ctrl-C or `stop`; a KeyboardInterrupt that carries the partial result.
    """
    check_space(space)
    problem = Problem(
        data, wc=wc, penalty=penalty, epochs=epochs, seed=seed, train_seed=train_seed, reference=reference,
        store=store, workers=workers, device=device, method=method, optimizer=optimizer, transform=transform,
        batch=batch, early_stop=early_stop, history=tuple(history), trial_timeout=trial_timeout,
        retry_failed=retry_failed, stop=stop or threading.Event(),
    )  # fmt: skip
    space.substages(stage2_order)  # a wrong name is refused before anything runs
    budget = Budget(n1, n2, n3, None if stage2_order is None else tuple(stage2_order))
    try:
        if max_hours is not None:
            hours = check_float("max_hours", max_hours, 0, open_low=True)
            small = fit_budget(problem, space, hours * 3600, budget.n1, budget.n2)
            budget = Budget(*small, budget.n3, budget.order)
        return run(problem, space, budget, progress)
    finally:
        problem.close()


@dataclass(frozen=True)
class Budget:
    """Sizes of the stages: n1 initial points, n2 steps, n3 candidates; order of stage 2.

    Raises:
        ArgumentError: a size outside its range, or candidates x trials that do not fit into memory.
    """

    n1: int
    n2: int
    n3: int
    order: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        check_int("n1", self.n1, 1, MAX_TRIALS)
        check_int("n2", self.n2, 0, MAX_TRIALS)
        check_int("n3", self.n3, 1, MAX_CANDIDATES)
        needed, there = KERNEL_BYTES * self.n3 * (self.n1 + self.n2), machine_memory()
        if self.n2 and needed > there:
            raise ArgumentError(
                f"n3={self.n3} candidates for n1 + n2 = {self.n1 + self.n2} trials need {needed / 1e9:,.0f} GB of "
                f"memory, there are {there / 1e9:,.0f}: give a smaller n3"
            )


def run(
    problem: Problem, space: Space, budget: Budget, progress: ProgressOption, arch: Architecture | None = None
) -> SearchResult:
    """All stages, or with `arch` stage 3 only, recorded as one search."""
    evaluator = problem.evaluator(space)
    store = problem.open_store()
    spec = _spec(problem, space, budget, evaluator.engine, arch)
    name = content_hash(spec)[:12]
    started = time.perf_counter()
    facts: dict[str, Any] = {"versions": versions(), "machine": machine_name(evaluator.engine)}
    visits: list[Visit] = []
    reporter: Reporter | None = None
    objective: Objective | None = None

    def result(status: str) -> SearchResult:
        found = objective or Objective(problem.wc, problem.penalty, problem.reference or 1.0)
        ordered = tuple(sorted(visits, key=lambda v: (v.stage, v.step)))
        return SearchResult(name, spec, facts, space, found, ordered, status, problem.data, store)

    def observe(visit: Visit) -> None:
        visits.append(visit)
        store.add_visit(name, _visit_row(visit, evaluator.timing_key(visit.trial.config)))
        if reporter is not None:
            reporter(visit)

    status = "failed"
    try:
        facts["references"] = problem.references(space)
        found_objective = Objective(problem.wc, problem.penalty, facts["references"][problem.penalty])
        store.begin_search(name, spec, facts)
        objective = found_objective
        reporter = Reporter(_planned(space, budget, arch), objective, progress, f"w_c={problem.wc:g}")
        problem.observer = observe
        if arch is None:
            first = stage1(problem, space, budget.n1, budget.n2, budget.n3)
            reporter.plan(1, len(first.visits))
            found = stage2(problem, space, first, budget.order)
            reporter.plan(2, len(found.visits))
        else:
            config = problem.preset(space, arch)  # the contender, as stage 2 would have left it
            visit = Visit(2, "transfer", 0, evaluator(config))
            observe(visit)
            found = StageResult(2, (visit,), visit, objective, 0.0)
        stage3(problem, space, found, budget.n1, budget.n2, budget.n3)
        status = "finished"
    except KeyboardInterrupt:
        status = "stopped"
        kept = f"{len(visits)} finished trials are kept in {store.path or 'memory'}"
        again = "run the same call again" if store.path else "run the same call again with store=error.store"
        raise SearchStopped(f"search {name} stopped: {kept}; {again} to go on", result(status), store) from None
    finally:
        problem.observer = None
        facts["wall_seconds"] = time.perf_counter() - started
        if reporter is not None:
            reporter.close()
        try:
            if objective is not None:  # else it never started
                store.end_search(name, status, facts, Counter(v.stage for v in visits))
        except StoreError:
            if status == "finished":
                raise  # otherwise what stopped it is to be told, and its steps say how far it got
    return result(status)


def _planned(space: Space, budget: Budget, arch: Architecture | None) -> dict[int, int]:
    steps = budget.n1 + budget.n2
    if arch is not None:
        return {2: 1, 3: steps}
    return {1: steps, 2: grid_steps(space, budget.order), 3: steps}


def _spec(problem: Problem, space: Space, budget: Budget, engine: Engine, arch: Architecture | None) -> dict[str, Any]:
    data = problem.dataset(space)
    return {
        "data": {
            "name": data.name,
            "fingerprint": data.fingerprint,
            "input_shape": list(data.input_shape),
            "n_classes": data.n_classes,
            "n_train": data.n_train,
            "n_val": data.n_val,
        },
        "family": space.family,
        "space": space.to_dict(),
        "wc": problem.wc,
        "penalty": problem.penalty,
        "reference": problem.reference,
        "epochs": problem.n_epochs(space),
        "n1": budget.n1,
        "n2": budget.n2,
        "n3": budget.n3,
        "stage2_order": None if budget.order is None else list(budget.order),
        "seed": problem.seed,
        "train_seed": problem.train_seed,
        "method": problem.method,
        "optimizer": problem.optimizer,
        "transform": problem.transform,
        "xi": problem.xi,
        "noise": problem.noise,
        "batch": problem.batch,
        **({"early_stop": True} if problem.early_stop else {}),  # absent in searches recorded before there was one
        "history": content_hash([t.key for t in problem.history]) if problem.history else "",
        "transfer": None if arch is None else Config(arch).to_dict()["arch"],
        "engine": engine.id,
        "machine": machine_id(engine),  # its t_tr decides the steps
    }


def _visit_row(visit: Visit, timing: str) -> dict[str, Any]:
    model = {k: None if math.isnan(v) else v for k, v in (("mu", visit.mu), ("sigma", visit.sigma), ("ei", visit.ei))}
    return {
        "stage": visit.stage,
        "step": visit.step,
        "substage": visit.substage,
        "config": visit.trial.config.to_json(),
        "status": visit.trial.status,
        "reason": visit.trial.reason,
        "training": visit.trial.key,
        "timing": timing,
        "n_params": visit.trial.n_params,
        "metrics": json.dumps(dict(visit.trial.metrics)),
        **model,
    }
