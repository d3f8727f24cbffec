"""Convolutional networks trained on the CPU without autograd, for kind "eager".

The same arithmetic as `ConvNet` with autograd in the engine's dtype, in fewer passes over memory. Maps are (B, C, H, W)
with C innermost in memory. In bfloat16, this is the type of all maps and of the convolutions' weights; sums,
statistics, the classifier, the weights that are updated and their gradients stay in float32.

- ReLU and dropout are tests of a sign bit and of random bits, made on the floats' memory seen as integers. The backward
  pass needs no mask: what is zero in the output has no gradient. Dropout's scale is a gain of the batch normalization's
  weights, or of the convolution's if there is none.
- The bias of a convolution before a batch normalization has the gradient zero, exactly.
- Maps have zero channels up to a multiple of 8, made by zero weights with zero gradients: the kernels are not quicker
  without them, and some are slower.
- In the backward pass, batch normalization hands its factor to the weights of the convolution before it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dnc.config import CNN, SHORTCUT_SPAN
from dnc.networks.cnn import ConvBlock, ConvNet, match_shape
from dnc.networks.params import map_sizes
from dnc.training.cnn_cpu.convblock import BlockPass
from dnc.training.cnn_cpu.dropout import RandomBits
from dnc.training.cnn_cpu.norm import Weight

CHANNELS = 8  # the kernels process this many channels at once


class ConvPass:
    """A network's weights as one vector, and the gradient of the loss with respect to it.

    Args:
        arch: the architecture.
        network: its parameters become views of the vector; its running statistics are updated by each pass.
        dtype: of the maps: bfloat16, or that of the weights.
        generator: draws the dropout.
        capacity: largest number of images in a batch.

    Attributes:
        values, grads: the vectors, in the type of the weights.
    """

    def __init__(
        self, arch: CNN, network: ConvNet, dtype: torch.dtype, generator: torch.Generator, capacity: int
    ) -> None:
        self._network, self._dtype, self._activation = network, dtype, arch.activation
        params = list(network.parameters())
        shapes = [self._padded_shape(p) for p in params]
        starts = [0]
        for shape in shapes:
            starts.append(starts[-1] + padded(math.prod(shape)))
        # One vector, so that the update, the gains and the conversion to `dtype` are one call each.
        self.values = params[0].new_zeros(starts[-1], requires_grad=False)
        self.grads, self._gains = torch.zeros_like(self.values), torch.ones_like(self.values)
        self._scaled, self._reduced = torch.zeros_like(self.values), torch.zeros_like(self.values, dtype=dtype)
        self._weights: dict[Tensor, Weight] = {}
        for p, start, shape in zip(params, starts, shapes, strict=False):
            vectors = self._scaled, self._reduced, self.grads, self._gains
            self._weights[p] = Weight(*(_view(vector, start, shape) for vector in vectors))
            value = _view(self.values, start, shape)[tuple(slice(size) for size in p.shape)]
            p.data = value.copy_(p.detach())
        self._weight, self._bias = (self._weights[p] for p in (network.classifier.weight, network.classifier.bias))
        sizes = map_sizes(arch, network.input_shape)
        areas = [padded(c) * h * w for c, (h, w) in zip(arch.channels, sizes, strict=True)]
        self._random_bits = RandomBits(generator, self._reduced.element_size() * max(areas) * capacity // 8 + 1)
        self._block_passes: dict[int, list[BlockPass]] = {}  # by the number of images in a batch

    def gradients(self, x: Tensor, y: Tensor) -> Tensor:
        """Compute `grads` for images (B, C, H, W) and labels (B,); the mean loss, a scalar."""
        with torch.no_grad():
            blocks = self._blocks(x.shape)
            self._reduced.copy_(torch.mul(self.values, self._gains, out=self._scaled))
            h, joined = self._forward(blocks, x.to(self._dtype, memory_format=torch.channels_last))
            pooled = torch.mean(h, (2, 3), dtype=self.values.dtype)  # (B, C)
            log_p = torch.log_softmax(torch.addmm(self._bias.scaled, pooled, self._weight.scaled.t()), 1)
            label = y.unsqueeze(1)  # (B, 1)
            loss = -log_p.gather(1, label).mean()
            # the gradient of the mean cross-entropy with respect to the logits: (softmax - onehot) / B
            g = log_p.exp_()  # (B, n_classes)
            g.scatter_add_(1, label, g.new_full((1, 1), -1.0).expand(len(g), 1)).mul_(1 / len(g))
            torch.mm(g.t(), pooled, out=self._weight.grad)
            torch.sum(g, 0, out=self._bias.grad)
            # the mean over H · W pixels gives each of them the same share; expand makes no copies of it
            g = torch.mm(g, self._weight.scaled).mul_(1 / (h.shape[2] * h.shape[3])).to(self._dtype)  # (B, C)
            self._backward(blocks, g[:, :, None, None].expand_as(h), joined)
            # so far with respect to the scaled weights: by the chain rule, the gain is a factor once more
            self.grads.mul_(self._gains)
            return loss

    def release(self) -> None:
        """Give each parameter of the network memory of its own again, after the last pass."""
        for p in self._network.parameters():
            form = torch.channels_last if p.dim() == 4 else torch.contiguous_format
            p.data = p.detach().clone(memory_format=form)

    def finite(self) -> bool:
        """Whether no weight and no running statistic is infinite or NaN."""
        buffers = [b for b in self._network.buffers() if b.is_floating_point()]
        return all(bool(torch.isfinite(v).all()) for v in [self.values, *buffers])

    def _padded_shape(self, p: nn.Parameter) -> tuple[int, ...]:
        """The shape of a parameter with padded channels; neither images nor classes are padded."""
        network = self._network
        if p is network.classifier.bias:
            return tuple(p.shape)
        if p is network.classifier.weight:
            return p.shape[0], padded(p.shape[1])
        first = p is next(network.parameters())
        return tuple(size if dim > 1 or (first and dim == 1) else padded(size) for dim, size in enumerate(p.shape))

    def _blocks(self, shape: Sequence[int]) -> list[BlockPass]:
        """The layers' passes for images (B, C, H, W)."""
        b, c, height, width = shape
        if b not in self._block_passes:
            blocks: list[BlockPass] = []
            for block in self._network.blocks:
                before = blocks[-1].shape if blocks else (b, c, height, width)
                assert isinstance(block, ConvBlock)
                blocks.append(
                    BlockPass(block, self._activation, self._weights, before, self._random_bits, first=not blocks)
                )
            self._block_passes[b] = blocks
        return self._block_passes[b]

    def _forward(self, blocks: Sequence[BlockPass], x: Tensor) -> tuple[Tensor, dict[int, tuple[Tensor, Tensor]]]:
        """The last layer's output; for the last layer of each shortcut, where it starts and what it adds."""
        joins = self._network.joins
        joined: dict[int, tuple[Tensor, Tensor]] = {}
        for layer, block in enumerate(blocks, start=1):
            x = block.forward(x, joined[layer][1].detach() if layer in joined else None)
            if layer + SHORTCUT_SPAN in joins:
                joined[layer + SHORTCUT_SPAN] = _matched(x, *joins[layer + SHORTCUT_SPAN])
        return x, joined

    def _backward(self, blocks: Sequence[BlockPass], g: Tensor, joined: dict[int, tuple[Tensor, Tensor]]) -> None:
        """Compute the gradients of all blocks, given that of the last output; `joined` is from `_forward`."""
        added: dict[int, Tensor] = {}  # layer -> gradient of its output by way of a shortcut
        for layer in range(len(blocks), 0, -1):
            if layer in added:  # two ways lead from this output to the loss: their gradients add up
                g.add_(added.pop(layer))
            below, end_grad = blocks[layer - 1].backward(g, layer in joined)
            if end_grad is not None:
                start, end = joined[layer]
                # autograd for pooling and padding only: they are rare and cheap, and a pass of our own not worth it
                added[layer - SHORTCUT_SPAN] = torch.autograd.grad(end, start, end_grad)[0]
            g = g if below is None else below


def padded(n: int) -> int:
    """n channels, rounded up to the number that maps have in memory."""
    return -(-n // CHANNELS) * CHANNELS


def _matched(h: Tensor, channels: int, halvings: int) -> tuple[Tensor, Tensor]:
    """The maps where a shortcut starts, and what it adds as a function of them, for autograd."""
    start = h.detach().requires_grad_()
    with torch.enable_grad():
        return start, F.pad(match_shape(start, channels, halvings), (0, 0, 0, 0, 0, padded(channels) - channels))


def _view(flat: Tensor, start: int, shape: Sequence[int]) -> Tensor:
    """A parameter's part of a flat vector; weights of convolutions lie in channels_last form."""
    part = flat[start : start + math.prod(shape)]
    if len(shape) != 4:
        return part.view(*shape)
    out, c_in, height, width = shape
    return part.view(out, height, width, c_in).permute(0, 3, 1, 2)  # seen as (out, in, 3, 3)
