"""Where the weights of several perceptrons lie in one flat vector.

    [ first-layer weights, one row per node | weights of middle layers | first-layer biases | the rest, net by net ]

The first layers of all networks form one matrix (rows, features), so that one product computes all of them, and each
network's own rows of its result are contiguous. The first two parts together are the *products*: the matrices for which
a reduced precision may be used. A network without hidden layers has its classifier as its first layer.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from torch import Tensor

from dnc.config import MLP

ALIGN = 16  # elements: matrices start at multiples of 64 bytes, on which the bits of a float32 product depend
BATCH_MULTIPLE = 8  # samples: with another number of columns, a product's kernels fall back to slow ones at the edge
MIN_ROWS = 16  # a first layer has at least so many rows (zeros below the real ones): narrower ones use other kernels


@dataclass(frozen=True)
class NetLayout:
    """Where the parameters of one network lie.

    Attributes:
        arch: its architecture.
        start, width, padded: its first row, the number of its real rows, and of its rows with those of zeros.
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
        """The layers' weights (out, in) as views of `flat`; only of the layers that lie within it."""
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
    """Where the parameters of all networks lie.

    Attributes:
        nets: one per network, in the order given.
        features: inputs of a first layer.
        rows: rows of all first layers; those of networks with rectified linear units come first (`relu_rows`), then
            those with other activations (`hidden_rows` together with the former), then those without hidden layers.
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


def round_up(n: int, multiple: int = ALIGN) -> int:
    """n, rounded up to a multiple of `multiple`.

    >>> round_up(17, 8)
    24
    """
    return -(-n // multiple) * multiple


def merge_adjacent(parts: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same (start, stop) parts of a flat vector, adjacent ones merged: each part costs a call.

    Torch computes the last elements of a part, those that do not fill a vector register, one by one and maybe to other
    bits. So a part is merged with the next only if its length is a multiple of ALIGN, which leaves no such elements.

    >>> merge_adjacent([(32, 40), (0, 16), (16, 32), (40, 48)])
    [(0, 40), (40, 48)]
    """
    merged: list[tuple[int, int]] = []
    for start, stop in sorted(parts):
        if merged and merged[-1][1] == start and (start - merged[-1][0]) % ALIGN == 0:
            merged[-1] = merged[-1][0], stop
        else:
            merged.append((start, stop))
    return merged


def row_multiple(batch_sizes: Sequence[int]) -> int:
    """Which rows of arrays (rows, B) are aligned, for all of these batch sizes B: the multiples of this number.

    >>> row_multiple([256]), row_multiple([256, 20])
    (1, 4)
    """
    return ALIGN // math.gcd(ALIGN, *batch_sizes)


def plan_layout(archs: Sequence[MLP], features: int, n_classes: int, batch_sizes: Sequence[int] = (1,)) -> Layout:
    """The layout of networks with `features` inputs and `n_classes` outputs, for batches of these (padded) sizes.

    A network's parts have the same lengths and alignment in every stack: the bits of its products and updates depend on
    both, and must not depend on its companions.
    """
    sizes = [(features, *arch.hidden, n_classes) for arch in archs]
    padded = [round_up(max(widths[1], MIN_ROWS), row_multiple(batch_sizes)) for widths in sizes]

    # Rows are grouped by activation, so that all rectified linear units are one block, and dropout's masks another.
    starts, rows, group_ends = [0] * len(archs), 0, []
    for group in ("relu", "other", "none"):
        for i, arch in enumerate(archs):
            if group == ("none" if not arch.hidden else "relu" if arch.activation == "relu" else "other"):
                starts[i], rows = rows, rows + padded[i]
        group_ends.append(rows)

    # Middle layers follow the first ones, so that the products are the head of the vector and one copy reduces them.
    products, middle_starts = round_up(rows * features), []
    for widths in sizes:
        middle_starts.append(products)
        products += sum(round_up(a * b) for a, b in zip(widths[1:-2], widths[2:-1], strict=True))

    end, nets = products + rows, []
    for arch, widths, start, n_rows, middle in zip(archs, sizes, starts, padded, middle_starts, strict=True):
        weights, biases = [(start * features, widths[1], features)], [(products + start, widths[1])]
        segments = [(start * features, (start + n_rows) * features), (products + start, products + start + n_rows)]
        matrix_at = middle
        rest = end = round_up(end)
        for n, out in zip(widths[1:-2], widths[2:-1], strict=True):
            weights.append((matrix_at, out, n))
            biases.append((end, out))
            matrix_at, end = matrix_at + round_up(n * out), end + out
        if arch.hidden:  # the classifier
            n, out = widths[-2:]
            end = round_up(end)
            weights.append((end, out, n))
            biases.append((end + n * out, out))
            end += n * out + out
        segments += [part for part in ((middle, matrix_at), (rest, end)) if part[0] < part[1]]
        nets.append(NetLayout(arch, start, widths[1], n_rows, tuple(weights), tuple(biases), tuple(segments)))
    return Layout(tuple(nets), features, rows, group_ends[0], group_ends[1], products, end)
