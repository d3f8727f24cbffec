"""The GPU benchmark's logic, on a CPU: its comparisons find what differs, and its tables hold what was measured."""

from __future__ import annotations

import importlib.util
import math
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from dnc.config import CNN, Config, Training
from dnc.space import CNNSpace
from dnc.training import stepper
from dnc.training.engine import Engine

FOLDER = Path(__file__).parents[2] / "benchmarks"
CPU = Engine()


@pytest.fixture(scope="module")
def gpu() -> Iterator[ModuleType]:
    """benchmarks/gpu.py as a module; what it imports from its own folder is forgotten afterwards."""
    sys.path.insert(0, str(FOLDER))
    spec = importlib.util.spec_from_file_location("gpu_benchmark", FOLDER / "gpu.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    try:
        spec.loader.exec_module(module)
        yield module
    finally:
        sys.path.remove(str(FOLDER))
        for name in (spec.name, "baseline", "graphs"):
            sys.modules.pop(name, None)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_without_a_gpu_one_line_says_so(gpu: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert gpu.main([]) == 0
    assert capsys.readouterr().out == "no CUDA device: not measured\n"


def test_equal_engines_agree_exactly(gpu: ModuleType) -> None:
    checks = gpu.correctness(CPU, CPU, CPU, n=320)
    assert len(checks) == 2 * len(gpu.subjects()) + 3
    assert [check.deviation for check in checks] == [0.0] * len(checks)
    assert all(check.ok for check in checks)


def test_other_numerics_deviate_a_little(gpu: ModuleType) -> None:
    half, data = Engine(dtype="bfloat16"), gpu.striped(320)
    prediction = gpu.compare_predictions(CPU, half, data)
    assert 1e-4 < prediction.deviation < 0.1
    assert not prediction.ok, "a device is not allowed other numerics than its own"
    losses = [check for check in gpu.compare_curves(CPU, half, data) if "losses" in check.name]
    assert all(0 < check.deviation < 1 for check in losses)


def test_a_wrong_device_is_found(gpu: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """A device that trains with another weight decay, and one that crops other images."""
    wrong, build = Engine(dtype="bfloat16"), stepper.build_stepper

    def built(config: Config, data: Any, engine: Engine, seed: int) -> Any:
        training = replace(config.training, weight_decay=1.0) if engine == wrong else config.training
        return build(replace(config, training=training), data, CPU, seed)

    monkeypatch.setattr("dnc.training.loop.build_stepper", built)
    assert not all(check.ok for check in gpu.compare_curves(CPU, wrong, gpu.striped(320)))

    crop, calls = gpu.Augmenter.crop, count()

    def shifted(self: Any, x: torch.Tensor, down: torch.Tensor, *rest: torch.Tensor) -> torch.Tensor:
        return crop(self, x, down if next(calls) % 2 == 0 else down.flip(0), *rest)

    monkeypatch.setattr(gpu.Augmenter, "crop", shifted)
    assert not gpu.compare_augmentation(CPU, CPU, gpu.striped(320, augment=True)).ok


def test_checks_as_a_table(gpu: ModuleType) -> None:
    good, bad, unknown = gpu.Check("good", 0.01, 0.05), gpu.Check("bad", 0.2, 0.05), gpu.Check("none", math.nan, 1.0)
    assert [check.ok for check in (good, bad, unknown)] == [True, False, False]
    lines = gpu.checks_table([good, bad, unknown]).splitlines()
    assert lines[2:] == [
        "| good | 0.01 | 0.05 | ok |",
        "| bad | 0.2 | 0.05 | DIFFERS |",
        "| none | nan | 1 | DIFFERS |",
    ]


def test_epochs_are_timed_in_turns(gpu: ModuleType) -> None:
    now, order = 0.0, []

    def way(name: str, seconds: list[float]) -> Any:
        def run() -> None:
            nonlocal now
            order.append(name)
            now += seconds.pop(0)

        return run

    waits = count()
    found = gpu.epoch_times(
        "net",
        [way("plain", [9, 4, 6, 8]), way("engine", [9, 1, 2, 4]), way("graphs", [9, 1, 1, 4])],
        3,
        now=lambda: now,
        wait=lambda: next(waits),
    )
    assert order == ["plain", "engine", "graphs"] * 4
    assert next(waits) == 24, "waited before and after each"
    assert (found.plain, found.engine) == ((4, 6, 8), (1, 2, 4)), "without the round that warms up"
    assert str(found) == "| net | 6.000 | 2.000 | 1.000 | 3.00 | 4.00 |", "medians of the times and of the ratios"


def test_both_ways_train_an_epoch(gpu: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    monkeypatch.setattr(gpu, "NETWORKS", {"tiny": CNN((4, 4), pools=(1, 2))})
    gpu.speed_table(CPU, 1, 130, lines.append, capture=lambda body, _: body)
    assert CPU.id in lines[0]
    kinds = [line.split("|")[1].strip() for line in lines[2:]]
    assert kinds == [f"tiny, {b}, {kind}" for kind in ("in memory", "augmented") for b in gpu.BATCHES]
    assert all(float(cell) > 0 for line in lines[2:] for cell in line.split("|")[2:7])


def test_replayed_steps_are_the_same_steps(gpu: ModuleType) -> None:
    """A stand-in for CUDA graphs: what is recorded is run only when it is replayed, one record a learning rate."""
    records: list[int] = []

    def capture(body: Any, generators: Any) -> Any:
        records.append(len(generators))
        return body

    check = gpu.compare_graphs(CPU, gpu.striped(300, augment=True), capture)
    assert check.deviation == 0.0
    assert records == [2, 2], "for each rate one, with the generators of augmentation and dropout"
    broken = gpu.compare_graphs(CPU, gpu.striped(300, augment=True), lambda body, _: lambda: None)
    assert not broken.ok, "a record that does nothing is found out"


@pytest.mark.parametrize("augment", [False, True])
def test_the_plain_way_learns_too(gpu: ModuleType, augment: bool) -> None:
    config = Config(CNN((8, 12), pools=(1,), batchnorm=(1, 2)), Training(lr=5e-3, batch_size=32))
    baseline = gpu.Baseline(config, gpu.striped(320, augment, side=8), epochs=4)
    losses = [baseline.epoch() for _ in range(4)]
    assert losses[-1] < 0.85 * losses[0]
    assert baseline.accuracy() > 0.5


def test_a_missing_data_set_leaves_the_search_out(gpu: ModuleType, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("DNC_DATA", str(tmp_path))
    assert gpu.search_report(100, 1, "cpu").startswith("search of CIFAR-10 left out: ")


def test_a_search_is_reported(gpu: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu.dnc, "load_data", lambda *_, **__: gpu.striped(100, side=8))
    small = CNNSpace(conv_layers=(1, 2), first_channels=(16, 16), max_channels=16, substage_order=("shortcuts",))
    monkeypatch.setattr(gpu.dnc, "CNNSpace", lambda **_: small)
    report = gpu.search_report(100, 1, "cpu")
    assert "80 images, augmented, 1 epochs, n1=5 n2=5 n3=1000" in report
    assert "validation accuracy" in report
    assert np.isfinite(float(report.split("f = ")[1].split(":")[0]))
