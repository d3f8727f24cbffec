"""Perceptrons trained without autograd: kind "direct", a single network or a stack of them side by side.

Notation, for one network on a batch of B samples, feature-major; layer l = 1 … L + 1, the last is the classifier:

    symbol  meaning                                                              shape
    h_0     the inputs, transposed                                               (features, B)
    z_l     s W_l h_{l-1} + b_l, with s = 1 for l = 1                            (nodes, B)
    h_l     act(z_l) * m_l                                                       (nodes, B)
    m_l     dropout mask, 0 or 1                                                 (nodes, B)
    s       1 / (share that dropout keeps): the next layer's product is scaled instead of h_l
    G       (softmax(z) - onehot(y)) / B of the last z, the logits: the          (n_classes, B)
            gradient of the mean cross-entropy
    D_l     gradient with respect to z_l                                         (nodes, B)
    dW_l    s D_l h_{l-1}^T                                                      (out, in)
    db_l    sum of D_l over the batch                                            (out,)

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
from dnc.networks.build import Network, build
from dnc.networks.mlp import Perceptron
from dnc.training.batches import BatchSource
from dnc.training.engine import Engine, evaluation_engine
from dnc.training.mlp_cpu.adam import FlatAdam
from dnc.training.mlp_cpu.layout import BATCH_MULTIPLE, MIN_ROWS, Layout, merge_adjacent, plan_layout, round_up
from dnc.training.mlp_cpu.passes import FlatParameters, StackPass
from dnc.training.mlp_cpu.stacked import StackedNetworks, product_type
from dnc.training.streams import batch_bounds, shuffled, stream, stream_seed

# Multiply-adds from which a product is trained in bfloat16: below, conversions and oneDNN's calls cost what it gains.
# A step takes equally long either way at 2^19.7 to 2^20.8 of them, depending on the shape (AVX-512 with bfloat16), so
# that t_tr has no step there of more than about a tenth.
REDUCED_FROM = 5 * 2**18


class DirectStack:
    """Networks in training that share data, batch size and the order of the samples.

    Args:
        configs: perceptrons with the same `stack_key`.
        data: images are seen flat, without augmentation.
        engine: its dtype is that of the hidden layers' products.
        seed: weights and dropout belong to (seed, config), the order of the samples to (seed, epoch).
        weights: type of the weights and of everything that is not such a product.

    Raises:
        ArgumentError: an architecture that is not a perceptron, or configs that cannot be trained side by side.
    """

    def __init__(
        self,
        configs: Sequence[Config],
        data: Dataset,
        engine: Engine,
        seed: int,
        weights: torch.dtype = torch.float32,
    ) -> None:
        archs = [perceptron_of(config, engine) for config in configs]
        self.n_train = len(data.x_train)
        keys = {stack_key(config, data, engine) for config in configs}
        if len(keys) != 1:
            raise ArgumentError(
                f"{len(configs)} configs cannot be trained side by side: give configs with one batch size, and whose "
                f"first layers are computed in one type; got (batch size, bfloat16) {sorted(keys)}"
            )
        (self.batch_size, first_reduced), self.configs, self.seed = keys.pop(), tuple(configs), seed
        product = product_type(engine, weights)
        # Evaluation reduces products of any size, so that a saved network, without a batch size, predicts the same.
        self._eval_type = product_type(evaluation_engine(engine, data.x_val.dtype), weights)
        reduced = [reduced_layers(config, data, engine) for config in configs]
        first_type = product if first_reduced else weights
        # a last batch of one sample joins the one before: one more than the batch size
        self._train = _flat_source(data.x_train, data.y_train, first_type, min(self.batch_size + 1, self.n_train))
        self._val = _flat_source(data.x_val, data.y_val, self._eval_type, 0)

        networks = [
            build(config.arch, data.input_shape, data.n_classes, stream_seed(seed, config.key, "weights"))
            for config in configs
        ]
        self._input_shape = data.input_shape
        padded = [round_up(n, BATCH_MULTIPLE) for n in self._batch_sizes()]
        self.layout = plan_layout(archs, math.prod(data.input_shape), data.n_classes, padded)
        self.stacked = StackedNetworks(self.layout, [n for n in networks if isinstance(n, Perceptron)], weights)
        self.grads = torch.zeros_like(self.stacked.values)
        # products in a reduced type need copies of their weights and gradients; otherwise these are views
        dtype = product if any(map(any, reduced)) else weights
        products, product_grads = self.stacked.products(dtype), self.grads[: self.layout.products].to(dtype)
        self._flat = FlatParameters(self.stacked.values, self.grads, products, product_grads, tuple(reduced))
        # only the parts that are computed in it are copied back and forth in each step
        spans = reduced_spans(self.layout, reduced)
        self._grad_copies = [(self.grads[a:b], product_grads[a:b]) for a, b in spans]
        self._weight_copies = [(products[a:b], self.stacked.values[a:b]) for a, b in spans]
        self._adam = FlatAdam(
            self.stacked.values,
            self.grads,
            [net.segments for net in self.layout.nets],
            [config.training.weight_decay for config in configs],
        )
        self._dropout = [stream(seed, config.key, "dropout") for config in configs]
        self._passes: dict[int, StackPass] = {}  # by the number of samples in a batch
        self._labels_losses: dict[int, tuple[Tensor, Tensor]] = {}  # views for `StackPass.loss`, likewise
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
        if n not in self._passes:  # the full batch and the last one
            labels = y.expand(
                len(self.configs), 1, len(y)
            )  # a view that stays valid: every gather fills the same memory
            self._labels_losses[n] = labels, self._losses[:, :, :n]
            self._passes[n] = StackPass(self.layout, self._flat, self.stacked.n_classes, n)
        stack_pass = self._passes[n]
        stack_pass.forward(x, self._dropout)
        stack_pass.loss(*self._labels_losses[n])
        stack_pass.backward(x)

    def train_losses(self) -> list[float]:
        """Mean loss per sample of each network since the epoch's start."""
        return [losses.sum().item() / max(self._seen, 1) for losses in self._losses]

    def evaluate(self) -> list[tuple[float, float]]:
        """Mean loss and accuracy of each network on the validation samples; NaN if there are none."""
        n, nets = len(self._val), self.layout.nets
        if n == 0:
            return [(float("nan"), float("nan"))] * len(nets)
        losses, correct = [0.0] * len(nets), [0] * len(nets)
        products = self.stacked.products(self._eval_type)
        for x, y in self._val.chunks():
            for i, logits in enumerate(self.stacked.logits(x, products)):  # (n_classes, B)
                losses[i] -= torch.log_softmax(logits, 0).gather(0, y.unsqueeze(0)).sum().item()
                correct[i] += int((logits.max(0).indices == y).sum())  # argmax gives the same, many times slower
        return [(loss / n, hits / n) for loss, hits in zip(losses, correct, strict=True)]

    def shares_bits(self) -> bool:
        """Whether, on this machine, what is computed for all networks at once has the bits of each network alone.

        Matrix kernels are chosen by the machine and the shapes, so it is tried: on the first samples of each split, for
        each number of samples that occurs.
        """
        batches = [(self._train.gather(torch.arange(n), None)[0].clone(), n) for n in self._batch_sizes()]
        chunks = {len(x): x for x, _ in self._val.chunks()}
        return all(self._same_bits(x, n) for x, n in [*batches, *((x, n) for n, x in chunks.items())])

    def _batch_sizes(self) -> list[int]:
        """The sizes of the batches of an epoch: the batch size, and that of the last batch if it is another."""
        return sorted({stop - start for start, stop in batch_bounds(self.n_train, self.batch_size)})

    def _same_bits(self, x: Tensor, n: int) -> bool:
        """Whether all that a step shares on the first n samples of x has the bits of each network alone."""
        first = self.layout.first(self.stacked.products(x.dtype))  # (rows, features)
        z = torch.mm(first, x.t())  # (rows, B): z in the forward pass, D in the backward pass
        n_nets = len(self.layout.nets)
        logits = z.new_empty(n_nets, self.stacked.n_classes, len(x), dtype=self.grads.dtype)
        logits.normal_(generator=torch.Generator().manual_seed(0))
        shared = self._shared_results(z, x[:n], logits)
        for i, net in enumerate(self.layout.nets):
            rows = slice(net.start, net.start + net.padded)
            own_z = torch.mm(first[rows].clone(), x.t())
            alone = self._shared_results(own_z, x[:n], logits[i : i + 1].clone())
            parts = [result[rows] for result in shared[:3]] + [result[i : i + 1] for result in shared[3:]]
            if not all(map(torch.equal, alone, parts)):
                return False
        return True

    def _shared_results(self, z: Tensor, x: Tensor, logits: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """What follows from z (rows, B) for weights and biases, then from logits (networks, n_classes, B)."""
        sums = z.to(self.grads.dtype).sum(1)
        return z, torch.mm(z[:, : len(x)], x), sums, torch.softmax(logits, 1), torch.log_softmax(logits, 1)

    def network(self, index: int) -> Perceptron:
        """A copy of network `index` in evaluation mode."""
        network = build(self.configs[index].arch, self._input_shape, self.stacked.n_classes)
        assert isinstance(network, Perceptron)
        return self.stacked.write(index, network)


class DirectStepper:
    """A `Stepper` for a single network, as a stack of one."""

    def __init__(self, config: Config, data: Dataset, engine: Engine, seed: int) -> None:
        self._stack = DirectStack([config], data, engine, seed)
        self.batch_size, self.n_train = self._stack.batch_size, self._stack.n_train
        self.step = self._stack.step

    def start_epoch(self, epoch: int, lr: float) -> None:
        self._stack.start_epoch(epoch, [lr])

    def train_loss(self) -> float:
        return self._stack.train_losses()[0]

    def evaluate(self) -> tuple[float, float]:
        return self._stack.evaluate()[0]

    def finish(self) -> Network:
        return self._stack.network(0)


def perceptron_of(config: Config, engine: Engine) -> MLP:
    """The architecture of `config`, if kind "direct" can train it.

    Raises:
        ArgumentError: it is not a perceptron.
    """
    if not isinstance(config.arch, MLP):
        raise ArgumentError(f"engine {engine.id!r} trains MLPs only, not {config.arch}: use an engine of kind 'eager'")
    return config.arch


def stack_key(config: Config, data: Dataset, engine: Engine) -> tuple[int, bool]:
    """Batch size of `config`, and whether its first product is trained in bfloat16: equal for all configs of a stack.

    They share the batches, in the type of that product.
    """
    return min(config.training.batch_size, len(data.x_train)), reduced_layers(config, data, engine)[0]


def reduced_layers(config: Config, data: Dataset, engine: Engine) -> tuple[bool, ...]:
    """Which products are trained in bfloat16: of the first layer, then of each middle layer.

    A function of the config and the data's sizes only, so that a config is trained in every stack as it would be alone.
    """
    arch = perceptron_of(config, engine)
    widths = (math.prod(data.input_shape), *(arch.hidden or (data.n_classes,)))
    batch_size = min(config.training.batch_size, len(data.x_train))
    # a first layer has at least MIN_ROWS rows, whatever its width
    rows = (max(widths[1], MIN_ROWS), *widths[2:])
    sizes = [n * out * batch_size for n, out in zip(widths, rows, strict=False)]
    return tuple(engine.dtype == "bfloat16" and size >= REDUCED_FROM for size in sizes)


def reduced_spans(layout: Layout, reduced: Sequence[tuple[bool, ...]]) -> list[tuple[int, int]]:
    """(start, stop) of the parts of the flat vector with the products that are `reduced`; adjacent parts are merged."""
    parts = [(0, round_up(layout.rows * layout.features))] if reduced[0][0] else []
    for net, flags in zip(layout.nets, reduced, strict=True):
        middle = zip(net.weights[1:], flags[1:], strict=False)
        parts += [(start, start + round_up(out * n)) for (start, out, n), flag in middle if flag]
    return merge_adjacent(parts)


def _flat_source(x: np.ndarray, y: np.ndarray, dtype: torch.dtype, capacity: int) -> BatchSource:
    return BatchSource(
        x, y, flat=True, augmenter=None, device="cpu", capacity=capacity, dtype=dtype, multiple=BATCH_MULTIPLE
    )
