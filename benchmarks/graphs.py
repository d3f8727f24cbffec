"""Training steps replayed from a CUDA graph, to find out whether that gains anything over launching them one by one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from dnc.networks.build import Network
from dnc.networks.layers import Dropout
from dnc.training.eager import EagerStepper

WARM_UP = 3  # steps launched one by one before a capture: libraries choose their kernels in them

Body = Callable[[], None]
Capture = Callable[[Body, Sequence[torch.Generator]], Body]


def cuda_graph(body: Body, generators: Sequence[torch.Generator]) -> Body:
    """Record what `body` launches, without running it; the function that runs the record."""
    graph = torch.cuda.CUDAGraph()
    for generator in generators:
        graph.register_generator_state(generator)
    with torch.cuda.graph(graph):
        body()
    return graph.replay


class GraphedStepper:
    """A `Stepper` that replays full batches; others, and the first few, are launched as ever.

    A record holds the learning rate as a constant, so there is one for each rate (three in a training). It reads its
    rows from one place in memory, into which each batch's are copied.

    Args:
        inner: the network in training; its numbers stay the same.
        capture: makes a record; `cuda_graph`, or a stand-in where there is no CUDA.
    """

    def __init__(self, inner: EagerStepper, capture: Capture = cuda_graph) -> None:
        self._inner, self._capture = inner, capture
        self.batch_size, self.n_train = inner.batch_size, inner.n_train
        self._rows = torch.zeros(inner.batch_size, dtype=torch.int64, device=inner._engine.device)
        self._records: dict[float, Body] = {}
        self._warm = 0
        self._order = self._rows

    def start_epoch(self, epoch: int, lr: float) -> None:
        self._inner.start_epoch(epoch, lr)
        self._order = self._inner._order

    def step(self, start: int, stop: int) -> None:
        inner, lr = self._inner, self._inner._adam.lr
        if stop - start != self.batch_size or self._warm < WARM_UP:
            self._warm += stop - start == self.batch_size
            inner._order = self._order
            inner.step(start, stop)
            return
        seen = inner._seen + stop - start
        if lr not in self._records:
            inner._order = self._rows
            self._records[lr] = self._capture(lambda: inner.step(0, self.batch_size), self._generators())
        inner._order = self._rows
        self._rows.copy_(self._order[start:stop])
        self._records[lr]()
        inner._seen = seen  # a replay runs no Python

    def train_loss(self) -> float:
        return self._inner.train_loss()

    def evaluate(self) -> tuple[float, float]:
        return self._inner.evaluate()

    def finish(self) -> Network:
        return self._inner.finish()

    def _generators(self) -> list[torch.Generator]:
        drops = [m.generator for m in self._inner._network.modules() if isinstance(m, Dropout) and m.threshold]
        generators = [self._inner._augmentation, *(g for g in drops if g is not None)]
        return list({id(g): g for g in generators}.values())
