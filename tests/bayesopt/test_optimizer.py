"""Ask and tell: what all optimizers promise, and what Bayesian optimization does with it."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from dnc.bayesopt import (
    BayesianOptimizer,
    GaussianProcess,
    Optimizer,
    RandomSearch,
    SobolSearch,
    expected_improvement,
    log_expected_improvement,
)
from dnc.bayesopt.optimizer import N1, N2, N3
from dnc.config import CNN, MLP, Training
from dnc.errors import ArgumentError
from dnc.space import CNNSpace, MLPSpace, TrainingSpace

CNNS, MLPS, TRAININGS = CNNSpace().stage1(), MLPSpace().stage1(), TrainingSpace()
ONE_POINT = MLPSpace(hidden_layers=(0, 0)).stage1()
FIVE_POINTS = MLPSpace(hidden_layers=(0, 1), nodes=(1, 4)).stage1()
DOMAINS = {"cnn": CNNS, "mlp": MLPS, "training": TRAININGS, "one point": ONE_POINT, "five points": FIVE_POINTS}
MAKERS: dict[str, Callable[..., Optimizer]] = {
    "bayesian": lambda domain, seed=0: BayesianOptimizer(domain, n1=4, n3=50, seed=seed),
    "bayesian, extreme": lambda domain, seed=0: BayesianOptimizer(domain, n1=1, n3=50, seed=seed),
    "bayesian, no start": lambda domain, seed=0: BayesianOptimizer(domain, n1=0, n3=50, seed=seed, transform="none"),
    "sobol": SobolSearch,
    "random": RandomSearch,
}

every_optimizer = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())
every_domain = pytest.mark.parametrize("domain", [CNNS, MLPS, TRAININGS], ids=["cnn", "mlp", "training"])


def cost(point: Any) -> float:
    """Some positive function of a point."""
    if isinstance(point, Training):
        return abs(math.log10(point.lr) + 2.5) + point.batch_size / 1000 + 100 * point.weight_decay + 0.01
    widths = point.channels if isinstance(point, CNN) else point.hidden
    return (sum(widths) - 300) ** 2 / 1e5 + 0.05 * len(widths) + 0.01


def run(optimizer: Optimizer, n: int) -> list[Any]:
    points = []
    for _ in range(n):
        points.append(optimizer.ask())
        if points[-1] is not None:
            optimizer.tell(points[-1], cost(points[-1]))
    return points


# -- what all optimizers promise -------------------------------------------------------------------


@every_optimizer
@every_domain
def test_same_seed_and_history_give_the_same_proposals(make: Callable[..., Optimizer], domain: Any) -> None:
    first = run(make(domain, seed=3), 9)
    assert run(make(domain, seed=3), 9) == first
    assert run(make(domain, seed=4), 9) != first
    assert all(point is not None for point in first)


@every_optimizer
@every_domain
def test_batches_do_not_depend_on_the_order_of_tells(make: Callable[..., Optimizer], domain: Any) -> None:
    outcomes = []
    for order_seed in range(3):
        order = random.Random(order_seed)
        optimizer = make(domain, seed=1)
        points = []
        for _ in range(3):
            batch = [optimizer.ask() for _ in range(4)]
            points += batch
            order.shuffle(batch)
            for point in batch:
                optimizer.tell(point, cost(point))
        outcomes.append(points)
    assert outcomes[0] == outcomes[1] == outcomes[2]


@every_optimizer
def test_pending_points_stay_the_same_whichever_came_back_first(make: Callable[..., Optimizer]) -> None:
    """Two of six are told, in either order, then a seventh is asked."""
    sevenths = []
    for finished in ([1, 4], [4, 1]):
        optimizer = make(CNNS, seed=5)
        points = [optimizer.ask() for _ in range(6)]
        for i in finished:
            optimizer.tell(points[i], cost(points[i]))
        sevenths.append(optimizer.ask())
    assert sevenths[0] == sevenths[1]


@every_optimizer
def test_a_replayed_history_continues_alike(make: Callable[..., Optimizer]) -> None:
    whole = run(make(MLPS, seed=2), 12)
    again = make(MLPS, seed=2)
    assert run(again, 7) == whole[:7]
    assert run(again, 5) == whole[7:]


@every_optimizer
@every_domain
def test_points_are_in_the_domain(make: Callable[..., Optimizer], domain: Any) -> None:
    for point in run(make(domain, seed=8), 6):
        assert domain.point(domain.encode([point])[0]) == point


@every_optimizer
def test_a_space_of_one_point_is_exhausted_at_once(make: Callable[..., Optimizer]) -> None:
    optimizer = make(ONE_POINT)
    assert optimizer.ask() == MLP()
    assert optimizer.last.point == MLP()
    assert optimizer.ask() is None  # pending
    assert optimizer.last.point is None
    optimizer.tell(MLP(), 0.5)
    assert optimizer.ask() is None
    assert optimizer.ask() is None


@every_optimizer
def test_a_small_space_is_searched_whole(make: Callable[..., Optimizer]) -> None:
    points = run(make(FIVE_POINTS), 60)
    assert set(points) - {None} == {MLP(), *(MLP((n,), 0.2) for n in range(1, 5))}
    assert points[-1] is None
    assert None not in points[: points.index(None)]


@every_optimizer
def test_failed_and_foreign_points(make: Callable[..., Optimizer]) -> None:
    optimizer = make(MLPS)
    optimizer.tell(MLP((33,), 0.2), math.nan)
    optimizer.tell(MLP((33, 44, 55, 66)), 0.3)  # deeper than the space
    for value in (math.nan, math.inf, -math.inf, 0.4, 0.2, 7):
        optimizer.tell(optimizer.ask(), value)
    assert optimizer.ask() is not None


@every_optimizer
def test_bad_tells(make: Callable[..., Optimizer]) -> None:
    optimizer = make(MLPS)
    with pytest.raises(ArgumentError, match="value='good' is not a number"):
        optimizer.tell(MLP(), "good")  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match=r"compares dnc\.MLP objects"):
        optimizer.tell(CNN((8,)), 1.0)


@pytest.mark.parametrize("make", [SobolSearch, RandomSearch])
def test_no_model_no_expectation(make: Callable[..., Optimizer]) -> None:
    optimizer = make(TRAININGS)
    point = optimizer.ask()
    assert optimizer.last.point == point
    assert all(map(math.isnan, (optimizer.last.mu, optimizer.last.sigma, optimizer.last.ei)))


# -- Sobol and random ------------------------------------------------------------------------------


def test_sobol_prefixes_nest_and_are_those_of_bo() -> None:
    from scipy.stats import qmc

    search = SobolSearch(CNNS, seed=7)
    points = [search.ask() for _ in range(40)]
    u = qmc.Sobol(CNNS.dim, rng=np.random.default_rng(7)).random_base2(6)
    assert points == [CNNS.point(row) for row in CNNS.rows(u[:40])]
    for n1 in (1, 15):
        bo = BayesianOptimizer(CNNS, n1=n1, n3=10, seed=7)
        assert run(bo, n1) == points[:n1]
        assert math.isnan(bo.last.ei)


def test_sobol_covers_each_coordinate() -> None:
    search = SobolSearch(TRAININGS, seed=0)
    logs = np.log10([search.ask().lr for _ in range(16)])
    assert sorted(np.floor((logs + 5) * 4).astype(int).tolist()) == list(range(16))  # one in each sixteenth


def test_random_points_are_the_domains() -> None:
    search = RandomSearch(MLPS, seed=3)
    depths = [len(search.ask().hidden) for _ in range(300)]
    assert all(70 < depths.count(d) < 130 for d in (0, 1, 2))


def test_repeats_count_until_nothing_is_left() -> None:
    search = SobolSearch(MLPSpace(hidden_layers=(0, 1), nodes=(20, 400)).stage1(), seed=0)
    points = [search.ask() for _ in range(8)]
    assert points.count(MLP()) == 4  # half the sequence: they are proposed again, and looked up


# -- Bayesian optimization -------------------------------------------------------------------------


def test_defaults_are_the_papers() -> None:
    bo = BayesianOptimizer(CNNS)
    assert (bo.n1, bo.n3, bo.seed) == (N1, N3, 0) == (15, 1000, 0)
    assert N2 == 15
    assert (bo.xi, bo.noise, bo.transform, bo.floor) == (1e-4, 1e-4, "log10", 1e-6)


@every_domain
@pytest.mark.parametrize("transform", ["log10", "none"])
def test_a_step_is_the_argmax_of_expected_improvement(domain: Any, transform: str) -> None:
    """Against the same step written out: candidates by the documented seed, GP on transformed values, EI, argmax."""
    bo = BayesianOptimizer(domain, n1=6, n3=80, seed=2, transform=transform, xi=0.01, noise=1e-3)
    known = run(bo, 9)
    point = bo.ask()
    f = np.array([cost(p) for p in known])
    values = dict(zip(known, np.log10(f) if transform == "log10" else f, strict=True))  # each point once
    gp = GaussianProcess(domain.kernel, noise=1e-3).fit(list(values), list(values.values()))
    candidates = [domain.point(row) for row in domain.rows(np.random.default_rng([2, 9]).random((80, domain.dim)))]
    fresh = [c for c in candidates if c not in values]
    mu, sigma = gp.predict(fresh)
    best = min(values.values())
    i = int(np.argmax(log_expected_improvement(mu, sigma, best, 0.01)))
    assert point == fresh[i]
    assert bo.last.point == point
    assert bo.last.mu == pytest.approx(mu[i], abs=1e-10)
    assert bo.last.sigma == pytest.approx(sigma[i], abs=1e-8)
    assert bo.last.ei == pytest.approx(float(expected_improvement(mu[i], sigma[i], best, 0.01)), abs=1e-10)


def test_steps_never_repeat_known_or_pending_points() -> None:
    bo = BayesianOptimizer(MLPSpace(hidden_layers=(0, 1), nodes=(1, 30)).stage1(), n1=0, n3=200, seed=0)
    bo.tell(MLP((7,), 0.2), 0.1)
    points = [bo.ask() for _ in range(31)]
    assert points[-1] is None
    assert len(set(points[:-1])) == 30  # all others: 0 nodes, and 1 … 30 but 7
    assert MLP((7,), 0.2) not in points


def test_pending_points_leave_the_mean_and_shrink_the_uncertainty() -> None:
    bo = BayesianOptimizer(CNNS, n1=5, n3=100, seed=1)
    run(bo, 8)
    rows = CNNS.rows(np.random.default_rng(0).random((50, CNNS.dim)))
    before, best = bo.model()
    pending = bo.ask()
    after, still = bo.model()
    assert still == best
    np.testing.assert_allclose(after.predict(rows)[0], before.predict(rows)[0], atol=1e-9)
    assert (after.predict(rows)[1] <= before.predict(rows)[1] + 1e-9).all()
    assert after.predict([pending])[1][0] < 0.05 < before.predict([pending])[1][0]


def test_values_are_logarithms_above_a_floor() -> None:
    bo = BayesianOptimizer(MLPS, n1=0, floor=1e-3)
    for i, value in enumerate([1.0, 0.1, 0.0, -5.0, math.nan]):
        bo.tell(MLP((20 + i,)), value)
    assert bo.model()[0].values.tolist() == pytest.approx([0, -1, -3, -3, 0])  # the failed one is as the worst
    plain = BayesianOptimizer(MLPS, n1=0, transform="none")
    for i, value in enumerate([1.0, -2.0, math.inf]):
        plain.tell(MLP((20 + i,)), value)
    gp, best = plain.model()
    assert gp.values.tolist() == [1, -2, 1]
    assert gp.prior_mean == 0
    assert best == -2


def test_telling_again_changes_nothing_unless_the_value_differs() -> None:
    bo = BayesianOptimizer(MLPS, n1=0)
    bo.tell(MLP((20,)), 0.5)
    bo.tell(MLP((20,)), 0.5)
    assert len(bo.model()[0].values) == 1
    bo.tell(MLP((20,)), 0.6)
    assert len(bo.model()[0].values) == 2


def test_history_informs_the_first_step() -> None:
    points = [CNNS.point(row) for row in CNNS.rows(np.random.default_rng(9).random((20, CNNS.dim)))]
    bo = BayesianOptimizer(CNNS, n1=0, n3=300, seed=0)
    for point in points:
        bo.tell(point, cost(point))
    assert bo.ask() not in points
    assert math.isfinite(bo.last.mu)
    assert bo.last.ei > 0


def test_it_beats_random_search() -> None:
    """On a smooth function of the training hyperparameters, averaged over seeds."""

    def best(optimizer: Optimizer) -> float:
        return min(map(cost, run(optimizer, 30)))

    bo = [best(BayesianOptimizer(TRAININGS, seed=s)) for s in range(6)]
    plain = [best(RandomSearch(TRAININGS, seed=s)) for s in range(6)]
    assert np.mean(bo) < 0.7 * np.mean(plain)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: BayesianOptimizer(MLPS, n1=-1), "n1=-1 is not allowed"),
        (lambda: BayesianOptimizer(MLPS, n3=0), "n3=0 is not allowed"),
        (lambda: BayesianOptimizer(MLPS, seed=-1), "seed=-1 is not allowed"),
        (lambda: BayesianOptimizer(MLPS, xi=-0.1), "xi=-0.1 is not allowed"),
        (lambda: BayesianOptimizer(MLPS, noise=-1), "noise=-1 is not allowed"),
        (lambda: BayesianOptimizer(MLPS, transform="log"), "transform='log' is unknown: choose one of 'log10', 'none'"),
        (lambda: BayesianOptimizer(MLPS, floor=0), "floor=0 is not allowed"),
        (lambda: SobolSearch(MLPS, seed=1.5), "seed=1.5 is not allowed"),  # type: ignore[arg-type]
        (lambda: RandomSearch(MLPS, seed=-1), "seed=-1 is not allowed"),
    ],
)
def test_bad_arguments(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ArgumentError) as error:
        make()
    assert message in str(error.value)


def test_a_space_is_no_domain_and_the_error_says_what_is() -> None:
    from dnc.space import MLPSpace

    for kind in (BayesianOptimizer, SobolSearch, RandomSearch):
        with pytest.raises(ArgumentError, match=r"give space.stage1\(\)"):
            kind(MLPSpace())  # type: ignore[arg-type]
