"""Batched augmentation on the device of the images: one gather of shifted rows, no loop over images."""

from __future__ import annotations

import torch
from torch import Tensor

from dnc.data.dataset import Augment


class Augmenter:
    """Random crops from zero padding, random flips and normalization (Sec. 3) of whole batches.

    Args:
        augment: what to do.
        device: where the images are.
    """

    def __init__(self, augment: Augment, device: torch.device | str = "cpu") -> None:
        self.augment = augment
        mean, std = (torch.tensor(v, dtype=torch.float64)[:, None, None] for v in (augment.mean, augment.std))
        # (x / unit - mean) / std = x * scale - shift, with unit 255 for uint8 and 1 for float: two passes, not three
        self._shift = (mean / std).to(device, torch.float32)  # [C, 1, 1]
        self._scale = (1 / std).to(device, torch.float32)
        self._byte_scale = (1 / (255 * std)).to(device, torch.float32)

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Augment images [B, C, H, W] (uint8 or float) to float32 [B, C, H, W]; `x` stays as it is.

        One draw per batch says, for each image, which of the (2·pad + 1)² crops it gets and whether it is mirrored. It
        is made on the generator's device, so a CPU generator gives the same images on every device.
        """
        offsets = 2 * self.augment.pad + 1  # of the crop, in each direction
        n = offsets**2 * (2 if self.augment.flip else 1)
        draw = torch.randint(n, (len(x),), generator=generator, device=generator.device).to(x.device)
        down, right, mirrored = draw // offsets % offsets, draw % offsets, draw // offsets**2
        return self.normalize(self.crop(x, down, right, mirrored))

    def crop(self, x: Tensor, down: Tensor, right: Tensor, mirrored: Tensor) -> Tensor:
        """Crop image i of [B, C, H, W] at (down[i], right[i]) of its padded self, mirrored if mirrored[i] is 1."""
        b, c, h, w = x.shape
        pad = self.augment.pad
        height, width = h + 2 * pad, w + 2 * pad
        canvas = x.new_zeros((2 if self.augment.flip else 1, b, c, height, width))
        canvas[0, ..., pad : pad + h, pad : pad + w] = x
        if self.augment.flip:
            canvas[1, ..., pad : pad + h, pad : pad + w] = x.flip(3)
        # A row of the result is w neighbors in memory, so it is enough to compute where each row starts: one gather
        # of whole rows, instead of one of single pixels.
        image = (mirrored * b + torch.arange(b, device=x.device))[:, None, None]
        channel = torch.arange(c, device=x.device)[:, None]
        row = torch.arange(h, device=x.device) + down[:, None, None]
        start = ((image * c + channel) * height + row) * width + right[:, None, None]  # [B, C, H]
        return canvas.view(-1).unfold(0, w, 1).index_select(0, start.view(-1)).view(b, c, h, w)

    def normalize(self, x: Tensor) -> Tensor:
        """Images [B, C, H, W] (uint8 or float) less the mean, over the standard deviation, as float32."""
        return (x * (self._scale if x.is_floating_point() else self._byte_scale)).sub_(self._shift)
