"""Stage 3's space: learning rate, weight decay and batch size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from dnc.bayesopt.kernel import OMEGA, Array, TrainingKernel, check_powers, check_weights
from dnc.card import constructor
from dnc.config import Training, assign
from dnc.errors import ArgumentError, check_bounds, check_float, check_int, short_repr
from dnc.space.domains import pick_integer


@dataclass(frozen=True, repr=False)
class TrainingSpace:
    """Stage 3: learning rate, weight decay, batch size. It is also the domain that optimizers explore.

    Rows (n, 3) hold the three values themselves.

    Args:
        lr: bounds of the learning rate, log-uniform.
        weight_decay: bounds of the weight decay, log-uniform.
        weight_decay_cutoff: values below it become 0.
        batch_size: bounds of the batch size, any integer.
        preset_lr, preset_batch_size: what Stages 1 and 2 train with.
        omega, r, weights: of the kernel: scale, powers r_k in (0, 1], coefficients s_k with sum 1.

    Raises:
        ArgumentError: a value outside its range.

    >>> import dnc
    >>> space = dnc.TrainingSpace(lr=(1e-4, 1e-2), batch_size=(32, 128))
    >>> training = dnc.RandomSearch(space).ask()
    >>> 1e-4 <= training.lr <= 1e-2, 32 <= training.batch_size <= 128
    (True, True)
    """

    lr: tuple[float, float] = (1e-5, 1e-1)
    weight_decay: tuple[float, float] = (1e-6, 1e-3)
    weight_decay_cutoff: float = 1e-5
    batch_size: tuple[int, int] = (32, 512)
    preset_lr: float = 1e-3
    preset_batch_size: int = 256
    omega: float = OMEGA
    r: tuple[float, float, float] = (1.0, 1.0, 1.0)
    weights: tuple[float, float, float] = (1 / 3, 1 / 3, 1 / 3)

    def __post_init__(self) -> None:
        assign(
            self,
            lr=_positive_bounds("lr", self.lr),
            weight_decay=_positive_bounds("weight_decay", self.weight_decay),
        )
        assign(self, batch_size=check_bounds("batch_size", self.batch_size, 1))
        check_float("weight_decay_cutoff", self.weight_decay_cutoff, 0)
        assign(self, preset_lr=check_float("preset_lr", self.preset_lr, 0, open_low=True))
        assign(self, preset_batch_size=check_int("preset_batch_size", self.preset_batch_size, 1))
        check_float("omega", self.omega, 0, open_low=True)
        assign(self, r=check_powers("r", self.r), weights=check_weights("weights", self.weights, 3))
        if len(self.r) != 3:
            raise ArgumentError(f"r={short_repr(self.r)} is not allowed: give three powers in (0, 1]")

    def __repr__(self) -> str:
        return constructor(self, ("lr", "weight_decay", "batch_size"))

    @property
    def dim(self) -> int:
        """One coordinate per hyperparameter."""
        return 3

    @property
    def kernel(self) -> TrainingKernel:
        """Batch size by value, the other two by their logarithms (Sec. 2.2)."""
        bounds = [*_logs(self.lr), *_logs(self.weight_decay), *self.batch_size]
        low, high = tuple(map(float, bounds[::2])), tuple(map(float, bounds[1::2]))
        return TrainingKernel(low, high, self.omega, self.r, self.weights, ("lr", "weight decay", "batch size"))

    def rows(self, u: Array) -> Array:
        """lr, weight decay and batch size (n, 3) of points u (n, 3) of the unit cube."""
        (lr_low, lr_high), (low, high) = _logs(self.lr), _logs(self.weight_decay)
        lr = 10.0 ** (lr_low + u[:, 0] * (lr_high - lr_low))
        decay = 10.0 ** (low + u[:, 1] * (high - low))
        decay = np.where(decay < self.weight_decay_cutoff, 0.0, decay)
        return np.stack([lr, decay, pick_integer(u[:, 2], *self.batch_size)], axis=1)

    def point(self, row: Array) -> Training:
        """The `Training` that a row (3,) stands for."""
        return Training(lr=float(row[0]), weight_decay=float(row[1]), batch_size=int(row[2]))

    def encode(self, points: Sequence[Training]) -> Array:
        """Rows (n, 3) of n `Training` objects.

        Raises:
            ArgumentError: a point is not a Training.
        """
        return self.kernel.encode(points)

    def capped(self, max_batch: int) -> TrainingSpace:
        """The same space with batch sizes of at most `max_batch`, the size of the train split."""
        most = check_int("max_batch", max_batch, 1)
        return replace(self, batch_size=(min(self.batch_size[0], most), min(self.batch_size[1], most)))


def check_training(value: object) -> None:
    """Refuse everything but a TrainingSpace.

    Raises:
        ArgumentError: it is something else.
    """
    if not isinstance(value, TrainingSpace):
        raise ArgumentError(f"training={short_repr(value)} is not allowed: give a dnc.TrainingSpace")


def _positive_bounds(name: str, value: object) -> tuple[float, float]:
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise ArgumentError(f"{name}={short_repr(value)} is not allowed: give two numbers (lower, upper) > 0")
    low, high = (check_float(f"{name}[{i}]", v, 0, open_low=True) for i, v in enumerate(value))
    if low > high:
        raise ArgumentError(
            f"{name}={short_repr(value)} is the wrong way round: give (lower, upper) with lower <= upper"
        )
    return low, high


def _logs(bounds: tuple[float, float]) -> tuple[float, float]:
    return float(np.log10(bounds[0])), float(np.log10(bounds[1]))
