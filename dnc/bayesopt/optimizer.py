"""Ask and tell: Bayesian optimization, Sobol sequence and random search behind one protocol (Sec. 2.2, 4.3).

What is guaranteed, for all three:

- The k-th proposal is a function of (domain, settings, seed, k, the set of (point, value) told, the points pending in
  the order they were proposed). No random stream is carried along: draws of proposal k come from `[seed, k]`.
- So the order of `tell` never matters, and equal histories give equal proposals, also after a restart. Telling the same
  value of the same point again changes nothing: a repeat that was looked up is not a second measurement.
- `ask` may be called again before `tell`. A pending point is modelled at its posterior mean, which leaves the mean
  unchanged everywhere and only shrinks the uncertainty around the point.
- `ask` returns None once no point is left: its own next point is known, and so are all of `n3` random ones.
"""

from __future__ import annotations

import math
import numbers
import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from dnc.bayesopt.acquisition import XI, expected_improvement, log_expected_improvement
from dnc.bayesopt.gp import NOISE, GaussianProcess
from dnc.bayesopt.kernel import Array, Kernel
from dnc.errors import ArgumentError, check_choice, check_float, check_int, short_repr

N1 = 15  # Sobol points before the first BO step (Sec. 3)
N2 = 15  # BO steps (Sec. 3)
N3 = 1000  # random candidates per BO step (Sec. 3)
FLOOR = 1e-6  # least value whose logarithm is modelled
TRANSFORMS = ("log10", "none")

Key = tuple[float, ...]


class Domain(Protocol):
    """A space that an optimizer explores: points are objects, rows the same points as float arrays."""

    @property
    def dim(self) -> int:
        """Dimension of the unit cube that `rows` decodes."""
        ...

    @property
    def kernel(self) -> Kernel:
        """Similarity of rows."""
        ...

    def rows(self, u: Array) -> Array:
        """Decode points u (n, dim) of the unit cube [0, 1)^dim: rows (n, m)."""
        ...

    def point(self, row: Array) -> Any:
        """The object that a row (m,) stands for; equal rows, and only they, give equal objects."""
        ...

    def encode(self, points: Sequence[Any]) -> Array:
        """Rows (n, m) of n objects; the inverse of `point`, bit for bit."""
        ...


@dataclass(frozen=True)
class Proposal:
    """A point to evaluate (None: nothing is left), and what was expected of it (NaN where no model was asked).

    Attributes:
        point: an object of the domain, or None.
        mu, sigma: posterior mean and standard deviation in the transformed unit (log10 f by default).
        ei: expected improvement, in the same unit.
    """

    point: Any
    mu: float = math.nan
    sigma: float = math.nan
    ei: float = math.nan


NOTHING_LEFT = Proposal(None)


class Optimizer(Protocol):
    """What stages and users need of an optimizer."""

    @property
    def last(self) -> Proposal:
        """Details of the latest ask."""
        ...

    def ask(self) -> Any:
        """The next point to evaluate; None if no point is left."""
        ...

    def tell(self, point: Any, value: float) -> None:
        """Report the value of a point, asked or not; NaN or infinity says that its evaluation failed."""
        ...


class _BaseOptimizer(ABC):
    """Bookkeeping that all optimizers share; `_propose` is what distinguishes them."""

    def __init__(self, domain: Domain, seed: int, n3: int = N3) -> None:
        if not all(hasattr(domain, name) for name in ("dim", "kernel", "rows", "point", "encode")):
            raise ArgumentError(
                f"domain={short_repr(domain)} is not a domain: "
                f"give space.stage1(), space.stage3() or a dnc.TrainingSpace"
            )
        self.domain = domain
        self.seed = check_int("seed", seed, 0)
        self.n3 = check_int("n3", n3, 1, 10_000_000)
        self.last = NOTHING_LEFT
        self._asked = 0
        self._points: dict[Key, Any] = {}  # proposed or told; pending ones are thereby in the order of proposal
        self._observed: set[tuple[Key, float]] = set()
        self._grid = np.zeros((0, domain.dim))  # the part of the Sobol sequence drawn so far

    def ask(self) -> Any:
        """The next point to evaluate; None if no point is left. `last` has the details.

        >>> import dnc
        >>> opt = dnc.BayesianOptimizer(dnc.MLPSpace().stage1(), n1=1, n3=100)
        >>> print(opt.ask(), "|", opt.ask())  # asked again before a tell: the first one is pending
        MLP 387, drop 0.2 | MLP without hidden layers
        >>> round(opt.last.sigma, 3)  # how unsure the model was of the second one
        0.976
        """
        self.last = self._propose(self._asked)
        if self.last.point is not None:
            self._asked += 1
            self._points.setdefault(self._key(self.last.point), self.last.point)
        return self.last.point

    def tell(self, point: Any, value: float) -> None:
        """Report the value of a point, asked or not; NaN or infinity says that its evaluation failed.

        Raises:
            ArgumentError: a point of another kind than the domain's, or a value that is not a number.

        >>> import dnc
        >>> opt = dnc.BayesianOptimizer(dnc.MLPSpace().stage1(), n1=0)
        >>> opt.tell(dnc.MLP((100,), drop=0.2), value=0.05)  # known from elsewhere, never asked
        >>> opt.tell(opt.ask(), value=float("nan"))  # failed
        """
        if not isinstance(value, numbers.Real) or isinstance(value, bool):
            raise ArgumentError(f"value={short_repr(value)} is not a number: give one (NaN if it failed)")
        try:
            number = float(value)
        except OverflowError:  # a whole number of hundreds of digits, which may be too long to print
            raise ArgumentError("value is a whole number beyond the floats: give a number up to 1.8e308") from None
        key = self._key(point)
        self._points.setdefault(key, point)
        self._observed.add((key, number if math.isfinite(number) else math.inf))

    @abstractmethod
    def _propose(self, k: int) -> Proposal:
        """The k-th proposal."""

    def _key(self, point: Any) -> Key:
        return tuple(self.domain.encode([point])[0].tolist())

    def _candidates(self, k: int) -> Array:
        return self.domain.rows(np.random.default_rng([self.seed, k]).random((self.n3, self.domain.dim)))

    def _unless_exhausted(self, row: Array, k: int) -> Proposal:
        """Propose `row`, which may be known already (it is then looked up), unless nothing unknown is left."""
        # A domain may be small (three depths, two widths) and does not tell its size: random points stand for it.
        # They are drawn only where `row` itself is known, so that the usual proposal costs nothing.
        if tuple(row.tolist()) in self._points and all(tuple(c) in self._points for c in self._candidates(k).tolist()):
            return NOTHING_LEFT
        return Proposal(self.domain.point(row))

    def _sobol(self, k: int) -> Array:
        """Row (m,) of the k-th point of the scrambled Sobol sequence: prefixes nest whatever the length."""
        if k >= len(self._grid):
            from scipy.stats import qmc  # late: it takes most of a second to import

            # Sobol points are balanced in blocks of powers of 2 only. A fresh engine draws the sequence from its start,
            # so a longer block begins with the shorter one; 2^4 points hold the usual n1 = 15 at once.
            engine = qmc.Sobol(self.domain.dim, rng=np.random.default_rng(self.seed))
            self._grid = engine.random_base2(max(4, k.bit_length()))
        return self.domain.rows(self._grid[k : k + 1])[0]


class SobolSearch(_BaseOptimizer):
    """The Sobol sequence, the paper's "grid search" (Sec. 4.3). A point may come again; it counts.

    Args:
        domain: what to explore.
        seed: scrambles the sequence.

    >>> import dnc
    >>> search = dnc.SobolSearch(dnc.MLPSpace().stage1())
    >>> [search.ask().hidden for _ in range(4)]
    [(387,), (86, 127), (243, 262), ()]
    """

    def __init__(self, domain: Domain, seed: int = 0) -> None:
        super().__init__(domain, seed)

    def _propose(self, k: int) -> Proposal:
        return self._unless_exhausted(self._sobol(k), k)


class RandomSearch(_BaseOptimizer):
    """Independent random points (Sec. 4.3). A point may come again; it counts.

    Args:
        domain: what to explore.
        seed: of the random numbers.

    >>> import dnc
    >>> search = dnc.RandomSearch(dnc.TrainingSpace(), seed=1)
    >>> print(search.ask())
    lr 0.00112, weight decay 0.00071, batch 101
    """

    def __init__(self, domain: Domain, seed: int = 0) -> None:
        super().__init__(domain, seed)

    def _propose(self, k: int) -> Proposal:
        u = np.random.default_rng([self.seed, k]).random((1, self.domain.dim))
        return self._unless_exhausted(self.domain.rows(u)[0], k)


class BayesianOptimizer(_BaseOptimizer):
    """n1 Sobol points, then at each step the best of n3 random candidates by expected improvement (Sec. 2.2).

    Candidates that are known or pending are dropped first; points of the Sobol part may come again, and count.

    Args:
        domain: what to explore.
        n1: Sobol points at the start, >= 0 (the paper's 15; 1 is its "extreme BO").
        n3: candidates per step, >= 1.
        seed: of the Sobol points and the candidates.
        xi: exploration margin of expected improvement, >= 0, in the transformed unit.
        noise: variance of the observation noise, >= 0, in the transformed unit.
        transform: "log10" models log10(max(f, floor)) as the authors' code does, "none" models f as the paper says.
        floor: see transform; > 0. Without one it is 1e-6, and a value below is warned of: all of these look alike.

    Raises:
        ArgumentError: a value outside its range.

    >>> import dnc
    >>> opt = dnc.BayesianOptimizer(dnc.MLPSpace().stage1(), n1=5, n3=200, seed=0)
    >>> values = {}
    >>> for _ in range(15):
    ...     net = opt.ask()
    ...     values[net] = 0.05 + abs(sum(net.hidden) - 300) / 1000  # as if 300 nodes were best
    ...     opt.tell(net, values[net])
    >>> print(min(values, key=values.get))
    MLP 301, drop 0.2
    """

    def __init__(
        self,
        domain: Domain,
        n1: int = N1,
        n3: int = N3,
        seed: int = 0,
        xi: float = XI,
        noise: float = NOISE,
        transform: str = "log10",
        floor: float | None = None,
    ) -> None:
        super().__init__(domain, seed, n3)
        self.n1 = check_int("n1", n1, 0)
        self.xi = check_float("xi", xi, 0)
        self.noise = check_float("noise", noise, 0)
        self.transform = check_choice("transform", transform, TRANSFORMS)
        self.floor = FLOOR if floor is None else check_float("floor", floor, 0, open_low=True)
        # Whoever gives a floor wants it, as a search does, whose f may be 0. No logarithm, no floor.
        self._warn_below_floor = floor is None and self.transform == "log10"

    def tell(self, point: Any, value: float) -> None:
        """Report the value of a point, asked or not; NaN or infinity says that its evaluation failed.

        Warns once of a value below the floor where none was given: the search cannot see differences there.

        Raises:
            ArgumentError: a point of another kind than the domain's, or a value that is not a number.

        >>> import dnc
        >>> opt = dnc.BayesianOptimizer(dnc.MLPSpace().stage1(), n1=0, transform="none")
        >>> opt.tell(dnc.MLP((100,), drop=0.2), value=-3.5)  # less than 0 needs transform="none"
        """
        super().tell(point, value)
        if self._warn_below_floor and -math.inf < value < self.floor:
            self._warn_below_floor = False
            warnings.warn(
                f"value={short_repr(value)} is below {self.floor:g}, the least whose logarithm is modelled: all such "
                f'values look alike; give BayesianOptimizer transform="none", or a smaller floor for values above 0',
                stacklevel=2,
            )

    def model(self) -> tuple[GaussianProcess, float]:
        """The posterior that the next proposal is based on (pending points included), and the best value told.

        Both are in the transformed unit. A failed evaluation counts as the worst that succeeded.

        >>> import dnc
        >>> opt = dnc.BayesianOptimizer(dnc.MLPSpace().stage1(), transform="none")
        >>> opt.tell(dnc.MLP((100,), drop=0.2), 0.25)
        >>> gp, best = opt.model()
        >>> best, gp.predict([dnc.MLP((100,), drop=0.2)])[0].tolist()
        (0.25, [0.25])
        """
        told = sorted(self._observed)  # one order for the set: sums of floats would differ with the order of tells
        ys = self._transformed(np.array([value for _, value in told]))
        gp = GaussianProcess(self.kernel, self.noise).fit(self._encode([key for key, _ in told]), ys)
        told_keys = {key for key, _ in told}
        pending = [key for key in self._points if key not in told_keys]
        if pending:
            # A pending point enters at its posterior mean: that moves no mean, but shrinks sigma around the point, so
            # the next proposal goes elsewhere. The prior mean stays that of the values told.
            rows = self._encode([key for key, _ in told] + pending)
            expected, _ = gp.predict(rows[len(told) :])
            gp = GaussianProcess(self.kernel, self.noise, gp.prior_mean).fit(rows, np.append(ys, expected))
        return gp, float(ys.min()) if len(ys) else gp.prior_mean

    @property
    def kernel(self) -> Kernel:
        """The domain's similarity."""
        return self.domain.kernel

    def _propose(self, k: int) -> Proposal:
        if k < self.n1:
            return self._unless_exhausted(self._sobol(k), k)
        rows = self._candidates(k)
        gp, best = self.model()
        mu, sigma = gp.predict(rows)
        # the logarithm ranks candidates even where EI underflows to 0 for all of them, as it does late in a search
        score = log_expected_improvement(mu, sigma, best, self.xi)
        # Best first: the first unknown one is the argmax over the unknown. Stable, so that ties do not depend on numpy.
        for i in np.argsort(-score, kind="stable"):
            if tuple(rows[i].tolist()) not in self._points:
                ei = float(expected_improvement(mu[i], sigma[i], best, self.xi))
                return Proposal(self.domain.point(rows[i]), float(mu[i]), float(sigma[i]), ei)
        return NOTHING_LEFT

    def _encode(self, keys: Sequence[Key]) -> Array:
        return self.domain.encode([self._points[key] for key in keys])

    def _transformed(self, values: Array) -> Array:
        finite = values[np.isfinite(values)]
        values = np.where(np.isfinite(values), values, finite.max(initial=-np.inf) if len(finite) else 0.0)
        return np.log10(np.maximum(values, self.floor)) if self.transform == "log10" else values
