"""What an architecture looks like on an input, in closed form: map sizes and the parameter count N_p. No torch."""

from __future__ import annotations

import math
from collections.abc import Sequence

from dnc.config import CNN, MLP, Architecture
from dnc.errors import ArgumentError, check_int, short_repr

KERNEL = 3  # every convolution is 3x3 (Sec. 3.1)


def check_shapes(arch: Architecture, input_shape: Sequence[int], n_classes: int) -> tuple[int, ...]:
    """Return `input_shape` as a tuple if `arch` can take such inputs: (C, H, W) for a CNN, any shape for an MLP.

    Raises:
        ArgumentError: `arch` is not an architecture, a size is not a whole number >= 1, or a CNN is given flat inputs.
    """
    if not isinstance(arch, (CNN, MLP)):
        raise ArgumentError(f"arch={short_repr(arch)} is not allowed: give a dnc.CNN or a dnc.MLP")
    if isinstance(input_shape, (str, bytes)) or not isinstance(input_shape, Sequence) or not len(input_shape):
        raise ArgumentError(f"input_shape={short_repr(input_shape)} is not allowed: give the shape of one sample")
    shape = tuple(check_int(f"input_shape[{i}]", size, 1) for i, size in enumerate(input_shape))
    check_int("n_classes", n_classes, 1)
    if isinstance(arch, CNN) and len(shape) != 3:
        raise ArgumentError(
            f"a CNN needs images, but the samples have shape {shape}: load the data with "
            "image_shape=(channels, height, width), or use an MLP"
        )
    return shape


def map_sizes(arch: CNN, input_shape: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """Height and width after each conv layer; a stride and a pool each give ceil(H/2).

    >>> map_sizes(CNN(channels=(4, 8), pools=(1,)), (3, 32, 32))
    ((16, 16), (16, 16))
    """
    _, height, width = check_shapes(arch, input_shape, 1)
    sizes = []
    for layer in range(1, arch.depth + 1):
        for _ in range((layer in arch.strides) + (layer in arch.pools)):
            height, width = -(-height // 2), -(-width // 2)
        sizes.append((height, width))
    return tuple(sizes)


def count_params(arch: Architecture, input_shape: Sequence[int], n_classes: int) -> int:
    """Number of trainable parameters N_p of `arch` on samples of `input_shape`.

    Raises:
        ArgumentError: the architecture cannot take such inputs.

    >>> count_params(MLP(hidden=(300,)), (784,), 10)
    238510
    """
    shape = check_shapes(arch, input_shape, n_classes)
    if isinstance(arch, MLP):
        widths = (math.prod(shape), *arch.hidden, n_classes)
        return sum(a * b + b for a, b in zip(widths, widths[1:], strict=False))
    channels = (shape[0], *arch.channels)
    convs = sum(KERNEL**2 * a * b + b for a, b in zip(channels, channels[1:], strict=False))
    norms = sum(2 * arch.channels[layer - 1] for layer in arch.batchnorm)
    return convs + norms + arch.channels[-1] * n_classes + n_classes
