"""Flat data and perceptrons that the tests of the direct engine share."""

from __future__ import annotations

import numpy as np
import torch
from small_training import numbers

from dnc.config import MLP, Config, Training
from dnc.data.dataset import Dataset
from dnc.training.engine import Engine
from dnc.training.loop import Outcome
from dnc.training.stepper import TrainingFailed

DIRECT = Engine(kind="direct")
REDUCED = Engine(kind="direct", dtype="bfloat16")


SMALL = 2**14  # for `REDUCED_FROM`: some of the products of these small perceptrons are then computed in bfloat16


def flat_data(n: int, features: int = 20, classes: int = 5) -> Dataset:
    """Noisy rows whose class is the bright feature; about 4/5 of the n are for training."""
    rng = np.random.default_rng(0)
    y = np.arange(n) % classes
    x = rng.integers(0, 100, (n, features))
    x[np.arange(n), y] += 150
    return Dataset.from_arrays(x.astype(np.uint8), y, scale="none")  # divided by 255, as the oracles do


def config(
    *hidden: int,
    drop: float = 0.0,
    activation: str = "relu",
    lr: float = 1e-2,
    weight_decay: float = 1e-3,
    batch_size: int = 32,
) -> Config:
    return Config(MLP(hidden, drop, activation), Training(lr, weight_decay, batch_size))


def weights(outcome: Outcome | TrainingFailed) -> list[torch.Tensor]:
    assert isinstance(outcome, Outcome)
    assert outcome.model is not None
    return list(outcome.model.parameters())


def assert_same_bits(one: Outcome | TrainingFailed, other: Outcome | TrainingFailed) -> None:
    assert isinstance(one, Outcome)
    assert isinstance(other, Outcome)
    assert numbers(one) == numbers(other)
    assert all(map(torch.equal, weights(one), weights(other)))
