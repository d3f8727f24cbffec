"""Expected improvement for minimization (Sec. 2.2; Brochu et al., eq. 4), and its logarithm.

With z = (best - xi - mu) / sigma,   EI = sigma h(z),   h(z) = phi(z) + z Phi(z).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from dnc.bayesopt.kernel import Array

XI = 1e-4  # exploration margin, the paper's choice (Appendix)
LOG_SQRT_2PI = 0.5 * np.log(2 * np.pi)
FAR = -50.0  # below it the asymptotic series of h is more accurate than the closed form
SAFE = -1.0  # above it h itself suffers no cancellation


def expected_improvement(mu: ArrayLike, sigma: ArrayLike, best: float, xi: float = XI) -> Array:
    """E[max(best - xi - f, 0)] for f ~ N(mu, sigma^2), elementwise, in the unit of mu.

    Args:
        mu, sigma: posterior means and standard deviations >= 0 (shapes broadcast).
        best: least value so far.
        xi: improvements below it count for nothing.

    >>> import dnc
    >>> dnc.expected_improvement(mu=[0.10, 0.12], sigma=[0.0, 0.05], best=0.11).round(4).tolist()
    [0.0099, 0.0153]
    """
    return np.exp(log_expected_improvement(mu, sigma, best, xi))


def log_expected_improvement(mu: ArrayLike, sigma: ArrayLike, best: float, xi: float = XI) -> Array:
    """log of `expected_improvement`, accurate also where EI itself underflows; -inf where it is exactly 0.

    >>> import dnc
    >>> float(dnc.expected_improvement(mu=1.0, sigma=0.01, best=0.5))  # too small for a float
    0.0
    >>> float(dnc.log_expected_improvement(mu=1.0, sigma=0.01, best=0.5).round(2))
    -1263.85
    """
    gain, sigma = np.broadcast_arrays(best - xi - np.asarray(mu, dtype=float), np.asarray(sigma, dtype=float))
    certain = sigma <= 0
    spread = np.where(certain, 1.0, sigma)
    with np.errstate(divide="ignore"):  # log 0 = -inf is meant
        sure = np.log(np.maximum(gain, 0.0))
    return np.where(certain, sure, np.log(spread) + _log_h(gain / spread))


def _log_h(z: Array) -> Array:
    """log(phi(z) + z Phi(z)) to about 1e-12."""
    from scipy.special import erfcx, ndtr  # late: importing it takes longer than importing numpy

    near, far = z > SAFE, z < FAR
    direct = np.where(near, z, 0.0)
    h = np.exp(-0.5 * direct**2 - LOG_SQRT_2PI) + direct * ndtr(direct)
    # h = phi(z) (1 + z Phi(z) / phi(z)), where erfcx keeps the ratio from underflowing
    middle = np.where(near | far, SAFE, z)
    bracket = np.log1p(middle * np.sqrt(np.pi / 2) * erfcx(-middle / np.sqrt(2)))
    # and the bracket tends to 1/z^2 - 3/z^4 + 15/z^6 - …
    inverse = 1.0 / np.where(far, z, FAR) ** 2
    series = np.log(inverse) + np.log1p(-inverse * (3 - inverse * (15 - inverse * (105 - 945 * inverse))))
    return np.where(near, np.log(h), -0.5 * z**2 - LOG_SQRT_2PI + np.where(far, series, bracket))
