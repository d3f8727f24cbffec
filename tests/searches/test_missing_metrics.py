"""Trials without the registered metric that a search is penalized by: they failed before it was measured."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from small_search import tiny

import dnc
from dnc import Config, MLPSpace, Objective, Problem, Trial, stage1, stage2, stage3
from dnc.errors import ArgumentError, SearchError
from dnc.searches.result import SearchResult

pytestmark = pytest.mark.usefixtures("counted_clock")
SPACE = MLPSpace(hidden_layers=(0, 2), nodes=(4, 32))


@pytest.fixture(autouse=True)
def _depth() -> Iterator[None]:
    dnc.register_metric("depth", lambda subject: subject.config.arch.depth, unit="layers")
    yield
    del dnc.METRICS["depth"]


def fails_with_a_layer(config: Config) -> Trial:
    if config.arch.depth == 1:
        return Trial(config, math.nan, math.nan, 0, status="failed", reason="worker process died")
    return Trial(config, 0.9 - 0.1 * config.arch.depth, 1.0, 1, metrics={"depth": float(config.arch.depth)})


@pytest.mark.parametrize("method", ["paper", "fast"])
def test_stages_go_on(method: Any) -> None:
    problem = Problem(
        None, wc=0.1, penalty="depth", reference=1.0, evaluate=fails_with_a_layer, measure=fails_with_a_layer,
        method=method,
    )  # fmt: skip
    first = stage1(problem, SPACE, n1=6, n2=3)
    assert "failed" in {visit.trial.status for visit in first.visits}
    last = stage3(problem, SPACE, stage2(problem, SPACE, first), n1=3, n2=2)
    assert [result.best.trial.config.arch.depth for result in (first, last)] == [0, 0]
    assert [visit.trial.status for visit in first.top(9)] == ["ok"] * len(first.top(9))
    assert "failed" in repr(first)


@pytest.fixture
def found() -> SearchResult:
    return tiny(penalty="depth")


def test_a_result_counts_them_as_failed(found: SearchResult) -> None:
    failed = {"val_acc": math.nan, "status": "failed", "metrics": {}}
    first, *others = found.visits
    visits = (replace(first, trial=replace(first.trial, **failed)), *others)
    result = replace(found, visits=visits, table=None)
    assert result.trials.status[0] == "failed"
    assert math.isnan(result.trials.f[0])
    assert result.steps.f[0] == math.inf
    expected = min(result.objective.of(visit.trial) for visit in others)
    assert result.best.f == result.top(1)[0].f == result.rescore(wc=0.1).best.f == expected
    assert 0 not in result.pareto().index
    assert 0 not in result.breakpoints().index
    assert result.plot() is not None
    assert result.rescore(penalty="t_tr").best.f > 0
    assert "depth" in result._repr_html_()
    assert f"{len(others)} trials" in repr(dnc.TradeoffExplorer(result))


def test_a_metric_that_finished_trials_lack_is_refused(found: SearchResult) -> None:
    first, *others = found.visits
    result = replace(found, visits=(replace(first, trial=replace(first.trial, metrics={})), *others), table=None)
    with pytest.raises(ArgumentError, match=r"penalty='depth' was not recorded .* 't_tr', 'n_params'"):
        _ = result.best


def test_a_metric_that_was_not_measured_is_nan() -> None:
    trial = Trial(Config(dnc.MLP()), 0.9, 1.0, 1)
    assert math.isnan(trial.complexity("depth"))
    assert Objective(0.1, "depth", 1.0).of(trial) == math.inf
    assert Objective(0.0, "depth", 1.0).of(trial) == pytest.approx(0.1)


def test_a_history_without_it_says_nothing() -> None:
    history = [visit.trial for visit in tiny(penalty="n_params").visits]
    assert [visit.trial.config for visit in tiny(penalty="depth", history=history).visits] == [
        visit.trial.config for visit in tiny(penalty="depth").visits
    ]


def test_a_function_must_give_it() -> None:
    problem = Problem(None, wc=0.1, penalty="depth", reference=1.0, evaluate=lambda c: Trial(c, 0.9, 1.0, 1))
    with pytest.raises(ArgumentError, match=r"without the penalty 'depth': give it in metrics="):
        stage1(problem, SPACE, n1=2, n2=0)


def fails(subject: object) -> float:
    raise RuntimeError("no\nluck")


@pytest.mark.parametrize(
    ("compute", "message"),
    [
        (fails, r"metric 'depth' failed for MLP .* \(RuntimeError: no\)"),
        (lambda subject: "deep", "metric 'depth' gave 'deep' for MLP .* finite number"),
        (lambda subject: None, "metric 'depth' gave None"),
        (lambda subject: 10**400, "metric 'depth' gave 1000"),
        (lambda subject: math.nan, "metric 'depth' gave nan"),
        (lambda subject: -1, "metric 'depth' gave -1"),
    ],
)
def test_a_metric_that_gives_no_number_is_one_line(compute: Callable[[Any], Any], message: str) -> None:
    dnc.register_metric("depth", compute)
    with pytest.raises(SearchError, match=message) as caught:
        tiny(penalty="depth")
    assert "\n" not in str(caught.value)
