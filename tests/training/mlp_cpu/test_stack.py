"""Configs trained side by side: companions in a stack change no bit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_perceptrons import DIRECT, REDUCED, SMALL, assert_same_bits, config, flat_data
from small_training import CNN_CONFIG, CPU, MLP_CONFIG, numbers, stripes

from dnc.config import ACTIVATIONS, MLP, Config, Training
from dnc.data.dataset import Dataset
from dnc.errors import ArgumentError
from dnc.training import stack
from dnc.training.engine import Engine
from dnc.training.loop import Outcome, train
from dnc.training.mlp_cpu import direct
from dnc.training.mlp_cpu.direct import DirectStack
from dnc.training.mlp_cpu.layout import plan_layout
from dnc.training.stack import train_stack
from dnc.training.stepper import TrainingFailed


@pytest.fixture(autouse=True, scope="module")
def _small_products_are_reduced() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(direct, "REDUCED_FROM", SMALL)
        yield


def check_companions(configs: Sequence[Config], data: Dataset, engine: Engine, orders: Sequence[Sequence[int]]) -> None:
    alone = [train(c, data, 2, 3, engine, keep_weights=True) for c in configs]
    for order in orders:
        for i, outcome in zip(order, train_stack([configs[i] for i in order], data, 2, 3, engine, keep_weights=True),
                              strict=True):  # fmt: skip
            assert_same_bits(outcome, alone[i])


@pytest.mark.parametrize("batch_size", [16, 33, 50, 96, 100, 256])
@pytest.mark.parametrize("engine", [DIRECT, REDUCED], ids=lambda e: e.dtype)
def test_companions_change_no_bit(batch_size: int, engine: Engine) -> None:
    """Widths 1 to 400, depths 0 to 3, all activations, other rates; batches of odd sizes, a short last one."""
    configs = [
        config(20, drop=0.2),
        config(400, drop=0.5, lr=1e-3),
        config(),
        config(33, 47, drop=0.1, weight_decay=0.0),
        config(1, lr=1e-1),
        config(100, 3, 21, activation="gelu"),
        *(config(17, drop=0.3, activation=name) for name in ACTIVATIONS[1:]),
    ]
    configs = [replace(c, training=replace(c.training, batch_size=batch_size)) for c in configs]
    orders = ([0, 1], [3, 2, 0], list(range(len(configs))), list(range(len(configs)))[::-1], [4, 2], [5, 7, 1])
    check_companions(configs, flat_data(410, features=41), engine, orders)


@settings(max_examples=15)
@given(st.data())
def test_any_stack_of_any_size_changes_no_bit(draw: st.DataObject) -> None:
    batch_size = draw.draw(st.integers(1, 260), label="batch size")
    hidden = st.lists(st.integers(1, 400), max_size=2).map(tuple)
    archs = st.builds(MLP, hidden, st.sampled_from([0.0, 0.1, 0.2, 0.5]), st.sampled_from(["relu", "silu"]))
    training = st.builds(Training, st.sampled_from([1e-3, 1e-2]), st.sampled_from([0.0, 1e-4]), st.just(batch_size))
    configs = draw.draw(st.lists(st.builds(Config, archs, training), min_size=2, max_size=6), label="configs")
    engine = draw.draw(st.sampled_from([DIRECT, REDUCED]), label="engine")
    features = draw.draw(st.integers(5, 90), label="features")
    check_companions(configs, flat_data(250, features), engine, [range(len(configs))])


def test_products_are_reduced_by_their_own_size() -> None:
    """Next to each other in one network, and whatever the companions are; those of a stack agree in the first."""
    data, wide = flat_data(410, features=15), config(33, 3, 200, 100, batch_size=64)
    small, narrow = config(30, 40, 2, batch_size=64), config(6, batch_size=64)
    assert direct.reduced_layers(wide, data, REDUCED) == (True, False, True, True)
    assert direct.reduced_layers(small, data, REDUCED) == (True, True, False)
    assert direct.reduced_layers(narrow, data, REDUCED) == (False,)
    assert direct.reduced_layers(wide, data, DIRECT) == (False,) * 4
    layout = plan_layout([wide.arch, small.arch, config(7, 8).arch], 15, 5)  # type: ignore[list-item]
    reduced = [direct.reduced_layers(c, data, REDUCED) for c in (wide, small)] + [(True, False)]
    spans = direct.reduced_spans(layout, reduced)
    matrices = [net.weights[k] for net, flags in zip(layout.nets, reduced, strict=True) for k in range(1, len(flags))]
    inside = [any(a <= start and start + out * n <= b for a, b in spans) for start, out, n in matrices]
    assert inside == [False, True, True, True, False, False]
    assert spans[0] == (0, layout.rows * 15)
    assert len(spans) == 2  # the neighbors are one part
    check_companions([wide, small, narrow], data, REDUCED, [[0, 1], [2, 1, 0]])
    with pytest.raises(ArgumentError, match=r"\[\(64, False\), \(64, True\)\]"):
        DirectStack([small, narrow], data, REDUCED, 0)


def test_the_stacks_above_are_really_stacks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where batch sizes differ: those that share one are trained together, once each."""
    sizes = []
    real = stack._side_by_side
    monkeypatch.setattr(stack, "train", lambda *a, **k: pytest.fail("trained alone"))
    monkeypatch.setattr(stack, "_side_by_side", lambda configs, *a: sizes.append(len(configs)) or real(configs, *a))
    configs = [config(8, batch_size=b) for b in (32, 64, 32, 64, 32)]
    outcomes = train_stack(configs, flat_data(300), 1, 0, DIRECT)
    assert sizes == [3, 2]
    assert all(isinstance(outcome, Outcome) for outcome in outcomes)
    assert numbers(outcomes[0]) != numbers(outcomes[1])  # type: ignore[arg-type]


def test_where_bits_are_not_shared_configs_are_trained_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    configs, data = [config(8, drop=0.2), config(5)], flat_data(100)
    stacked = train_stack(configs, data, 2, 0, DIRECT, keep_weights=True)
    trained: list[Config] = []
    monkeypatch.setattr(DirectStack, "shares_bits", lambda self: False)
    monkeypatch.setattr(stack, "train", lambda c, *a, **k: trained.append(c) or train(c, *a, **k))
    for one, other in zip(train_stack(configs, data, 2, 0, DIRECT, keep_weights=True), stacked, strict=True):
        assert_same_bits(one, other)
    assert trained == configs


def test_products_that_depend_on_companions_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    trained = DirectStack([config(8), config(5)], flat_data(100), DIRECT, 0)
    assert trained.shares_bits()
    real = torch.mm
    monkeypatch.setattr(torch, "mm", lambda a, b: real(a, b) * (1 + 1e-6 * (len(a) > 20)))
    assert not trained.shares_bits()


def test_other_engines_train_one_by_one() -> None:
    data = stripes()
    outcomes = train_stack([MLP_CONFIG, CNN_CONFIG], data, 1, 0, CPU)
    for c, outcome in zip([MLP_CONFIG, CNN_CONFIG], outcomes, strict=True):
        assert isinstance(outcome, Outcome)
        assert numbers(outcome) == numbers(train(c, data, 1, 0, CPU))


def test_a_failure_is_the_configs_own() -> None:
    rng = np.random.default_rng(0)
    data = Dataset.from_arrays(rng.random((100, 20), dtype=np.float32) * np.float32(1e30), np.arange(100) % 5)
    huge, small = config(16, 16, lr=1e6), config(lr=1e-30)
    with pytest.raises(TrainingFailed) as alone:
        train(huge, data, 3, 0, DIRECT)
    failed, fine = train_stack([huge, small], data, 3, 0, DIRECT, keep_weights=True)
    assert isinstance(failed, TrainingFailed)
    assert str(failed) == str(alone.value)
    assert_same_bits(fine, train(small, data, 3, 0, DIRECT, keep_weights=True))


def test_seconds_are_shared_out() -> None:
    one, two = train_stack([config(8), config(80)], flat_data(100), 2, 0, DIRECT)
    assert isinstance(one, Outcome)
    assert isinstance(two, Outcome)
    assert 0 < one.seconds < two.seconds
    assert one.curve[0].seconds / two.curve[0].seconds == pytest.approx((21 * 8 + 9 * 5) / (21 * 80 + 81 * 5))


# --- layout


@given(st.lists(st.lists(st.integers(1, 50), max_size=3).map(tuple), min_size=1, max_size=5), st.integers(1, 99))
def test_parts_of_a_layout_are_aligned_and_do_not_overlap(hidden: list[tuple[int, ...]], batch: int) -> None:
    layout = plan_layout([MLP(widths) for widths in hidden], 7, 3, [batch])
    taken = np.zeros(layout.size, dtype=int)
    for net in layout.nets:
        covered = np.zeros(layout.size, dtype=bool)
        for start, stop in net.segments:
            taken[start:stop] += 1
            covered[start:stop] = True
        parts = [(a, out * n) for a, out, n in net.weights] + list(net.biases)
        assert all(covered[a : a + n].all() for a, n in parts)
        assert all(offset % 16 == 0 for offset, _, _ in net.weights[1:])
        assert net.start * batch % 16 == 0
    assert taken.max() == 1
    widths = [[7, *net, 3] for net in hidden]
    assert sum(a * b + b for w in widths for a, b in zip(w, w[1:], strict=False)) <= layout.size
