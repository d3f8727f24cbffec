"""Adam with L2 weight decay: `torch.optim.Adam(..., fused=True)` bit for bit, without the optimizer object.

Creating a `torch.optim.Adam` imports torch's compiler, which takes one to two seconds in every worker process, and each
of its steps passes through hooks that nothing here uses. torch's functional form needs neither.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor
from torch.optim.adam import adam

BETA1, BETA2, EPS = 0.9, 0.999, 1e-8  # torch's defaults


class Adam:
    """The state of Adam for a list of parameters; `lr` may be changed between steps."""

    def __init__(self, params: Iterable[Tensor], lr: float, weight_decay: float) -> None:
        self.params = [p.detach() for p in params]  # shares the weights' memory
        self.lr = lr
        self.weight_decay = weight_decay
        self._means = [torch.zeros_like(p) for p in self.params]  # first moments
        self._squares = [torch.zeros_like(p) for p in self.params]  # second moments
        self._steps = [torch.zeros((), dtype=torch.float32, device=p.device) for p in self.params]

    def step(self, grads: Sequence[Tensor]) -> None:
        """Update the parameters in place; `grads` holds the gradient of each."""
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
