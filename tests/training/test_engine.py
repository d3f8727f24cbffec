"""Engines, machines, and the lock on a GPU."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from small_training import CNN_CONFIG, CPU, MLP_CONFIG, numbers, stripes

from dnc.config import Config
from dnc.errors import ArgumentError
from dnc.training import stepper
from dnc.training.engine import Engine, compute_settings, machine_id, machine_name, select_engine
from dnc.training.lock import file_lock
from dnc.training.loop import train


def test_engine_ids() -> None:
    assert select_engine("cpu").id == "eager-cpu-float32-2"
    assert select_engine("auto").device == ("cuda" if torch.cuda.is_available() else "cpu")
    for engine in (CPU, Engine(dtype="bfloat16")):
        assert Engine.parse(engine.id) == engine
    for text in ("eager-cpu", "eager-cpu-float32-9", "eager-tpu-float32-1", "eager-cpu-float32-x", "", None):
        with pytest.raises(ArgumentError):
            Engine.parse(text)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="did you mean 'cuda'"):
        select_engine("cud")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_a_missing_gpu_is_named() -> None:
    with pytest.raises(ArgumentError, match="finds no CUDA device"):
        select_engine("cuda")
    with pytest.raises(ArgumentError, match="needs a CUDA device"):
        Engine.parse("eager-cuda-float32-1")


@pytest.mark.parametrize("supported", [True, False])
def test_cuda_uses_bfloat16_where_the_gpu_has_it(supported: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: supported or including_emulation)
    dtype = "bfloat16" if supported else "float32"
    for device in ("cuda", "auto"):
        assert [select_engine(device, family=f) for f in ("cnn", "mlp")] == [Engine("cuda", dtype)] * 2
    assert select_engine("cuda").dtype == "float32"
    assert select_engine("cuda", dtype="float32", family="cnn").dtype == "float32"
    assert select_engine("cpu", family="cnn").device == "cpu"


def test_the_cpu_engines_do_not_import_each_other() -> None:
    for own, other in (("mlp_cpu", "cnn_cpu"), ("cnn_cpu", "mlp_cpu")):
        sources = [path.read_text(encoding="utf-8") for path in (Path(stepper.__file__).parent / own).glob("*.py")]
        assert len(sources) > 1
        assert not any(f"dnc.training.{other}" in source for source in sources)


def test_machine_names() -> None:
    assert machine_name(CPU).endswith(", 1 thread")
    assert machine_id(CPU) == machine_id(Engine(dtype="bfloat16"))
    assert len(machine_id(CPU)) == 16


@pytest.mark.parametrize("config", [MLP_CONFIG, CNN_CONFIG], ids=["mlp", "cnn"])
def test_bfloat16_is_close_to_float32(config: Config) -> None:
    half = train(config, stripes(), 6, 0, Engine(dtype="bfloat16"))
    full = train(config, stripes(), 6, 0, CPU)
    assert numbers(half) != numbers(full)
    assert half.curve[-1].train_loss == pytest.approx(full.curve[-1].train_loss, rel=0.3)


def test_compute_settings_nest() -> None:
    torch.set_num_threads(2)
    with compute_settings(CPU), compute_settings(CPU):
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 2


def test_readers_share_a_lock_and_a_writer_has_it_alone(tmp_path) -> None:
    fcntl = pytest.importorskip("fcntl")

    def free(mode: int) -> bool:
        with open(tmp_path / "gpu.lock") as file:
            try:
                fcntl.flock(file, mode | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

    path = tmp_path / "gpu"
    with file_lock(path, exclusive=False), file_lock(path, exclusive=False):
        assert free(fcntl.LOCK_SH)
        assert not free(fcntl.LOCK_EX)
    with file_lock(path, exclusive=True):
        assert not free(fcntl.LOCK_SH)
    assert free(fcntl.LOCK_EX)
