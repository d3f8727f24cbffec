"""Splits by seed: one stratified order of the samples, cut into validation split (front) and train split (back)."""

from __future__ import annotations

import numpy as np

from dnc.errors import ArgumentError, DataError, check_float, check_int, short_repr


def sample_order(y: np.ndarray, seed: int, stratify: bool = True) -> np.ndarray:
    """A permutation of the samples by seed, of which every prefix and every suffix is nearly stratified.

    The k-th of the n samples of a class is put at (k - 1/2) / n of the way, so the first t samples hold each
    class in its proportion, up to one sample and ties. Smaller subsets are part of larger ones.

    Args:
        y: labels [N], int64 from 0.
        seed: any whole number >= 0; the global random state is neither read nor changed.
        stratify: False gives a plain permutation.

    >>> y = np.array([0, 0, 0, 0, 1, 1])
    >>> y[sample_order(y, seed=0)].tolist()  # which samples is up to the seed, but not how they alternate
    [0, 1, 0, 0, 1, 0]
    """
    shuffled = np.random.default_rng(seed).permutation(len(y))
    if not stratify or len(y) == 0:
        return shuffled
    labels = y[shuffled]
    counts = np.bincount(labels)
    rank = np.empty(len(y), dtype=np.int64)  # of each sample within its class
    rank[np.argsort(labels, kind="stable")] = np.arange(len(y)) - np.repeat(np.cumsum(counts) - counts, counts)
    return shuffled[np.argsort((rank + 0.5) / counts[labels], kind="stable")]


def validation_size(n: int, val_fraction: float) -> int:
    """Number of validation samples taken from `n` samples.

    Raises:
        ArgumentError: the fraction is not in (0, 1).
        DataError: it leaves no sample to validate on, or fewer than two to train on.
    """
    fraction = check_float("val_fraction", val_fraction, 0, 1, open_low=True, open_high=True)
    size = round(fraction * n)
    if size < 1 or n - size < 2:
        raise DataError(
            f"val_fraction={fraction:g} of {n} samples is an empty split ({n - size} to train on, {size} to validate): "
            f"at least 2 and 1 are needed; give more samples or another val_fraction"
        )
    return size


def split(
    order: np.ndarray, default_val: int, n_train: int | None = None, n_val: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Indices to train on and to validate on: the back and the front of `order`.

    n_val=None takes `default_val`. n_train=None takes what that default leaves, even if a smaller n_val is asked for:
    a smaller validation split leaves the train split as it is, and the other way round.

    Raises:
        ArgumentError: the two sizes exceed the number of samples.
    """
    n = len(order)
    val = default_val if n_val is None else check_int("n_val", n_val, 1, n - 2)
    rest = n - max(val, default_val)
    if rest < 2:
        raise ArgumentError(f"n_val={n_val} leaves fewer than 2 of {n} samples to train on: give a smaller n_val")
    train = rest if n_train is None else check_int("n_train", n_train, 2, n - val)
    return order[n - train :][::-1], order[:val]


def subset(y: np.ndarray, name: str, size: int | None, seed: int, stratify: bool) -> np.ndarray | slice:
    """Index of `size` of the samples with labels `y`; None takes all of them in their own order.

    Raises:
        ArgumentError: `size` is not between 1 and the number of samples.
    """
    if size is None:
        return slice(None)
    if len(y) == 0:
        raise ArgumentError(
            f"{name}={short_repr(size)} is not allowed: the data has no such samples; leave {name} out or give some"
        )
    return sample_order(y, seed, stratify)[: check_int(name, size, 1, len(y))]
