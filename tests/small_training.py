"""Small data and configs that the training tests share."""

from __future__ import annotations

import numpy as np

from dnc.config import CNN, MLP, Config, Training
from dnc.data.dataset import Dataset
from dnc.training.engine import Engine
from dnc.training.loop import Outcome

CPU = Engine()
MLP_CONFIG = Config(MLP(hidden=(16,), drop=0.2), Training(lr=1e-2, weight_decay=1e-4, batch_size=32))
CNN_CONFIG = Config(
    CNN(channels=(6, 8, 8), pools=(1,), batchnorm=(1, 2, 3), dropout=(0.1,) * 3, shortcuts=(1,)),
    Training(lr=1e-2, batch_size=32),
)


def stripes(n: int = 240, augment: bool = False, dtype: type = np.uint8) -> Dataset:
    """Noisy images whose class is the bright row."""
    rng = np.random.default_rng(0)
    y = np.arange(n) % 4
    x = rng.integers(0, 100, (n, 1, 8, 8))
    x[np.arange(n), 0, 2 * y] += 150
    return Dataset.from_arrays((x / 255 if dtype is np.float32 else x).astype(dtype), y, augment=augment)


def numbers(outcome: Outcome) -> list[tuple[float, float, float]]:
    """The curve without its times."""
    return [(e.train_loss, e.val_loss, e.val_acc) for e in outcome.curve]
