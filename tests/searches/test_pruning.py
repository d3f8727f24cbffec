"""Certified pruning never changes the winner, and what it decides does not depend on what finishes first."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnc.config import MLP, Config
from dnc.objective import Objective
from dnc.searches.problem import Problem
from dnc.searches.pruning import Pruning
from dnc.searches.settings import Method, OptimizerName
from dnc.searches.stages import StageResult, stage1, stage2, stage3
from dnc.space import MLPSpace
from dnc.trial import Trial


def run(bounds: list[float], f: list[float], incumbent: float, slots: int, seed: int) -> dict[int, bool]:
    """Train with `slots` at a time, finishing in a random order; whether each candidate was pruned."""
    objective = Objective(1.0, "t_tr", 1.0)  # the bound is t_tr
    planned = [Trial(Config(MLP((i + 1,))), float("nan"), b, 0, status="planned") for i, b in enumerate(bounds)]
    number = {trial.config: i for i, trial in enumerate(planned)}
    pruning, order = Pruning(planned, objective, incumbent), random.Random(seed)
    to_train, running = pruning.to_train(), []
    decided = list(pruning.completed())
    while True:
        while len(running) < slots and (trial := next(to_train, None)) is not None:
            running.append(trial)
        if not running:
            break
        trial = running.pop(order.randrange(len(running)))
        error = f[number[trial.config]] - trial.t_tr
        decided += pruning.completed(replace(trial, status="ok", val_acc=1 - error))
    decided += pruning.completed()
    assert len({trial.config for trial in decided}) == len(decided)  # each is decided once
    return {number[trial.config]: trial.status == "pruned" for trial in decided}


candidates = st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), min_size=1, max_size=20)


@given(candidates, st.integers(0, 20), st.integers(1, 4), st.integers(0, 99))
def test_the_winner_is_that_of_training_everything(
    pairs: list[tuple[int, int]], incumbent: int, slots: int, seed: int
) -> None:
    bounds = [b / 4 for b, _ in pairs]
    f = [b / 4 + e / 4 for b, e in pairs]
    decided = run(bounds, f, incumbent / 4, slots, seed)
    assert sorted(decided) == list(range(len(f)))
    best = min([*f, incumbent / 4])
    for index, pruned in decided.items():
        if pruned:
            assert bounds[index] > best  # not even a tie is thrown away
    assert min([f[i] for i, pruned in decided.items() if not pruned] + [incumbent / 4]) == best
    assert decided == run(bounds, f, incumbent / 4, 1, 0)  # whatever the number of workers and their order


def test_it_prunes_what_it_can() -> None:
    assert run([0.0, 0.5, 0.2], [0.3, 0.6, 0.4], 1.0, 1, 0) == {0: False, 2: False, 1: True}
    assert run([0.5], [0.6], 0.4, 1, 0) == {0: True}
    assert run([0.5], [0.6], 0.5, 1, 0) == {0: False}  # it could still tie


def accuracy(config: Config) -> float:
    assert isinstance(config.arch, MLP)
    nodes = sum(config.arch.hidden)
    return 0.95 - 0.4 / (1 + nodes / 50) - (config.arch.drop - 0.3) ** 2 - abs(config.training.lr - 0.003)


def known(config: Config) -> Trial:
    assert isinstance(config.arch, MLP)
    t_tr = (0.05 + sum(config.arch.hidden) / 800) * 256 / config.training.batch_size
    return Trial(config, float("nan"), t_tr, 10, status="planned")


def searched(method: Method, wc: float, optimizer: OptimizerName, batch: int = 1) -> tuple[list[StageResult], int]:
    count = 0

    def evaluate(config: Config) -> Trial:
        nonlocal count
        count += 1
        return Trial(config, accuracy(config), known(config).t_tr, 10)

    problem = Problem(
        None, wc=wc, reference=1.0, method=method, optimizer=optimizer, evaluate=evaluate, measure=known, batch=batch
    )
    space = MLPSpace()
    s1 = stage1(problem, space)
    s2 = stage2(problem, space, s1)
    return [s1, s2, stage3(problem, space, s2)], count


@pytest.mark.parametrize("wc", [0.0, 0.1, 1.0, 10.0])
@pytest.mark.parametrize("optimizer", ["sobol", "random"])
def test_a_search_over_fixed_lists_finds_the_same_winner(wc: float, optimizer: OptimizerName) -> None:
    (full, n_full), (fast, n_fast) = searched("paper", wc, optimizer), searched("fast", wc, optimizer)
    for a, b in zip(full, fast, strict=True):
        assert a.best.trial.config == b.best.trial.config
        assert [v.trial.config for v in a.visits] == [v.trial.config for v in b.visits]
    if wc == 0:
        assert n_fast <= n_full
        assert not any(v.trial.status == "pruned" for s in fast for v in s.visits)
    if wc == 10:
        assert n_fast < n_full / 2


def test_bayesian_steps_are_told_the_bound_with_the_mean_error() -> None:
    stages, _ = searched("fast", 10.0, "bayesian")
    pruned = [v for s in stages for v in s.visits if v.trial.status == "pruned"]
    assert pruned
    assert all("cannot win" in v.trial.reason for v in pruned)
    full, _ = searched("paper", 10.0, "bayesian")
    assert stages[-1].f <= full[-1].f * 1.1


def test_no_bound_no_pruning() -> None:
    """A config whose timing failed has no bound, and must be tried."""
    trial = Trial(Config(MLP()), float("nan"), float("nan"), 10)
    assert Problem(None, wc=1.0, reference=1.0, evaluate=lambda c: trial).objective(MLPSpace()).bound(trial) == 0.0
