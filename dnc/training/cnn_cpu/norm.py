"""Batch normalization of maps (B, C, H, W), C innermost in memory, by torch's kernels, in three passes each way.

These kernels go along the channels. They are slow if the channels are few or do not fill vector registers: then the
maps are folded, that is, F adjacent pixels are seen as one pixel with F · C channels.

With y_hat = (y - mean) / sqrt(var + eps) and the gradient g of the output w * y_hat + b, the gradient of y is

    w / sqrt(var + eps) * u,    u = g - mean(g) - y_hat * mean(g * y_hat)

where means are over B, H and W. The factor of u is one number per channel: instead of one more pass over the maps, it
becomes a factor of the weights of the convolution before.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

# Fewer channels than NARROW, or another number than a multiple of FILLED, are folded to at least WIDE …
NARROW, FILLED, WIDE = 32, 16, 64
MAX_FOLD = 16
MIN_FOLDED = 2**15  # … in maps with at least as many elements: in smaller ones the few additional calls cost more

_aten = torch.ops.aten


@dataclass(frozen=True)
class Weight:
    """A parameter in one step, as views of flat vectors; all of the parameter's shape, with padded channels.

    Attributes:
        scaled: the parameter times its gain.
        reduced: `scaled` in the type of the maps.
        grad: the gradient with respect to `scaled`.
        gain: the factor.
    """

    scaled: Tensor
    reduced: Tensor
    grad: Tensor
    gain: Tensor


class Norm:
    """Batch normalization of one layer's maps of one shape, in training.

    Args:
        module: keeps the running statistics.
        weight, bias: (C,) of the module.
        shape: (B, C, H, W).
    """

    def __init__(self, module: nn.BatchNorm2d, weight: Weight, bias: Weight, shape: tuple[int, int, int, int]) -> None:
        self._module, self._weight, self._bias = module, weight, bias
        self._fold = fold(shape)
        channels, pixels = shape[1], shape[0] * shape[2] * shape[3]
        self._n = pixels
        self._size = (1, self._fold * channels, pixels // self._fold, 1)
        self._stride = (pixels * channels, 1, self._fold * channels, 1)
        # what folded maps need for each of their F · C channels: mean, variance, weight and bias, F times over
        self._repeated = weight.scaled.new_zeros(4, self._fold, channels)
        self._mean, self._var, *self._affine = self._repeated.flatten(1).unbind()  # 4 x (F · C,)
        self._unused = torch.zeros_like(self._mean), torch.ones_like(self._mean)
        self._channel_var = weight.scaled
        self._none = weight.scaled.new_empty(0)

    def forward(self, y: Tensor, out: Tensor) -> None:
        """out = w · y_hat + b, with the statistics of this batch, which update the running ones."""
        view = self._view(y)
        # given running statistics in the weights' type, it returns that type; with momentum 0 they are left alone
        mean, var = _aten.batch_norm_update_stats(view, *self._unused, 0.0)  # 2 x (F · C,)
        self._mean, self._var, self._affine = mean, var, [self._weight.scaled, self._bias.scaled]
        if self._fold > 1:
            # a channel's variance is the mean of its F variances plus the variance of its F means
            means = mean.view(self._fold, -1)  # (F, C)
            mean = means.mean(0)
            var = torch.addcmul(var.view(self._fold, -1), means.sub_(mean), means).mean(0)
            for row, value in zip(self._repeated, (mean, var, *self._affine), strict=True):
                row.copy_(value)
            self._mean, self._var, *self._affine = self._repeated.flatten(1).unbind()
        self._normalize(view, self._affine, self._view(out))
        module = self._module
        assert module.running_mean is not None
        assert module.running_var is not None
        assert module.num_batches_tracked is not None
        assert module.momentum is not None
        c = module.num_features
        module.running_mean.lerp_(mean[:c], module.momentum)
        # running variances are unbiased, the batch's own is not
        module.running_var.lerp_(var[:c] * (self._n / max(self._n - 1, 1)), module.momentum)
        module.num_batches_tracked.add_(1)
        self._channel_var = var

    def backward(self, g: Tensor, y: Tensor) -> Tensor:
        """Turn `y` into u, and compute the gradients of weight and bias; returns the factor (C,) of u."""
        view = self._view(y)
        # in evaluation mode, and only for the gradients of weight and bias: sums of g · y_hat and of g, 2 x (F · C,)
        _, *sums = _aten.native_batch_norm_backward(
            self._view(g),
            view,
            self._unused[1],
            self._mean,
            self._var,
            None,
            None,
            False,
            self._module.eps,
            [False, True, True],
        )
        means = []
        for total, parameter in zip(sums, (self._weight, self._bias), strict=True):
            if self._fold == 1:
                parameter.grad.copy_(total)
                means.append(total.mul_(-1 / self._n))
            else:
                torch.sum(total.view(self._fold, -1), 0, out=parameter.grad)
                means.append(parameter.grad.mul(-1 / self._n).repeat(self._fold))
        # u is what the forward pass would give with weight -mean(g · y_hat) and bias -mean(g), plus g
        self._normalize(view, means, view)
        y.add_(g)
        return torch.add(self._channel_var, self._module.eps).rsqrt_().mul_(self._weight.scaled)

    def _normalize(self, view: Tensor, affine: list[Tensor], out: Tensor) -> None:
        """out = weight · y_hat + bias, of folded views."""
        _aten.native_batch_norm.out(
            view,
            *affine,
            self._mean,
            self._var,
            False,
            0.0,
            self._module.eps,
            out=out,
            save_mean=self._none,
            save_invstd=self._none,
        )

    def _view(self, y: Tensor) -> Tensor:
        """Maps as (1, F · C, B · H · W / F, 1), the channels innermost in memory."""
        return y.as_strided(self._size, self._stride)


def fold(shape: tuple[int, int, int, int]) -> int:
    """F, the number of adjacent pixels that are seen as one, for maps (B, C, H, W).

    >>> fold((64, 64, 16, 16)), fold((64, 5, 16, 16))
    (1, 16)
    """
    b, c, height, width = shape
    pixels, f = b * height * width, 1
    if pixels * c < MIN_FOLDED or (c >= NARROW and c % FILLED == 0):
        return 1
    while f < MAX_FOLD and pixels % (2 * f) == 0 and (f * c < WIDE or f * c % FILLED):
        f *= 2
    return f
