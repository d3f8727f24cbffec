"""Samples in memory, handed out as batches of floats in the form that a network takes."""

from __future__ import annotations

import math
import warnings
import weakref
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from dnc.data.augmenter import Augmenter

# flat uint8 data that take up to this many bytes as float32 are converted once, larger ones batch by batch
CONVERT_ONCE_BYTES = 512 * 2**20
CACHE_BYTES = 2**28  # of converted rows that are kept for the next training on the same arrays
CHUNK_ROWS, CHUNK_IMAGES = 1000, 250  # samples of one evaluation batch: their activations stay small
CHUNK_PIXELS = 2**17  # of images on a CPU: there, memory for larger maps comes from the system, anew in each layer
CHUNK_IMAGES_CUDA = 500


class BatchSource:
    """One split: x (N, *shape) uint8 or float32 and y (N,) on a device.

    Args:
        x, y: the samples and labels.
        flat: for an MLP: rows (N, features), without augmentation. Otherwise images, in channels_last form.
        augmenter: augments training batches and normalizes the others; None divides uint8 by 255.
        device: where the samples live.
        capacity: largest batch that `gather` is asked for; its buffers are made once.
        dtype: type of the rows if `flat`.
        multiple: a batch comes with rows behind it, up to the next multiple of this number; they hold zeros, or samples
            of earlier batches.
    """

    def __init__(
        self,
        x: np.ndarray,
        y: np.ndarray,
        *,
        flat: bool,
        augmenter: Augmenter | None,
        device: str,
        capacity: int = 0,
        dtype: torch.dtype = torch.float32,
        multiple: int = 1,
    ) -> None:
        self.flat, self.dtype, self._multiple = flat, dtype, multiple
        self.augmenter = augmenter
        if flat and (x.dtype != np.uint8 or 4 * x.size <= CONVERT_ONCE_BYTES):
            samples = float_rows(x, dtype).to(device)
        else:
            samples = as_tensor(x).to(device)
            samples = samples.flatten(1) if flat else samples
        self.x = samples
        self.y = as_tensor(y).to(device)
        capacity += -capacity % multiple
        self._x_batch = samples.new_zeros((capacity, *samples.shape[1:]))
        self._y_batch = self.y.new_zeros(capacity)
        # views of them for each batch size that occurs: with the rows behind the batch, and without
        self._buffers: dict[int, tuple[Tensor, Tensor, Tensor, Tensor]] = {}

    def __len__(self) -> int:
        return len(self.x)

    def gather(self, rows: Tensor, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """The training batch of the samples `rows` (B,): inputs (B, *shape), labels (B,), B rounded up to `multiple`.

        Both may be overwritten by the next call. `generator` draws the augmentation; None leaves it out.
        """
        n = len(rows)
        if n not in self._buffers:
            padded = n + -n % self._multiple
            self._buffers[n] = self._x_batch[:padded], self._y_batch[:padded], self._x_batch[:n], self._y_batch[:n]
        x, y, own_x, own_y = self._buffers[n]
        torch.index_select(self.x, 0, rows, out=own_x)
        torch.index_select(self.y, 0, rows, out=own_y)
        if self.augmenter is None or generator is None:
            return self._prepared(x), y
        return self.augmenter(x, generator).contiguous(memory_format=torch.channels_last), y

    def chunks(self) -> Iterator[tuple[Tensor, Tensor]]:
        """All samples in order as evaluation batches: normalized, not augmented."""
        size = CHUNK_ROWS
        if not self.flat:
            n_images = max(CHUNK_PIXELS // math.prod(self.x.shape[2:]), 1)
            size = CHUNK_IMAGES_CUDA if self.x.is_cuda else min(CHUNK_IMAGES, n_images)
        for start in range(0, len(self), size):
            yield self._prepared(self.x[start : start + size]), self.y[start : start + size]

    def _prepared(self, x: Tensor) -> Tensor:
        if self.augmenter is not None:
            x = self.augmenter.normalize(x)
        elif x.dtype == torch.uint8:
            x = unit_floats(x, self.dtype)
        return x if self.flat else x.contiguous(memory_format=torch.channels_last)


_row_cache: dict[tuple[int, torch.dtype], tuple[weakref.ref[np.ndarray], Tensor]] = {}  # the last used comes last


def float_rows(x: np.ndarray, dtype: torch.dtype) -> Tensor:
    """Samples x (N, …) as rows (N, features) of type `dtype`, uint8 as `unit_floats`; not to be written to.

    A search trains many configs on the same arrays, so the rows used last, up to `CACHE_BYTES` in all, are kept as
    long as their array lives.
    """
    samples = as_tensor(x)
    if samples.dtype == dtype:
        return samples.flatten(1)
    key = id(x), dtype
    cached = _row_cache.pop(key, None)
    if cached is None or cached[0]() is not x:  # a new array may have got the id of one that is gone
        samples = samples.flatten(1)
        rows = unit_floats(samples, dtype) if samples.dtype == torch.uint8 else samples.to(dtype)
        cached = weakref.ref(x, lambda _: _row_cache.pop(key, None)), rows
    _row_cache[key] = cached
    oldest_first = list(_row_cache.items())
    excess = sum(rows.nbytes for _, (_, rows) in oldest_first) - CACHE_BYTES
    for old, (_, rows) in oldest_first:
        if excess <= 0:
            break
        _row_cache.pop(old, None)
        excess -= rows.nbytes
    return cached[1]


def unit_floats(x: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """uint8 in 0 … 255 as floats in [0, 1]; divided in float32 at least, then rounded to `dtype`."""
    wide = torch.float64 if dtype == torch.float64 else torch.float32
    return x.to(wide).div_(255).to(dtype)


def as_tensor(array: np.ndarray) -> Tensor:
    """`array` as a tensor that shares its memory."""
    with warnings.catch_warnings():  # a read-only array is fine: nothing here writes to it
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(np.ascontiguousarray(array))
