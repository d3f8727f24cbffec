"""The forward and the backward pass of a stack of perceptrons, for batches of one size whose buffers are made once.

The notation is that of `dnc.training.mlp_cpu.direct`: B samples in a batch, arrays feature-major (nodes, B). The arrays
have B rounded up to a multiple of 8 columns, as a forward product with an odd number of them takes up to 1.5 times as
long. What stands in the columns behind the batch is a network's output for some other samples; their part of G is 0,
and so is that of every gradient.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dnc.networks.layers import drop_threshold, keep_scale
from dnc.training.activations import activate, backward
from dnc.training.mlp_cpu.layout import BATCH_MULTIPLE, Layout, NetLayout, round_up, row_multiple

_aten = torch.ops.aten


@dataclass(frozen=True)
class FlatParameters:
    """The flat vectors of a stack.

    Attributes:
        values, grads: all weights and biases, and their gradients: (size,) of the layout.
        products, product_grads: the layout's products and their gradients in the type in which they are computed.
        reduced: for each network, which of its hidden layers are computed from `products` instead of `values`.
    """

    values: Tensor
    grads: Tensor
    products: Tensor
    product_grads: Tensor
    reduced: tuple[tuple[bool, ...], ...]


class StackPass:
    """Both passes through all networks of a stack, for batches of `size` samples.

    Args:
        layout: the networks of the stack.
        flat: its parameters; gradients are written into them.
        n_classes: outputs of each network.
        n_samples: samples of a batch.
    """

    def __init__(self, layout: Layout, flat: FlatParameters, n_classes: int, n_samples: int) -> None:
        size = round_up(n_samples, BATCH_MULTIPLE)
        self.flat, self.size, self.n_classes = flat, size, n_classes
        dtype, nets = flat.values.dtype, layout.nets
        self.z = torch.zeros(layout.rows, size, dtype=dtype)  # (rows, B), as are h and d
        # ReLU works in place, but the derivatives of other activations need z after h has been computed
        self.h = self.z if layout.relu_rows == layout.hidden_rows else torch.zeros_like(self.z)
        self.d = torch.zeros_like(self.z)
        reduced = flat.reduced[0][0]  # the first layer is one product of all networks
        self._reduced = torch.zeros_like(self.z, dtype=flat.products.dtype) if reduced else None
        self._weights = layout.first(flat.products if reduced else flat.values)  # (rows, features)
        self._weight_grads = layout.first(flat.product_grads if reduced else flat.grads)
        self._bias, self._bias_grad = layout.first_bias(flat.values).unsqueeze(1), layout.first_bias(flat.grads)
        # more classes than there are, so that each network's are aligned: with the logit -inf, their probability is 0
        n_padded = round_up(n_classes, row_multiple([size]))
        self.logits = torch.full((len(nets), n_padded, size), -math.inf, dtype=dtype)
        self.g, self._log_p = torch.zeros_like(self.logits), torch.zeros_like(self.logits)
        self._minus_one = torch.full((len(nets), 1, size), -1.0, dtype=dtype)
        self._share = torch.tensor(
            1 / n_samples, dtype=dtype
        )  # as a tensor: torch would make one of a number in every call

        # The masks of all first layers are one block, applied in one call; those of middle layers follow it.
        dropping = any(drop_threshold(net.arch.drop) for net in nets)
        middle_rows = sum(sum(net.arch.hidden[1:]) for net in nets)
        self.masks = torch.ones(layout.hidden_rows + middle_rows if dropping else 0, size, dtype=dtype)
        self.nets, mask_row = [], layout.hidden_rows
        for i, net in enumerate(nets):
            self.nets.append(NetworkPass(self, i, net, mask_row))
            mask_row += sum(net.arch.hidden[1:])
        # what belongs to the batch: its losses, the columns behind it in G, its columns of d, its rows of x
        self._log_p_own, self._g_behind = self._log_p[..., :n_samples], self.g[..., n_samples:]
        self._d_own, self._own = (self.d if self._reduced is None else self._reduced)[:, :n_samples], n_samples
        # views are made once: in a narrow network they would cost as much as the arithmetic
        self._relu = (self.z[: layout.relu_rows], self.h[: layout.relu_rows], self.d[: layout.relu_rows])
        self._hidden = (self.h[: layout.hidden_rows], self.masks[: layout.hidden_rows])
        self._dropping = [net for net in self.nets if net.threshold]
        self._not_relu = [net for net in self.nets if net.depth and not net.layout.relu]

    def forward(self, x: Tensor, generators: Sequence[torch.Generator]) -> None:
        """Compute the logits of samples (padded B, features), the dropout of network i drawn from generator i."""
        # one product for the first layers of all networks: (rows, features) (features, B) -> (rows, B)
        torch.mm(self._weights, x.t(), out=self.z if self._reduced is None else self._reduced)
        if self._reduced is not None:
            self.z.copy_(self._reduced)
        self.z.add_(self._bias)
        if len(self._relu[0]):
            activate("relu", self._relu[0], self._relu[1])
        for net in self._not_relu:
            activate(net.activation, net.z[0], net.h[0])
        if self._dropping:
            for net in self._dropping:
                net.draw(generators[net.index])
            self._hidden[0].mul_(self._hidden[1])  # the masks of networks without dropout stay at 1
        for net in self.nets:
            net.forward()

    def loss(self, labels: Tensor, losses: Tensor) -> None:
        """Add each sample's cross-entropy to `losses` (networks, 1, B), and compute G.

        Labels are (networks, 1, padded B).
        """
        _aten._log_softmax.out(self.logits, 1, False, out=self._log_p)  # (networks, n_padded, B), over the classes
        losses.sub_(self._log_p_own.gather(1, labels[..., : self._own]))
        # exp(log_p) would save a call, but its bits differ from softmax's
        _aten._softmax.out(self.logits, 1, False, out=self.g)
        self.g.scatter_add_(1, labels, self._minus_one).mul_(self._share)  # (softmax(z) - onehot(y)) / B
        if self._own < self.size:
            self._g_behind.zero_()

    def backward(self, x: Tensor) -> None:
        """Compute all gradients from G."""
        d = self.d
        for net in self.nets:
            net.backward()
        # Here d is the gradient with respect to the first layers' h, and becomes that with respect to z. ReLU needs no
        # mask: h is zero where a unit was dropped, and the derivative is taken from h.
        if len(self._relu[0]):
            backward("relu", self._relu[2], self._relu[1])
        for net in self._not_relu:
            if net.threshold:
                net.d[0].mul_(net.masks[0])
            backward(net.activation, net.d[0], net.z[0])
        torch.sum(d, 1, out=self._bias_grad)
        if self._reduced is not None:
            self._reduced.copy_(d)
        torch.mm(self._d_own, x[: self._own], out=self._weight_grads)  # (rows, B) (B, features) -> (rows, features)


class NetworkPass:
    """The views and buffers of one network, and what is computed for it alone: everything after its first layer.

    Args:
        stack: what it is part of.
        index: its place in the stack.
        layout: where its parameters lie.
        mask_row: where the masks of its middle layers start in those of the stack.

    Attributes:
        z, h, d: for each hidden layer (or, without any, the classifier), (nodes, B).
        masks: for each hidden layer, (nodes, B).
        scale: s, which undoes dropout's effect on the mean.
    """

    def __init__(self, stack: StackPass, index: int, layout: NetLayout, mask_row: int) -> None:
        flat, size = stack.flat, stack.size
        self.index, self.layout = index, layout
        self.depth, self.activation = layout.arch.depth, layout.arch.activation
        self.threshold = drop_threshold(layout.arch.drop)
        self.scale = keep_scale(self.threshold)
        self._scale = torch.tensor(self.scale, dtype=flat.values.dtype)
        self.weights, self.weight_grads = layout.matrices(flat.values), layout.matrices(flat.grads)
        self.biases = [bias.unsqueeze(1) for bias in layout.vectors(flat.values)]
        self.bias_grads = layout.vectors(flat.grads)
        self.logits, self.g = stack.logits[index, : stack.n_classes], stack.g[index, : stack.n_classes]

        rows = slice(layout.start, layout.start + layout.width)
        self.z, self.h, self.d = [stack.z[rows]], [stack.h[rows]], [stack.d[rows]]
        self.masks = [stack.masks[rows]]
        for width in layout.arch.hidden[1:]:
            self.z.append(torch.zeros(width, size, dtype=flat.values.dtype))
            self.h.append(self.z[-1] if layout.relu else torch.zeros_like(self.z[-1]))
            self.d.append(torch.zeros_like(self.z[-1]))
            self.masks.append(stack.masks[mask_row : mask_row + width])
            mask_row += width
        self._h_transposed, self._weights_transposed = self.h[-1].t(), self.weights[-1].t()
        self._middle = [MiddleProduct(self, flat, layer) for layer in range(1, self.depth)]

        if self.threshold:
            self._words = torch.zeros((sum(layout.arch.hidden) * size + 7) // 8, dtype=torch.int64)
            random_bytes = self._words.view(torch.uint8)[: sum(layout.arch.hidden) * size]
            self._bytes = random_bytes.split([width * size for width in layout.arch.hidden])
            self._threshold = torch.tensor(self.threshold, dtype=torch.uint8)
            self._flat_masks = [mask.view(-1) for mask in self.masks]

    def draw(self, generator: torch.Generator) -> None:
        """Draw the masks of all layers, 0 or 1."""
        self._words.random_(-(2**63), None, generator=generator)  # all 64 bits: eight random bytes per draw
        for random_bytes, mask in zip(self._bytes, self._flat_masks, strict=True):
            # written as floats: a boolean mask would have to be converted, which costs more than the comparison
            torch.ge(random_bytes, self._threshold, out=mask)

    def forward(self) -> None:
        """From the first layer's activations (or, without hidden layers, z) to the logits."""
        if not self.depth:
            self.logits.copy_(self.z[0])
            return
        for layer, product in enumerate(self._middle, 1):
            product.forward()
            if self.threshold:
                self.z[layer].mul_(self._scale)
            self.z[layer].add_(self.biases[layer])
            activate(self.activation, self.z[layer], self.h[layer])
            if self.threshold:
                self.h[layer].mul_(self.masks[layer])
        # alpha takes in dropout's scale for free: (n_classes, nodes) (nodes, B) -> (n_classes, B)
        torch.addmm(self.biases[-1], self.weights[-1], self.h[-1], alpha=self.scale, out=self.logits)

    def backward(self) -> None:
        """From G to the gradient with respect to the first layer's activations (or, without hidden layers, z)."""
        if not self.depth:
            self.d[0].copy_(self.g)
            return
        # with beta=0, addmm ignores its first argument: it is a matrix product with a factor
        grad, d = self.weight_grads[-1], self.d[-1]
        torch.addmm(grad, self.g, self._h_transposed, beta=0, alpha=self.scale, out=grad)  # (n_classes, nodes)
        torch.sum(self.g, 1, out=self.bias_grads[-1])
        torch.addmm(d, self._weights_transposed, self.g, beta=0, alpha=self.scale, out=d)  # (nodes, B)
        for layer in range(self.depth - 1, 0, -1):
            d = self.d[layer]
            if self.threshold and not self.layout.relu:  # as for the first layers, ReLU needs no mask
                d.mul_(self.masks[layer])
            backward(self.activation, d, self.z[layer])
            torch.sum(d, 1, out=self.bias_grads[layer])
            if self.threshold:  # s is a factor of both products below; the bias has none
                d.mul_(self._scale)
            self._middle[layer - 1].backward()


class MiddleProduct:
    """The products of a middle layer's weights: with the h below it, and with its own d.

    If they are computed in a reduced type, arguments and results are copied to and from buffers of that type.

    Args:
        net: the network.
        flat: the parameters of its stack.
        layer: the layer, from 0.
    """

    def __init__(self, net: NetworkPass, flat: FlatParameters, layer: int) -> None:
        below, reduced = layer - 1, flat.reduced[net.index][layer]
        weights, grads = (flat.products, flat.product_grads) if reduced else (flat.values, flat.grads)
        self._weights, self._grads = net.layout.matrices(weights)[layer], net.layout.matrices(grads)[layer]
        # h below, z, d, d below: of the network, and in the type of the products
        self._full = net.h[below], net.z[layer], net.d[layer], net.d[below]
        self._typed = tuple(torch.zeros_like(t, dtype=weights.dtype) for t in self._full) if reduced else self._full
        self._reduced, self._weights_transposed, self._h_transposed = reduced, self._weights.t(), self._typed[0].t()

    def forward(self) -> None:
        """z = W h of the layer below."""
        (h, z, _, _), (full_h, full_z, _, _) = self._typed, self._full
        if self._reduced:
            h.copy_(full_h)
        torch.mm(self._weights, h, out=z)  # (out, in) (in, B) -> (out, B)
        if self._reduced:
            full_z.copy_(z)

    def backward(self) -> None:
        """The weights' gradient, and d of the layer below = W^T d."""
        (_, _, d, d_below), (_, _, full_d, full_d_below) = self._typed, self._full
        if self._reduced:
            d.copy_(full_d)
        torch.mm(d, self._h_transposed, out=self._grads)  # (out, B) (B, in) -> (out, in)
        torch.mm(self._weights_transposed, d, out=d_below)  # (in, out) (out, B) -> (in, B)
        if self._reduced:
            full_d_below.copy_(d_below)
