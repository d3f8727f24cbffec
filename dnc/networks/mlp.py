"""The multi-layer perceptron."""

from __future__ import annotations

import math

from torch import Tensor, nn

from dnc.config import MLP
from dnc.networks.layers import ACTIVATIONS, Dropout


class Perceptron(nn.Module):
    """linear → activation → dropout for each hidden layer, then one linear classifier.

    Attributes:
        arch: the architecture that it was built from.
        input_shape: shape of one sample; inputs are flattened.
    """

    def __init__(self, arch: MLP, input_shape: tuple[int, ...], n_classes: int) -> None:
        super().__init__()
        self.arch, self.input_shape = arch, input_shape
        widths = (math.prod(input_shape), *arch.hidden)
        self.hidden = nn.ModuleList(nn.Linear(a, b) for a, b in zip(widths, widths[1:], strict=False))
        self.drop = Dropout(arch.drop)
        self.activate = ACTIVATIONS[arch.activation]
        self.classifier = nn.Linear(widths[-1], n_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, n_classes) of samples (B, *input_shape)."""
        x = x.flatten(1)
        for linear in self.hidden:
            x = self.drop(self.activate(linear(x)))
        return self.classifier(x)
