"""Fig. 2 as plain data: the similarity of two CNNs from ramp distances (3a), kernel values (3b) and weights (3c)."""

from __future__ import annotations

import math
from itertools import accumulate
from typing import NamedTuple

from dnc.bayesopt.similarity import similarity
from dnc.config import CNN
from dnc.errors import ArgumentError, short_repr
from dnc.space import CNNSpace

NAMED = 6  # channels of a net that a title lists in full
WIDE = 0.1  # of the sum of s_k sigma_k: about the width of a number


class LayerTerm(NamedTuple):
    """One conv layer's part of the similarity; channels are None where a net lacks the layer."""

    layer: int  # from 1
    channels_i: int | None
    channels_j: int | None
    low: float  # l_k
    high: float  # u_k
    r: float
    distance: float  # d_k
    kernel: float  # sigma_k
    weight: float  # s_k

    @property
    def part(self) -> float:
        """s_k sigma_k, what the layer adds to the total."""
        return self.weight * self.kernel

    @property
    def shared(self) -> bool:
        """True if both nets have the layer; otherwise its distance is the largest possible, omega."""
        return self.channels_i is not None and self.channels_j is not None

    @property
    def free_side(self) -> str:
        """Where there is room to say that a net lacks the layer: "left" or "right", away from the other's channels."""
        middle = math.sqrt(self.low * self.high)  # of the axis, which is logarithmic
        return "left" if (self.channels_i or self.channels_j or 0) >= middle else "right"


class KernelInfo(NamedTuple):
    """Plain data of Fig. 2."""

    terms: tuple[LayerTerm, ...]  # one for each layer of the deeper net
    omega: float
    total: float  # sigma(x_i, x_j)

    @property
    def names(self) -> tuple[str, str]:
        """The two nets as lists of channels; those of deep nets are shortened, so that a title can hold them."""
        columns = zip(*((t.channels_i, t.channels_j) for t in self.terms), strict=True)
        a, b = ([c for c in column if c is not None] for column in columns)
        return _listed(a), _listed(b)

    @property
    def sums(self) -> tuple[float, ...]:
        """The sum of s_k sigma_k before each layer, and after the last: one value more than there are layers."""
        return tuple(accumulate((t.part for t in self.terms), initial=0.0))

    @property
    def beside(self) -> tuple[float | None, ...]:
        """Where the number of each part stands beside its bar; None where the bar is wide enough to hold it.

        A number that would lie across the line of the total moves to the other side of it.
        """
        total = self.sums[-1]
        ends = zip(self.terms, self.sums[1:], strict=True)
        return tuple(None if term.part > WIDE else 0.02 + (total if total - end < WIDE else end) for term, end in ends)

    @property
    def channel_range(self) -> tuple[float, float]:
        """The smallest lower and the largest upper bound of all layers."""
        return min(t.low for t in self.terms), max(t.high for t in self.terms)

    @property
    def bounds(self) -> tuple[float, ...]:
        """All bounds of the layers, each once, ascending."""
        return tuple(sorted({t.low for t in self.terms} | {t.high for t in self.terms}))


def _listed(channels: list[int]) -> str:
    if len(channels) <= NAMED:
        return str(channels)
    return f"[{channels[0]}, {channels[1]}, …, {channels[-1]}]"


def kernel_info(a: CNN, b: CNN, space: CNNSpace) -> KernelInfo:
    """Compare two CNNs layer by layer under the kernel of `space`.

    Raises:
        ArgumentError: not two CNNs.
    """
    compared = similarity(a, b, space)  # refuses what cannot be compared at all
    for name, net in (("a", a), ("b", b)):
        if not isinstance(net, CNN):
            raise ArgumentError(f"{name}={short_repr(net)} is not allowed: give a dnc.CNN")
    kernel = space.kernel()
    terms = []
    for k, (distance, value, weight) in enumerate(
        zip(compared.distances, compared.kernels, compared.weights, strict=True)
    ):
        channels_i, channels_j = (net.channels[k] if k < net.depth else None for net in (a, b))
        high, r = (values[min(k, len(values) - 1)] for values in (kernel.high, kernel.r))  # the last serves all deeper
        terms.append(LayerTerm(k + 1, channels_i, channels_j, kernel.low, high, r, distance, value, weight))
    return KernelInfo(tuple(terms), kernel.omega, float(compared))
