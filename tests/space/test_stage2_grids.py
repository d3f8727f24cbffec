"""Where layers of a kind are placed, and the grids of Stage 2."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnc.config import ACTIVATIONS, CNN, MLP
from dnc.space import CNNSpace, MLPSpace, Space
from dnc.space.placement import downsampling_layers, fraction_layers, shortcut_starts

PAPER_NET = (50, 52, 53, 59, 95, 96, 97, 120, 193, 239, 351, 385, 488, 496)  # Sec. 3.1, the best for w_c = 0


# -- placement rules -------------------------------------------------------------------------------


def test_fractions() -> None:
    assert fraction_layers(7, 1 / 2) == (2, 4, 6, 7)  # the paper's example
    assert fraction_layers(7, 1) == (1, 2, 3, 4, 5, 6, 7)
    assert fraction_layers(7, 0) == ()
    assert fraction_layers(8, 1 / 4) == (4, 8)
    assert fraction_layers(8, 3 / 4) == (2, 3, 4, 6, 7, 8)
    assert fraction_layers(10, 0.1) == (10,)  # 0.1 as a binary number is a bit more than a tenth


@given(n=st.integers(1, 60), k=st.integers(0, 20))
def test_fractions_are_even_and_reach_the_last_layer(n: int, k: int) -> None:
    layers = fraction_layers(n, k / 20)
    assert len(layers) == -(-n * k // 20)
    assert len(set(layers)) == len(layers)
    if layers:
        gaps = np.diff((0, *layers))
        assert layers[-1] == n
        assert gaps.max() - gaps.min() <= 1


@pytest.mark.parametrize(
    ("channels", "layers"),
    [
        (PAPER_NET, (4, 8, 10)),
        ((64, 64, 65), (2,)),  # strictly above
        ((16, 16, 16, 16), ()),
        ((60, 300, 400), (1,)),  # three thresholds at once: one place
        ((60, 65, 300), (1, 2)),
        ((100, 120, 200), (2,)),  # layer 1 itself crosses 64: no place before it
        ((65, 300, 60, 200), (1,)),  # only the first crossing counts
    ],
)
def test_downsampling_layers(channels: tuple[int, ...], layers: tuple[int, ...]) -> None:
    assert downsampling_layers(channels) == layers


def test_downsampling_thresholds_can_be_changed() -> None:
    assert downsampling_layers((8, 16, 17, 33), (16, 32)) == (2, 3)
    assert CNNSpace(downsample_above=(16,)).preset((8, 16, 17, 33)).pools == (2,)
    assert CNNSpace(downsample_above=()).preset(PAPER_NET).pools == ()


def test_shortcut_starts() -> None:
    assert shortcut_starts(9, 4) == (1, 5)
    assert shortcut_starts(14, 4) == (1, 5, 9)
    assert shortcut_starts(15, 2) == (1, 3, 5, 7, 9, 11, 13)
    assert shortcut_starts(3, 2) == (1,)
    assert shortcut_starts(2, 2) == shortcut_starts(20, 0) == ()


# -- grids of Stage 2 ------------------------------------------------------------------------------


def grid(space: Space, name: str, arch: Any) -> tuple[Any, ...]:
    (substage,) = space.substages([name])
    candidates = substage.candidates(arch)
    assert substage.name == name
    assert arch not in candidates
    assert len(set(candidates)) == len(candidates)
    return candidates


def test_downsampling_grid() -> None:
    space = CNNSpace()
    net = space.preset(PAPER_NET)
    nets = grid(space, "downsample", net)
    assert len(nets) == 2**3 - 1
    assert (nets[0].pools, nets[0].strides) == ((4, 8), (10,))
    assert (nets[-1].pools, nets[-1].strides) == ((), (4, 8, 10))
    assert replace(net, strides=(4,), pools=(8, 10)) in nets  # what the paper found
    assert {replace(n, pools=net.pools, strides=()) for n in nets} == {net}
    assert grid(space, "downsample", space.preset((16,) * 4)) == ()


def test_batchnorm_grid() -> None:
    space = CNNSpace()
    net = space.preset((16,) * 7)
    assert [n.batchnorm for n in grid(space, "batchnorm", net)] == [(), (4, 7), (2, 4, 6, 7), (2, 3, 4, 5, 6, 7)]
    assert net in grid(space, "batchnorm", replace(net, batchnorm=()))  # all layers stay a candidate


def test_dropout_grid() -> None:
    space = CNNSpace()
    net = space.preset((16,) * 8)
    drops = [n.dropout for n in grid(space, "dropout", net)]
    assert len(drops) == 1 + 3 * 3 + 3 * 2 - 1  # none; 3 fractions × 3; all × 3 × 2 input drops; without the incumbent
    assert drops[0] == (0,) * 8
    assert drops[1:4] == [(0, 0, 0, p, 0, 0, 0, p) for p in (0.15, 0.3, 0.45)]
    assert drops[-5:] == [(i, *[p] * 7) for p, i in ((0.15, 0.1), (0.15, 0.2), (0.3, 0.2), (0.45, 0.1), (0.45, 0.2))]


def test_shortcuts_grid() -> None:
    space = CNNSpace()
    assert [n.shortcuts for n in grid(space, "shortcuts", space.preset((16,) * 7))] == [(1, 5), (1, 3, 5)]
    assert [n.shortcuts for n in grid(space, "shortcuts", space.preset((16,) * 9))] == [(), (1, 3, 5, 7)]
    assert [n.shortcuts for n in grid(space, "shortcuts", space.preset((16,) * 4))] == [(1,)]  # every 4th = every other
    assert grid(space, "shortcuts", space.preset((16,) * 2)) == ()


def test_mlp_grid() -> None:
    space = MLPSpace()
    assert [n.drop for n in grid(space, "dropout", MLP((30,), 0.2))] == [0, 0.1, 0.3, 0.4, 0.5]
    assert [n.drop for n in grid(space, "dropout", MLP((30,), 0.5))] == [0, 0.1, 0.2, 0.3, 0.4]
    assert grid(space, "dropout", MLP()) == ()  # nothing to drop


@pytest.mark.parametrize(
    ("space", "arch"), [(CNNSpace(), CNN((16,) * 4)), (MLPSpace(), MLP((30,)))], ids=["cnn", "mlp"]
)
def test_activation_is_an_extra_grid(space: Space, arch: Any) -> None:
    assert "activation" not in [s.name for s in space.substages()]
    assert [n.activation for n in grid(space, "activation", arch)] == list(ACTIVATIONS[1:])


def test_order_of_grids() -> None:
    order = ("shortcuts", "dropout", "activation")
    assert [s.name for s in CNNSpace().substages()] == ["downsample", "batchnorm", "dropout", "shortcuts"]
    assert [s.name for s in CNNSpace().substages(order)] == list(order)
    assert [s.name for s in CNNSpace(substage_order=order).substages()] == list(order)
    assert CNNSpace().substages(()) == ()
