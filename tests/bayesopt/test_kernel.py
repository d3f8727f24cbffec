"""Kernels: Fig. 2, equation (3), validity of the covariances, and what every kernel must satisfy."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dnc.bayesopt import (
    ChannelKernel,
    Kernel,
    NodeKernel,
    RampKernel,
    TrainingKernel,
    ramp_distance,
    similarity,
    squared_exponential,
)
from dnc.bayesopt.kernel import OMEGA
from dnc.config import CNN, MLP, Config, Training
from dnc.errors import ArgumentError
from dnc.space import CNNSpace, MLPSpace, TrainingSpace

Points = Callable[[np.random.Generator, int], Sequence[Any]]


def of_domain(domain: Any) -> Points:
    return lambda rng, n: [domain.point(row) for row in domain.rows(rng.random((n, domain.dim)))]


SHALLOW = CNNSpace(conv_layers=(1, 16), first_channels=(1, 64))
KERNELS: dict[str, tuple[Kernel, Points]] = {
    "ramp": (
        RampKernel((0.0, -1.0), (2.0, 1.0), r=(1.0, 0.5)),
        lambda rng, n: list(rng.uniform((0, -1), (2, 1), (n, 2))),
    ),
    "cnn": (CNNSpace().kernel(), of_domain(CNNSpace().stage1())),
    "cnn, shallow": (SHALLOW.kernel(), of_domain(SHALLOW.stage1())),
    "mlp": (MLPSpace().kernel(), of_domain(MLPSpace().stage1())),
    "mlp, rcv1": (MLPSpace.rcv1().kernel(), of_domain(MLPSpace.rcv1().stage1())),
    "training": (TrainingSpace().kernel, of_domain(TrainingSpace())),
}


def least_eigenvalue(kernel: Kernel, rows: np.ndarray) -> float:
    return float(np.linalg.eigvalsh(kernel(rows, rows))[0])


# -- Fig. 2 and the equations ----------------------------------------------------------------------


def test_figure_2() -> None:
    a, b = CNN(channels=(50, 80)), CNN(channels=(36, 61, 107))
    s = similarity(a, b, CNNSpace())
    assert s.names == ("layer 1", "layer 2", "layer 3")
    assert s.distances == pytest.approx((0.875, 3 * (19 / 112) ** 0.5, 3.0), abs=1e-12)
    assert [round(k, 3) for k in s.kernels] == [0.682, 0.466, 0.011]
    assert s.weights == pytest.approx((1 / 3,) * 3, abs=1e-15)
    assert round(float(s), 3) == 0.386
    assert str(s) == "similarity 0.386 (layer 1 0.682, layer 2 0.466, layer 3 0.011)"
    assert float(similarity(b, a, CNNSpace())) == pytest.approx(float(s), abs=1e-15)


def test_the_default_channel_kernel_is_that_of_figure_2() -> None:
    kernel = ChannelKernel()
    assert (kernel.low, kernel.high, kernel.omega) == (16, (64, 128, 256, 512), 3.0)
    assert kernel.r == (1, 1 / 2, 1 / 3, 1 / 4)
    space = CNNSpace().kernel()
    assert (space.low, space.high[:6], len(space.high)) == (16, (64, 128, 256, 512, 512, 512), 16)
    assert (space.omega, space.r) == (kernel.omega, kernel.r)
    rows = CNNSpace().stage1().rows(np.random.default_rng(0).random((20, 17)))
    np.testing.assert_array_equal(kernel(rows, rows), space(rows, rows))


def test_ramp_distance_is_equation_3a() -> None:
    assert ramp_distance(50, 36, 16, 64) == pytest.approx(0.875, abs=1e-15)
    assert ramp_distance(16, 64, 16, 64, omega=2.5, r=0.3) == 2.5  # furthest apart: omega
    assert ramp_distance(20, 20, 16, 64, r=0.25) == 0
    assert ramp_distance(3, 7, 5, 5) == 0  # u = l
    np.testing.assert_allclose(ramp_distance([0, 1, 4], 0, 0, 16, 1.0, [1, 0.5, 0.5]), [0, 0.25, 0.5], rtol=1e-15)


def test_squared_exponential_is_equation_3b() -> None:
    np.testing.assert_allclose(
        squared_exponential([0, 1, 3]), [1, 0.6065306597126334, 0.011108996538242306], rtol=1e-15
    )


def test_mlp_kernel_uses_the_sum_of_nodes_and_the_number_of_layers() -> None:
    s = similarity(MLP((300, 300, 300)), MLP((1000,)), MLPSpace.rcv1())
    assert s.names == ("nodes", "layers")
    assert s.distances == pytest.approx((3 * (100 / 3000) ** 0.5, 3 * (2 / 3)), abs=1e-12)
    assert s.weights == (0.5, 0.5)
    far = similarity(MLP((100, 100, 100)), MLP((1000,)), MLPSpace.rcv1())
    assert float(far) < float(s)  # the paper's own example for summing
    s = similarity(MLP(), MLP((400, 400)), MLPSpace())
    assert s.distances == pytest.approx((3, 3), abs=1e-15)  # the opposite corners of the space
    assert float(s) == pytest.approx(np.exp(-4.5), abs=1e-15)
    assert float(similarity(MLP((100, 300)), MLP((300, 100)), MLPSpace())) == 1


def test_stage_3_kernel_uses_logarithms_and_the_batch_size() -> None:
    a, b = Training(1e-2, 1e-4, 32), Training(1e-4, 1e-5, 152)
    s = similarity(a, b, CNNSpace())
    assert s.names == ("lr", "weight decay", "batch size")
    assert s.distances == pytest.approx((3 * 2 / 4, 3 * 1 / 3, 3 * 120 / 480), abs=1e-12)
    assert s.weights == pytest.approx((1 / 3,) * 3)
    none, low = Training(weight_decay=0), Training(weight_decay=1e-6)
    assert float(similarity(none, low, CNNSpace())) == pytest.approx(1, abs=1e-15)  # 0 counts as the lower bound
    assert similarity(none, Training(weight_decay=1e-3), CNNSpace()).distances[1] == pytest.approx(3, abs=1e-12)


def test_configs_are_half_architecture_half_training() -> None:
    a, b = Config(MLP((100,)), Training(1e-2)), Config(MLP((50, 50)), Training(1e-3))
    s = similarity(a, b, MLPSpace())
    parts = similarity(a.arch, b.arch, MLPSpace()), similarity(a.training, b.training, MLPSpace())
    assert s.names == ("nodes", "layers", "lr", "weight decay", "batch size")
    assert float(s) == pytest.approx(0.5 * float(parts[0]) + 0.5 * float(parts[1]), abs=1e-15)
    assert sum(s.weights) == pytest.approx(1, abs=1e-15)


def test_similarity_needs_the_bounds_only() -> None:
    small = CNNSpace(conv_layers=(1, 2), first_channels=(16, 64), max_channels=128)
    s = similarity(CNN(channels=(8, 300, 300)), CNN(channels=(16,)), small)
    assert len(s.kernels) == 3
    assert s.distances == pytest.approx((3 * 8 / 48, 3, 3))


# -- what every kernel must satisfy ----------------------------------------------------------------


@pytest.mark.parametrize("name", KERNELS)
def test_contract(name: str) -> None:
    kernel, draw = KERNELS[name]
    rng = np.random.default_rng(7)
    points, others = draw(rng, 40), draw(rng, 9)
    rows, columns = kernel.encode(points), kernel.encode(others)
    matrix = kernel(rows, columns)
    assert matrix.shape == (40, 9)
    assert matrix.dtype == np.float64
    assert matrix.min() >= 0
    assert matrix.max() <= 1 + 1e-15
    assert np.ptp(matrix) > 0.1
    np.testing.assert_allclose(kernel(columns, rows), matrix.T, atol=1e-15)
    np.testing.assert_allclose(np.diag(kernel(rows, rows)), 1, atol=1e-15)
    np.testing.assert_allclose(kernel(rows[3], columns)[0], matrix[3], atol=1e-15)  # one row counts as a batch
    for i, j in itertools.product(range(0, 40, 7), range(9)):
        terms = kernel.terms(rows[i], columns[j])
        assert len(terms.names) == len(terms.distances) == len(terms.kernels) == len(terms.weights)
        np.testing.assert_allclose(terms.kernels, np.exp(-(terms.distances**2) / 2), rtol=1e-14)
        assert terms.weights.sum() == pytest.approx(1, abs=1e-14)
        assert terms.weights @ terms.kernels == pytest.approx(matrix[i, j], abs=1e-14)
    assert kernel.encode([]).shape[0] == 0


@pytest.mark.parametrize("name", ["cnn", "cnn, shallow", "mlp", "mlp, rcv1"])
def test_rows_of_another_width_are_the_same_points(name: str) -> None:
    kernel, draw = KERNELS[name]
    rows = kernel.encode(draw(np.random.default_rng(3), 12))
    wider = np.pad(rows, ((0, 0), (0, 4)))
    np.testing.assert_array_equal(kernel(rows, wider), kernel(rows, rows))


@settings(max_examples=60, deadline=None)
@given(name=st.sampled_from(sorted(KERNELS)), seed=st.integers(0, 2**32), n=st.integers(2, 40))
def test_kernel_matrices_are_positive_semi_definite_at_omega_3(name: str, seed: int, n: int) -> None:
    """Also for CNNs of mixed depth, where the paper's proof does not apply (s depends on the pair)."""
    kernel, draw = KERNELS[name]
    assert getattr(kernel, "omega") == OMEGA == 3  # noqa: B009
    assert least_eigenvalue(kernel, kernel.encode(draw(np.random.default_rng(seed), n))) > -1e-12


channel_lists = st.lists(st.integers(16, 64), min_size=1, max_size=16).map(sorted).map(tuple)


@settings(max_examples=100, deadline=None)
@given(st.lists(channel_lists, min_size=2, max_size=25))
def test_mixed_depths_chosen_by_hypothesis_are_positive_semi_definite(nets: list[tuple[int, ...]]) -> None:
    kernel = ChannelKernel()
    assert least_eigenvalue(kernel, kernel.encode([CNN(channels) for channels in nets])) > -1e-12


# -- where the CNN kernel is valid: the argument in the module's docstring -------------------------

MIXED = [CNN((c,) * depth) for depth in (1, 4, 16) for c in range(16, 65)]


def test_counterexample_at_small_omega() -> None:
    """Constant nets of depths 1, 4, 16 over all c_1: no covariance at omega = 0.5."""
    small = ChannelKernel(omega=0.5)
    assert least_eigenvalue(small, small.encode(MIXED)) == pytest.approx(-0.01163, abs=1e-5)
    few = [CNN((c,) * depth) for depth in (1, 4, 16) for c in (16, 28, 40, 52, 64)]
    assert least_eigenvalue(small, small.encode(few)) == pytest.approx(-0.002277, abs=1e-6)


@pytest.mark.parametrize("omega", [1.0, 1.5, 2.0, 3.0])
def test_the_counterexample_is_gone_from_omega_1_on(omega: float) -> None:
    kernel = ChannelKernel(omega=omega)
    assert least_eigenvalue(kernel, kernel.encode(MIXED)) > -1e-11


def test_cnn_spaces_ask_for_omega_of_at_least_1() -> None:
    assert CNNSpace(omega=1).omega == 1
    with pytest.raises(ArgumentError, match=r"omega=0\.5 is not allowed: give a number in \[1, inf\)"):
        CNNSpace(omega=0.5)


@pytest.mark.parametrize("omega", [0.05, 0.5, 1])
def test_other_kernels_are_valid_for_any_omega(omega: float) -> None:
    rng = np.random.default_rng(6)
    for domain in (MLPSpace(omega=omega).stage1(), TrainingSpace(omega=omega)):
        assert least_eigenvalue(domain.kernel, domain.rows(rng.random((60, domain.dim)))) > -1e-12


def test_decomposition_that_the_validity_argument_rests_on() -> None:
    kernel = ChannelKernel()
    domain = SHALLOW.stage1()
    rows = domain.rows(np.random.default_rng(5).random((30, domain.dim)))
    rows[:, 0] = np.maximum(rows[:, 0], 16)
    depth = (rows > 0).sum(axis=1)
    e, expected = np.exp(-4.5), np.full((30, 30), np.exp(-4.5))
    for k in range(16):
        here = (rows[:, k] > 0)[:, None] & (rows[:, k] > 0)
        high, r = kernel.high[min(k, 3)], kernel.r[min(k, 3)]
        sigma = np.exp(-4.5 * (np.abs(rows[:, k, None] - rows[:, k]) / (high - 16)) ** (2 * r))
        expected += here * (sigma - e) / np.maximum(depth[:, None], depth)
    np.testing.assert_allclose(kernel(rows, rows), expected, atol=1e-14)


@pytest.mark.parametrize("omega", [0.3, 1.0, 3.0])
@pytest.mark.parametrize("r", [1 / 2, 1 / 3, 1 / 4])
def test_later_layers_are_valid_whatever_omega(omega: float, r: float) -> None:
    """sigma_k - e is positive semi-definite for r <= 1/2 (Polya); not so for r = 1 and small omega."""
    x = np.arange(16, 513, 3.1)
    e = np.exp(-(omega**2) / 2)
    sigma = squared_exponential(ramp_distance(x[:, None], x, 16, 512, omega, r))
    assert np.linalg.eigvalsh(sigma - e)[0] > -1e-12


def test_first_layer_is_valid_from_omega_2_on() -> None:
    """sigma_1 - e on c_1 = 16 … 64: positive semi-definite at omega 2 and 3, not at 1.5."""
    c = np.arange(16, 65)
    least = {}
    for omega in (1.0, 1.5, 2.0, 3.0):
        sigma = squared_exponential(ramp_distance(c[:, None], c, 16, 64, omega))
        least[omega] = np.linalg.eigvalsh(sigma - np.exp(-(omega**2) / 2))[0]
    assert least[2.0] > -1e-12
    assert least[3.0] > -1e-12
    assert least[1.0] < -1e-6


# -- arguments -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ChannelKernel(omega=0), "omega=0 is not allowed"),
        (lambda: ChannelKernel(r=(1.5,)), "r[0]=1.5 is not allowed: give a number in (0, 1]"),
        (lambda: ChannelKernel(r=()), "r=() is not allowed"),
        (lambda: ChannelKernel(r=(0.0,)), "r[0]=0.0 is not allowed"),
        (lambda: ChannelKernel(low=100), "high=(64, 128, 256, 512) is not allowed: give upper bounds of at least 100"),
        (lambda: RampKernel((0.0,), (1.0,), r=(2.0,)), "r[0]=2.0 is not allowed"),
        (lambda: RampKernel((0.0, 0.0), (1.0,)), "low=(0.0, 0.0) has 2 entries"),
        (lambda: RampKernel((2.0,), (1.0,)), "low=(2.0,) exceeds high=(1.0,)"),
        (lambda: RampKernel((0.0,), (1.0,), weights=(0.5,)), "weights=(0.5,) add up to 0.5"),
        (lambda: RampKernel((0.0,), (1.0,), weights=(0.5, 0.5)), "weights=(0.5, 0.5) is not allowed: give 1 coef"),
        (lambda: RampKernel((0.0,), (1.0,)).encode(["x"]), "xs=['x'] is not usable: give 1 numbers per point"),
        (lambda: ChannelKernel().encode([MLP()]), "is of another kind: this kernel compares dnc.CNN objects"),  # type: ignore[list-item]
        (lambda: MLPSpace().kernel().encode([CNN((8,))]), "this kernel compares dnc.MLP objects"),  # type: ignore[list-item]
        (lambda: TrainingSpace().kernel.encode([MLP()]), "this kernel compares dnc.Training objects"),  # type: ignore[list-item]
        (lambda: similarity(CNN((8,)), MLP(), CNNSpace()), "cannot be compared: give two CNN, MLP, Training or Config"),
        (lambda: similarity(MLP(), MLP(), CNNSpace()), "this kernel compares dnc.CNN objects"),
        (lambda: similarity(1, 1, CNNSpace()), "cannot be compared"),  # type: ignore[arg-type]
    ],
)
def test_bad_arguments(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ArgumentError) as error:
        make()
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_isinstance_of_the_public_kernels() -> None:
    assert isinstance(MLPSpace().kernel(), NodeKernel)
    assert isinstance(TrainingSpace().kernel, TrainingKernel)
    assert CNNSpace().stage1().kernel == CNNSpace().kernel()
