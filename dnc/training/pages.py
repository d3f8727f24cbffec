"""Memory for large arrays in huge pages, where the system has them: fewer address translations for the same work."""

from __future__ import annotations

import math
import mmap
from collections.abc import Sequence

import torch
from torch import Tensor

HUGE = 2**21  # bytes of a huge page; smaller arrays are allocated as usual


def zeros(shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    """A tensor of zeros; what it holds is the same with and without huge pages, and so is every result."""
    count = math.prod(shape)
    size = count * dtype.itemsize
    if size < HUGE or not hasattr(mmap, "MADV_HUGEPAGE"):
        return torch.zeros(*shape, dtype=dtype)
    try:
        memory = mmap.mmap(-1, size + 2 * HUGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        memory.madvise(mmap.MADV_HUGEPAGE)
    except OSError:  # no memory, which torch reports better, or a kernel without huge pages
        return torch.zeros(*shape, dtype=dtype)
    start = -torch.frombuffer(memory, dtype=torch.uint8, count=1).data_ptr() % HUGE
    return torch.frombuffer(memory, dtype=dtype, count=count, offset=start).view(*shape)  # keeps the memory alive
