"""2x2 max pooling of a batch of maps without indices.

Rows are compared first, then columns. The differences tell where the gradient goes: to the first of the two if the
first minus the second is not negative, which for floats read as integers is the test of a single bit.
"""

from __future__ import annotations

import torch
from torch import Tensor

from dnc.training.cnn_cpu.dropout import INTEGERS

_aten = torch.ops.aten
_SIDES = ([2, 2], [2, 2], [0, 0], [1, 1], True)  # kernel, stride, padding, dilation, rounding up


class EvenPool:
    """Pooling of maps with even height and width (H, W) and its backward pass; the buffers are made once.

    Args:
        shape: (B, C, H, W), with C innermost in memory, as in all maps here.
        dtype: of the maps.
    """

    def __init__(self, shape: tuple[int, int, int, int], dtype: torch.dtype) -> None:
        b, c, height, width = shape
        integers = INTEGERS[dtype.itemsize]

        def maps(h: int, w: int) -> Tensor:
            return torch.zeros(b, c, h, w, dtype=dtype).contiguous(memory_format=torch.channels_last)

        self._high, self._row_difference = maps(height // 2, width), maps(height // 2, width)
        self._out, self._column_difference = maps(height // 2, width // 2), maps(height // 2, width // 2)
        self._columns = _halves(self._high, 3)
        self._grad = maps(height, width)
        # the larger of two rows is not needed in the backward pass: its memory takes the gradient
        self._row_grad = self._high.view(integers)
        self._grad_rows, self._grad_columns = _halves(self._grad.view(integers), 2), _halves(self._row_grad, 3)
        self._signs = self._row_difference.view(integers), self._column_difference.view(integers)
        self._integers = integers

    def forward(self, y: Tensor) -> Tensor:
        """(B, C, H, W) → (B, C, H/2, W/2), overwritten by the next pass."""
        rows = _halves(y, 2)  # 2 x (B, C, H/2, W)
        torch.maximum(*rows, out=self._high)
        torch.sub(*rows, out=self._row_difference)
        torch.maximum(*self._columns, out=self._out)  # of 2 x (B, C, H/2, W/2)
        torch.sub(*self._columns, out=self._column_difference)
        return self._out

    def backward(self, grad: Tensor) -> Tensor:
        """The gradient of `forward`'s argument, overwritten by the next pass."""
        _route(grad.view(self._integers), self._signs[1], *self._grad_columns)  # (B, C, H/2, W/2) -> (B, C, H/2, W)
        _route(self._row_grad, self._signs[0], *self._grad_rows)  # (B, C, H/2, W) -> (B, C, H, W)
        return self._grad


class AnyPool:
    """Pooling of maps of any height and width, rounded up, by torch's own pooling."""

    def __init__(self) -> None:
        self._saved: tuple[Tensor, Tensor] | None = None

    def forward(self, y: Tensor) -> Tensor:
        """(B, C, H, W) → (B, C, ceil(H/2), ceil(W/2))."""
        out, indices = _aten.max_pool2d_with_indices(y, *_SIDES)
        self._saved = y, indices
        return out

    def backward(self, grad: Tensor) -> Tensor:
        """The gradient of `forward`'s argument."""
        assert self._saved is not None
        (y, indices), self._saved = self._saved, None
        return _aten.max_pool2d_with_indices_backward(grad, y, *_SIDES, indices)


def _halves(x: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """The even and the odd rows (dim 2) or columns (dim 3), counted from 0."""
    index = (slice(None),) * dim
    return x[(*index, slice(0, None, 2))], x[(*index, slice(1, None, 2))]


def _route(grad: Tensor, difference: Tensor, first: Tensor, second: Tensor) -> None:
    """Pass the gradient to `first` where the difference is not negative, and otherwise to `second`."""
    _aten.threshold_backward.grad_input(grad, difference, -1, grad_input=first)
    torch.sub(grad, first, out=second)  # exact, of integers: what `first` did not get, or zero
