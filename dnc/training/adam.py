"""Adam with L2 weight decay: `torch.optim.Adam(..., fused=True)` bit for bit, without the optimizer object.

Creating a `torch.optim.Adam` imports torch's compiler, one to two seconds in every worker process, and each of its
steps passes through hooks that nothing here uses. torch's functional form needs neither.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor
from torch.optim.adam import adam

from dnc.training.mlp_cpu.layout import joined

BETA1, BETA2, EPS = 0.9, 0.999, 1e-8  # torch's defaults


class Adam:
    """The state of Adam for a list of parameters; `lr` may be changed between steps."""

    def __init__(self, params: Iterable[Tensor], lr: float, weight_decay: float) -> None:
        self.params = [p.detach() for p in params]  # shares the weights' memory
        self.lr = lr
        self.weight_decay = weight_decay
        self._means = [torch.zeros_like(p) for p in self.params]
        self._squares = [torch.zeros_like(p) for p in self.params]
        self._steps = [torch.zeros((), dtype=torch.float32, device=p.device) for p in self.params]

    def step(self, grads: Sequence[Tensor]) -> None:
        """Update the parameters in place with one gradient each."""
        adam(
            self.params,
            list(grads),
            self._means,
            self._squares,
            [],
            self._steps,
            foreach=False,
            fused=True,
            amsgrad=False,
            beta1=BETA1,
            beta2=BETA2,
            lr=self.lr,
            weight_decay=self.weight_decay,
            eps=EPS,
            maximize=False,
        )


class FlatAdam:
    """The same Adam for several networks whose weights are parts of one flat vector.

    Each network has a learning rate and a weight decay of its own; networks that share both are updated in one call.

    Args:
        values, grads: the flat vectors of weights and gradients.
        segments: (start, stop) of the parts that belong to each network.
        weight_decays: one a network.
    """

    def __init__(
        self,
        values: Tensor,
        grads: Tensor,
        segments: Sequence[Sequence[tuple[int, int]]],
        weight_decays: Sequence[float],
    ) -> None:
        state = (values, grads, torch.zeros_like(values), torch.zeros_like(values))
        places = [joined(own) for own in segments]
        self._parts = [[[flat[start:stop] for start, stop in own] for own in places] for flat in state]
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
            parts = [[part for net in nets for part in flat[net]] for flat in self._parts]
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
