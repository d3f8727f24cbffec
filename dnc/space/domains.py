"""Stage 1 as optimizers see it: points of the unit cube, rows of widths, and network objects.

A row holds the channels (CNN) or nodes (MLP) of each layer, then zeros. All other fields of the objects come from
`preset`, so a row says all that distinguishes two points of Stage 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from dnc.bayesopt.kernel import Array, ChannelKernel, NodeKernel, widen
from dnc.config import CNN, MLP


def pick_integer(u: Array, low: Array | float, high: Array | float) -> Array:
    """Uniform integers in [low, high] from uniform numbers u in [0, 1), elementwise, as floats."""
    span = np.subtract(high, low)
    return low + np.minimum(np.floor(u * (span + 1)), span)


@dataclass(frozen=True)
class ChannelDomain:
    """CNNs by depth and channels: c_1 in `first`, c_{i+1} in [c_i, min(growth c_i, cap)], all integers (Sec. 3.1).

    Depth, c_1 and every further c are uniform in their ranges.
    """

    depth: tuple[int, int]
    first: tuple[int, int]
    cap: int
    growth: float
    kernel: ChannelKernel
    preset: Callable[[tuple[int, ...]], CNN]

    @property
    def dim(self) -> int:
        """Depth, then one coordinate per layer."""
        return 1 + self.depth[1]

    def rows(self, u: Array) -> Array:
        """Channels (n, most layers) of points u (n, dim) of the unit cube."""
        depth = pick_integer(u[:, 0], *self.depth)
        rows = np.empty((len(u), self.depth[1]))
        rows[:, 0] = pick_integer(u[:, 1], *self.first)
        for k in range(1, self.depth[1]):
            low = rows[:, k - 1]
            rows[:, k] = pick_integer(u[:, k + 1], low, np.minimum(np.floor(self.growth * low), self.cap))
        rows[np.arange(self.depth[1]) >= depth[:, None]] = 0.0
        return rows

    def point(self, row: Array) -> CNN:
        """The CNN of a row (m,), with the Stage 1 presets."""
        return self.preset(tuple(int(c) for c in row if c > 0))

    def encode(self, points: Sequence[CNN]) -> Array:
        """Channels (n, most layers or more) of n CNNs.

        Raises:
            ArgumentError: a point is not a CNN.
        """
        return widen(self.kernel.encode(points), self.depth[1])


@dataclass(frozen=True)
class NodeDomain:
    """MLPs by number of hidden layers and nodes in each, all uniform integers (Sec. 3.2)."""

    depth: tuple[int, int]
    nodes: tuple[int, int]
    kernel: NodeKernel
    preset: Callable[[tuple[int, ...]], MLP]

    @property
    def dim(self) -> int:
        """Number of layers, then one coordinate per layer."""
        return 1 + self.depth[1]

    def rows(self, u: Array) -> Array:
        """Nodes (n, most layers) of points u (n, dim) of the unit cube."""
        depth = pick_integer(u[:, 0], *self.depth)
        return np.where(np.arange(self.depth[1]) < depth[:, None], pick_integer(u[:, 1:], *self.nodes), 0.0)

    def point(self, row: Array) -> MLP:
        """The MLP of a row (m,), with the Stage 1 presets."""
        return self.preset(tuple(int(c) for c in row if c > 0))

    def encode(self, points: Sequence[MLP]) -> Array:
        """Nodes (n, most layers or more) of n MLPs.

        Raises:
            ArgumentError: a point is not an MLP.
        """
        return widen(self.kernel.encode(points), self.depth[1])
