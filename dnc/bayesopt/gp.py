"""Gaussian process regression with a similarity kernel (Sec. 2.2; Rasmussen & Williams, Algorithm 2.1).

    symbol  meaning                                      shape
    X       rows of the observed points                  (n, m)
    y       their values                                 (n,)
    m       prior mean, by default the mean of y         scalar
    K       kernel matrix + noise variance * I           (n, n)
    L       lower Cholesky factor, K = L L'              (n, n)
    W       L^-1                                         (n, n)
    alpha   K^-1 (y - m)                                 (n,)
    X*      rows at which the posterior is asked         (p, m)

Prior variances are kernel(x, x) = 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from dnc.bayesopt.kernel import Array, Kernel
from dnc.errors import ArgumentError, check_float, check_int, short_repr

NOISE = 1e-4  # sigma_n^2, the paper's noise variance (Appendix)
JITTERS = (0.0, *(10.0**power for power in range(-10, -1)))  # added to the diagonal, one after the other


class GaussianProcess:
    """f ~ GP(mean, kernel), observed with noise; before `fit` it is the prior.

    Args:
        kernel: similarity of rows, 1 for equal ones.
        noise: variance of the observation noise, >= 0.
        mean: prior mean: a number, or "mean" for the mean of the observed values.

    Raises:
        ArgumentError: a value outside its range.
    """

    def __init__(self, kernel: Kernel, noise: float = NOISE, mean: float | str = "mean") -> None:
        self.kernel = kernel
        self.noise = check_float("noise", noise, 0)
        if mean != "mean" and isinstance(mean, str):
            raise ArgumentError(f"mean={short_repr(mean)} is unknown: give 'mean' or a number")
        self.mean = "mean" if isinstance(mean, str) else check_float("mean", mean)
        self.fit([], [])

    def fit(self, xs: Array | Sequence[Any], ys: ArrayLike) -> GaussianProcess:
        """Condition on values `ys` (n,) at `xs`: rows (n, m), or a list of n points that the kernel encodes.

        Returns itself. Replaces what an earlier `fit` observed.

        Raises:
            ArgumentError: lengths that differ, values that are not finite, or a kernel matrix that is far
                from positive semi-definite.
        """
        self.rows = self._rows(xs)
        self.values = np.array(ys, dtype=float).reshape(-1)
        if len(self.rows) != len(self.values):
            raise ArgumentError(f"xs has {len(self.rows)} points but ys has {len(self.values)} values: give as many")
        if not np.isfinite(self.values).all():
            raise ArgumentError(f"ys={short_repr(ys)} holds values that are not finite: leave those points out")
        n = len(self.values)
        self.prior_mean = float(self.mean) if self.mean != "mean" else float(self.values.mean()) if n else 0.0
        matrix = self.kernel(self.rows, self.rows) + self.noise * np.eye(n) if n else np.zeros((0, 0))
        self.factor, self.jitter = _cholesky(matrix)
        self._inverse = np.linalg.inv(self.factor)
        self._whitened = self._inverse @ (self.values - self.prior_mean)  # L^-1 (y - m)
        self._alpha = self._inverse.T @ self._whitened
        return self

    def predict(self, xs: Array | Sequence[Any]) -> tuple[Array, Array]:
        """Posterior mean (p,) and standard deviation (p,) of f, without the noise, at p points."""
        mean, scaled = self._posterior(self._rows(xs))
        variance = 1.0 - np.einsum("np,np->p", scaled, scaled)
        return mean, np.sqrt(np.maximum(variance, 0.0))

    def log_marginal_likelihood(self) -> float:
        """log p(y | X), in nats."""
        fit = -0.5 * float(self._whitened @ self._whitened)
        return fit - float(np.log(np.diag(self.factor)).sum()) - 0.5 * len(self.values) * float(np.log(2 * np.pi))

    def sample(self, xs: Array | Sequence[Any], n: int = 1, seed: int = 0) -> Array:
        """`n` functions drawn from the posterior, at p points: (n, p)."""
        rows = self._rows(xs)
        mean, scaled = self._posterior(rows)
        # eigenvalues rather than Cholesky: posterior covariances are often singular
        eigenvalues, vectors = np.linalg.eigh(self.kernel(rows, rows) - scaled.T @ scaled)
        root = vectors * np.sqrt(np.maximum(eigenvalues, 0.0))
        draws = np.random.default_rng(check_int("seed", seed, 0)).standard_normal((check_int("n", n, 1), len(rows)))
        return mean + draws @ root.T

    def _posterior(self, rows: Array) -> tuple[Array, Array]:
        """Mean (p,), and W k(X, X*) (n, p)."""
        if not len(self.values):
            return np.full(len(rows), self.prior_mean), np.zeros((0, len(rows)))
        cross = self.kernel(self.rows, rows)  # (n, p)
        # no BLAS: for some 30 observations, waking its threads on a busy machine costs 20 times the product
        return self.prior_mean + self._alpha @ cross, np.einsum("ij,jp->ip", self._inverse, cross)

    def _rows(self, xs: Array | Sequence[Any]) -> Array:
        if not isinstance(xs, np.ndarray):
            return self.kernel.encode(xs)
        return xs[:, None] if xs.ndim == 1 else xs


def _cholesky(matrix: Array) -> tuple[Any, float]:
    """Lower factor of `matrix`, and the jitter that had to be added to its diagonal.

    Rounding makes kernel matrices of many similar points indefinite by some 1e-16; anything worse than
    the last jitter is no rounding and is refused.
    """
    for jitter in JITTERS:
        try:
            return np.linalg.cholesky(matrix + jitter * np.eye(len(matrix))), jitter
        except np.linalg.LinAlgError:
            continue
    least = float(np.linalg.eigvalsh(matrix)[0])
    raise ArgumentError(
        f"the kernel matrix is not positive semi-definite (least eigenvalue {least:.3g}): "
        "use a kernel with a larger omega, or more noise"
    )
