"""Gaussian process regression with a similarity kernel (Sec. 2.2; Rasmussen & Williams, Algorithm 2.1).

    symbol     meaning                                              shape    in the code
    X          observed points, encoded as rows                     (n, m)   rows
    y          their values                                         (n,)     values
    mu_0       prior mean, by default the mean of y                 scalar   prior_mean
    sigma_n^2  variance of the observation noise                    scalar   noise
    k(., .)    kernel; the paper's sigma(., .), eq. (3c)            -        kernel
    K          k(X, X) + sigma_n^2 I                                (n, n)   K
    L          lower Cholesky factor, K = L L'                      (n, n)   _L
    L^-1       its inverse                                          (n, n)   _L_inverse
    w          L^-1 (y - mu_0): residuals, whitened                 (n,)     _whitened
    alpha      K^-1 (y - mu_0) = L'^-1 w                            (n,)     _alpha
    X*         points at which the posterior is asked, as rows      (p, m)   new_rows
    k*         k(X, X*)                                             (n, p)   cross
    V          L^-1 k*                                              (n, p)   V

The posterior at X* has the mean mu_0 + k*' alpha and the covariance k(X*, X*) - V' V. Prior variances are k(x, x) = 1.
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

    >>> import dnc
    >>> gp = dnc.GaussianProcess(dnc.MLPSpace().kernel()).fit([dnc.MLP((100,)), dnc.MLP((300,))], [0.10, 0.06])
    >>> mean, std = gp.predict([dnc.MLP((300,)), dnc.MLP((200,)), dnc.MLP((400, 400))])
    >>> mean.round(3).tolist(), std.round(3).tolist()
    ([0.06, 0.08, 0.079], [0.01, 0.509, 0.98])
    """

    def __init__(self, kernel: Kernel, noise: float = NOISE, mean: float | str = "mean") -> None:
        self.kernel = kernel
        self.noise = check_float("noise", noise, 0)
        if isinstance(mean, str) and mean != "mean":
            raise ArgumentError(f"mean={short_repr(mean)} is unknown: give 'mean' or a number")
        self.mean = "mean" if isinstance(mean, str) else check_float("mean", mean)
        self.fit([], [])

    def fit(self, xs: Array | Sequence[Any], ys: ArrayLike) -> GaussianProcess:
        """Condition on values `ys` (n,) at `xs`: rows (n, m), or a list of n points that the kernel encodes.

        Returns itself. An earlier `fit` is forgotten.

        Raises:
            ArgumentError: lengths that differ, values that are not finite, or a kernel matrix that is far
                from positive semi-definite.

        >>> import dnc
        >>> gp = dnc.GaussianProcess(dnc.MLPSpace().kernel(), noise=0.01)
        >>> float(gp.fit([dnc.MLP((100,)), dnc.MLP((300,))], [0.10, 0.06]).prior_mean)
        0.08
        """
        self.rows = self._rows(xs)
        self.values = np.array(ys, dtype=float).reshape(-1)
        if len(self.rows) != len(self.values):
            raise ArgumentError(
                f"xs has {len(self.rows)} points but ys has {len(self.values)} values: give one value per point"
            )
        if not np.isfinite(self.values).all():
            raise ArgumentError(f"ys={short_repr(ys)} holds values that are not finite: leave those points out")
        n = len(self.values)
        self.prior_mean = float(self.mean) if self.mean != "mean" else float(self.values.mean()) if n else 0.0
        K = self.kernel(self.rows, self.rows) + self.noise * np.eye(n) if n else np.zeros((0, 0))
        self._L, self.jitter = _cholesky(K)
        # numpy has no triangular solve and scipy.linalg is slow to import; for some 30 points the inverse does as well
        self._L_inverse = np.linalg.inv(self._L)
        self._whitened = self._L_inverse @ (self.values - self.prior_mean)
        self._alpha = self._L_inverse.T @ self._whitened
        return self

    def predict(self, xs: Array | Sequence[Any]) -> tuple[Array, Array]:
        """Posterior mean (p,) and standard deviation (p,) of f, without the noise, at p points or rows (p, m).

        Before `fit` it is the prior:

        >>> import dnc
        >>> mean, std = dnc.GaussianProcess(dnc.MLPSpace().kernel(), mean=0.5).predict([dnc.MLP((100,))])
        >>> mean.tolist(), std.tolist()
        ([0.5], [1.0])
        """
        mean, V = self._posterior(self._rows(xs))
        variance = 1.0 - np.einsum("np,np->p", V, V)
        return mean, np.sqrt(np.maximum(variance, 0.0))

    def log_marginal_likelihood(self) -> float:
        """log p(y | X), in nats."""
        data_term = -0.5 * float(self._whitened @ self._whitened)
        return data_term - float(np.log(np.diag(self._L)).sum()) - 0.5 * len(self.values) * float(np.log(2 * np.pi))

    def sample(self, xs: Array | Sequence[Any], n: int = 1, seed: int = 0) -> Array:
        """`n` functions drawn from the posterior, at p points: (n, p)."""
        new_rows = self._rows(xs)
        mean, V = self._posterior(new_rows)
        # eigenvalues rather than Cholesky: posterior covariances are often singular
        eigenvalues, vectors = np.linalg.eigh(self.kernel(new_rows, new_rows) - V.T @ V)
        root = vectors * np.sqrt(np.maximum(eigenvalues, 0.0))
        draws = np.random.default_rng(check_int("seed", seed, 0)).standard_normal((check_int("n", n, 1), len(new_rows)))
        return mean + draws @ root.T

    def _posterior(self, new_rows: Array) -> tuple[Array, Array]:
        """Mean (p,), and V (n, p)."""
        if not len(self.values):
            return np.full(len(new_rows), self.prior_mean), np.zeros((0, len(new_rows)))
        cross = self.kernel(self.rows, new_rows)  # (n, p)
        # no BLAS: for some 30 observations, waking its threads on a busy machine costs 20 times the product
        return self.prior_mean + self._alpha @ cross, np.einsum("ij,jp->ip", self._L_inverse, cross)

    def _rows(self, xs: Array | Sequence[Any]) -> Array:
        if not isinstance(xs, np.ndarray):
            return self.kernel.encode(xs)
        return xs[:, None] if xs.ndim == 1 else xs


def _cholesky(matrix: Array) -> tuple[Any, float]:
    """Lower factor of `matrix`, and the jitter that had to be added to its diagonal.

    Rounding makes kernel matrices of many similar points indefinite by some 1e-16. What needs more than the last
    jitter is not a matter of rounding, and is refused.
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
