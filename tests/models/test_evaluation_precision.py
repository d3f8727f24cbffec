"""Accuracies of networks that compute in bfloat16 are those of float32, whatever the samples look like."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from dnc.config import CNN, MLP, Architecture, Config, Training
from dnc.data.dataset import Dataset
from dnc.models.predict import predict_logits
from dnc.networks.build import Network
from dnc.training.engine import Engine, evaluation_engine
from dnc.training.loop import train

POINTS = 0.003
NETWORKS = {
    "direct": ("direct", MLP((32,))),
    "direct, two hidden layers": ("direct", MLP((48, 48), activation="tanh")),
    "direct, linear": ("direct", MLP(())),
    "eager": ("eager", MLP((32,))),
    "CNN": ("eager", CNN((6, 8), strides=(2,))),
}
N, SIDE = 1500, 4


def table(offset: float = 0.0, spread: float = 1.0) -> Dataset:
    """Four overlapping clouds of points, as small images."""
    rng = np.random.default_rng(0)
    y = np.arange(N) % 4
    x = 1.5 * rng.normal(size=(4, SIDE * SIDE))[y] + 2 * rng.normal(size=(N, SIDE * SIDE))
    x = x * spread ** np.linspace(-1, 1, SIDE * SIDE) + offset
    return Dataset.from_arrays(x.astype(np.float32).reshape(N, SIDE, SIDE), y, n_val=N // 2, scale="none")


def accuracy(network: Network, data: Dataset, engine: Engine) -> float:
    return float((predict_logits(network, data.x_val, engine).argmax(1) == data.y_val).mean())


@pytest.mark.parametrize(("kind", "arch"), NETWORKS.values(), ids=NETWORKS)
@pytest.mark.parametrize(
    "data",
    [table(), table(20), table(1000), table(spread=100), table(100, spread=30)],
    ids=["centered", "offset 20", "offset 1000", "unscaled", "unscaled with an offset"],
)
def test_the_recorded_accuracy_is_that_of_float32(kind: str, arch: Architecture, data: Dataset) -> None:
    data = data.flatten() if isinstance(arch, MLP) else data
    engine = Engine(kind=kind, dtype="bfloat16")
    outcome = train(Config(arch, Training(lr=1e-2, batch_size=64)), data, 3, 0, engine, keep_weights=True)
    assert outcome.model is not None
    exact = accuracy(outcome.model, data, Engine(kind=kind))
    assert outcome.curve[-1].val_acc == accuracy(outcome.model, data, engine) == pytest.approx(exact, abs=POINTS)


@pytest.mark.parametrize("kind", ["direct", "eager"])
@pytest.mark.parametrize("offset", [0, 30, 1000])
def test_predictions_of_an_accurate_network_survive_an_offset(kind: str, offset: float) -> None:
    data, engine = table().flatten(), Engine(kind=kind, dtype="bfloat16")
    config = Config(MLP((32,)), Training(lr=1e-2, batch_size=64))
    network = train(config, data, 5, 0, engine, keep_weights=True).model
    assert network is not None
    centered = accuracy(network, data, Engine())
    first = network.get_submodule("hidden.0")
    assert isinstance(first, nn.Linear)
    with torch.no_grad():
        first.bias.sub_(offset * first.weight.sum(1))
    assert centered > 0.7
    assert accuracy(network, table(offset).flatten(), engine) == pytest.approx(centered, abs=POINTS)


@pytest.mark.parametrize("kind", ["direct", "eager"])
def test_only_floats_on_a_cpu_are_evaluated_in_float32(kind: str) -> None:
    engine = Engine(kind=kind, dtype="bfloat16")
    assert evaluation_engine(engine, np.dtype(np.uint8)) == engine
    assert evaluation_engine(engine, np.dtype(np.float32)) == Engine(kind=kind)
    assert evaluation_engine(Engine(kind=kind), np.dtype(np.float32)) == Engine(kind=kind)
    on_gpu = Engine("cuda", "bfloat16")
    assert evaluation_engine(on_gpu, np.dtype(np.float32)) == on_gpu
