"""A conv layer trained without autograd: see `dnc.training.cnn_cpu.conv`.

    x → convolution → y → max pool → batch normalization → (+ shortcut) → z → activation → dropout → h

y is the input of the batch normalization, after the pool. The name of a gradient is that of its array with a d before
it, but g for the one that is handed from step to step.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from dnc.networks.cnn import ConvBlock
from dnc.networks.layers import keep_scale
from dnc.networks.params import KERNEL
from dnc.training.activations import activate, backward
from dnc.training.cnn_cpu.dropout import INTEGERS, DropoutMask, RandomBits
from dnc.training.cnn_cpu.norm import Norm, Weight
from dnc.training.cnn_cpu.pooling import AnyPool, EvenPool

_aten = torch.ops.aten

EVEN_POOL_BYTES = 64  # for a pixel's channels: from here on, `EvenPool` is quicker than torch's pooling

Shape = tuple[int, int, int, int]  # (B, C, H, W)


class BlockPass:
    """The forward and the backward pass through a `ConvBlock` for a batch of one size.

    Args:
        block: the layer.
        activation: its name.
        weights: of its parameters.
        shape: of its input.
        random_bits: where dropout's bits come from.
        first: whether it is the first layer, whose input needs no gradient.

    Attributes:
        shape: of its output.
    """

    def __init__(
        self,
        block: ConvBlock,
        activation: str,
        weights: Mapping[Tensor, Weight],
        shape: Shape,
        random_bits: RandomBits,
        first: bool,
    ) -> None:
        assert block.conv.bias is not None
        self._weight, self._bias, self._first = weights[block.conv.weight], weights[block.conv.bias], first
        dtype = self._weight.reduced.dtype
        self._integers = INTEGERS[dtype.itemsize]
        stride = block.conv.stride[0]
        b, _, height, width = shape
        # On maps of width 1, a horizontal stride has no effect; but with it, oneDNN leaves the outer columns of the
        # weight gradient in bfloat16 as it found the memory. Not in float32, which keeps its bits.
        across = 1 if width == 1 and dtype == torch.bfloat16 else stride
        self._conv_options = [stride, across], [KERNEL // 2] * 2, [1, 1], False, [0, 0], 1
        height, width, channels = -(-height // stride), -(-width // stride), len(self._bias.reduced)
        self._pool: AnyPool | EvenPool | None = None
        if block.pool:
            even = height % 2 == width % 2 == 0 and channels * dtype.itemsize >= EVEN_POOL_BYTES
            self._pool = EvenPool((b, channels, height, width), dtype) if even else AnyPool()
            height, width = -(-height // 2), -(-width // 2)
        self.shape: Shape = (b, channels, height, width)

        self._activation, self._relu = activation, activation == "relu"
        scale = keep_scale(block.drop.threshold)
        # With ReLU, the last linear operation takes over dropout's scale, since s · relu(z) = relu(s · z), and saves a
        # pass over the maps; other activations do not commute with it.
        self._gain, self._scale = (scale, 1.0) if self._relu else (1.0, scale)
        self._norm: Norm | None = None
        affine = self._weight, self._bias
        if block.norm is not None:
            affine = weights[block.norm.weight], weights[block.norm.bias]
            self._norm = Norm(block.norm, *affine, self.shape)
        for weight in affine:
            weight.gain.fill_(self._gain)
        self._h = torch.zeros(self.shape, dtype=dtype).contiguous(memory_format=torch.channels_last)
        self._h_integers = self._h.view(self._integers)
        threshold = block.drop.threshold
        self._dropout = DropoutMask(random_bits, self._h, threshold) if threshold else None
        self._factored = torch.empty_like(self._weight.scaled)
        self._x = self._y = self._z = self._h

    def forward(self, x: Tensor, shortcut: Tensor | None) -> Tensor:
        """The output h (B, C', H', W'), overwritten by the next pass; the shortcut has its shape."""
        y = torch.convolution(x, self._weight.reduced, self._bias.reduced, *self._conv_options)
        y = y.contiguous(memory_format=torch.channels_last)
        y = y if self._pool is None else self._pool.forward(y)
        self._x, self._y = x, y
        if self._norm is None:
            z = y
        else:
            # y is needed in the backward pass, z is not with ReLU: then z and h are the same memory
            z = self._h if self._relu else torch.empty_like(y)
            self._norm.forward(y, z)
        if shortcut is not None:
            z.add_(shortcut, alpha=self._gain)  # z is already scaled: what joins it must be, too
        if not self._relu or self._norm is None:
            activate(self._activation, z, self._h)
        else:  # negative floats are negative integers, which are quicker; NaN may get lost, see `ConvPass.finite`
            self._h_integers.clamp_min_(0)
        self._z = z
        if self._dropout is not None:
            # with ReLU, zeros in h show what was dropped; without, the same mask is needed in the backward pass
            self._dropout.draw(keep=not self._relu)
            self._dropout.drop(self._h_integers)
            if self._scale != 1:
                self._h.mul_(self._scale)
        return self._h

    def backward(self, g: Tensor, shortcut: bool) -> tuple[Tensor | None, Tensor | None]:
        """Compute the gradients of the weights, given that of the output, which may be overwritten.

        Args:
            g: gradient of the output (B, C', H', W').
            shortcut: whether a shortcut was added.

        Returns:
            The gradient of the input (B, C, H, W), and that of the shortcut; None for what is not needed.
        """
        g = self._deactivate(g)
        shortcut_grad = g * self._gain if shortcut else None
        u, factor = g, None
        if self._norm is not None:
            # The gradient of y is factor · u with one factor per output channel. The pool passes gradients on and the
            # convolution is linear, so the factor can be applied to small arrays instead of the maps: to the weights
            # for the gradient of x, and afterwards to the gradient of the weights.
            factor = self._norm.backward(g, self._y).view(-1, 1, 1, 1)  # (C', 1, 1, 1)
            u = self._y  # overwritten by `Norm.backward`
            if not self._first:
                torch.mul(self._weight.scaled, factor, out=self._factored)
                self._weight.reduced.copy_(self._factored)  # its forward pass is over; the next one sets it anew
        if self._pool is not None:
            u = self._pool.backward(u)  # (B, C', H', W') -> (B, C', 2 H', 2 W'), if these are even
        needed = [not self._first, True, self._norm is None]
        dx, dw, db = _aten.convolution_backward(
            u, self._x, self._weight.reduced, [self.shape[1]], *self._conv_options, needed
        )
        self._weight.grad.copy_(dw)
        if factor is not None:  # batch normalization subtracts the mean: the bias before it has no effect, no gradient
            self._weight.grad.mul_(factor)
        else:
            self._bias.grad.copy_(db)
        return dx, shortcut_grad

    def _deactivate(self, g: Tensor) -> Tensor:
        """The gradient of z, from that of h, which is overwritten if it has memory of its own."""
        # the gradient of the last layer is one number per channel, expanded to the maps without memory for them
        out = g if g.is_contiguous(memory_format=torch.channels_last) else torch.empty_like(self._h)
        if self._relu:  # what is zero, dropped or negative, has no gradient
            g_integers, out_integers = g.view(self._integers), out.view(self._integers)
            _aten.threshold_backward.grad_input(g_integers, self._h_integers, 0, grad_input=out_integers)
            return out
        out.copy_(g)
        if self._dropout is not None:
            self._dropout.drop(out.view(self._integers))
            out.mul_(self._scale)
        backward(self._activation, out, self._z)
        return out
