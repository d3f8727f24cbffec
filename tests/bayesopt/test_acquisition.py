"""Expected improvement against quadrature and closed forms, and its logarithm far in the tail."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import norm

from dnc.bayesopt import expected_improvement, log_expected_improvement
from dnc.bayesopt.acquisition import FAR, SAFE, XI


def log_h_by_quadrature(z: float) -> float:
    """log of h(z) = phi(z) + z Phi(z) = int_0^inf s phi(s - z) ds, for z < 0: an integral of positive terms.

    With t = |z| s it is phi(z) / z^2 * int_0^inf t exp(-t - t^2 / (2 z^2)) dt, so that nothing cancels or underflows.
    """
    integral, _ = quad(lambda t: t * np.exp(-t - t * t / (2 * z * z)), 0, 60, epsabs=0, epsrel=1e-13, limit=200)
    return -0.5 * z * z - 0.5 * np.log(2 * np.pi) - 2 * np.log(-z) + np.log(integral)


@pytest.mark.parametrize("sigma", [1e-3, 0.2, 3.0])
@pytest.mark.parametrize("mu", [-2.0, 0.1, 0.3, 0.5])
def test_expected_improvement_by_quadrature(mu: float, sigma: float) -> None:
    best, xi = 0.3, 0.01
    cut = best - xi
    lower = min(mu - 40 * sigma, cut - 1)
    points = [p for p in (mu - 8 * sigma, mu, mu + 8 * sigma) if lower < p < cut]
    expected, _ = quad(
        lambda f: (cut - f) * norm.pdf(f, mu, sigma), lower, cut, points=points or None, epsabs=1e-14, limit=500
    )
    assert expected_improvement(mu, sigma, best, xi) == pytest.approx(expected, abs=1e-8)
    z = (cut - mu) / sigma
    closed = (cut - mu) * norm.cdf(z) + sigma * norm.pdf(z)  # Brochu et al., eq. 4, for minimization
    assert expected_improvement(mu, sigma, best, xi) == pytest.approx(closed, abs=1e-8)


def test_at_the_incumbent() -> None:
    assert expected_improvement(1.0, 2.0, 1.0, xi=0) == pytest.approx(2 / np.sqrt(2 * np.pi), rel=1e-14)


def test_xi_is_the_papers() -> None:
    assert XI == 1e-4
    assert expected_improvement(0.0, 0.1, 0.2) == expected_improvement(0.0, 0.1, 0.2, 1e-4)
    assert expected_improvement(0.0, 0.1, 0.2) == expected_improvement(1e-4, 0.1, 0.2, 0)


@pytest.mark.parametrize("z", [-0.5, -0.999, -1.0, -1.001, -2, -5, -10, -38, -49.9, -50.1, -100, -1e3, -1e5, -1e8])
def test_log_ei_in_the_tail(z: float) -> None:
    value = float(log_expected_improvement(-z, 1.0, 0.0, xi=0))
    assert value == pytest.approx(log_h_by_quadrature(z), abs=1e-10, rel=1e-14)
    assert float(log_expected_improvement(-3 * z, 3.0, 0.0, xi=0)) == pytest.approx(value + np.log(3), rel=1e-14)


def test_log_ei_has_no_steps_where_its_formulas_meet() -> None:
    for border in (SAFE, FAR):
        around = border + np.array([-1e-9, 0.0, 1e-9])
        value = log_expected_improvement(-around, 1.0, 0.0, xi=0)
        slope = abs(border) + 1
        assert np.abs(np.diff(value)).max() < 2 * slope * 1e-9
        assert (np.diff(value) > 0).all()


def test_order_survives_where_ei_underflows() -> None:
    mu = np.array([40.0, 41.0, 39.0, 60.0])
    assert expected_improvement(mu, 1.0, 0.0).tolist() == [0, 0, 0, 0]
    assert np.argsort(-log_expected_improvement(mu, 1.0, 0.0)).tolist() == [2, 0, 1, 3]


def test_certain_points() -> None:
    assert expected_improvement([0.1, 0.5], 0.0, 0.3, xi=0.05).tolist() == pytest.approx([0.15, 0], abs=1e-15)
    assert log_expected_improvement([0.5, 0.3], [0.0, 0.0], 0.3, xi=0).tolist() == [-np.inf, -np.inf]


def test_shapes_broadcast() -> None:
    assert expected_improvement(np.zeros((4, 1)), np.ones(3), 0.0).shape == (4, 3)


@given(st.floats(-50, 50), st.floats(1e-6, 10), st.floats(1e-3, 5), st.floats(0, 1))
def test_monotone(mu: float, sigma: float, step: float, xi: float) -> None:
    here = float(log_expected_improvement(mu, sigma, 0.0, xi))
    assert np.isfinite(here)
    assert float(log_expected_improvement(mu + step, sigma, 0.0, xi)) < here  # worse mean
    assert float(log_expected_improvement(mu, sigma, step, xi)) > here  # worse incumbent
    assert float(log_expected_improvement(mu, sigma + step, 0.0, xi)) > here - 1e-12  # more uncertain
    assert np.exp(here) >= max(-xi - mu, 0) * (1 - 1e-12)  # Jensen
