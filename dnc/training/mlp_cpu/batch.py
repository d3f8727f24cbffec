"""One step of a stack of perceptrons on a batch of a fixed size: its buffers, prepared once, and the arithmetic.

The notation is that of `dnc.training.mlp_cpu.direct`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dnc.networks.layers import LEVELS
from dnc.training.activations import activate, backward
from dnc.training.mlp_cpu.layout import Layout, NetLayout, aligned, row_step

_aten = torch.ops.aten


@dataclass(frozen=True)
class Flats:
    """The flat vectors of a stack: weights and gradients, and those of the products, maybe in a reduced type.

    `fast` tells of each network which of its hidden layers' products are computed in the type of `products`.
    """

    values: Tensor
    grads: Tensor
    products: Tensor
    product_grads: Tensor
    fast: tuple[tuple[bool, ...], ...]


class Batch:
    """The step for batches of `size` samples.

    Args:
        layout: the networks of the stack.
        flats: its vectors; gradients are written into them.
        n_classes: outputs of each network.
        size: samples of a batch.
    """

    def __init__(self, layout: Layout, flats: Flats, n_classes: int, size: int) -> None:
        self._flats, self._size = flats, size
        kind, nets = flats.values.dtype, layout.nets
        self._z = torch.zeros(layout.rows, size, dtype=kind)
        self._h = self._z if layout.relu_rows == layout.hidden_rows else torch.zeros_like(self._z)
        self._d = torch.zeros_like(self._z)
        reduced = flats.fast[0][0]  # the first layer is one product of all networks
        self._reduced = torch.zeros_like(self._z, dtype=flats.products.dtype) if reduced else None
        self._weights = layout.first(flats.products if reduced else flats.values)
        self._weight_grads = layout.first(flats.product_grads if reduced else flats.grads)
        self._bias, self._bias_grad = layout.first_bias(flats.values).unsqueeze(1), layout.first_bias(flats.grads)
        # more classes than there are, so that each network's are aligned: their probability is exactly 0
        n_padded = aligned(n_classes, row_step([size]))
        self._logits = torch.full((len(nets), n_padded, size), -math.inf, dtype=kind)
        self._g, self._log_p = torch.zeros_like(self._logits), torch.zeros_like(self._logits)
        self.n_classes = n_classes
        self._minus_one = torch.full((len(nets), 1, size), -1.0, dtype=kind)
        self._share = torch.tensor(1 / size, dtype=kind)  # as a tensor: torch would make one of a number in every call

        dropping = any(threshold(net.arch.drop) for net in nets)
        middle_rows = sum(sum(net.arch.hidden[1:]) for net in nets)
        self._masks = torch.ones(layout.hidden_rows + middle_rows if dropping else 0, size, dtype=kind)
        self._nets, row = [], layout.hidden_rows
        for i, net in enumerate(nets):
            self._nets.append(_Net(self, i, net, row))
            row += sum(net.arch.hidden[1:])
        # views are made once: in a narrow network they would cost as much as the arithmetic
        self._relu = (self._z[: layout.relu_rows], self._h[: layout.relu_rows], self._d[: layout.relu_rows])
        hidden = layout.hidden_rows
        self._hidden = (self._h[:hidden], self._masks[:hidden])
        self._dropping = [net for net in self._nets if net.threshold]
        self._others = [net for net in self._nets if net.depth and not net.layout.relu]

    def forward(self, x: Tensor, generators: Sequence[torch.Generator]) -> None:
        """Compute the logits of samples (B, features), the dropout of network i drawn from generator i."""
        torch.mm(self._weights, x.t(), out=self._z if self._reduced is None else self._reduced)
        if self._reduced is not None:
            self._z.copy_(self._reduced)
        self._z.add_(self._bias)
        if len(self._relu[0]):
            activate("relu", self._relu[0], self._relu[1])
        for net in self._others:
            activate(net.activation, net.z[0], net.h[0])
        if self._dropping:
            for net in self._dropping:
                net.draw(generators[net.index])
            self._hidden[0].mul_(self._hidden[1])
        for net in self._nets:
            net.forward()

    def loss(self, labels: Tensor, losses: Tensor) -> None:
        """Add each sample's cross-entropy to `losses`, and compute G; labels and losses are (networks, 1, B)."""
        _aten._log_softmax.out(self._logits, 1, False, out=self._log_p)
        losses.sub_(self._log_p.gather(1, labels))
        _aten._softmax.out(self._logits, 1, False, out=self._g)
        self._g.scatter_add_(1, labels, self._minus_one).mul_(self._share)

    def backward(self, x: Tensor) -> None:
        """Compute all gradients from G."""
        d = self._d
        for net in self._nets:
            net.backward()
        if len(self._relu[0]):
            backward("relu", self._relu[2], self._relu[1])
        for net in self._others:
            if net.threshold:
                net.d[0].mul_(net.masks[0])
            backward(net.activation, net.d[0], net.z[0])
        torch.sum(d, 1, out=self._bias_grad)
        if self._reduced is not None:
            d = self._reduced.copy_(d)
        torch.mm(d, x, out=self._weight_grads)


class _Net:
    """The views and buffers of one network, and what is computed for it alone: all but the first layer."""

    def __init__(self, batch: Batch, index: int, layout: NetLayout, mask_row: int) -> None:
        flats, size = batch._flats, batch._size
        self.index, self.layout = index, layout
        self.depth, self.activation = layout.arch.depth, layout.arch.activation
        self.threshold = threshold(layout.arch.drop)
        self.scale = LEVELS / (LEVELS - self.threshold)
        self._scale = torch.tensor(self.scale, dtype=flats.values.dtype)
        self.weights, self.weight_grads = layout.matrices(flats.values), layout.matrices(flats.grads)
        self.biases = [bias.unsqueeze(1) for bias in layout.vectors(flats.values)]
        self.bias_grads = layout.vectors(flats.grads)
        self.logits, self.g = batch._logits[index, : batch.n_classes], batch._g[index, : batch.n_classes]

        own = slice(layout.start, layout.start + layout.width)
        self.z, self.h, self.d = [batch._z[own]], [batch._h[own]], [batch._d[own]]
        self.masks = [batch._masks[own]]
        for width in layout.arch.hidden[1:]:
            self.z.append(torch.zeros(width, size, dtype=flats.values.dtype))
            self.h.append(self.z[-1] if layout.relu else torch.zeros_like(self.z[-1]))
            self.d.append(torch.zeros_like(self.z[-1]))
            self.masks.append(batch._masks[mask_row : mask_row + width])
            mask_row += width
        self.h_turned, self.weights_turned = self.h[-1].t(), self.weights[-1].t()
        self.middle = [_Middle(self, flats, index, k) for k in range(1, self.depth)]

        if self.threshold:
            self._words = torch.zeros((sum(layout.arch.hidden) * size + 7) // 8, dtype=torch.int64)
            drawn = self._words.view(torch.uint8)[: sum(layout.arch.hidden) * size]
            self._bytes = drawn.split([width * size for width in layout.arch.hidden])
            self._least = torch.tensor(self.threshold, dtype=torch.uint8)
            self._flat_masks = [mask.view(-1) for mask in self.masks]

    def draw(self, generator: torch.Generator) -> None:
        """Draw the masks of all layers, 0 or 1."""
        self._words.random_(-(2**63), None, generator=generator)  # all 64 bits: eight random bytes a draw
        for drawn, mask in zip(self._bytes, self._flat_masks, strict=True):
            torch.ge(drawn, self._least, out=mask)

    def forward(self) -> None:
        """From the first layer's activations (or, without hidden layers, z) to the logits."""
        if not self.depth:
            self.logits.copy_(self.z[0])
            return
        for k, product in enumerate(self.middle, 1):
            product.forward()
            if self.threshold:
                self.z[k].mul_(self._scale)
            self.z[k].add_(self.biases[k])
            activate(self.activation, self.z[k], self.h[k])
            if self.threshold:
                self.h[k].mul_(self.masks[k])
        torch.addmm(self.biases[-1], self.weights[-1], self.h[-1], alpha=self.scale, out=self.logits)

    def backward(self) -> None:
        """From G to the gradient with respect to the first layer's activations (or, without hidden layers, z)."""
        if not self.depth:
            self.d[0].copy_(self.g)
            return
        grad, d = self.weight_grads[-1], self.d[-1]
        torch.addmm(grad, self.g, self.h_turned, beta=0, alpha=self.scale, out=grad)
        torch.sum(self.g, 1, out=self.bias_grads[-1])
        torch.addmm(d, self.weights_turned, self.g, beta=0, alpha=self.scale, out=d)
        for k in range(self.depth - 1, 0, -1):
            d = self.d[k]
            if self.threshold and not self.layout.relu:
                d.mul_(self.masks[k])
            backward(self.activation, d, self.z[k])
            torch.sum(d, 1, out=self.bias_grads[k])
            if self.threshold:
                d.mul_(self._scale)
            self.middle[k - 1].backward()


class _Middle:
    """The products of middle layer `layer` of a network with the activations below: in its type, or converted."""

    def __init__(self, net: _Net, flats: Flats, index: int, layer: int) -> None:
        below, fast = layer - 1, flats.fast[index][layer]
        weights, grads = (flats.products, flats.product_grads) if fast else (flats.values, flats.grads)
        self._weights, self._grads = net.layout.matrices(weights)[layer], net.layout.matrices(grads)[layer]
        self._full = net.h[below], net.z[layer], net.d[layer], net.d[below]
        self._own = tuple(torch.zeros_like(t, dtype=weights.dtype) for t in self._full) if fast else self._full
        self._fast, self._weights_turned, self._h_turned = fast, self._weights.t(), self._own[0].t()

    def forward(self) -> None:
        """z = W h of the layer below."""
        (h, z, _, _), (full_h, full_z, _, _) = self._own, self._full
        if self._fast:
            h.copy_(full_h)
        torch.mm(self._weights, h, out=z)
        if self._fast:
            full_z.copy_(z)

    def backward(self) -> None:
        """The weights' gradient, and d of the layer below = W^T d."""
        (_, _, d, d_below), (_, _, full_d, full_below) = self._own, self._full
        if self._fast:
            d.copy_(full_d)
        torch.mm(d, self._h_turned, out=self._grads)
        torch.mm(self._weights_turned, d, out=d_below)
        if self._fast:
            full_below.copy_(d_below)


def threshold(drop: float) -> int:
    """Random bytes below it are dropped, as in `dnc.networks.layers.Dropout`."""
    return min(round(drop * LEVELS), LEVELS - 1)
