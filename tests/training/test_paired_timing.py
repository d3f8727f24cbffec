"""The statistics of the clock in closed form, on injected times."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import repeat

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnc.training.clock import PRECISE
from dnc.training.paired_timing import (
    Block,
    StopRule,
    paired_ratio,
    relative_error,
    step_seconds,
    time_block,
    warm_up,
)

FOREVER = 1e9


def blocks(seconds: Iterator[float], steps: int = 10) -> Callable[[], Block]:
    return lambda: Block(next(seconds), steps)


def limits(count: int = 10, seconds: float = FOREVER, sure: int = 5) -> StopRule:
    return StopRule(sure, count, lambda ratio: seconds)


# --- rules that stop a measurement


def test_steady_times_stop_after_five_pairs_by_their_error() -> None:
    result = paired_ratio(blocks(repeat(0.06), steps=2), blocks(repeat(0.02), steps=4), limits())
    assert result.median == pytest.approx(6.0)  # 30 ms against 5 ms per step
    assert (len(result.samples), result.error) == (5, 0.0)


def test_noise_stops_at_the_limit_of_pairs() -> None:
    for count in (10, 24):
        times = iter([0.02, 0.03] * 12)
        result = paired_ratio(blocks(times), blocks(repeat(0.02)), limits(count))
        assert len(result.samples) == count
        assert result.median == pytest.approx(1.25)
        assert result.error == relative_error([1.0, 1.5] * (count // 2)) > 0.01


@pytest.mark.parametrize(("seconds", "count"), [(0.0, 5), (0.19, 5), (0.25, 6), (0.3, 7)])
def test_the_budget_counts_all_blocks_but_not_before_five_pairs(seconds: float, count: int) -> None:
    # with the calibration network's 0.02, in total 0.04, 0.09, 0.13, 0.18, 0.22, 0.27, 0.31
    times = iter([0.02, 0.03] * 5)
    assert len(paired_ratio(blocks(times), blocks(repeat(0.02)), limits(seconds=seconds)).samples) == count


def test_the_budget_is_asked_with_the_current_median() -> None:
    asked: list[float] = []

    def budget(ratio: float) -> float:
        asked.append(ratio)
        return 0.35

    times = iter([0.02, 0.04, 0.02, 0.06, 0.06, 0.06])
    paired_ratio(blocks(times), blocks(repeat(0.02)), StopRule(5, 10, budget))
    assert asked == pytest.approx([2.0, 2.5])  # after 5 pairs 0.3 s are spent, after 6 pairs 0.38 s


@pytest.mark.parametrize(("factor", "count"), [(0.99, 5), (1.01, 6)])
def test_an_error_of_one_percent_ends_it(factor: float, count: int) -> None:
    spread = 0.01 / relative_error([0.0 + 1, 2, 3, 4, 5]) / 3 * factor  # of equally spaced values around 1
    times = iter([0.02 * (1 + i * spread) for i in (-2, 2, -1, 1, 0, 0)])
    result = paired_ratio(blocks(times), blocks(repeat(0.02)), limits(6))
    assert len(result.samples) == count


def test_one_disturbed_block_moves_neither_the_ratio_nor_its_error_much() -> None:
    times = [0.0200, 0.0201, 0.0900, 0.0199, 0.0202, 0.0198, 0.0200]
    result = paired_ratio(blocks(iter(times)), blocks(repeat(0.01)), limits(7))
    assert result.median == pytest.approx(2.0, rel=0.01)
    assert result.error < 0.01


def test_the_order_within_a_pair_alternates() -> None:
    calls: list[str] = []

    def timer(name: str) -> Callable[[], Block]:
        return lambda: calls.append(name) or Block(0.02, 1)

    paired_ratio(timer("n"), timer("r"), limits(5))
    assert "".join(calls) == "nrrnnrrnnr"


@pytest.mark.parametrize("speeds", [(1.0, 1.0, 1.0, 1.0, 1.0), (1.0, 2.0, 4.0, 8.0, 1.0), (1.0, 1.09, 1.0, 1.0, 1.0)])
def test_what_slows_down_both_cancels(speeds: tuple[float, ...]) -> None:
    network, calibration = blocks(iter([0.03 * s for s in speeds])), blocks(iter([0.02 * s for s in speeds]))
    result = paired_ratio(network, calibration, limits(5))
    assert result.median == pytest.approx(1.5)
    assert result.error == pytest.approx(0.0, abs=1e-12)


def test_blocks_of_the_network_alone() -> None:
    seconds = [0.02, 0.03, 0.04, 0.05, 0.02]
    result = step_seconds(blocks(iter(seconds), steps=10), limits(5))
    assert result.median == pytest.approx(0.003)
    assert [block.seconds for block in result.samples] == seconds  # type: ignore[union-attr]
    assert result.error == pytest.approx(relative_error(seconds))


# --- the error of a median


@given(st.lists(st.floats(0.9, 1.1), min_size=3, max_size=9).filter(lambda values: len(values) % 2 == 1))
def test_the_error_is_that_of_the_medians_of_all_resamples(values: list[float]) -> None:
    """Of n values, each resample is equally likely; counted by how many of its draws lie below each value."""
    n, m = len(values), (len(values) + 1) // 2
    median = float(np.median(values))
    reach = 5 * float(np.median(np.abs(np.array(values) - median))) / 0.6745 or math.inf
    ordered = np.sort(np.clip(values, median - reach, median + reach))

    def at_most(k: int) -> float:  # that the median is one of the k smallest: at least m of n draws are
        return sum(math.comb(n, j) * (k / n) ** j * (1 - k / n) ** (n - j) for j in range(m, n + 1))

    shares = np.array([at_most(k) - at_most(k - 1) for k in range(1, n + 1)])
    spread = math.sqrt(float(shares @ (ordered - shares @ ordered) ** 2))
    assert relative_error(values) == pytest.approx(spread / median, abs=1e-9)


@pytest.mark.parametrize("outliers", [0.0, 0.08])
@pytest.mark.parametrize("n", [5, 7, 10, 20])
def test_the_error_is_honest(n: int, outliers: float) -> None:
    rng = np.random.default_rng(n)
    ratios = 1 + 0.05 * rng.normal(size=(1500, n))
    ratios *= np.where(rng.random(ratios.shape) < outliers, 1 + 3 * rng.random(ratios.shape), 1.0)
    misses = np.abs(np.median(ratios, axis=1) - 1)
    errors = np.array([relative_error(row) for row in ratios]) * np.median(ratios, axis=1)
    assert 0.89 < np.mean(misses < 2 * errors) < 0.98  # 0.954 where the error is known
    assert 0.9 < np.median(errors) / np.quantile(misses, 0.683) < 1.3


@pytest.mark.parametrize("noise", [0.03, 0.04])
def test_the_error_of_a_precise_measurement_is_honest_where_it_stops(noise: float) -> None:
    """It stops when its error looks small, which that of few values does by chance: 0.89 if five are enough."""
    rng, within = np.random.default_rng(0), list[bool]()
    sure, count, _, _ = PRECISE
    for _ in range(1500):
        times = iter(0.02 * (1 + noise * rng.normal(size=count)))
        result = paired_ratio(blocks(times), blocks(repeat(0.02)), limits(count, sure=sure))
        within.append(abs(result.median - 1) < 2 * result.error * result.median)
    assert np.mean(within) > 0.91  # 0.954 where the error is known


def test_one_wild_value_does_not_blow_it_up() -> None:
    quiet = [1.0, 1.01, 0.99, 1.0, 1.02]
    assert relative_error([*quiet[:-1], 50.0]) < 3 * relative_error(quiet)


def test_relative_error_of_one_value_is_unknown() -> None:
    assert relative_error([1.0]) == math.inf


# --- blocks and warm-up


def steps_of(seconds: float, log: list[int]) -> Callable[[int], float]:
    return lambda n: log.append(n) or n * seconds


@pytest.mark.parametrize(("seconds", "chunk", "steps"), [(0.003, 1, 7), (0.003, 5, 10), (5.0, 1, 1), (0.02, 1, 1)])
def test_a_block_has_at_least_one_step_and_20_ms(seconds: float, chunk: int, steps: int) -> None:
    block = time_block(steps_of(seconds, []), chunk)
    assert block.steps == steps
    assert block.seconds == pytest.approx(steps * seconds)
    assert block.seconds_per_step == pytest.approx(seconds)


def test_warm_up_is_two_steps_and_20_ms_after_the_first_or_one_long_step() -> None:
    for seconds, steps in ((0.3, 1), (0.1, 3), (0.004, 7)):
        log: list[int] = []
        assert warm_up(steps_of(seconds, log)) == pytest.approx(seconds)
        assert sum(log) == steps
