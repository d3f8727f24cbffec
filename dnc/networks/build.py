"""An architecture becomes a torch module with reproducible initial weights."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from dnc.config import CNN, Architecture
from dnc.networks.cnn import ConvNet
from dnc.networks.mlp import Perceptron
from dnc.networks.params import check_shapes

BIAS = 0.1  # initial bias of every linear layer

Network = ConvNet | Perceptron


def build(arch: Architecture, input_shape: Sequence[int], n_classes: int, seed: int | None = None) -> Network:
    """The network of `arch` on the CPU, initialized from `seed`; torch's global generator is not touched.

    Linear layers: Kaiming normal weights, bias 0.1. Conv layers: torch's default. With `seed=None` the weights differ
    from call to call.

    Raises:
        ArgumentError: the architecture cannot take such inputs.

    >>> from dnc.config import MLP
    >>> network = build(MLP(hidden=(20,)), (1, 8, 8), n_classes=10, seed=0)
    >>> network(torch.zeros(5, 1, 8, 8)).shape
    torch.Size([5, 10])
    """
    generator = torch.Generator()
    if seed is None:
        generator.seed()
    else:
        generator.manual_seed(seed)
    network = skeleton(arch, input_shape, n_classes)
    # memory for the weights: to_empty does the same, but its first call imports modules for a second
    memory = {name: torch.empty(value.shape, dtype=value.dtype) for name, value in network.state_dict().items()}
    network.load_state_dict(memory, assign=True)
    for module in network.modules():
        if isinstance(module, nn.Linear):
            nn.init.kaiming_normal_(module.weight, generator=generator)
            nn.init.constant_(module.bias, BIAS)
        elif isinstance(module, nn.Conv2d):  # torch's default: uniform in ± 1/sqrt(fan in), for weight and bias
            bound = module.weight[0].numel() ** -0.5
            nn.init.uniform_(module.weight, -bound, bound, generator=generator)
            if module.bias is not None:
                nn.init.uniform_(module.bias, -bound, bound, generator=generator)
        elif isinstance(module, nn.BatchNorm2d):
            module.reset_parameters()
    return network


def skeleton(arch: Architecture, input_shape: Sequence[int], n_classes: int) -> Network:
    """The network without memory for its weights (torch's meta device).

    Raises:
        ArgumentError: the architecture cannot take such inputs.
    """
    shape = check_shapes(arch, input_shape, n_classes)
    with torch.device("meta"):
        return ConvNet(arch, shape, n_classes) if isinstance(arch, CNN) else Perceptron(arch, shape, n_classes)
