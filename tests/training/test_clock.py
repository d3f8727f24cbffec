"""The clock: its rules in closed form on injected times, then once with the real networks."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import repeat
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnc.config import CNN, MLP, Config, Training
from dnc.data.dataset import Dataset
from dnc.errors import ArgumentError
from dnc.training import clock, loop, paired_timing, stepper
from dnc.training.clock import StepRunner, calibrate, epoch_seconds, measure_t_tr
from dnc.training.engine import Engine, machine_id, machine_name
from dnc.training.paired_timing import Block, paired_ratio, relative_error, time_block, warm_up

CPU = Engine()
FOREVER = 1e9


def blocks(seconds: Iterator[float], steps: int = 10) -> Callable[[], Block]:
    return lambda: Block(next(seconds), steps)


def never(ratio: float) -> float:
    return FOREVER


# --- rules that stop a measurement


def test_steady_times_stop_after_three_pairs_by_their_error() -> None:
    result = paired_ratio(blocks(repeat(0.06), steps=2), blocks(repeat(0.02), steps=4), never)
    assert result.ratio == pytest.approx(6.0)  # 30 ms against 5 ms per step
    assert (len(result.pairs), result.stopped_by, result.error, result.drift) == (3, "error", 0.0, 0.0)


def test_noise_stops_after_ten_pairs() -> None:
    times = iter([0.02, 0.03] * 5)
    result = paired_ratio(blocks(times), blocks(repeat(0.02)), never)
    assert (len(result.pairs), result.stopped_by) == (10, "blocks")
    assert result.ratio == pytest.approx(1.25)
    # s² of five 1.0 and five 1.5 is 0.25² · 10/9
    expected = math.sqrt(math.pi / 2) * 0.25 * math.sqrt(10 / 9) / math.sqrt(10) / 1.25
    assert result.error == pytest.approx(expected)


@pytest.mark.parametrize(("seconds", "count"), [(0.0, 3), (0.12, 3), (0.19, 5), (0.25, 6), (0.3, 7)])
def test_the_budget_counts_all_blocks_but_not_before_three_pairs(seconds: float, count: int) -> None:
    times = iter(
        [0.02, 0.03] * 5
    )  # with the calibration network's 0.02, in total 0.04, 0.09, 0.13, 0.18, 0.22, 0.27, 0.31
    result = paired_ratio(blocks(times), blocks(repeat(0.02)), lambda ratio: seconds)
    assert (len(result.pairs), result.stopped_by) == (count, "time")


def test_the_budget_is_asked_with_the_current_ratio() -> None:
    asked: list[float] = []

    def budget(ratio: float) -> float:
        asked.append(ratio)
        return 0.2

    paired_ratio(blocks(iter([0.02, 0.04, 0.06, 0.06, 0.06])), blocks(repeat(0.02)), budget)
    assert asked == pytest.approx([2.0, 2.5])  # after 3 pairs 0.18 s are spent, after 4 pairs 0.26 s


def test_error_of_one_percent_is_the_limit() -> None:
    spread = 0.01 * math.sqrt(3) / math.sqrt(math.pi / 2)  # three ratios 1 - s, 1, 1 + s have standard deviation s
    for factor, stopped_by in ((0.99, "error"), (1.01, "time")):
        times = iter([0.02 * (1 + i * spread * factor) for i in (-1, 0, 1)])
        assert paired_ratio(blocks(times), blocks(repeat(0.02)), lambda ratio: 0.0).stopped_by == stopped_by


def test_one_disturbed_block_does_not_move_the_ratio() -> None:
    times = iter([0.02, 0.02, 0.09, *repeat(0.02, 7)])
    result = paired_ratio(blocks(times), blocks(repeat(0.01)), never)
    assert result.ratio == pytest.approx(2.0)
    assert result.error > 0.01  # but it is known to be uncertain


def test_the_order_within_a_pair_alternates() -> None:
    calls: list[str] = []

    def timer(name: str) -> Callable[[], Block]:
        return lambda: calls.append(name) or Block(0.02, 1)

    paired_ratio(timer("n"), timer("r"), never)
    assert "".join(calls) == "nrrnnr"


@pytest.mark.parametrize("speeds", [(1.0, 1.0, 1.0), (1.0, 2.0, 4.0), (1.0, 1.09, 1.0)])
def test_what_slows_down_both_cancels_and_shows_as_drift(speeds: tuple[float, ...]) -> None:
    result = paired_ratio(blocks(iter([0.03 * s for s in speeds])), blocks(iter([0.02 * s for s in speeds])), never)
    assert result.ratio == pytest.approx(1.5)
    assert result.stopped_by == "error"
    assert result.drift == pytest.approx(max(speeds) - 1)


@given(st.lists(st.floats(0.5, 2.0), min_size=2, max_size=10))
def test_relative_error_is_that_of_a_median(ratios: list[float]) -> None:
    by_numpy = math.sqrt(math.pi / 2) * np.std(ratios, ddof=1) / math.sqrt(len(ratios)) / np.median(ratios)
    assert relative_error(ratios) == pytest.approx(by_numpy, abs=1e-12)


def test_relative_error_of_one_ratio_is_unknown() -> None:
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


# --- the formula


def test_epoch_time_has_no_staircase() -> None:
    assert epoch_seconds(50_000, 256, 0.004) == pytest.approx(50_000 / 256 * 0.004)
    assert epoch_seconds(257, 256, 1.0) == pytest.approx(257 / 256)
    assert epoch_seconds(100, 256, 0.5) == 0.5  # the batch is capped at n_train


class FakeStepper:
    """Steps that take a known time on a fake clock."""

    def __init__(self, now: list[float], seconds: float, n_train: int, batch_size: int) -> None:
        self.now, self.seconds, self.n_train, self.batch_size = now, seconds, n_train, batch_size
        self.bounds: list[tuple[int, int]] = []

    def start_epoch(self, epoch: int, lr: float) -> None:
        pass

    def step(self, start: int, stop: int) -> None:
        self.bounds.append((start, stop))
        self.now[0] += self.seconds


class FakeWorld:
    """Replaces the clock's steppers and its clock; `speed` slows down everything."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, network_seconds: float, calibration_seconds: float) -> None:
        self.now = [0.0]
        self.built: list[tuple[Config, FakeStepper]] = []
        self.network_seconds, self.calibration_seconds, self.slower = network_seconds, calibration_seconds, 1.0

        def build(config: Config, data: Dataset, engine: Engine, seed: int) -> FakeStepper:
            seconds = self.calibration_seconds if config == clock.CALIBRATION_CONFIG else self.network_seconds
            batch = min(config.training.batch_size, data.n_train)
            self.built.append((config, FakeStepper(self.now, seconds * self.slower, data.n_train, batch)))
            return self.built[-1][1]

        monkeypatch.setattr(clock, "build_stepper", build)
        monkeypatch.setattr(clock, "time", SimpleNamespace(thread_time=lambda: self.now[0]))


def digits_like(n: int = 100, shape: tuple[int, ...] = (1, 6, 6)) -> Dataset:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (n, *shape), dtype=np.uint8)
    return Dataset.from_arrays(x, np.arange(n) % 4, val_fraction=0.2)


def test_t_tr_in_closed_form(monkeypatch: pytest.MonkeyPatch) -> None:
    world = FakeWorld(monkeypatch, network_seconds=0.010, calibration_seconds=0.004)
    calibration = calibrate(CPU)
    assert calibration.seconds == pytest.approx(0.004)
    assert (calibration.engine, calibration.threads) == (CPU.id, 1)
    assert (calibration.machine, calibration.machine_name) == (machine_id(CPU), machine_name(CPU))
    world.slower = 1.7  # the machine is busier now: times are given as if it were not
    config = Config(MLP(hidden=(5,)), Training(lr=0.5, weight_decay=0.1, batch_size=32))
    timing = measure_t_tr(config, digits_like(), CPU, calibration)
    assert timing.ratio == pytest.approx(2.5)
    assert timing.t_tr == pytest.approx(80 / 32 * 0.010)
    assert not timing.flagged
    assert len(timing.blocks) == 3
    assert all(p.network.seconds >= 0.02 and p.reference.seconds >= 0.02 for p in timing.blocks)
    timed, stepper = world.built[1]
    assert timed == replace(config, training=Training(batch_size=32))  # lr and weight decay cause no new timing
    assert set(stepper.bounds) == {(0, 32), (32, 64)}  # full batches only


def test_a_batch_larger_than_the_data_is_one_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    FakeWorld(monkeypatch, network_seconds=0.03, calibration_seconds=0.004)
    timing = measure_t_tr(Config(MLP()), digits_like(), CPU, calibrate(CPU))
    assert timing.t_tr == pytest.approx(0.03)


def test_long_steps_cost_one_step_of_warm_up_and_three_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    world = FakeWorld(monkeypatch, network_seconds=40.0, calibration_seconds=0.004)
    measure_t_tr(Config(MLP()), digits_like(), CPU, calibrate(CPU), epochs=100)
    assert len(world.built[1][1].bounds) == 4


@pytest.mark.parametrize(("epochs", "expected"), [(None, 0.2), (1, 0.2), (1000, 0.03 * 1000 * 2.5 * 0.01)])
def test_the_budget_is_a_fifth_of_a_second_or_three_percent(
    monkeypatch: pytest.MonkeyPatch, epochs: int | None, expected: float
) -> None:
    FakeWorld(monkeypatch, network_seconds=0.01, calibration_seconds=0.004)
    budgets: list[float] = []

    def spy(network: Callable[[], Block], calibration: Callable[[], Block], budget: Callable[[float], float]):
        result = paired_ratio(network, calibration, budget)
        budgets.append(budget(result.ratio))
        return result

    monkeypatch.setattr(clock, "paired_ratio", spy)
    config = Config(MLP(), Training(batch_size=32))
    measure_t_tr(config, digits_like(), CPU, calibrate(CPU), epochs)
    assert budgets == pytest.approx([expected])


@pytest.mark.parametrize(("spread", "flagged"), [(0.08, False), (0.12, True)])
def test_a_drifting_calibration_network_flags_the_timing(
    monkeypatch: pytest.MonkeyPatch, spread: float, flagged: bool
) -> None:
    FakeWorld(monkeypatch, network_seconds=0.01, calibration_seconds=0.004)
    calibration = calibrate(CPU)
    speeds = iter([1.0, 1.0 + spread, 1.0])
    measured = paired_ratio(blocks(repeat(0.02)), blocks(0.02 * s for s in speeds), lambda ratio: 0.0)
    monkeypatch.setattr(clock, "paired_ratio", lambda *args, **kwargs: measured)
    timing = measure_t_tr(Config(MLP()), digits_like(), CPU, calibration)
    assert timing.drift == pytest.approx(spread)
    assert timing.flagged is flagged
    assert timing.blocks == measured.pairs


def test_times_of_another_machine_or_engine_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    FakeWorld(monkeypatch, network_seconds=0.01, calibration_seconds=0.004)
    calibration = calibrate(CPU)
    for other in (replace(calibration, machine="elsewhere"), replace(calibration, engine="eager-cuda-float32-1")):
        with pytest.raises(ArgumentError, match="measure it here"):
            measure_t_tr(Config(MLP()), digits_like(), CPU, other)
    with pytest.raises(ArgumentError, match="epochs=0"):
        measure_t_tr(Config(MLP()), digits_like(), CPU, calibration, epochs=0)


# --- with real networks


def test_the_clock_runs_the_code_of_the_training_loop() -> None:
    assert clock.build_stepper is loop.build_stepper is stepper.build_stepper


def test_runner_counts_this_threads_time_over_full_batches() -> None:
    built = stepper.build_stepper(Config(MLP(), Training(batch_size=32)), digits_like(), CPU, seed=0)
    run = StepRunner(built, CPU)
    assert run(3) > 0
    assert math.isfinite(built.train_loss())


@pytest.mark.parametrize(
    "arch", [MLP(hidden=(20,), drop=0.2), CNN(channels=(4, 6), pools=(1,), batchnorm=(1, 2), dropout=(0.1, 0.1))]
)
def test_real_timings_are_plausible(arch: MLP | CNN, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "CALIBRATION_BLOCKS", 3)
    calibration = calibrate(CPU)
    assert calibration.seconds == statistics.median(b.seconds_per_step for b in calibration.blocks)
    timing = measure_t_tr(Config(arch, Training(batch_size=16)), digits_like(), CPU, calibration, epochs=2)
    assert timing.t_tr == pytest.approx(80 / 16 * timing.ratio * calibration.seconds)
    assert 0 < timing.ratio < 100
    assert paired_timing.MIN_BLOCKS <= len(timing.blocks) <= paired_timing.MAX_BLOCKS
    assert timing.ratio == statistics.median(p.ratio for p in timing.blocks)
    assert (timing.machine, timing.engine) == (machine_id(CPU), CPU.id)
