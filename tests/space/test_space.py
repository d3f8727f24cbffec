"""Spaces: every number of the paper as a default, placement rules, presets, grids, decoding, plain data."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from dnc.config import ACTIVATIONS, CNN, MLP, Training
from dnc.errors import ArgumentError
from dnc.space import CNNSpace, MLPSpace, Space, TrainingSpace, space_from_dict

PAPER_NET = (50, 52, 53, 59, 95, 96, 97, 120, 193, 239, 351, 385, 488, 496)  # Sec. 3.1, the best for w_c = 0
DOMAINS = {
    "cnn": CNNSpace().stage1(),
    "cnn, small": CNNSpace(conv_layers=(1, 3), first_channels=(4, 8), max_channels=12, growth=1.5).stage1(),
    "mlp": MLPSpace().stage1(),
    "mlp, rcv1": MLPSpace.rcv1().stage1(),
    "mlp, none": MLPSpace(hidden_layers=(0, 0)).stage1(),
    "training": TrainingSpace(),
}


# -- the paper's numbers ---------------------------------------------------------------------------


def test_cnn_space_is_the_papers() -> None:
    space = CNNSpace()
    assert (space.conv_layers, space.first_channels, space.max_channels, space.growth) == ((4, 16), (16, 64), 512, 2)
    assert space.downsample_above == (64, 128, 256)
    assert (space.batchnorm, space.dropout, space.drop, space.input_drop) == (1, 1, 0.3, 0.1)
    assert space.shortcut_rule == ((9, 4), (15, 2))
    assert (space.activation, space.downsample) == ("relu", "pool")
    assert space.grid_downsample == ("pool", "stride")
    assert space.grid_batchnorm == space.grid_dropout == (0, 1 / 4, 1 / 2, 3 / 4, 1)
    assert (space.grid_drop, space.grid_input_drop) == ((0.15, 0.3, 0.45), (0.1, 0.2))
    assert space.grid_shortcuts == (0, 4, 2)
    assert space.grid_activation == ACTIVATIONS
    assert space.substage_order == ("downsample", "batchnorm", "dropout", "shortcuts")
    assert (space.weight_decay_from, space.weight_decay_per_param) == (1e6, 1e-11)
    assert (space.default_epochs, space.refit_epochs) == (100, 300)
    assert (space.omega, space.r) == (3, (1, 1 / 2, 1 / 3, 1 / 4))
    assert space.training == TrainingSpace()


def test_mlp_space_is_the_papers() -> None:
    space = MLPSpace()
    assert (space.hidden_layers, space.nodes) == ((0, 2), (20, 400))
    assert (space.drop, space.grid_drop) == (0.2, (0, 0.1, 0.2, 0.3, 0.4, 0.5))
    assert (space.weight_decay_from, space.weight_decay_per_param) == (1e4, 1e-9)
    assert (space.default_epochs, space.refit_epochs) == (60, 180)
    assert (space.omega, space.r, space.weights) == (3, (1 / 2, 1), (1 / 2, 1 / 2))
    assert space.substage_order == ("dropout",)
    rcv1 = MLPSpace.rcv1()
    assert (rcv1.hidden_layers, rcv1.nodes) == ((0, 3), (50, 1000))
    assert (rcv1.weight_decay_from, rcv1.weight_decay_per_param) == (1e5, 1e-10)
    assert (rcv1.drop, rcv1.grid_drop) == (space.drop, space.grid_drop)


def test_training_space_is_the_papers() -> None:
    space = TrainingSpace()
    assert (space.lr, space.weight_decay, space.batch_size) == ((1e-5, 1e-1), (1e-6, 1e-3), (32, 512))
    assert space.weight_decay_cutoff == 1e-5
    assert (space.preset_lr, space.preset_batch_size) == (1e-3, 256)
    assert (space.omega, space.r, space.weights) == (3, (1, 1, 1), (1 / 3, 1 / 3, 1 / 3))


def test_default_training_follows_the_weight_decay_rules() -> None:
    cnn, mlp, rcv1 = CNNSpace(), MLPSpace(), MLPSpace.rcv1()
    assert cnn.default_training(999_999) == Training(1e-3, 0.0, 256)
    assert cnn.default_training(1_000_000).weight_decay == pytest.approx(1e-5, rel=1e-14)
    assert cnn.default_training(6_876_233).weight_decay == pytest.approx(6.876233e-5, rel=1e-14)
    assert mlp.default_training(9_999).weight_decay == 0
    assert mlp.default_training(10_000).weight_decay == pytest.approx(1e-5, rel=1e-14)
    assert rcv1.default_training(99_999).weight_decay == 0
    assert rcv1.default_training(100_000).weight_decay == pytest.approx(1e-5, rel=1e-14)
    other = replace(cnn, weight_decay_from=0, weight_decay_per_param=0.5, training=TrainingSpace(preset_lr=0.1))
    assert other.default_training(10) == Training(0.1, 5.0, 256)


# -- presets of Stage 1 ----------------------------------------------------------------------------


def test_preset_of_the_papers_net() -> None:
    net = CNNSpace().preset(PAPER_NET)
    assert net == CNN(PAPER_NET, (), (4, 8, 10), tuple(range(1, 15)), (0.1, *[0.3] * 13), (1, 5, 9), "relu")
    assert CNNSpace(downsample="stride").preset(PAPER_NET).strides == (4, 8, 10)
    assert CNNSpace(downsample="stride").preset(PAPER_NET).pools == ()


@pytest.mark.parametrize(
    ("n", "starts"), [(4, ()), (8, ()), (9, (1, 5)), (14, (1, 5, 9)), (15, tuple(range(1, 14, 2)))]
)
def test_shortcuts_by_depth(n: int, starts: tuple[int, ...]) -> None:
    assert CNNSpace().preset((16,) * n).shortcuts == starts


def test_presets_can_be_changed() -> None:
    space = CNNSpace(batchnorm=0.5, dropout=0.75, drop=0.2, input_drop=0.3, shortcut_rule=((2, 2),), activation="elu")
    net = space.preset((16,) * 4)
    assert net == CNN((16,) * 4, batchnorm=(2, 4), dropout=(0, 0.2, 0.2, 0.2), shortcuts=(1,), activation="elu")
    assert CNNSpace(input_drop=0.3).preset((16,) * 4).dropout == (0.3,) * 4  # as the paper prints it
    assert CNNSpace(shortcut_rule=()).preset((16,) * 16).shortcuts == ()
    assert MLPSpace(drop=0.4, activation="tanh").preset((30, 20)) == MLP((30, 20), 0.4, "tanh")
    assert MLPSpace().preset((30,)) == MLP((30,), 0.2)


def test_references() -> None:
    assert CNNSpace().reference() == CNNSpace().preset((64, 128, 256, *[512] * 13))
    small = CNNSpace(conv_layers=(2, 4), first_channels=(8, 20), max_channels=50, growth=1.5)
    assert small.reference().channels == (20, 30, 45, 50)
    assert MLPSpace().reference() == MLP((400, 400), 0.2)
    assert MLPSpace.rcv1().reference() == MLP((1000, 1000, 1000), 0.2)


# -- decoding the unit cube ------------------------------------------------------------------------


@pytest.mark.parametrize("name", DOMAINS)
def test_domain_contract(name: str) -> None:
    domain = DOMAINS[name]
    u = np.random.default_rng(11).random((300, domain.dim))
    rows = domain.rows(u)
    points = [domain.point(row) for row in rows]
    encoded = domain.encode(points)
    assert encoded.shape == rows.shape
    assert encoded.tobytes() == rows.tobytes()  # bit for bit
    assert not np.signbit(rows).any()  # no -0.0, so that equal rows have equal bytes
    assert len(set(points)) == len(np.unique(rows, axis=0))
    assert domain.rows(u[5:6]).tobytes() == rows[5:6].tobytes()
    for corner in (np.zeros((1, domain.dim)), np.full((1, domain.dim), np.nextafter(1, 0))):
        assert domain.encode([domain.point(domain.rows(corner)[0])]).tobytes() == domain.rows(corner).tobytes()
    assert domain.kernel(rows, rows).shape == (300, 300)


@pytest.mark.parametrize("space", [CNNSpace(), CNNSpace(conv_layers=(2, 5), first_channels=(3, 9), max_channels=20)])
def test_cnn_points_are_in_the_space(space: CNNSpace) -> None:
    domain = space.stage1()
    for row in domain.rows(np.random.default_rng(0).random((400, domain.dim))):
        net = domain.point(row)
        c = net.channels
        assert space.conv_layers[0] <= len(c) <= space.conv_layers[1]
        assert space.first_channels[0] <= c[0] <= space.first_channels[1]
        assert all(a <= b <= min(2 * a, space.max_channels) for a, b in zip(c, c[1:], strict=False))
        assert net == space.preset(c)


def test_sampling_is_uniform() -> None:
    rng = np.random.default_rng(5)
    rows = CNNSpace(conv_layers=(4, 7), first_channels=(16, 19)).stage1().rows(rng.random((8000, 8)))
    depth, first = Counter((rows > 0).sum(axis=1).tolist()), Counter(rows[:, 0].tolist())
    second = Counter(rows[rows[:, 0] == 16, 1].tolist())
    assert set(depth) == {4, 5, 6, 7}
    assert set(first) == {16, 17, 18, 19}
    assert set(second) == set(range(16, 33))
    assert max(abs(n - 2000) for n in [*depth.values(), *first.values()]) < 200  # 5 standard deviations
    assert max(abs(n - 2000 / 17) for n in second.values()) < 55
    mlp = MLPSpace(hidden_layers=(0, 3), nodes=(5, 8)).stage1().rows(rng.random((8000, 4)))
    assert max(abs(n - 2000) for n in Counter((mlp > 0).sum(axis=1).tolist()).values()) < 200
    assert set(mlp[:, 0].tolist()) == {0, 5, 6, 7, 8}


def test_training_points_are_in_the_space() -> None:
    space = TrainingSpace()
    rows = space.rows(np.random.default_rng(1).random((6000, 3)))
    lr, decay, batch = rows.T
    assert 1e-5 <= lr.min() < 1.1e-5
    assert 0.9e-1 < lr.max() <= 1e-1
    assert abs(np.mean(lr < 1e-3) - 1 / 2) < 0.04  # log-uniform
    assert abs(np.mean(decay == 0) - 1 / 3) < 0.04  # a third of 10^[-6, -3] is below 10^-5
    assert 1e-5 <= decay[decay > 0].min() < 1.1e-5
    assert decay.max() <= 1e-3
    assert (batch.min(), batch.max()) == (32, 512)
    assert (batch == np.round(batch)).all()


def test_batch_sizes_are_capped_at_the_training_samples() -> None:
    space = CNNSpace()
    assert space.stage3() == space.training
    assert space.stage3(max_batch=1000).batch_size == (32, 512)
    assert space.stage3(max_batch=100).batch_size == (32, 100)
    capped = space.stage3(max_batch=20)
    assert capped.batch_size == (20, 20)
    assert set(capped.rows(np.random.default_rng(0).random((50, 3)))[:, 2].tolist()) == {20}
    assert capped.kernel(np.array([[1e-3, 0, 20]]), np.array([[1e-3, 0, 256]])) == pytest.approx(1)  # u = l: d = 0


# -- plain data, equality, errors ------------------------------------------------------------------


@pytest.mark.parametrize(
    "space",
    [
        CNNSpace(),
        CNNSpace(conv_layers=(2, 5), shortcut_rule=(), training=TrainingSpace(lr=(1e-4, 1e-2)), r=(0.5,)),
        MLPSpace(),
        MLPSpace.rcv1(),
    ],
)
def test_json_round_trip(space: Space) -> None:
    text = json.dumps(space.to_dict())
    again = space_from_dict(json.loads(text))
    assert again == space
    assert hash(again) == hash(space)
    assert json.dumps(again.to_dict()) == text
    assert again != replace(space, drop=0.25)


def test_left_out_fields_have_their_defaults() -> None:
    assert space_from_dict({"family": "mlp", "nodes": [5, 9]}) == MLPSpace(nodes=(5, 9))
    assert space_from_dict({"family": "cnn", "training": {"batch_size": [8, 16]}}).training.batch_size == (8, 16)


def test_families() -> None:
    assert (CNNSpace().family, MLPSpace().family) == ("cnn", "mlp")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CNNSpace(conv_layers=(0, 4)), "conv_layers[0]=0 is not allowed: give a whole number from 1 to 1000"),
        (lambda: CNNSpace(conv_layers=(5, 4)), "conv_layers=(5, 4) is the wrong way round"),
        (
            lambda: CNNSpace(first_channels=(16, 600)),
            "first_channels[1]=600 is not allowed: give a whole number from 1 to 512",
        ),
        (lambda: CNNSpace(growth=0.5), "growth=0.5 is not allowed"),
        (lambda: CNNSpace(downsample="maxpool"), "downsample='maxpool' is unknown: choose one of 'pool', 'stride'"),
        (lambda: CNNSpace(grid_downsample=("avg",)), "grid_downsample[0]='avg' is unknown"),
        (lambda: CNNSpace(batchnorm=1.5), "batchnorm=1.5 is not allowed: give a number in [0, 1]"),
        (lambda: CNNSpace(grid_batchnorm=()), "grid_batchnorm=() is not allowed: give a tuple"),
        (lambda: CNNSpace(grid_dropout=(0.5, 2)), "grid_dropout[1]=2 is not allowed"),
        (lambda: CNNSpace(drop=1.0), "drop=1.0 is not allowed: give a number in [0, 1)"),
        (lambda: CNNSpace(grid_drop=(1.0,)), "grid_drop[0]=1.0 is not allowed"),
        (lambda: CNNSpace(shortcut_rule=((9,),)), "shortcut_rule[0]=(9,) is not allowed"),  # type: ignore[arg-type]
        (lambda: CNNSpace(activation="relu6"), "activation='relu6' is unknown"),
        (lambda: CNNSpace(substage_order=("bn",)), "substage_order[0]='bn' is unknown: choose one of 'downsample'"),
        (lambda: CNNSpace(substage_order=("dropout", "dropout")), "repeats a name"),
        (lambda: CNNSpace().substages(["pooling"]), "order[0]='pooling' is unknown"),
        (lambda: CNNSpace().substages("dropout"), "order='dropout' is not allowed: give a tuple"),
        (lambda: CNNSpace(omega=0.9), "omega=0.9 is not allowed"),
        (lambda: CNNSpace(r=(2.0,)), "r[0]=2.0 is not allowed"),
        (lambda: CNNSpace(training=None), "training=None is not allowed: give a dnc.TrainingSpace"),  # type: ignore[arg-type]
        (lambda: CNNSpace(default_epochs=0), "default_epochs=0 is not allowed"),
        (lambda: CNNSpace(weight_decay_from=-1), "weight_decay_from=-1 is not allowed"),
        (lambda: MLPSpace(hidden_layers=(-1, 2)), "hidden_layers[0]=-1 is not allowed"),
        (lambda: MLPSpace(nodes=(0, 5)), "nodes[0]=0 is not allowed"),
        (lambda: MLPSpace(weights=(0.5, 0.6)), "weights=(0.5, 0.6) add up to 1.1"),
        (lambda: MLPSpace(r=(0.5,)), "r=(0.5,) is not allowed: give two powers"),  # type: ignore[arg-type]
        (lambda: TrainingSpace(lr=(0.0, 0.1)), "lr[0]=0.0 is not allowed"),
        (lambda: TrainingSpace(lr=(0.1, 0.01)), "lr=(0.1, 0.01) is the wrong way round"),
        (lambda: TrainingSpace(weight_decay=1e-3), "weight_decay=0.001 is not allowed: give two numbers"),  # type: ignore[arg-type]
        (lambda: TrainingSpace(batch_size=(0, 5)), "batch_size[0]=0 is not allowed"),
        (lambda: TrainingSpace(r=(1.0,)), "r=(1.0,) is not allowed: give three powers"),  # type: ignore[arg-type]
        (lambda: TrainingSpace().capped(0), "max_batch=0 is not allowed"),
        (lambda: space_from_dict({}), "space={} is not a space: it needs 'family'"),
        (lambda: space_from_dict({"family": "rnn"}), "family='rnn' is unknown"),
        (lambda: space_from_dict({"family": "cnn", "depth": 3}), "CNNSpace: {'depth': 3} has unknown fields"),
        (lambda: space_from_dict({"family": "cnn", "training": 3}), "TrainingSpace: 3 has unknown fields"),
    ],
)
def test_bad_arguments(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ArgumentError) as error:
        make()
    assert message in str(error.value)
    assert "\n" not in str(error.value)
