"""What both families of networks share: a cheap dropout, and the activations by name."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LEVELS = 256  # dropout draws one random byte per element: the drop probability is resolved in steps of 1/256

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": F.relu_,  # in place is safe here: no layer before it needs its own output for the backward pass
    "leaky_relu": F.leaky_relu,
    "elu": F.elu,
    "silu": F.silu,
    "gelu": F.gelu,
    "tanh": torch.tanh,
}


def drop_threshold(p: float) -> int:
    """The threshold of drop probability `p`: elements with a random byte below it are dropped.

    0 (for p < 1/512) turns dropout off.

    >>> drop_threshold(0.5)
    128
    """
    return min(round(p * LEVELS), LEVELS - 1)


def keep_scale(threshold: int) -> float:
    """The factor of the elements that are kept: the inverse of the *rounded* keep probability, so the mean is exact.

    >>> keep_scale(128)
    2.0
    """
    return LEVELS / (LEVELS - threshold)


class Dropout(nn.Module):
    """Zero each element with probability `p`, rounded to a multiple of 1/256, and scale the rest to keep the mean.

    One random byte per element is compared with a threshold, which is many times cheaper than a random float.

    Attributes:
        threshold: `drop_threshold(p)`.
        generator: where the bytes come from; None is torch's global generator.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p
        self.threshold = drop_threshold(p)
        self.generator: torch.Generator | None = None

    def forward(self, x: Tensor) -> Tensor:
        """`x` of any shape; the same tensor in evaluation mode."""
        if not self.training or self.threshold == 0:
            return x
        # eight bytes per draw; [-2^63, end) is the only range of random_ that makes all 64 bits random
        words = torch.empty((x.numel() + 7) // 8, dtype=torch.int64, device=x.device)
        words.random_(-(2**63), None, generator=self.generator)
        mask = torch.empty_like(x, requires_grad=False)  # keeps the memory format (channels_last)
        flat = mask.as_strided((x.numel(),), (1,))
        # writing the comparison as floats avoids a boolean tensor, whose conversion costs more than all the rest
        torch.ge(words.view(torch.uint8)[: x.numel()], self.threshold, out=flat)
        return x * mask.mul_(keep_scale(self.threshold))

    def extra_repr(self) -> str:
        return f"p={self.p:g}"


def set_dropout_generator(network: nn.Module, generator: torch.Generator | None) -> None:
    """Let every dropout layer of `network` draw from `generator`; None detaches it (a generator cannot be copied)."""
    for module in network.modules():
        if isinstance(module, Dropout):
            module.generator = generator
