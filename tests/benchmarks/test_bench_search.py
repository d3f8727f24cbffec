"""The plain search that ours is measured against is the same search: same kernels, same choice, same counts."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import dnc
from dnc.bayesopt.acquisition import log_expected_improvement
from dnc.bayesopt.gp import GaussianProcess
from dnc.space import MLPSpace, TrainingSpace

FOLDER = Path(__file__).parents[2] / "benchmarks"
MODULES = ("baseline", "plain_search", "bench_search", "bench_clock")


@pytest.fixture(scope="module")
def bench() -> Iterator[SimpleNamespace]:
    """The benchmark's modules by name, forgotten afterwards."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER))
        found = SimpleNamespace(**{name: importlib.import_module(name) for name in MODULES})
        yield found
        for name in MODULES:
            sys.modules.pop(name, None)


def test_the_double_loop_gives_the_kernels_values(bench: SimpleNamespace) -> None:
    rng = np.random.default_rng(0)
    space = MLPSpace()
    domain = space.stage1()
    rows = domain.rows(rng.random((12, domain.dim)))
    points = [domain.point(row) for row in rows]
    loop = [[bench.plain_search.mlp_similarity(a, b, 800, 2) for b in points] for a in points]
    np.testing.assert_allclose(loop, domain.kernel(rows, rows), rtol=1e-12)
    training = TrainingSpace()
    rows = training.rows(rng.random((12, 3)))
    points = [training.point(row) for row in rows]
    loop = [[bench.plain_search.training_similarity(a, b) for b in points] for a in points]
    np.testing.assert_allclose(loop, training.kernel(rows, rows), rtol=1e-9)


def test_the_plain_proposal_is_the_best_candidate(bench: SimpleNamespace) -> None:
    domain = MLPSpace().stage1()
    rows = domain.rows(np.random.default_rng(1).random((8, domain.dim)))
    points, values = [domain.point(row) for row in rows], list(np.linspace(0.1, 0.4, 8))
    chosen = bench.plain_search.plain_proposal(
        domain, lambda a, b: bench.plain_search.mlp_similarity(a, b, 800, 2), points, values, 50,
        np.random.default_rng(2),
    )  # fmt: skip
    candidates = domain.rows(np.random.default_rng(2).random((50, domain.dim)))
    gp = GaussianProcess(domain.kernel).fit(rows, np.log10(values))
    score = log_expected_improvement(*gp.predict(candidates), float(np.log10(values).min()))
    assert chosen == domain.point(candidates[int(np.argmax(score))])


def test_a_plain_search_runs_its_stages(bench: SimpleNamespace) -> None:
    data = dnc.load_data("digits", n_train=200, n_val=100).flatten()
    space = MLPSpace(hidden_layers=(1, 1), nodes=(20, 60))
    found = bench.plain_search.plain_search(data, space, 0.0, 2, n1=2, n2=2, n3=20, seed=0)
    assert len(found.trials) == 2 + 2 + 5 + 2 + 2
    assert found.f == pytest.approx(min(1 - t.val_acc for t in found.trials))
    assert found.best in found.trials
    assert 0 < found.proposing < found.seconds
    assert bench.plain_search.priced([t.config for t in found.trials[:2]], data, 2, steps=1) > 0


def test_counts_and_tables(bench: SimpleNamespace) -> None:
    data = dnc.load_data("digits", n_train=120, n_val=60).flatten()
    setting = bench.bench_search.Setting(data, 1, 2, 1, 10)
    found = setting.search(0.0, 0, "paper", 1, workers=0)
    again = setting.search(0.0, 0, "paper", 1, store=found.store, workers=0)
    first, second = (bench.bench_search.counts([r]) for r in (found, again))
    assert first["visits"] == len(found.visits) == sum(list(first.values())[1:])
    assert second["trained"] == 0
    assert second["looked up"] == second["visits"]
    arms = {"a": {0.0: [0.1, 0.3], 1.0: [0.5, 0.7]}, "b": {0.0: [0.2, 0.3]}}
    assert bench.bench_search.quality_table(arms).splitlines()[2:] == [
        "| a | 0.2000 ± 0.1000 (+0.0000 ± 0.0000) | 0.6000 ± 0.1000 (+0.0000 ± 0.0000) |",
        "| b | 0.2500 ± 0.0500 (+0.0500 ± 0.0500) |  |",
    ]


def test_variation_and_agreement(bench: SimpleNamespace) -> None:
    times = np.array([[1.0, 2.0, 3.0], [3.0, 2.0, 5.0]])
    np.testing.assert_allclose(bench.bench_clock.variation(times), [2**0.5 / 2, 0, 2**0.5 / 4])
    assert bench.bench_clock.agreement(times) == [pytest.approx(1 / 3)]
