"""The convolutional network of Sec. 3.1."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from dnc.config import CNN, SHORTCUT_SPAN
from dnc.networks.layers import ACTIVATIONS, Dropout
from dnc.networks.params import KERNEL


class ConvBlock(nn.Module):
    """conv 3x3 → max pool 2x2 → batch normalization → (+ shortcut) → activation → dropout, for one layer (from 1)."""

    def __init__(self, arch: CNN, layer: int, c_in: int) -> None:
        super().__init__()
        c_out = arch.channels[layer - 1]
        self.conv = nn.Conv2d(c_in, c_out, KERNEL, stride=2 if layer in arch.strides else 1, padding=KERNEL // 2)
        self.pool = layer in arch.pools
        self.norm = nn.BatchNorm2d(c_out) if layer in arch.batchnorm else None
        self.activate = ACTIVATIONS[arch.activation]
        self.drop = Dropout(arch.dropout[layer - 1])

    def forward(self, x: Tensor, shortcut: Tensor | None = None) -> Tensor:
        """(B, c_in, H, W) → (B, c_out, H', W'); `shortcut` already has the output's shape."""
        x = self.conv(x)
        if self.pool:
            x = F.max_pool2d(x, 2, ceil_mode=True)  # ceil(H/2), as a stride gives: 1x1 stays 1x1
        if self.norm is not None:
            x = self.norm(x)
        if shortcut is not None:
            x = x + shortcut
        return self.drop(self.activate(x))


class ConvNet(nn.Module):
    """Conv blocks with shortcuts, global average pooling, one linear classifier.

    A shortcut starts from the output of block s and is added in block s + 2.

    Attributes:
        input_shape: shape (C, H, W) of one image.
    """

    def __init__(self, arch: CNN, input_shape: tuple[int, ...], n_classes: int) -> None:
        super().__init__()
        self.input_shape = input_shape
        channels = (input_shape[0], *arch.channels)
        self.blocks = nn.ModuleList(ConvBlock(arch, i + 1, c_in) for i, c_in in enumerate(channels[:-1]))
        # end layer of each shortcut -> (channels of that layer, strides and pools on the way)
        self.joins = {
            start + SHORTCUT_SPAN: (
                arch.channels[start + SHORTCUT_SPAN - 1],
                sum(start < layer <= start + SHORTCUT_SPAN for layer in arch.strides + arch.pools),
            )
            for start in arch.shortcuts
        }
        self.classifier = nn.Linear(channels[-1], n_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, n_classes) of images (B, C, H, W)."""
        starts: dict[int, Tensor] = {}  # end layer -> output of the block where its shortcut starts
        for layer, block in enumerate(self.blocks, start=1):
            start = starts.pop(layer, None)
            x = block(x) if start is None else block(x, match_shape(start, *self.joins[layer]))
            if layer + SHORTCUT_SPAN in self.joins:
                starts[layer + SHORTCUT_SPAN] = x
        return self.classifier(x.mean((2, 3)))  # (B, C, H, W) -> (B, C) -> (B, n_classes)


def match_shape(x: Tensor, channels: int, halvings: int) -> Tensor:
    """Give a shortcut the shape of the maps that it is added to.

    Args:
        x: the maps where it starts, (B, C, H, W).
        channels: those that it needs: C is padded with zeros, or cut.
        halvings: how often it is average-pooled, each time to (ceil(H/2), ceil(W/2)).
    """
    for _ in range(halvings):
        x = F.avg_pool2d(x, 2, ceil_mode=True)
    missing = channels - x.shape[1]
    return F.pad(x, (0, 0, 0, 0, 0, missing)) if missing else x
