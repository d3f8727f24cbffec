"""Configs are canonical, validated, and named by the hash of their content."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnc.config import ACTIVATIONS, CNN, MLP, Architecture, Config, Training, content_hash
from dnc.errors import ArgumentError, DncError, check_bounds, check_choice, check_float, check_int

layer_sets = st.lists(st.integers(1, 3), max_size=4).map(tuple)
cnns = st.builds(
    CNN,
    channels=st.lists(st.integers(1, 600), min_size=3, max_size=9).map(tuple),
    strides=layer_sets,
    pools=layer_sets,
    batchnorm=layer_sets,
    dropout=st.floats(0, 0.9).map(lambda p: p),  # type: ignore[arg-type]
    shortcuts=st.lists(st.integers(1, 12), max_size=4).map(tuple),
    activation=st.sampled_from(ACTIVATIONS),
)
mlps = st.builds(
    MLP,
    hidden=st.lists(st.integers(1, 500), max_size=3).map(tuple),
    drop=st.floats(0, 0.9),
    activation=st.sampled_from(ACTIVATIONS),
)
trainings = st.builds(
    Training, lr=st.floats(1e-8, 1.0), weight_decay=st.floats(0, 0.1), batch_size=st.integers(1, 10_000)
)
configs = st.builds(Config, arch=cnns | mlps, training=trainings)


@given(configs)
def test_json_round_trip_keeps_every_bit(config: Config) -> None:
    again = Config.from_json(config.to_json())
    assert again == config
    assert again.key == config.key
    assert again.to_json() == config.to_json()


@given(configs, configs)
def test_equal_key_if_and_only_if_equal(a: Config, b: Config) -> None:
    assert (a.key == b.key) == (a == b)


@pytest.mark.parametrize(
    ("written", "same"),
    [
        (MLP((), drop=0.4, activation="tanh"), MLP()),
        (CNN((8, 8), dropout=(0.0, 0.0)), CNN((8, 8))),
        (CNN((8, 8), dropout=0.3), CNN((8, 8), dropout=(0.3, 0.3))),  # type: ignore[arg-type]
        (CNN((8, 8, 8), shortcuts=(1, 2, 7)), CNN((8, 8, 8), shortcuts=(1,))),
        (CNN((8, 8, 8), pools=(3, 1, 1)), CNN((8, 8, 8), pools=(1, 3))),
        (CNN([8, 9]), CNN((8, 9))),  # type: ignore[arg-type]
    ],
)
def test_fields_without_effect_are_normalized(written: Architecture, same: Architecture) -> None:
    assert written == same
    assert Config(written).key == Config(same).key


def test_defaults_are_the_papers() -> None:
    assert Training() == Training(lr=1e-3, weight_decay=0.0, batch_size=256)


def test_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        MLP((3,)).drop = 0.5  # type: ignore[misc]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CNN(()), "at least one conv layer"),
        (lambda: CNN((0,)), r"channels\[0\]=0 .* from 1 to 100000"),
        (lambda: CNN((8.5,)), r"channels\[0\]=8.5"),  # type: ignore[arg-type]
        (lambda: CNN(8), "give a tuple of numbers"),  # type: ignore[arg-type]
        (lambda: CNN("88"), "give a tuple of numbers"),  # type: ignore[arg-type]
        (lambda: CNN((8,) * 1001), "at most 1000 layers"),
        (lambda: CNN((8, 8), pools=(3,)), r"pools\[0\]=3 .* from 1 to 2"),
        (lambda: CNN((8, 8), dropout=(0.1,)), "dropout has 1 entries"),
        (lambda: CNN((8, 8), dropout=(0.1, 1.0)), r"dropout\[1\]=1.0 .* \[0, 1\)"),
        (lambda: CNN((8,), activation="rleu"), "did you mean 'relu'"),
        (lambda: MLP((20,), drop=-0.1), "drop=-0.1"),
        (lambda: MLP((20,), drop=float("nan")), "drop=nan"),
        (lambda: MLP((True,)), r"hidden\[0\]=True"),
        (lambda: Training(lr=0), r"lr=0 .* \(0"),
        (lambda: Training(lr=float("inf")), "lr=inf"),
        (lambda: Training(weight_decay=-1e-9), "weight_decay=-1e-09"),
        (lambda: Training(batch_size=0), "batch_size=0"),
        (lambda: Config("net"), "give a dnc.CNN or a dnc.MLP"),  # type: ignore[arg-type]
        (lambda: Config.from_json("{"), "not JSON"),
        (lambda: Config.from_json("[]"), "not a config"),
        (lambda: Config.from_json('{"family":"rnn","arch":{},"training":{}}'), "'cnn', 'mlp'"),
        (lambda: Config.from_json('{"family":"mlp","arch":{"nodes":[3]},"training":{}}'), "unknown fields"),
    ],
)
def test_bad_values_are_one_clear_line(make, message: str) -> None:
    with pytest.raises(DncError, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_content_hash_ignores_order_of_keys_and_refuses_nan() -> None:
    assert content_hash({"a": 1, "b": [2.0]}) == content_hash({"b": [2.0], "a": 1})
    with pytest.raises(ValueError, match="JSON"):
        content_hash(float("nan"))


def test_checks() -> None:
    assert check_int("n", 3.0, 0) == 3
    assert check_float("x", 1, 0, 1) == 1.0
    assert check_bounds("b", [2, 5], 0) == (2, 5)
    assert check_choice("c", "a", ("a", "b")) == "a"
    for bad in ((5, 2), (1,), "12", (1, 2, 3), (-1, 2)):
        with pytest.raises(ArgumentError):
            check_bounds("b", bad, 0)
    with pytest.raises(ArgumentError, match=r"\(0, 1\)"):
        check_float("x", 1, 0, 1, open_low=True, open_high=True)


def test_text_for_people() -> None:
    assert (
        str(CNN((8, 16), pools=(1,), batchnorm=(1, 2), dropout=(0.1, 0.3)))
        == "CNN 8-16, pool after 1, BN, drop 0.1/0.3"
    )
    assert str(MLP()) == "MLP without hidden layers"
    assert str(Config(MLP((30,), 0.2))) == "MLP 30, drop 0.2; lr 0.001, weight decay 0, batch 256"
