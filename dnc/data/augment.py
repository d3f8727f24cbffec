"""What augmentation is to do, as plain data; `dnc.data.augmenter` does it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dnc.data.arrays import CHUNK
from dnc.errors import ArgumentError, check_float, check_int, short_repr

PAD = 4  # pixels of zero padding on each side that the paper crops from (Sec. 3)


@dataclass(frozen=True)
class Augment:
    """Standard augmentation (Sec. 3): a random crop from zero padding, a random flip, normalization per channel.

    Args:
        pad: pixels of zero padding on each side. The crop has the size of the image.
        flip: mirror half of the images left to right.
        mean, std: of each channel, on the scale [0, 1] for uint8 images and on their own scale for float images.
            () takes them from the train split.

    Raises:
        ArgumentError: a value outside its range.

    >>> import dnc
    >>> data = dnc.load_data("digits", augment=dnc.Augment(pad=1, flip=False))
    >>> data.augmentation_id, round(data.augment.mean[0], 2)
    ('crop1+norm', 0.31)
    """

    pad: int = PAD
    flip: bool = True
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "pad", check_int("pad", self.pad, 0, 1000))
        if not isinstance(self.flip, bool):
            raise ArgumentError(f"flip={short_repr(self.flip)} is not allowed: give True or False")
        mean = tuple(check_float("mean", v) for v in _per_channel("mean", self.mean))
        std = tuple(check_float("std", v, 0, open_low=True) for v in _per_channel("std", self.std))
        if len(mean) != len(std):
            raise ArgumentError(f"mean and std have {len(mean)} and {len(std)} entries: give one per channel")
        object.__setattr__(self, "mean", mean)
        object.__setattr__(self, "std", std)


def _per_channel(name: str, value: object) -> tuple[Any, ...]:
    try:
        return tuple(value)  # type: ignore[arg-type]
    except TypeError:
        raise ArgumentError(f"{name}={short_repr(value)} is not allowed: give one number per channel") from None


def complete(augment: bool | Augment, flip: bool, x: np.ndarray) -> Augment | None:
    """The augmentation asked for, with mean and std of the train split's images [N, C, H, W] where none are given.

    Args:
        augment: True for the paper's augmentation, False for none.
        flip: whether True mirrors.
        x: images of the train split.

    Raises:
        ArgumentError: `augment` is something else, or `x` does not hold images.
    """
    if augment is False:
        return None
    if augment is not True and not isinstance(augment, Augment):
        raise ArgumentError(f"augment={short_repr(augment)} is not allowed: give True, False or a dnc.Augment")
    if x.ndim != 4:
        raise ArgumentError("augment=True needs images: give image_shape=(channels, height, width), or leave it out")
    chosen = Augment(default_pad(x.shape[2:]), flip) if augment is True else augment
    if chosen.mean:
        return chosen
    mean, std = channel_statistics(x)
    return replace(chosen, mean=mean, std=std)


def default_pad(size: tuple[int, ...]) -> int:
    """Padding for images of this height and width: the paper's 4 pixels from a side of 28 on, an eighth below that."""
    return min(PAD, math.ceil(min(size) / 8))


def channel_statistics(x: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel of [N, C, H, W]; uint8 on the scale [0, 1]. A constant one has 1."""
    total, square = np.zeros(x.shape[1]), np.zeros(x.shape[1])
    shift = x[0].astype(float).mean(axis=(1, 2), keepdims=True)  # near the mean: no cancellation in the squares
    for i in range(0, len(x), CHUNK):
        chunk = x[i : i + CHUNK] - shift
        total += chunk.sum(axis=(0, 2, 3))
        square += np.einsum("nchw,nchw->c", chunk, chunk)
    n = x.size // x.shape[1]
    scale = 255.0 if x.dtype == np.uint8 else 1.0
    std = np.sqrt(np.maximum(square / n - (total / n) ** 2, 0))
    constant = std <= 1e-12 * np.maximum(1, np.abs(shift.ravel()))
    mean = (total / n + shift.ravel()) / scale
    return tuple(mean.tolist()), tuple(np.where(constant, 1.0, std / scale).tolist())
