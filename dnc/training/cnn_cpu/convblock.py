"""One conv layer in training without autograd: see `dnc.training.cnn_cpu.conv`."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from dnc.networks.cnn import ConvBlock
from dnc.networks.layers import LEVELS
from dnc.networks.params import KERNEL
from dnc.training.activations import activate, backward
from dnc.training.cnn_cpu.norm import Norm, Weight
from dnc.training.cnn_cpu.pooling import AnyPool, EvenPool
from dnc.training.dropout import INTEGERS, DropoutMask, RandomBits

_aten = torch.ops.aten

QUICK_POOL = 64  # bytes of a pixel's channels from which the pooling of our own is quicker

Shape = tuple[int, int, int, int]  # (B, C, H, W)


class BlockPass:
    """The way forward and back through a `ConvBlock` for a batch of one size.

    Args:
        block: the layer.
        activation: its name.
        weights: of its parameters.
        shape: of its input.
        noise: where dropout's bits come from.
        first: whether nobody needs the gradient of its input.

    Attributes:
        shape: of its output.
    """

    def __init__(
        self,
        block: ConvBlock,
        activation: str,
        weights: Mapping[Tensor, Weight],
        shape: Shape,
        noise: RandomBits,
        first: bool,
    ) -> None:
        assert block.conv.bias is not None
        self._weight, self._bias, self._first = weights[block.conv.weight], weights[block.conv.bias], first
        dtype, kind = self._weight.reduced.dtype, INTEGERS[self._weight.reduced.element_size()]
        self._kind = kind
        stride = block.conv.stride[0]
        self._sides = [stride] * 2, [KERNEL // 2] * 2, [1, 1], False, [0, 0], 1
        b, _, height, width = shape
        height, width, channels = -(-height // stride), -(-width // stride), len(self._bias.reduced)
        self._pool: AnyPool | EvenPool | None = None
        if block.pool:
            quick = height % 2 == width % 2 == 0 and channels * dtype.itemsize >= QUICK_POOL
            self._pool = EvenPool((b, channels, height, width), dtype) if quick else AnyPool()
            height, width = -(-height // 2), -(-width // 2)
        self.shape: Shape = (b, channels, height, width)

        self._activation, self._relu = activation, activation == "relu"
        scale = LEVELS / (LEVELS - block.drop.threshold)
        # the last linear operation takes over dropout's scale, if that is possible: s · relu(z) = relu(s · z)
        self._gain, self._scale = (scale, 1.0) if self._relu else (1.0, scale)
        self._norm: Norm | None = None
        affine = self._weight, self._bias
        if block.norm is not None:
            affine = weights[block.norm.weight], weights[block.norm.bias]
            self._norm = Norm(block.norm, *affine, self.shape)
        for weight in affine:
            weight.gain.fill_(self._gain)
        self._h = torch.zeros(self.shape, dtype=dtype).contiguous(memory_format=torch.channels_last)
        self._h_integers = self._h.view(kind)
        self._dropper = DropoutMask(noise, self._h, block.drop.threshold) if block.drop.threshold else None
        self._factored = torch.empty_like(self._weight.scaled)
        self._x = self._y = self._z = self._h

    def forward(self, x: Tensor, shortcut: Tensor | None) -> Tensor:
        """The output, overwritten by the next pass; the shortcut has its shape."""
        y = torch.convolution(x, self._weight.reduced, self._bias.reduced, *self._sides)
        y = y.contiguous(memory_format=torch.channels_last)
        y = y if self._pool is None else self._pool.forward(y)
        self._x, self._y = x, y
        if self._norm is None:
            z = y
        else:
            z = self._h if self._relu else torch.empty_like(y)
            self._norm.forward(y, z)
        if shortcut is not None:
            z.add_(shortcut, alpha=self._gain)
        if not self._relu or self._norm is None:
            activate(self._activation, z, self._h)
        else:  # negative floats are negative integers, which are quicker; NaN may get lost, see `ConvPass.finite`
            self._h_integers.clamp_min_(0)
        self._z = z
        if self._dropper is not None:
            self._dropper.draw(keep=not self._relu)
            self._dropper.drop(self._h_integers)
            if self._scale != 1:
                self._h.mul_(self._scale)
        return self._h

    def backward(self, g: Tensor, shortcut: bool) -> tuple[Tensor | None, Tensor | None]:
        """Compute the gradients of the weights, given that of the output, which may be overwritten.

        Returns those of the input and of the shortcut, where they are needed.
        """
        g = self._deactivate(g)
        added = g * self._gain if shortcut else None
        u, factor = g, None
        if self._norm is not None:
            factor = self._norm.backward(g, self._y).view(-1, 1, 1, 1)
            u = self._y
            if not self._first:  # the gradient of y is factor · u
                torch.mul(self._weight.scaled, factor, out=self._factored)
                self._weight.reduced.copy_(self._factored)
        if self._pool is not None:
            u = self._pool.backward(u)
        dx, dw, db = _aten.convolution_backward(
            u, self._x, self._weight.reduced, [self.shape[1]], *self._sides,
            [not self._first, True, self._norm is None],
        )  # fmt: skip
        self._weight.grad.copy_(dw)
        if factor is not None:
            self._weight.grad.mul_(factor)
        else:
            self._bias.grad.copy_(db)
        return dx, added

    def _deactivate(self, g: Tensor) -> Tensor:
        """The gradient of z, from that of h, which is overwritten if it has memory of its own."""
        last = torch.channels_last
        out = g if g.is_contiguous(memory_format=last) else torch.empty_like(self._h)
        if self._relu:  # what is zero, dropped or negative, has no gradient
            view = g.view(self._kind)
            _aten.threshold_backward.grad_input(view, self._h_integers, 0, grad_input=out.view(self._kind))
            return out
        out.copy_(g)
        if self._dropper is not None:
            self._dropper.drop(out.view(self._kind))
            out.mul_(self._scale)
        backward(self._activation, out, self._z)
        return out
