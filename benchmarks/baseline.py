"""The plain way to train a network in PyTorch, against which this project's training is measured.

What a tutorial writes: `nn.Module` with autograd, `nn.Dropout`, `torch.optim.Adam` with its defaults, a shuffled
index and `x[rows]` for data in memory, `loss.item()` in every batch. Same architectures, initial weights, learning
rate schedule and batches as the engines, and no more work than they do. Augmented images come from a `DataLoader` with
torchvision's transforms image by image.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as Samples
from torchvision import transforms

from dnc.config import CNN, MLP, Config
from dnc.data.dataset import Dataset
from dnc.networks.build import build
from dnc.networks.cnn import ConvNet


def plain_mlp(arch: MLP, n_features: int, n_classes: int) -> nn.Module:
    """The perceptron of `arch` from torch's own modules."""
    activations = {
        "relu": nn.ReLU,
        "leaky_relu": nn.LeakyReLU,
        "elu": nn.ELU,
        "silu": nn.SiLU,
        "gelu": nn.GELU,
        "tanh": nn.Tanh,
    }
    layers: list[nn.Module] = []
    for a, b in zip((n_features, *arch.hidden), arch.hidden, strict=False):
        layers += [nn.Linear(a, b), activations[arch.activation](), nn.Dropout(arch.drop)]
    network = nn.Sequential(*layers, nn.Linear((n_features, *arch.hidden)[-1], n_classes))
    for module in network:
        if isinstance(module, nn.Linear):
            nn.init.kaiming_normal_(module.weight)
            nn.init.constant_(module.bias, 0.1)
    return network


def plain_cnn(arch: CNN, data: Dataset) -> nn.Module:
    """The network of `arch` as it is built elsewhere, with torch's dropout."""
    network = build(arch, data.input_shape, data.n_classes, seed=0)
    assert isinstance(network, ConvNet)
    for block, p in zip(network.blocks, arch.dropout, strict=True):
        block.drop = nn.Dropout(p)
    return network


@dataclass
class Baseline:
    """One config in training the plain way; images are augmented if the data set asks for it and the network is a CNN.

    `epoch()` trains one pass and returns its mean loss; `accuracy()` is that on the validation samples. On a GPU,
    batches are moved to it one by one.
    """

    config: Config
    data: Dataset
    seed: int = 0
    epochs: int = 60
    device: str = "cpu"

    def __post_init__(self) -> None:
        torch.manual_seed(self.seed)
        arch, training = self.config.arch, self.config.training
        self.augmented = isinstance(arch, CNN) and self.data.augment is not None
        self.x, self.x_val = (self._inputs(x) for x in (self.data.x_train, self.data.x_val))
        self.y, self.y_val = torch.from_numpy(self.data.y_train), torch.from_numpy(self.data.y_val)
        if isinstance(arch, MLP):
            self.network = plain_mlp(arch, self.x.shape[1], self.data.n_classes)
        else:
            self.network = plain_cnn(arch, self.data)
        self.network.to(self.device)
        self.optimizer = torch.optim.Adam(self.network.parameters(), training.lr, weight_decay=training.weight_decay)
        milestones = [math.ceil(self.epochs / 2), math.ceil(3 * self.epochs / 4)]
        self.schedule = torch.optim.lr_scheduler.MultiStepLR(self.optimizer, milestones, gamma=0.2)

    def steps(self, n: int) -> float:
        """Train on the first n batches of a new order; the mean loss."""
        self.network.train()
        total, seen = 0.0, 0
        for x, y in islice(self._batches(), n):
            x, y = x.to(self.device), y.to(self.device)
            self.optimizer.zero_grad()
            loss = F.cross_entropy(self.network(x), y)
            loss.backward()
            self.optimizer.step()
            total += loss.item() * len(x)
            seen += len(x)
        return total / seen

    def _batches(self) -> Iterable[tuple[Tensor, Tensor]]:
        """The batches of one epoch, in a new order."""
        size = self.config.training.batch_size
        if self.augmented:
            return DataLoader(AugmentedImages(self.data), batch_size=size, shuffle=True)
        order = torch.randperm(len(self.x)).split(size)
        return ((self.x[rows], self.y[rows]) for rows in order)

    def epoch(self) -> float:
        """One pass over the training samples; the mean loss."""
        loss = self.steps(len(self.x))
        self.schedule.step()
        return loss

    def accuracy(self) -> float:
        """Accuracy on the validation samples."""
        self.network.eval()
        with torch.no_grad():
            batches = zip(self.x_val.split(500), self.y_val.split(500), strict=True)
            moved = ((x.to(self.device), y.to(self.device)) for x, y in batches)
            return sum(int((self.network(x).argmax(1) == y).sum()) for x, y in moved) / len(self.y_val)

    def _inputs(self, x: np.ndarray) -> Tensor:
        samples = torch.from_numpy(x)
        if x.dtype == np.uint8:
            samples = samples.float() / 255
        if self.augmented and self.data.augment is not None:
            mean, std = (torch.tensor(v)[:, None, None] for v in (self.data.augment.mean, self.data.augment.std))
            samples = (samples - mean) / std
        return samples.flatten(1) if isinstance(self.config.arch, MLP) else samples


class AugmentedImages(Samples[tuple[Tensor, Tensor]]):
    """Training images of a data set, each cropped, flipped and normalized when it is asked for (uint8 images)."""

    def __init__(self, data: Dataset) -> None:
        assert data.augment is not None
        side, flips = data.input_shape[1:], [transforms.RandomHorizontalFlip()] if data.augment.flip else []
        crop = transforms.RandomCrop(side, padding=data.augment.pad)
        normalize = transforms.Normalize(data.augment.mean, data.augment.std)
        self.transform = transforms.Compose([transforms.ToPILImage(), crop, *flips, transforms.ToTensor(), normalize])
        self.x, self.y = torch.from_numpy(data.x_train), torch.from_numpy(data.y_train)

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.transform(self.x[index]), self.y[index]
