"""The activations with their derivatives, for training without autograd."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from dnc.networks.layers import ACTIVATIONS

_aten = torch.ops.aten


def activate(name: str, z: Tensor, out: Tensor) -> None:
    """out = act(z); `out` may be `z` itself for "relu" only, whose derivative can be told from the result alone."""
    if name == "relu":
        torch.clamp_min(z, 0, out=out)
    else:
        out.copy_(ACTIVATIONS[name](z))


def backward(name: str, grad: Tensor, z: Tensor) -> None:
    """grad *= act'(z), in place; for "relu", z may be act(z), also with some elements set to zero."""
    if name == "relu":
        _aten.threshold_backward.grad_input(grad, z, 0, grad_input=grad)
    else:
        grad.copy_(_DERIVATIVES[name](grad, z))


_DERIVATIVES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "leaky_relu": lambda grad, z: _aten.leaky_relu_backward(grad, z, 0.01, False),
    "elu": lambda grad, z: _aten.elu_backward(grad, 1.0, 1.0, 1.0, False, z),
    "silu": lambda grad, z: _aten.silu_backward(grad, z),
    "gelu": lambda grad, z: _aten.gelu_backward(grad, z),
    "tanh": lambda grad, z: _aten.tanh_backward(grad, torch.tanh(z)),
}
