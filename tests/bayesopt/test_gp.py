"""The Gaussian process against scikit-learn's, and against closed forms."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, Kernel

from dnc.bayesopt import ChannelKernel, GaussianProcess, RampKernel
from dnc.bayesopt.gp import JITTERS, NOISE
from dnc.config import CNN, MLP
from dnc.errors import ArgumentError
from dnc.space import CNNSpace, MLPSpace, TrainingSpace

OMEGA, UPPER = 3.0, 10.0
LINE = RampKernel((0.0,), (UPPER,), omega=OMEGA)  # = RBF of length scale UPPER / OMEGA


class Ours(Kernel):
    """One of our kernels as scikit-learn sees it."""

    def __init__(self, ours: Any = None) -> None:
        self.ours = ours

    def __call__(self, X: Any, Y: Any = None, eval_gradient: bool = False) -> Any:
        return self.ours(X, X if Y is None else Y)

    def diag(self, X: Any) -> Any:
        return np.ones(len(X))

    def is_stationary(self) -> bool:
        return False


def sklearn_gp(kernel: Any, x: np.ndarray, y: np.ndarray, noise: float, mean: float) -> GaussianProcessRegressor:
    return GaussianProcessRegressor(kernel, alpha=noise, optimizer=None).fit(x, y - mean)  # type: ignore[arg-type]


def assert_same(ours: GaussianProcess, theirs: GaussianProcessRegressor, x: np.ndarray, mean: float) -> None:
    mu, sigma = ours.predict(x)
    expected_mu, expected_sigma = theirs.predict(x, return_std=True)  # type: ignore[misc]
    np.testing.assert_allclose(mu, expected_mu + mean, atol=1e-8, rtol=0)
    np.testing.assert_allclose(sigma, expected_sigma, atol=1e-8, rtol=0)
    assert ours.log_marginal_likelihood() == pytest.approx(theirs.log_marginal_likelihood_value_, abs=1e-8)


@pytest.mark.parametrize("noise", [1e-4, 1e-2, 0.5])
def test_agrees_with_scikit_learn_on_a_line(noise: float) -> None:
    rng = np.random.default_rng(0)
    x = rng.uniform(0, UPPER, (25, 1))
    y = np.sin(x[:, 0]) + np.sqrt(noise) * rng.normal(size=25)
    ours = GaussianProcess(LINE, noise=noise).fit(x, y)
    assert ours.prior_mean == pytest.approx(y.mean(), abs=1e-15)
    theirs = sklearn_gp(RBF(UPPER / OMEGA, "fixed"), x, y, noise, y.mean())
    assert_same(ours, theirs, rng.uniform(-3, UPPER + 3, (50, 1)), y.mean())


@pytest.mark.parametrize(
    "domain", [CNNSpace().stage1(), MLPSpace().stage1(), TrainingSpace()], ids=["cnn", "mlp", "training"]
)
@pytest.mark.parametrize("mean", ["mean", 0.0, -1.5])
def test_agrees_with_scikit_learn_on_configs(domain: Any, mean: float | str) -> None:
    rng = np.random.default_rng(1)
    x, new = domain.rows(rng.random((30, domain.dim))), domain.rows(rng.random((200, domain.dim)))
    y = -1 + 0.3 * rng.normal(size=30)
    ours = GaussianProcess(domain.kernel, mean=mean).fit(x, y)
    prior = float(y.mean()) if mean == "mean" else float(mean)
    assert_same(ours, sklearn_gp(Ours(domain.kernel), x, y, NOISE, prior), new, prior)
    samples = ours.sample(new[:5], 20_000, seed=3)  # the posterior covariance against scikit-learn's
    _, covariance = sklearn_gp(Ours(domain.kernel), x, y, NOISE, prior).predict(new[:5], return_cov=True)  # type: ignore[misc]
    np.testing.assert_allclose(np.cov(samples.T), covariance, atol=0.03)


def test_one_observation_in_closed_form() -> None:
    gp = GaussianProcess(LINE, noise=0.25, mean=1.0).fit(np.array([2.0]), [3.0])
    mu, sigma = gp.predict(np.array([2.0, 2.0 + UPPER / OMEGA]))
    k = np.exp(-0.5)
    np.testing.assert_allclose(mu, [1 + 2 / 1.25, 1 + 2 * k / 1.25], rtol=1e-14)
    np.testing.assert_allclose(sigma, np.sqrt([1 - 1 / 1.25, 1 - k**2 / 1.25]), rtol=1e-14)
    likelihood = -0.5 * 4 / 1.25 - 0.5 * np.log(1.25) - 0.5 * np.log(2 * np.pi)
    assert gp.log_marginal_likelihood() == pytest.approx(likelihood, abs=1e-14)


def test_interpolates_without_noise() -> None:
    x, y = np.array([0.0, 4.0, 9.0]), [1.0, -1.0, 2.0]
    mu, sigma = GaussianProcess(LINE, noise=0).fit(x, y).predict(x)
    np.testing.assert_allclose(mu, y, atol=1e-12)
    np.testing.assert_allclose(sigma, 0, atol=1e-7)


def test_paper_noise_is_the_default() -> None:
    gp = GaussianProcess(LINE)
    assert gp.noise == NOISE == 1e-4
    assert gp.mean == "mean"


def test_without_observations_it_is_the_prior() -> None:
    gp = GaussianProcess(CNNSpace().kernel(), mean=0.5)
    mu, sigma = gp.predict([CNN((16,) * 4), CNN((16,) * 5)])
    assert mu.tolist() == [0.5, 0.5]
    assert sigma.tolist() == [1, 1]
    assert gp.log_marginal_likelihood() == 0
    assert gp.sample([CNN((16,) * 4)], 3).shape == (3, 1)


def test_points_and_rows_are_the_same() -> None:
    space = CNNSpace()
    domain = space.stage1()
    rows = domain.rows(np.random.default_rng(2).random((10, domain.dim)))
    points = [domain.point(row) for row in rows]
    by_rows = GaussianProcess(space.kernel()).fit(rows, np.arange(10.0))
    by_points = GaussianProcess(space.kernel()).fit(points, np.arange(10.0))
    for a, b in zip(by_rows.predict(rows), by_points.predict(points), strict=True):
        np.testing.assert_array_equal(a, b)
    assert by_rows.jitter == 0


def test_many_equal_points_take_the_jitter_ladder() -> None:
    x = np.repeat([1.0, 2.0, 5.0], 30)
    gp = GaussianProcess(LINE, noise=0).fit(x, np.tile([0.0, 1.0], 45))
    assert gp.jitter in JITTERS
    assert 0 < gp.jitter <= 1e-9
    mu, sigma = gp.predict(np.array([1.0, 2.0, 5.0]))
    # the weights of equal points are some 0.5 / jitter and cancel, up to their rounding, which differs by the BLAS
    np.testing.assert_allclose(mu, 0.5, atol=len(x) * np.finfo(float).eps * 0.5 / gp.jitter)
    assert np.isfinite(sigma).all()


def test_a_kernel_that_is_no_covariance_is_refused() -> None:
    nets = [CNN((c,) * depth) for depth in (1, 4, 16) for c in range(16, 65)]
    with pytest.raises(ArgumentError, match=r"not positive semi-definite \(least eigenvalue -0.0115\)"):
        GaussianProcess(ChannelKernel(omega=0.5)).fit(nets, np.zeros(len(nets)))


def test_samples_follow_the_posterior() -> None:
    gp = GaussianProcess(LINE).fit(np.array([1.0, 3.0, 8.0]), [0.0, 1.0, -1.0])
    x = np.linspace(0, UPPER, 7)
    samples = gp.sample(x, 40_000, seed=1)
    mu, sigma = gp.predict(x)
    assert samples.shape == (40_000, 7)
    np.testing.assert_allclose(samples.mean(axis=0), mu, atol=0.02)
    np.testing.assert_allclose(samples.std(axis=0), sigma, atol=0.02)
    np.testing.assert_array_equal(samples, gp.sample(x, 40_000, seed=1))
    assert not np.array_equal(gp.sample(x, 1, seed=1), gp.sample(x, 1, seed=2))


def test_more_data_never_makes_it_less_certain() -> None:
    rng = np.random.default_rng(4)
    x, new = rng.uniform(0, UPPER, 20), np.linspace(0, UPPER, 50)
    fits = [GaussianProcess(LINE, noise=0.01).fit(x[:n], np.zeros(n)).predict(new)[1] for n in range(0, 21, 4)]
    for less, more in itertools.pairwise(fits):
        assert (more <= less + 1e-12).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: GaussianProcess(LINE, noise=-1), "noise=-1 is not allowed"),
        (lambda: GaussianProcess(LINE, mean="median"), "mean='median' is unknown: give 'mean' or a number"),
        (lambda: GaussianProcess(LINE, mean=float("nan")), "mean=nan is not allowed"),
        (lambda: GaussianProcess(LINE).fit(np.zeros(3), [1.0]), "xs has 3 points but ys has 1 values"),
        (lambda: GaussianProcess(LINE).fit(np.zeros(1), [float("nan")]), "ys=[nan] holds values that are not finite"),
        (lambda: GaussianProcess(CNNSpace().kernel()).fit([MLP()], [1.0]), "this kernel compares dnc.CNN objects"),
        (lambda: GaussianProcess(LINE).sample(np.zeros(1), 0), "n=0 is not allowed"),
    ],
)
def test_bad_arguments(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ArgumentError) as error:
        make()
    assert message in str(error.value)
