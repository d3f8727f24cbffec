"""Adam for the perceptrons of a stack, whose weights are parts of one flat vector."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from dnc.training.adam import BETA1, BETA2, EPS
from dnc.training.mlp_cpu.layout import merge_adjacent


class FlatAdam:
    """`dnc.training.adam.Adam` for several networks at once, each with a learning rate and a weight decay of its own.

    Networks that share both are updated in one call.

    Args:
        values, grads: the flat vectors of weights and gradients.
        segments: for each network, the (start, stop) of the parts that belong to it.
        weight_decays: one per network.
    """

    def __init__(
        self,
        values: Tensor,
        grads: Tensor,
        segments: Sequence[Sequence[tuple[int, int]]],
        weight_decays: Sequence[float],
    ) -> None:
        vectors = (values, grads, torch.zeros_like(values), torch.zeros_like(values))  # the last two: Adam's moments
        merged = [merge_adjacent(own) for own in segments]
        # views by vector, network and segment: made once, because making them costs as much as a small update
        self._parts = [[[vector[start:stop] for start, stop in own] for own in merged] for vector in vectors]
        self._weight_decays = tuple(weight_decays)
        self._step, self._one = torch.zeros((), dtype=torch.float32), torch.ones((), dtype=torch.float32)
        self._groups: list[tuple[float, float, list[list[Tensor]], list[Tensor]]] = []

    def set_rates(self, rates: Sequence[float]) -> None:
        """Set the learning rate of each network."""
        members: dict[tuple[float, float], list[int]] = {}
        for net, key in enumerate(zip(rates, self._weight_decays, strict=True)):
            members.setdefault(key, []).append(net)
        self._groups = []
        for (lr, weight_decay), nets in members.items():
            parts = [[part for net in nets for part in by_net[net]] for by_net in self._parts]
            # the kernel asks for a step count per tensor; all of them may be the same one
            self._groups.append((lr, weight_decay, parts, [self._step] * len(parts[0])))

    def step(self) -> None:
        """Update all weights in place with the gradients."""
        self._step.add_(self._one)
        for lr, weight_decay, (values, grads, means, squares), steps in self._groups:
            torch._fused_adam_(  # pyright: ignore[reportPrivateImportUsage]; what torch.optim.adam.adam(fused=True) calls, without its bookkeeping
                values,
                grads,
                means,
                squares,
                [],
                steps,
                lr=lr,
                beta1=BETA1,
                beta2=BETA2,
                weight_decay=weight_decay,
                eps=EPS,
                amsgrad=False,
                maximize=False,
            )
