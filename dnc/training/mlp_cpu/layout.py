"""Where the weights of several perceptrons lie in one flat vector.

    [ first-layer weights, a row a node | weights of middle layers | first-layer biases | the rest, network by network ]

The first layers of all networks form one matrix (rows, features), so that one product computes all of them, and every
network's own rows of its result are contiguous. The first two parts together are the *products*: the matrices that a
reduced precision may be used for. A network without hidden layers has its classifier as its first layer.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from torch import Tensor

from dnc.config import MLP

ALIGN = 16  # elements: matrices start at multiples of 64 bytes, on which the bits of a float32 product depend
MIN_ROWS = 16  # rows of a first layer, at least (zeros below the real ones): narrower products are computed otherwise


@dataclass(frozen=True)
class NetLayout:
    """The place of one network.

    Attributes:
        arch: its architecture.
        start, width, padded: its first row, its real rows, and its rows with those of zeros.
        weights: (offset, out, in) of each layer's matrix.
        biases: (offset, out) of each layer's bias.
        segments: (start, stop) of the parts of the flat vector that are its own.
    """

    arch: MLP
    start: int
    width: int
    padded: int
    weights: tuple[tuple[int, int, int], ...]
    biases: tuple[tuple[int, int], ...]
    segments: tuple[tuple[int, int], ...]

    @property
    def relu(self) -> bool:
        """Whether its hidden layers have rectified linear units: those are computed for all networks at once."""
        return self.arch.depth > 0 and self.arch.activation == "relu"

    def matrices(self, flat: Tensor) -> list[Tensor]:
        """The layers' weights (out, in) as views of `flat`; of those that `flat` is long enough for."""
        return [
            flat[offset : offset + out * n].view(out, n)
            for offset, out, n in self.weights
            if offset + out * n <= flat.numel()
        ]

    def vectors(self, flat: Tensor) -> list[Tensor]:
        """The layers' biases (out,) as views of `flat`."""
        return [flat[offset : offset + out] for offset, out in self.biases]


@dataclass(frozen=True)
class Layout:
    """The places of all networks.

    Attributes:
        nets: one a network, in the order given.
        features: inputs of a first layer.
        rows: rows of all first layers; those of networks with rectified linear units come first (`relu_rows`), then
            those with other activations (`hidden_rows` with the former), then those without hidden layers.
        products: length of the products.
        size: length of the flat vector.
    """

    nets: tuple[NetLayout, ...]
    features: int
    rows: int
    relu_rows: int
    hidden_rows: int
    products: int
    size: int

    def first(self, flat: Tensor) -> Tensor:
        """All first-layer weights (rows, features) as a view of `flat`."""
        return flat[: self.rows * self.features].view(self.rows, self.features)

    def first_bias(self, flat: Tensor) -> Tensor:
        """All first-layer biases (rows,) as a view of `flat`."""
        return flat[self.products : self.products + self.rows]


def aligned(n: int, step: int = ALIGN) -> int:
    """n, rounded up to a multiple of `step`."""
    return -(-n // step) * step


def joined(parts: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same (start, stop) parts of a flat vector, neighbours as one: a call costs by the part.

    Torch computes the last elements of a part, those that fill no vector, one by one and maybe to other bits: only
    parts that leave none over, whose length is a multiple of ALIGN, are joined with the next.
    """
    found: list[tuple[int, int]] = []
    for start, stop in sorted(parts):
        if found and found[-1][1] == start and (start - found[-1][0]) % ALIGN == 0:
            found[-1] = found[-1][0], stop
        else:
            found.append((start, stop))
    return found


def row_step(batch_sizes: Sequence[int]) -> int:
    """Arrays (rows, B) of these batch sizes are aligned at the rows that are multiples of it: 1 for B = 256."""
    return ALIGN // math.gcd(ALIGN, *batch_sizes)


def plan_layout(archs: Sequence[MLP], features: int, n_classes: int, batch_sizes: Sequence[int] = (1,)) -> Layout:
    """The layout of networks with `features` inputs and `n_classes` outputs, trained in batches of these sizes."""
    sizes = [(features, *arch.hidden, n_classes) for arch in archs]
    padded = [aligned(max(widths[1], MIN_ROWS), row_step(batch_sizes)) for widths in sizes]
    starts, rows, ends = [0] * len(archs), 0, []
    for group in ("relu", "other", "none"):
        for i, arch in enumerate(archs):
            if group == ("none" if not arch.hidden else "relu" if arch.activation == "relu" else "other"):
                starts[i], rows = rows, rows + padded[i]
        ends.append(rows)

    products, middles = aligned(rows * features), []
    for widths in sizes:
        middles.append(products)
        products += sum(aligned(a * b) for a, b in zip(widths[1:-2], widths[2:-1], strict=True))

    end, nets = products + rows, []
    for arch, widths, start, n_rows, middle in zip(archs, sizes, starts, padded, middles, strict=True):
        weights, biases = [(start * features, widths[1], features)], [(products + start, widths[1])]
        segments = [(start * features, (start + n_rows) * features), (products + start, products + start + n_rows)]
        at = middle
        rest = end = aligned(end)  # a segment is as long, and as aligned, in every stack
        for n, out in zip(widths[1:-2], widths[2:-1], strict=True):
            weights.append((at, out, n))
            biases.append((end, out))
            at, end = at + aligned(n * out), end + out
        if arch.hidden:  # the classifier
            n, out = widths[-2:]
            end = aligned(end)
            weights.append((end, out, n))
            biases.append((end + n * out, out))
            end += n * out + out
        segments += [part for part in ((middle, at), (rest, end)) if part[0] < part[1]]
        nets.append(NetLayout(arch, start, widths[1], n_rows, tuple(weights), tuple(biases), tuple(segments)))
    return Layout(tuple(nets), features, rows, ends[0], ends[1], products, end)
