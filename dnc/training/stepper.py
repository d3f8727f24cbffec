"""One training step: gather, augment, forward, backward, update. The loop and the clock run the same code.

`build_stepper` is the one place that knows which engine's code trains a config; `dnc.training.stack` trains several at
once where the engine can.
"""

from __future__ import annotations

from typing import Protocol

from dnc.config import CNN, Config
from dnc.data.dataset import Dataset
from dnc.errors import DncError
from dnc.networks.build import Network
from dnc.networks.params import map_sizes
from dnc.training.eager import EagerStepper
from dnc.training.engine import Engine
from dnc.training.mlp_cpu.direct import DirectStepper


class TrainingFailed(DncError):
    """A training without a usable result; its text is the reason."""


class Stepper(Protocol):
    """A network in training; each engine implements it."""

    batch_size: int  # largest number of samples in a step: the config's batch size, at most n_train
    n_train: int

    def start_epoch(self, epoch: int, lr: float) -> None:
        """Draw the order of the samples and set the learning rate."""
        ...

    def step(self, start: int, stop: int) -> None:
        """Train on the samples start … stop - 1 of the epoch's order, without waiting for the device."""
        ...

    def train_loss(self) -> float:
        """Mean loss per sample of the steps since the epoch's start; waits for the device."""
        ...

    def evaluate(self) -> tuple[float, float]:
        """Mean loss and accuracy (a fraction) on the validation samples; NaN if there are none."""
        ...

    def finish(self) -> Network:
        """The trained network in evaluation mode."""
        ...


def build_stepper(config: Config, data: Dataset, engine: Engine, seed: int) -> Stepper:
    """The network of `config`, ready to train on `data` with `engine`.

    Raises:
        ArgumentError: the architecture does not fit the data, or the engine does not train its kind.
        TrainingFailed: the config cannot be trained.
    """
    if engine.kind == "direct":
        return DirectStepper(config, data, engine, seed)
    _check_norms(config, data)
    return EagerStepper(config, data, engine, seed)


def _check_norms(config: Config, data: Dataset) -> None:
    """Raise TrainingFailed if a batch normalization has a single value per channel, of which there is no variance."""
    arch = config.arch
    if min(config.training.batch_size, len(data.x_train)) > 1 or not isinstance(arch, CNN):
        return
    sizes = map_sizes(arch, data.input_shape)
    if any(sizes[layer - 1] == (1, 1) for layer in arch.batchnorm):
        raise TrainingFailed(
            "batch normalization of 1x1 maps needs at least two samples per batch: raise batch_size, or n_train"
        )
