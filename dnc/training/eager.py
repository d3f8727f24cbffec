"""Kind "eager": a torch module, trained with autograd, or on the CPU with the CNNs' own backward pass."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from dnc.config import CNN, MLP, Config
from dnc.data.augmenter import Augmenter
from dnc.data.dataset import Dataset
from dnc.networks.build import Network, build
from dnc.networks.cnn import ConvNet
from dnc.networks.layers import set_dropout_generator
from dnc.networks.params import check_shapes
from dnc.training.adam import Adam
from dnc.training.batches import BatchSource
from dnc.training.cnn_cpu.conv import ConvPass
from dnc.training.engine import Engine, evaluation_engine, precision
from dnc.training.streams import shuffled, stream, stream_seed


class EagerStepper:
    """A `Stepper` on CPU or CUDA, in float32 or bfloat16.

    Gradients come from autograd with autocast, those of a CNN on the CPU from a `ConvPass`, which is quicker.

    Random streams: weights and dropout belong to (seed, config); the order of the samples and their augmentation to
    (seed, epoch), so that configs trained side by side can share their batches.

    Raises:
        ArgumentError: the architecture does not fit the data.
    """

    def __init__(self, config: Config, data: Dataset, engine: Engine, seed: int) -> None:
        arch, training = config.arch, config.training
        check_shapes(arch, data.input_shape, data.n_classes)
        self.n_train = len(data.x_train)
        self.batch_size = min(training.batch_size, self.n_train)
        self._engine, self._seed = engine, seed
        self._eval_engine = evaluation_engine(engine, data.x_val.dtype)

        flat, device = isinstance(arch, MLP), engine.device
        augmenter = None if flat or data.augment is None else Augmenter(data.augment, device)
        # a last batch of one sample joins the one before: one more than the batch size
        capacity = min(self.batch_size + 1, self.n_train)
        self._train = BatchSource(
            data.x_train, data.y_train, flat=flat, augmenter=augmenter, device=device, capacity=capacity
        )
        self._val = BatchSource(data.x_val, data.y_val, flat=flat, augmenter=augmenter, device=device)

        network = build(arch, data.input_shape, data.n_classes, stream_seed(seed, config.key, "weights"))
        network.to(device).to(memory_format=torch.channels_last)  # concerns 4-d weights only, those of conv layers
        self._network = network
        dropout = stream(seed, config.key, "dropout", device=device)
        set_dropout_generator(network, dropout)
        self._pass: ConvPass | None = None
        if isinstance(arch, CNN) and isinstance(network, ConvNet) and device == "cpu":
            self._pass = ConvPass(arch, network, getattr(torch, engine.dtype), dropout, capacity)
        self._params = list(network.parameters()) if self._pass is None else [self._pass.values]
        self._adam = Adam(self._params, training.lr, training.weight_decay)
        self._augmentation = torch.Generator(device)
        self._loss = torch.zeros((), dtype=torch.float64, device=device)  # summed over samples
        self._order = torch.empty(0, dtype=torch.int64)
        self._seen = 0

    def start_epoch(self, epoch: int, lr: float) -> None:
        self._network.train()
        self._adam.lr = lr
        self._order = shuffled(self.n_train, self._seed, epoch).to(self._engine.device)
        self._augmentation.manual_seed(stream_seed(self._seed, "augment", epoch))
        self._loss.zero_()
        self._seen = 0

    def step(self, start: int, stop: int) -> None:
        x, y = self._train.gather(self._order[start:stop], self._augmentation)  # (B, C, H, W) or (B, features); (B,)
        if self._pass is not None:
            loss = self._pass.gradients(x, y)
            self._adam.step([self._pass.grads])
        else:
            with precision(self._engine):
                loss = F.cross_entropy(self._network(x), y)
            self._adam.step(torch.autograd.grad(loss, self._params))
        # no .item() here: it would make the CPU wait for the GPU in every step
        self._loss.add_(loss.detach(), alpha=stop - start)
        self._seen += stop - start

    def train_loss(self) -> float:
        if self._pass is not None and not self._pass.finite():
            return float("nan")
        return self._loss.item() / max(self._seen, 1)

    @torch.inference_mode()
    def evaluate(self) -> tuple[float, float]:
        n = len(self._val)
        if n == 0:
            return float("nan"), float("nan")
        self._network.eval()
        loss = torch.zeros((), dtype=torch.float64, device=self._engine.device)
        correct = torch.zeros((), dtype=torch.int64, device=self._engine.device)
        for x, y in self._val.chunks():
            with precision(self._eval_engine):
                logits = self._network(x)  # (B, n_classes)
            loss += F.cross_entropy(logits.float(), y, reduction="sum")
            correct += (logits.argmax(1) == y).sum()
        return loss.item() / n, correct.item() / n

    def finish(self) -> Network:
        set_dropout_generator(self._network, None)
        if self._pass is not None:
            self._pass.release()
        return self._network.eval()
