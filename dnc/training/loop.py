"""Train one config: Adam, a stepwise learning rate, the best validation accuracy over the epochs (Sec. 3, eq. 2a)."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from dnc.config import Config
from dnc.data.dataset import Dataset
from dnc.errors import check_int
from dnc.networks.build import Network
from dnc.training.engine import Engine, compute_settings
from dnc.training.lock import device_lock
from dnc.training.stepper import Stepper, TrainingFailed, build_stepper
from dnc.training.streams import batch_bounds
from dnc.trial import Epoch

NOT_FINITE = "the loss became"  # start of the reason of the one failure that is due to the config itself
LR_FACTOR = 0.2  # the learning rate is multiplied by it …
LR_DROPS = ((1, 2), (3, 4))  # … after these fractions of the epochs: 1/2 and 3/4


@dataclass(frozen=True)
class Outcome:
    """The result of a training.

    Attributes:
        curve: one entry per epoch.
        val_acc: best validation accuracy over the epochs, a fraction; NaN without validation samples.
        seconds: wall time of training and validation, summed over the epochs.
        model: the network after the last epoch in evaluation mode, if it was asked for.
    """

    curve: tuple[Epoch, ...]
    val_acc: float
    seconds: float
    model: Network | None = None


def train(
    config: Config,
    data: Dataset,
    epochs: int,
    seed: int,
    engine: Engine,
    *,
    on_epoch: Callable[[int, Epoch], bool | None] | None = None,
    keep_weights: bool = False,
) -> Outcome:
    """Train `config` on `data`. On one CPU thread the result is a function of the arguments, bit for bit.

    An MLP sees images flat and without augmentation. The caller's thread count, denormal setting and torch's
    global generator are restored.

    Args:
        config: what to train.
        data: its train split is trained on, its validation split evaluated after each epoch.
        epochs: passes over the train split, >= 1.
        seed: the train_seed, >= 0.
        engine: how to compute.
        on_epoch: called with (epoch from 0, its `Epoch`) after each epoch. If it returns True, the training ends with
            the curve so far; if it raises, without an outcome.
        keep_weights: return the network too.

    Raises:
        ArgumentError: a bad number, or an architecture that does not fit the data.
        TrainingFailed: the loss is not finite, or the memory does not suffice.

    >>> import numpy as np
    >>> from dnc.config import MLP, Training
    >>> y = np.arange(200) % 2
    >>> data = Dataset.from_arrays(np.stack([y, 1 - y], 1).astype(np.float32), y)
    >>> config = Config(MLP(hidden=(8,)), Training(lr=0.01, batch_size=16))
    >>> outcome = train(config, data, epochs=3, seed=0, engine=Engine())
    >>> len(outcome.curve), outcome.val_acc
    (3, 1.0)
    """
    epochs, seed = check_int("epochs", epochs, 1), check_int("train_seed", seed, 0)
    curve: list[Epoch] = []
    with compute_settings(engine), failing_on_memory():
        stepper = build_stepper(config, data, engine, seed)
        for epoch in range(epochs):
            with device_lock(engine, exclusive=False):
                curve.append(run_epoch(stepper, epoch, learning_rate(config.training.lr, epoch, epochs)))
            check_finite(curve[-1], epoch, data.n_val)
            if on_epoch is not None and on_epoch(epoch, curve[-1]):
                break
        model = stepper.finish() if keep_weights else None
    return Outcome(
        curve=tuple(curve),
        val_acc=max(point.val_acc for point in curve),
        seconds=sum(point.seconds for point in curve),
        model=model,
    )


def run_epoch(stepper: Stepper, epoch: int, lr: float) -> Epoch:
    """One pass over the train split, then one over the validation split."""
    started = time.perf_counter()
    stepper.start_epoch(epoch, lr)
    for start, stop in batch_bounds(stepper.n_train, stepper.batch_size):
        stepper.step(start, stop)
    train_loss = stepper.train_loss()
    val_loss, val_acc = stepper.evaluate()
    return Epoch(train_loss, val_loss, val_acc, time.perf_counter() - started)


def learning_rate(lr: float, epoch: int, epochs: int) -> float:
    """The learning rate in `epoch` (from 0): `lr`, × 0.2 after 1/2 of the epochs, and × 0.2 again after 3/4.

    >>> [round(learning_rate(1e-3, epoch, epochs=4), 7) for epoch in range(4)]
    [0.001, 0.001, 0.0002, 4e-05]
    """
    return lr * LR_FACTOR ** sum(b * epoch >= a * epochs for a, b in LR_DROPS)  # exact, in whole numbers


def check_finite(point: Epoch, epoch: int, n_val: int) -> None:
    """Raise TrainingFailed if a loss of this epoch is not finite; without validation samples, theirs is NaN anyway."""
    losses = {"train": point.train_loss} | ({"validation": point.val_loss} if n_val else {})
    for name, loss in losses.items():
        if not math.isfinite(loss):
            raise TrainingFailed(
                f"{NOT_FINITE} {loss:g} ({name}) in epoch {epoch + 1}: the learning rate may be too high"
            )


@contextmanager
def failing_on_memory() -> Iterator[None]:
    """Turn a lack of memory into a TrainingFailed: a config that is too large is a failed trial, not a crash."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        # on the CPU, torch reports it as a RuntimeError like any other
        out_of_memory = any(words in str(error) for words in ("allocate memory", "bad_alloc"))
        if not out_of_memory and not isinstance(error, (MemoryError, torch.OutOfMemoryError)):
            raise
        raise TrainingFailed("out of memory") from error
