"""Several perceptrons on the same inputs: their weights in one flat vector, and what they predict.

Everything is feature-major, (nodes, samples), so that a network's part of a shared array is contiguous and each of its
own products has the same shapes and strides whatever its companions are. A shared product has its companions' rows
below or above its own; the rows of a matrix product do not depend on each other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from dnc.networks.mlp import Perceptron
from dnc.training.activations import activate
from dnc.training.engine import Engine
from dnc.training.mlp_cpu.layout import Layout, plan_layout


class StackedNetworks:
    """The weights of the networks of a layout.

    Attributes:
        layout: where they lie.
        values: the flat vector.
        n_classes: outputs of each network.
    """

    def __init__(self, layout: Layout, networks: Sequence[Perceptron], dtype: torch.dtype = torch.float32) -> None:
        self.layout = layout
        self.values = torch.zeros(layout.size, dtype=dtype)
        self.n_classes = networks[0].classifier.out_features
        for i, network in enumerate(networks):
            for mine, theirs in self._parameters(i, network):
                mine.copy_(theirs)

    def write(self, index: int, network: Perceptron) -> Perceptron:
        """Copy the weights of network `index` into `network`, and return it in evaluation mode."""
        for mine, theirs in self._parameters(index, network):
            theirs.copy_(mine)
        return network.eval()

    def products(self, dtype: torch.dtype) -> Tensor:
        """The layout's products in `dtype`: a view if that is the weights' own."""
        return self.values[: self.layout.products].to(dtype)

    def logits(self, x: Tensor, products: Tensor) -> list[Tensor]:
        """Logits (n_classes, B) of each network, without dropout.

        Args:
            x: samples (B, features) in the type of `products`.
            products: the result of `products`.
        """
        z = torch.mm(self.layout.first(products), x.t()).to(self.values.dtype)  # (rows, B), of all networks
        z.add_(self.layout.first_bias(self.values).unsqueeze(1))
        logits = []
        for net in self.layout.nets:
            h = z[net.start : net.start + net.width]  # (nodes, B)
            matrices, biases = net.matrices(self.values), net.vectors(self.values)
            reduced = net.matrices(products)  # all but the classifier: it lies behind the products
            for layer in range(1, len(matrices)):
                activated = h if net.relu else torch.empty_like(h)
                activate(net.arch.activation, h, activated)
                bias = biases[layer].unsqueeze(1)
                if layer < len(matrices) - 1:
                    h = torch.mm(reduced[layer], activated.to(x.dtype)).to(self.values.dtype).add_(bias)
                else:
                    h = torch.addmm(bias, matrices[layer], activated)
            logits.append(h)
        return logits

    def _parameters(self, index: int, network: Perceptron) -> list[tuple[Tensor, Tensor]]:
        """Each parameter of network `index` as a view of the flat vector, and the same parameter of `network`."""
        net, linears = self.layout.nets[index], [*network.hidden, network.classifier]
        weights = zip(net.matrices(self.values), (linear.weight.data for linear in linears), strict=True)
        biases = zip(net.vectors(self.values), (linear.bias.data for linear in linears), strict=True)
        return [*weights, *biases]


def product_type(engine: Engine, weights: torch.dtype = torch.float32) -> torch.dtype:
    """The type in which kind "direct" computes the products of hidden layers, for weights of type `weights`."""
    return torch.bfloat16 if engine.dtype == "bfloat16" else weights


def stacked_forward(network: Perceptron, engine: Engine) -> Callable[[Tensor], Tensor]:
    """The function from samples (B, features) to logits (B, n_classes), as `DirectStack.evaluate` computes them."""
    layout = plan_layout([network.arch], math.prod(network.input_shape), network.classifier.out_features)
    stacked = StackedNetworks(layout, [network])
    products = stacked.products(product_type(engine))
    return lambda x: stacked.logits(x, products)[0].t()
