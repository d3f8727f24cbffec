"""The clock: its rules in closed form on injected times, then once with the real networks."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from dnc.config import CNN, MLP, Config, Training
from dnc.data.dataset import Dataset
from dnc.errors import ArgumentError
from dnc.training import clock, loop, paired_timing, stepper
from dnc.training.clock import Calibration, StepRunner, calibrate, epoch_seconds, measure_t_tr, timed_config
from dnc.training.engine import Engine, machine_id, machine_name
from dnc.training.paired_timing import (
    Block,
    Pair,
    StopRule,
    paired_ratio,
    relative_error,
)

CPU = Engine()
FOREVER = 1e9


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
    """Replaces the clock's steppers and its clock; `slower` slows down everything."""

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        network_seconds: float,
        calibration_seconds: float,
        stepper: type[FakeStepper] = FakeStepper,
    ) -> None:
        self.now = [0.0]
        self.built: list[tuple[Config, FakeStepper]] = []
        self.network_seconds, self.calibration_seconds, self.slower = network_seconds, calibration_seconds, 1.0

        def build(config: Config, data: Dataset, engine: Engine, seed: int) -> FakeStepper:
            seconds = self.calibration_seconds if config == clock.CALIBRATION_CONFIG else self.network_seconds
            batch = min(config.training.batch_size, data.n_train)
            self.built.append((config, stepper(self.now, seconds * self.slower, data.n_train, batch)))
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
    assert (timing.error, len(timing.blocks)) == (pytest.approx(0, abs=1e-9), 5)
    pairs = [p for p in timing.blocks if isinstance(p, Pair)]
    assert all(p.network.seconds >= 0.02 and p.reference.seconds >= 0.02 for p in pairs)
    timed, stepper = world.built[1]
    assert timed == replace(config, training=Training(batch_size=32))  # lr and weight decay cause no new timing
    assert set(stepper.bounds) == {(0, 32), (32, 64)}  # full batches only


def test_a_batch_larger_than_the_data_is_one_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    FakeWorld(monkeypatch, network_seconds=0.03, calibration_seconds=0.004)
    timing = measure_t_tr(Config(MLP()), digits_like(), CPU, calibrate(CPU))
    assert timing.t_tr == pytest.approx(0.03)


@pytest.mark.parametrize(("network", "calibration"), [(0.0002, 0.0009), (0.004, 0.0014), (0.009, 0.0009)])
def test_cold_caches_count_in_neither_block(
    monkeypatch: pytest.MonkeyPatch, network: float, calibration: float
) -> None:
    """Steps after a block of the other network take longer. Training has no such steps, nor has t_ref."""
    last: list[FakeStepper] = []

    class ColdStepper(FakeStepper):
        def step(self, start: int, stop: int) -> None:
            if last != [self]:
                last[:], self.switched_at = [self], self.now[0]
            super().step(start, stop)
            if self.now[0] - self.switched_at < 1.1e-3 + self.seconds:
                self.now[0] += 2e-4

    world = FakeWorld(monkeypatch, network, calibration, stepper=ColdStepper)
    t_ref = calibrate(CPU)
    assert t_ref.seconds == pytest.approx(calibration)
    timing = measure_t_tr(Config(MLP(), Training(batch_size=32)), digits_like(), CPU, t_ref)
    assert timing.t_tr == pytest.approx(80 / 32 * network)
    assert timing.error == pytest.approx(0, abs=1e-9)
    assert len(world.built) == 3


def test_long_steps_cost_one_step_of_warm_up_and_five_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    world = FakeWorld(monkeypatch, network_seconds=40.0, calibration_seconds=0.004)
    measure_t_tr(Config(MLP()), digits_like(), CPU, calibrate(CPU), epochs=100)
    assert len(world.built[1][1].bounds) == 6


EPOCH = 2.5 * 0.01  # seconds, of the networks below


@pytest.mark.parametrize(
    ("precise", "epochs", "expected"),
    [
        (False, None, 0.25),
        (False, 1, 0.25),
        (False, 1000, 0.03 * 1000 * EPOCH),
        (True, 10, 2.0),
        (True, 1000, 0.1 * 1000 * EPOCH),
    ],
)
def test_the_budget_is_some_seconds_or_a_share_of_the_training(
    monkeypatch: pytest.MonkeyPatch, precise: bool, epochs: int | None, expected: float
) -> None:
    FakeWorld(monkeypatch, network_seconds=0.01, calibration_seconds=0.004)
    budgets: list[float] = []

    def spy(network: Callable[[], Block], calibration: Callable[[], Block], limits: StopRule):
        result = paired_ratio(network, calibration, limits)
        budgets.append(limits.budget(result.median))
        assert limits.count == (100 if precise else 10)
        return result

    monkeypatch.setattr(clock, "paired_ratio", spy)
    config = Config(MLP(), Training(batch_size=32))
    measure_t_tr(config, digits_like(), CPU, calibrate(CPU), epochs, precise=precise)
    assert budgets == pytest.approx([expected])


def test_what_makes_no_difference_to_a_step_is_not_timed_apart() -> None:
    for same in (
        [MLP((20, 10), drop=drop) for drop in (0.1, 0.2, 0.5)],
        [CNN((4, 6), dropout=drops) for drops in ((0.1, 0.3), (0.4, 0.2))],
    ):
        configs = [Config(arch, Training(10.0**-i, 0.1 * i, 64)) for i, arch in enumerate(same)]
        assert len({timed_config(config) for config in configs}) == 1
    different = [
        MLP((20,)),
        MLP((20,), drop=0.2),
        CNN((4, 6)),
        CNN((4, 6), dropout=(0.1, 0)),
        CNN((4, 6), dropout=(0, 0.1)),
    ]
    assert len({timed_config(Config(arch)) for arch in different}) == 5
    assert timed_config(Config(MLP(), Training(batch_size=32))).training.batch_size == 32


class FakeEvent:
    """A CUDA event on the fake clock."""

    def __init__(self, now: list[float]) -> None:
        self.now = now

    def record(self) -> None:
        self.at = self.now[0]

    def synchronize(self) -> None:
        pass

    def elapsed_time(self, later: FakeEvent) -> float:
        return 1e3 * (later.at - self.at)


def test_on_a_gpu_the_network_is_timed_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The calibration network's steps are so short there that they time the launching of kernels."""
    world = FakeWorld(monkeypatch, network_seconds=0.010, calibration_seconds=0.004)
    gpu = Engine(device="cuda", kind="eager")
    monkeypatch.setattr(clock.torch.cuda, "Event", lambda enable_timing: FakeEvent(world.now))
    monkeypatch.setattr(clock, "machine_id", lambda engine: "a GPU")
    monkeypatch.setattr(clock, "compute_settings", lambda engine: nullcontext())
    monkeypatch.setattr(clock, "device_lock", lambda engine, exclusive: nullcontext())
    calibration = Calibration(0.004, "a GPU", "a GPU", gpu.id, 0)
    timing = measure_t_tr(Config(MLP(), Training(batch_size=32)), digits_like(), gpu, calibration)
    assert timing.t_tr == pytest.approx(80 / 32 * 0.010)
    assert timing.ratio == pytest.approx(2.5)
    assert [config for config, _ in world.built] == [Config(MLP(), Training(batch_size=32))]
    assert all(isinstance(block, Block) for block in timing.blocks)


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
    assert paired_timing.MIN_COUNT <= len(timing.blocks) <= clock.SCREENING[1]
    ratios = [pair.ratio for pair in timing.blocks if isinstance(pair, Pair)]
    assert timing.ratio == pytest.approx(statistics.median(ratios))
    assert timing.error == pytest.approx(relative_error(ratios))
    assert (timing.machine, timing.engine) == (machine_id(CPU), CPU.id)
