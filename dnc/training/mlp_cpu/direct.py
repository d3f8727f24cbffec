"""Perceptrons trained without autograd: kind "direct", one network or a stack of them side by side.

Notation, for one network with L hidden layers on a batch of B samples, feature-major:

    z_l = s W_l h_{l-1} + b_l          (nodes, B), h_0 = the inputs, transposed (s = 1)
    h_l = act(z_l) * m_l               m_l: dropout mask, 0 or 1; what follows is scaled by s = 1 / (share kept)
    G   = (softmax(z) - onehot(y)) / B of the last z, the logits: the gradient of the mean cross-entropy
    D_l = the gradient with respect to z_l;  dW_l = s D_l h_{l-1}^T,  db_l = the sum of D_l over the batch

The first layers of a stack are one product, and so are their weight gradients. Products of hidden layers that are
large enough (`reduced_layers`) may be computed in bfloat16; everything else, the classifier and the update included, is
done in the weights' own type.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from dnc.config import MLP, Config
from dnc.data.dataset import Dataset
from dnc.errors import ArgumentError
from dnc.networks.build import build
from dnc.networks.mlp import Perceptron
from dnc.training.adam import FlatAdam
from dnc.training.batches import BatchSource
from dnc.training.engine import Engine
from dnc.training.mlp_cpu.batch import Batch, Flats
from dnc.training.mlp_cpu.layout import Layout, aligned, joined, plan_layout
from dnc.training.mlp_cpu.stacked import Stacked, product_type
from dnc.training.streams import batch_bounds, shuffled, stream, stream_seed

# multiply-adds from which a product is trained in bfloat16: below, conversions and oneDNN's calls eat up the gain
REDUCED_FROM = 2**21


class DirectStack:
    """Networks in training that share data, batch size and the order of the samples.

    Args:
        configs: perceptrons with equal batch sizes (capped at n_train) and first products of one type, see `company`.
        data: images are seen flat, without augmentation.
        engine: its dtype is that of the hidden layers' products.
        seed: weights and dropout belong to (seed, config), the order of the samples to (seed, epoch).
        weights: type of the weights and of all that is not such a product.

    Raises:
        ArgumentError: an architecture that is not a perceptron, or configs that are no company.
    """

    def __init__(
        self,
        configs: Sequence[Config],
        data: Dataset,
        engine: Engine,
        seed: int,
        weights: torch.dtype = torch.float32,
    ) -> None:
        archs = [perceptron(config, engine) for config in configs]
        self.n_train = len(data.x_train)
        kept = {stack_key(config, data, engine) for config in configs}
        if len(kept) != 1:
            raise ArgumentError(
                f"{len(configs)} configs cannot be trained side by side: give configs with one batch size, and whose "
                f"first layers are computed in one type; got (batch size, bfloat16) {sorted(kept)}"
            )
        (self.batch_size, first), self.configs, self.seed = kept.pop(), tuple(configs), seed
        self._eval_type = product_type(engine, weights)
        fast = [reduced_layers(config, data, engine) for config in configs]
        first_type = self._eval_type if first else weights
        self._train = _feed(data.x_train, data.y_train, first_type, min(self.batch_size + 1, self.n_train))
        self._val = _feed(data.x_val, data.y_val, self._eval_type, 0)

        networks = [
            build(config.arch, data.input_shape, data.n_classes, stream_seed(seed, config.key, "weights"))
            for config in configs
        ]
        self._shape = data.input_shape
        self.layout = plan_layout(archs, math.prod(data.input_shape), data.n_classes, self._sizes())
        self.stacked = Stacked(self.layout, [n for n in networks if isinstance(n, Perceptron)], weights)
        self.grads = torch.zeros_like(self.stacked.values)
        # products in a reduced type need copies of their weights and gradients; else these are views
        kind = self._eval_type if any(map(any, fast)) else weights
        products, product_grads = self.stacked.products(kind), self.grads[: self.layout.products].to(kind)
        self._flats = Flats(self.stacked.values, self.grads, products, product_grads, tuple(fast))
        spans = reduced_spans(self.layout, fast)
        self._grad_copies = [(self.grads[a:b], product_grads[a:b]) for a, b in spans]
        self._weight_copies = [(products[a:b], self.stacked.values[a:b]) for a, b in spans]
        self._adam = FlatAdam(
            self.stacked.values,
            self.grads,
            [net.segments for net in self.layout.nets],
            [config.training.weight_decay for config in configs],
        )
        self._dropout = [stream(seed, config.key, "dropout") for config in configs]
        self._batches: dict[int, Batch] = {}
        self._views: dict[int, tuple[Tensor, Tensor]] = {}
        self._losses = torch.zeros(len(configs), 1, min(self.batch_size + 1, self.n_train), dtype=torch.float64)
        self._order = torch.empty(0, dtype=torch.int64)
        self._seen = 0

    def start_epoch(self, epoch: int, rates: Sequence[float]) -> None:
        """Draw the order of the samples and set the learning rate of each network."""
        self._order = shuffled(self.n_train, self.seed, epoch)
        self._adam.set_rates(rates)
        self._losses.zero_()
        self._seen = 0

    def step(self, start: int, stop: int) -> None:
        """Train every network on the samples start … stop - 1 of the epoch's order."""
        self.gradients(self._order[start:stop])
        for full, reduced in self._grad_copies:
            full.copy_(reduced)
        self._adam.step()
        for reduced, full in self._weight_copies:
            reduced.copy_(full)
        self._seen += stop - start

    def gradients(self, rows: Tensor) -> None:
        """Compute the gradients of the batch of samples `rows` (B,) and add their losses to the epoch's."""
        x, y = self._train.gather(rows, None)
        n = len(rows)
        if n not in self._batches:  # the full batch and the last one
            labels = y.expand(len(self.configs), 1, n)  # every gather fills the same memory
            self._views[n] = labels, self._losses[:, :, :n]
            self._batches[n] = Batch(self.layout, self._flats, self.stacked.n_classes, n)
        batch = self._batches[n]
        batch.forward(x, self._dropout)
        batch.loss(*self._views[n])
        batch.backward(x)

    def train_losses(self) -> list[float]:
        """Mean loss a sample of each network since the epoch's start."""
        return [losses.sum().item() / max(self._seen, 1) for losses in self._losses]

    def evaluate(self) -> list[tuple[float, float]]:
        """Mean loss and accuracy of each network on the validation samples; NaN if there are none."""
        n, nets = len(self._val), self.layout.nets
        if n == 0:
            return [(float("nan"), float("nan"))] * len(nets)
        loss, correct = [0.0] * len(nets), [0] * len(nets)
        products = self.stacked.products(self._eval_type)
        for x, y in self._val.chunks():
            for i, logits in enumerate(self.stacked.logits(x, products)):
                loss[i] -= torch.log_softmax(logits, 0).gather(0, y.unsqueeze(0)).sum().item()
                correct[i] += int((logits.max(0).indices == y).sum())  # argmax gives the same, many times slower
        return [(a / n, b / n) for a, b in zip(loss, correct, strict=True)]

    def shares_bits(self) -> bool:
        """Whether what is computed for all networks at once has the bits, on this machine, of each network alone.

        Tried on the first samples of each split, for each number of samples that occurs.
        """
        batches = [self._train.gather(torch.arange(n), None)[0].clone() for n in self._sizes()]
        chunks = {len(x): x for x, _ in self._val.chunks()}
        return all(self._agree(x) for x in [*batches, *chunks.values()])

    def _sizes(self) -> list[int]:
        """The numbers of samples in a batch that occur."""
        return sorted({stop - start for start, stop in batch_bounds(self.n_train, self.batch_size)})

    def _agree(self, x: Tensor) -> bool:
        first = self.layout.first(self.stacked.products(x.dtype))
        z = torch.mm(first, x.t())
        grads, sums = torch.mm(z, x), z.to(self.grads.dtype).sum(1)
        n_nets = len(self.layout.nets)
        logits = z.new_empty(n_nets, self.stacked.n_classes, len(x), dtype=self.grads.dtype)
        logits.normal_(generator=torch.Generator().manual_seed(0))
        both = torch.cat([torch.softmax(logits, 1), torch.log_softmax(logits, 1)], 1)
        for i, net in enumerate(self.layout.nets):
            rows = slice(net.start, net.start + net.padded)
            own, mine = torch.mm(first[rows].clone(), x.t()), logits[i : i + 1].clone()
            alone = (own, torch.mm(own, x), own.to(self.grads.dtype).sum(1), torch.softmax(mine, 1))
            shared = (z[rows], grads[rows], sums[rows], both[i : i + 1, : self.stacked.n_classes])
            if not all(map(torch.equal, alone, shared)):
                return False
            if not torch.equal(torch.log_softmax(mine, 1), both[i : i + 1, self.stacked.n_classes :]):
                return False
        return True

    def network(self, index: int) -> Perceptron:
        """A copy of network `index` in evaluation mode."""
        network = build(self.configs[index].arch, self._shape, self.stacked.n_classes)
        assert isinstance(network, Perceptron)
        return self.stacked.write(index, network)


def perceptron(config: Config, engine: Engine) -> MLP:
    """The architecture of `config`, if kind "direct" can train it.

    Raises:
        ArgumentError: it is not a perceptron.
    """
    if not isinstance(config.arch, MLP):
        raise ArgumentError(f"engine {engine.id!r} trains MLPs only, not {config.arch}: use an engine of kind 'eager'")
    return config.arch


def stack_key(config: Config, data: Dataset, engine: Engine) -> tuple[int, bool]:
    """Batch size of `config`, and whether its first product is trained in bfloat16: equal in a stack's configs."""
    return min(config.training.batch_size, len(data.x_train)), reduced_layers(config, data, engine)[0]


def reduced_layers(config: Config, data: Dataset, engine: Engine) -> tuple[bool, ...]:
    """Which products are trained in bfloat16: that of the first layer, and those of middle layers.

    A function of the config and the data's sizes, so that a config is trained as it would be alone in every stack.
    """
    arch = perceptron(config, engine)
    widths = (math.prod(data.input_shape), *(arch.hidden or (data.n_classes,)))
    batch_size = min(config.training.batch_size, len(data.x_train))
    sizes = [n * out * batch_size for n, out in zip(widths, widths[1:], strict=False)]
    return tuple(engine.dtype == "bfloat16" and size >= REDUCED_FROM for size in sizes)


def reduced_spans(layout: Layout, fast: Sequence[tuple[bool, ...]]) -> list[tuple[int, int]]:
    """(start, stop) of the parts of the flat vector that the products `fast` are in: neighbours are one part."""
    parts = [(0, aligned(layout.rows * layout.features))] if fast[0][0] else []
    for net, flags in zip(layout.nets, fast, strict=True):
        middle = zip(net.weights[1:], flags[1:], strict=False)
        parts += [(start, start + aligned(out * n)) for (start, out, n), flag in middle if flag]
    return joined(parts)


def _feed(x: np.ndarray, y: np.ndarray, dtype: torch.dtype, capacity: int) -> BatchSource:
    return BatchSource(x, y, flat=True, augmenter=None, device="cpu", capacity=capacity, dtype=dtype)
