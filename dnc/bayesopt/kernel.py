"""How alike two configs are: ramp distance (3a), squared exponential (3b), convex combination (3c).

Kernels work on *rows*, points written as float arrays, so that whole batches are compared at once.

    symbol  meaning                                             here
    x_k     value of hyperparameter k, between l_k and u_k      a column of the features
    d       ramp distance omega * (|x - x'| / (u - l))^r        `ramp_distance`, (3a)
    sigma   kernel value exp(-d^2 / 2)                          `squared_exponential`, (3b)
    s_k     coefficient of a hyperparameter, sum 1              `weights`, (3c)

Fig. 2 of the paper, the conv channels [50, 80] against [36, 61, 107]:

>>> kernel = ChannelKernel()
>>> a, b = kernel.encode([CNN(channels=(50, 80)), CNN(channels=(36, 61, 107))])
>>> terms = kernel.terms(a, b)
>>> [round(float(value), 3) for value in terms.distances]
[0.875, 1.236, 3.0]
>>> [round(float(value), 3) for value in terms.kernels]
[0.682, 0.466, 0.011]
>>> round(float(kernel(a, b)[0, 0]), 3)
0.386

Validity. |x - x'|^(2r) is of negative type for 0 < r <= 1, so (3b) is a valid covariance, and so is (3c) as long as
the s_k are fixed; that is the paper's proof (Appendix). For CNNs of mixed depth s = 1/(layers of the deeper net)
varies, and that proof does not apply. With n, n' the depths and e = exp(-omega^2 / 2) the value of a missing layer,

    sigma(x, x') = e + sum_{k <= min(n, n')} (sigma_k - e) / max(n, n'),

and 1/max(n, n') = min(1/n, 1/n') is a valid covariance, so the whole is valid where every sigma_k - e is. For values
within the bounds that holds if r <= 1/2 (convex in |x - x'| and 0 at the end: Polya's criterion), as in layers 2, 3, …
of the paper. Layer 1 with r = 1 is a Gaussian, and sigma_1 - e is valid if and only if e 1' Sigma_1^-1 1 <= 1: on
c_1 = 16 … 64 the left-hand side is 0.063 at omega = 3 and 0.77 at omega = 2, so the paper's kernel is valid from
omega = 2 on. Below it can fail: over c_1 = 16 … 64 and depths 1, 4, 16 the least eigenvalue is -0.012 at omega = 0.5.
At omega = 1 no set of nets was found below -1e-7 with the paper's r (-5e-4 with r = 1 in all layers), which noise and
jitter of the GP absorb. Hence a CNNSpace asks for omega >= 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dnc.config import CNN, MLP, Training
from dnc.errors import ArgumentError, check_float, short_repr

Array = NDArray[np.float64]
Integers = NDArray[np.int64]
OMEGA = 3.0  # scale omega of every distance (Fig. 2)


class Terms(NamedTuple):
    """One pair of points, hyperparameter by hyperparameter: sigma = sum of weights * kernels."""

    names: tuple[str, ...]
    distances: Array  # (K,), eq. (3a)
    kernels: Array  # (K,), eq. (3b)
    weights: Array  # (K,), s_k of eq. (3c)


class Kernel(Protocol):
    """A similarity in [0, 1], 1 for equal points."""

    def __call__(self, a: Array, b: Array) -> Array:
        """Eq. (3c) between rows a (n, m) and b (p, m): (n, p). A single row (m,) counts as n = 1."""
        ...

    def encode(self, points: Sequence[Any]) -> Array:
        """Rows (n, m) of n points.

        Raises:
            ArgumentError: a point of another kind.
        """
        ...

    def terms(self, a: Array, b: Array) -> Terms:
        """The parts of eq. (3c) for one pair of rows (m,)."""
        ...


def ramp_distance(
    x: ArrayLike, y: ArrayLike, low: ArrayLike, high: ArrayLike, omega: float = OMEGA, r: ArrayLike = 1.0
) -> Array:
    """Eq. (3a), elementwise (shapes broadcast): omega (|x - y| / (high - low))^r; 0 where high = low."""
    span = np.subtract(high, low, dtype=float)
    gap = np.abs(np.subtract(x, y, dtype=float))
    return np.where(span > 0, omega * (gap / np.where(span > 0, span, 1.0)) ** np.asarray(r), 0.0)


def squared_exponential(distance: ArrayLike) -> Array:
    """Eq. (3b), elementwise: exp(-d^2 / 2)."""
    return np.exp(-0.5 * np.square(distance))


@dataclass(frozen=True)
class RampKernel:
    """Eq. (3c) over K hyperparameters with fixed coefficients. Rows are the K values themselves.

    Args:
        low, high: bounds l_k <= u_k.
        omega: scale of the distances, > 0.
        r: powers r_k in (0, 1].
        weights: coefficients s_k >= 0 with sum 1; () is 1/K each.
        names: what the hyperparameters are called; () numbers them.

    Raises:
        ArgumentError: a value outside its range, or lengths that differ.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]
    omega: float = OMEGA
    r: tuple[float, ...] = (1.0,)
    weights: tuple[float, ...] = ()
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        k = len(self.low)
        object.__setattr__(self, "r", self.r * k if len(self.r) == 1 else self.r)
        object.__setattr__(self, "weights", self.weights or (1.0 / max(k, 1),) * k)
        object.__setattr__(self, "names", self.names or tuple(f"x{i}" for i in range(1, k + 1)))
        check_float("omega", self.omega, 0, open_low=True)
        check_powers("r", self.r)
        check_weights("weights", self.weights, k)
        if not len(self.high) == len(self.r) == len(self.names) == k:
            raise ArgumentError(
                f"low={short_repr(self.low)} has {k} entries: give the same number of high, r and names"
            )
        if any(lo > hi for lo, hi in zip(self.low, self.high, strict=True)):
            raise ArgumentError(f"low={short_repr(self.low)} exceeds high={short_repr(self.high)}: give low <= high")

    def __call__(self, a: Array, b: Array) -> Array:
        x, y = self.features(np.atleast_2d(a)), self.features(np.atleast_2d(b))
        total = np.zeros((len(x), len(y)))
        for k, weight in enumerate(self.weights):
            bounds = self.low[k], self.high[k]
            distance = ramp_distance(x[:, k, None], y[:, k], *bounds, self.omega, self.r[k])
            total += weight * squared_exponential(distance)
        return total

    def features(self, rows: Array) -> Array:
        """The values x_k (n, K) of rows (n, m)."""
        return rows

    def encode(self, points: Sequence[Any]) -> Array:
        """Rows (n, K) of n points, each a number or K numbers."""
        try:
            return np.asarray(points, dtype=float).reshape(len(points), len(self.low))
        except (TypeError, ValueError):
            raise ArgumentError(
                f"xs={short_repr(points)} is not usable: give {len(self.low)} numbers per point"
            ) from None

    def terms(self, a: Array, b: Array) -> Terms:
        x, y = self.features(np.atleast_2d(a))[0], self.features(np.atleast_2d(b))[0]
        distances = ramp_distance(x, y, self.low, self.high, self.omega, self.r)
        return Terms(self.names, distances, squared_exponential(distances), np.array(self.weights))


@dataclass(frozen=True)
class NodeKernel(RampKernel):
    """MLPs: the sum of nodes over all hidden layers, and the number of layers (Sec. 2.2).

    Rows (n, m) hold the nodes of each hidden layer, then zeros; m need not be the same for all.
    """

    def features(self, rows: Array) -> Array:
        return np.stack([rows.sum(axis=1), (rows > 0).sum(axis=1)], axis=1)

    def encode(self, points: Sequence[MLP]) -> Array:
        return _zero_padded([_checked(MLP, p).hidden for p in points])


@dataclass(frozen=True)
class TrainingKernel(RampKernel):
    """Training hyperparameters: log10 of learning rate and weight decay, batch size by value.

    Rows (n, 3) hold lr, weight decay and batch size. Weight decay 0 counts as its lower bound.
    """

    def features(self, rows: Array) -> Array:
        decay = np.where(rows[:, 1] > 0, rows[:, 1], 10.0 ** self.low[1])
        return np.stack([np.log10(rows[:, 0]), np.log10(decay), rows[:, 2]], axis=1)

    def encode(self, points: Sequence[Training]) -> Array:
        rows = [(p.lr, p.weight_decay, p.batch_size) for p in (_checked(Training, p) for p in points)]
        return np.array(rows, dtype=float).reshape(-1, 3)


@dataclass(frozen=True)
class ChannelKernel:
    """CNNs: layer by layer on the channels; a layer that one net lacks is at distance omega (Sec. 2.2, Fig. 2).

    Rows (n, m) hold the integer channels of each conv layer, then zeros; m need not be the same for all.
    s = 1/(layers of the deeper net), see the head of this module for when that is valid.

    Args:
        low: lower bound l of every layer.
        high: upper bounds u of layers 1, 2, …; the last one serves all later layers.
        omega: scale of the distances, > 0.
        r: powers of layers 1, 2, … in (0, 1]; the last one serves all later layers.

    Raises:
        ArgumentError: a value outside its range.
    """

    low: float = 16
    high: tuple[float, ...] = (64, 128, 256, 512)
    omega: float = OMEGA
    r: tuple[float, ...] = (1.0, 1 / 2, 1 / 3, 1 / 4)

    def __post_init__(self) -> None:
        check_float("omega", self.omega, 0, open_low=True)
        check_powers("r", self.r)
        if not self.high or min(self.high) < self.low:
            raise ArgumentError(
                f"high={short_repr(self.high)} is not allowed: give upper bounds of at least {self.low:g}"
            )

    def __call__(self, a: Array, b: Array) -> Array:
        # Deepest first, so that the nets that have layer k are the leading ones and each layer is one slice.
        depth_a, order_a, channels_a = _deepest_first(np.atleast_2d(a))
        depth_b, order_b, channels_b = _deepest_first(np.atleast_2d(b))
        # A layer that only the deeper net has is at distance omega: all of them are one term.
        total = float(squared_exponential(self.omega)) * np.abs(depth_a[:, None] - depth_b)
        widest = max(channels_a.max(initial=0), channels_b.max(initial=0))
        settings, table = None, np.zeros(0)
        for k in range(min(depth_a.max(initial=0), depth_b.max(initial=0))):
            # Channels are integers, so sigma_k has few values: a table of them saves a power and an exponential per
            # pair, and later layers, which share u and r, share it.
            if settings != self._layer(k):
                settings = self._layer(k)
                table = squared_exponential(self._distance(k, np.arange(widest + 1), 0))
            with_a, with_b = np.count_nonzero(depth_a > k), np.count_nonzero(depth_b > k)
            gap = np.abs(channels_a[k, :with_a, None] - channels_b[k, :with_b])
            total[:with_a, :with_b] += table[gap]
        total /= np.maximum(depth_a[:, None], depth_b)
        result = np.empty_like(total)
        result[np.ix_(order_a, order_b)] = total
        return result

    def encode(self, points: Sequence[CNN]) -> Array:
        return _zero_padded([_checked(CNN, p).channels for p in points])

    def terms(self, a: Array, b: Array) -> Terms:
        depth_a, depth_b = int((a > 0).sum()), int((b > 0).sum())
        deeper = max(depth_a, depth_b)
        distances = np.full(deeper, self.omega)
        for k in range(min(depth_a, depth_b)):
            distances[k] = self._distance(k, a[k], b[k])
        names = tuple(f"layer {k + 1}" for k in range(deeper))
        return Terms(names, distances, squared_exponential(distances), np.full(deeper, 1.0 / deeper))

    def _layer(self, k: int) -> tuple[float, float]:
        """u and r of layer k + 1."""
        return self.high[min(k, len(self.high) - 1)], self.r[min(k, len(self.r) - 1)]

    def _distance(self, k: int, x: ArrayLike, y: ArrayLike) -> Array:
        high, r = self._layer(k)
        return ramp_distance(x, y, self.low, high, self.omega, r)


def widen(rows: Array, width: int) -> Array:
    """`rows` (n, m) with zero columns appended, so that there are at least `width`."""
    return np.pad(rows, ((0, 0), (0, max(0, width - rows.shape[1]))))


def check_powers(name: str, powers: Sequence[float]) -> tuple[float, ...]:
    """Return `powers` r_k as floats in (0, 1]; at least one.

    Raises:
        ArgumentError: none given, or one outside the range.
    """
    if not isinstance(powers, (tuple, list)) or not powers:
        raise ArgumentError(f"{name}={short_repr(powers)} is not allowed: give a tuple of powers in (0, 1]")
    return tuple(check_float(f"{name}[{i}]", r, 0, 1, open_low=True) for i, r in enumerate(powers))


def check_weights(name: str, weights: Sequence[float], k: int) -> tuple[float, ...]:
    """Return `weights` s_k as k floats in [0, 1] with sum 1.

    Raises:
        ArgumentError: another number of them, one outside the range, or another sum.
    """
    if not isinstance(weights, (tuple, list)) or len(weights) != k or not k:
        raise ArgumentError(f"{name}={short_repr(weights)} is not allowed: give {max(k, 1)} coefficients with sum 1")
    values = tuple(check_float(f"{name}[{i}]", s, 0, 1) for i, s in enumerate(weights))
    if abs(sum(values) - 1.0) > 1e-9:
        raise ArgumentError(f"{name}={short_repr(weights)} add up to {sum(values):g}: give coefficients with sum 1")
    return values


def _deepest_first(rows: Array) -> tuple[Integers, Integers, Integers]:
    """Depths (n,) in falling order, the indices (n,) that sort so, and the layers (m, n) as integers in this order."""
    depth = np.count_nonzero(rows > 0, axis=1)
    order = np.argsort(-depth, kind="stable")
    return depth[order], order, np.ascontiguousarray(rows[order].T, dtype=np.int64)


def _zero_padded(lists: Sequence[Sequence[int]]) -> Array:
    """Rows (n, m) of n lists of at most m numbers, each followed by zeros."""
    rows = np.zeros((len(lists), max(map(len, lists), default=0)))
    for row, values in zip(rows, lists, strict=True):
        row[: len(values)] = values
    return rows


def _checked(kind: Any, point: object) -> Any:
    if not isinstance(point, kind):
        raise ArgumentError(
            f"x={short_repr(point)} is of another kind: this kernel compares dnc.{kind.__name__} objects"
        )
    return point
