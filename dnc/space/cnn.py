"""The space of CNNs (Sec. 3.1)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

from dnc.bayesopt.kernel import OMEGA, ChannelKernel, check_powers
from dnc.config import ACTIVATIONS, CNN, MAX_LAYERS, MAX_WIDTH, assign
from dnc.errors import ArgumentError, check_bounds, check_choice, check_float, check_int, short_repr
from dnc.space.base import ArchitectureSpace, Grid, check_drop, check_order, check_tuple
from dnc.space.domains import ChannelDomain
from dnc.space.placement import downsampling_layers, fraction_layers, shortcut_starts
from dnc.space.training import TrainingSpace, check_training

DOWNSAMPLING = ("pool", "stride")
MIN_OMEGA = 1.0  # below it the kernel of CNNs of mixed depth need not be a covariance (see dnc.bayesopt.kernel)


@dataclass(frozen=True, repr=False)
class CNNSpace(ArchitectureSpace):
    """CNNs of Sec. 3.1.

    Args:
        conv_layers: bounds of the number of conv layers.
        first_channels: bounds of c_1.
        max_channels: the most channels of any layer.
        growth: c_{i+1} is at most growth * c_i (and at least c_i).
        downsample_above: thresholds; the resolution halves before the first layer with more channels than one of them.
        downsample: "pool" or "stride", how Stage 1 does it.
        batchnorm, dropout: fractions of the conv layers that have them in Stage 1.
        drop, input_drop: drop probability after the conv layers, and after conv layer 1 (the paper: 0.3 for both).
        shortcut_rule: pairs (n, e): with n or more conv layers, shortcuts start after layers 1, 1 + e, 1 + 2e, …, or
            nowhere if e = 0. The largest n that applies decides; if none applies, there are no shortcuts.
        activation: of all conv layers.
        grid_downsample, grid_batchnorm, grid_dropout, grid_drop, grid_input_drop, grid_shortcuts, grid_activation:
            what Stage 2 tries.
        substage_order: grids of Stage 2 in order; add "activation" to vary it, too.
        weight_decay_from, weight_decay_per_param: see `default_training`.
        training: Stage 3.
        default_epochs, refit_epochs: of a search, and of the final training.
        omega, r: of the kernel: scale >= 1, and powers in (0, 1] of layers 1, 2, …; the last serves all later ones.

    Raises:
        ArgumentError: a value outside its range.

    >>> import dnc
    >>> space = dnc.CNNSpace(conv_layers=(2, 4), first_channels=(8, 16))
    >>> print(space.preset((8, 16, 30, 60)))
    CNN 8-16-30-60, BN, drop 0.1/0.3
    >>> print(space.reference())
    CNN 16-32-64-128, pool after 3, BN, drop 0.1/0.3
    """

    conv_layers: tuple[int, int] = (4, 16)
    first_channels: tuple[int, int] = (16, 64)
    max_channels: int = 512
    growth: float = 2.0
    downsample_above: tuple[int, ...] = (64, 128, 256)
    downsample: str = "pool"
    batchnorm: float = 1.0
    dropout: float = 1.0
    drop: float = 0.3
    input_drop: float = 0.1
    shortcut_rule: tuple[tuple[int, int], ...] = ((9, 4), (15, 2))
    activation: str = "relu"
    grid_downsample: tuple[str, ...] = ("pool", "stride")
    grid_batchnorm: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75, 1.0)
    grid_dropout: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75, 1.0)
    grid_drop: tuple[float, ...] = (0.15, 0.3, 0.45)
    grid_input_drop: tuple[float, ...] = (0.1, 0.2)
    grid_shortcuts: tuple[int, ...] = (0, 4, 2)
    grid_activation: tuple[str, ...] = ACTIVATIONS
    substage_order: tuple[str, ...] = ("downsample", "batchnorm", "dropout", "shortcuts")
    weight_decay_from: float = 1e6
    weight_decay_per_param: float = 1e-11
    training: TrainingSpace = field(default_factory=TrainingSpace)
    default_epochs: int = 100
    refit_epochs: int = 300
    omega: float = OMEGA
    r: tuple[float, ...] = (1.0, 1 / 2, 1 / 3, 1 / 4)

    searched: ClassVar[tuple[str, ...]] = ("conv_layers", "first_channels", "max_channels")
    family: ClassVar[str] = "cnn"

    def __post_init__(self) -> None:
        assign(self, conv_layers=check_bounds("conv_layers", self.conv_layers, 1, MAX_LAYERS))
        assign(self, max_channels=check_int("max_channels", self.max_channels, 1, MAX_WIDTH))
        assign(self, first_channels=check_bounds("first_channels", self.first_channels, 1, self.max_channels))
        assign(self, growth=check_float("growth", self.growth, 1, MAX_WIDTH))
        assign(self, downsample_above=check_tuple("downsample_above", self.downsample_above, check_int, 1, empty=True))
        check_choice("downsample", self.downsample, DOWNSAMPLING)
        for name in ("batchnorm", "dropout"):
            assign(self, **{name: check_float(name, getattr(self, name), 0, 1)})
            assign(
                self,
                **{f"grid_{name}": check_tuple(f"grid_{name}", getattr(self, f"grid_{name}"), check_float, 0, 1)},
            )
        for name in ("drop", "input_drop"):
            assign(self, **{name: check_drop(name, getattr(self, name))})
            assign(self, **{f"grid_{name}": check_tuple(f"grid_{name}", getattr(self, f"grid_{name}"), check_drop)})
        assign(self, shortcut_rule=check_tuple("shortcut_rule", self.shortcut_rule, _rule, empty=True))
        check_choice("activation", self.activation, ACTIVATIONS)
        assign(self, grid_downsample=check_tuple("grid_downsample", self.grid_downsample, check_choice, DOWNSAMPLING))
        assign(self, grid_shortcuts=check_tuple("grid_shortcuts", self.grid_shortcuts, check_int, 0, MAX_LAYERS))
        assign(self, grid_activation=check_tuple("grid_activation", self.grid_activation, check_choice, ACTIVATIONS))
        for name in ("default_epochs", "refit_epochs"):
            assign(self, **{name: check_int(name, getattr(self, name), 1)})
        assign(self, omega=check_float("omega", self.omega, MIN_OMEGA), r=check_powers("r", self.r))
        assign(self, weight_decay_from=check_float("weight_decay_from", self.weight_decay_from, 0))
        assign(self, weight_decay_per_param=check_float("weight_decay_per_param", self.weight_decay_per_param, 0))
        check_training(self.training)
        assign(self, substage_order=check_order("substage_order", self.substage_order, self.grids()))

    def stage1(self) -> ChannelDomain:
        """What Stage 1 explores: depth and channels, everything else preset.

        >>> import dnc
        >>> domain = dnc.CNNSpace(conv_layers=(2, 4)).stage1()
        >>> print(dnc.SobolSearch(domain).ask())
        CNN 63-117-195, pool after 1+2, BN, drop 0.1/0.3
        """
        bounds = self.conv_layers, self.first_channels, self.max_channels, self.growth
        return ChannelDomain(*bounds, self.kernel(), self.preset)

    def kernel(self) -> ChannelKernel:
        """Similarity of CNNs by their channels; every layer's lower bound is that of c_1 (Fig. 2)."""
        low = self.first_channels[0]
        return ChannelKernel(float(low), tuple(map(float, self._widest())), self.omega, self.r)

    def preset(self, channels: Sequence[int]) -> CNN:
        """The network with these channels and the presets of Stage 1."""
        bare = CNN(tuple(channels), activation=self.activation)
        n = bare.depth
        every = max((rule for rule in self.shortcut_rule if rule[0] <= n), default=(0, 0))[1]
        positions = downsampling_layers(bare.channels, self.downsample_above)
        return replace(
            _downsampled(bare, positions, [self.downsample] * len(positions)),
            batchnorm=fraction_layers(n, self.batchnorm),
            dropout=_dropout(n, self.dropout, self.drop, self.input_drop),
            shortcuts=shortcut_starts(n, every),
        )

    def reference(self) -> CNN:
        """The network that c_0 is measured on: deepest, widest first layer, channels doubling to the cap."""
        return self.preset(self._widest())

    def _widest(self) -> tuple[int, ...]:
        """The most channels that each layer can have."""
        channels = [self.first_channels[1]]
        while len(channels) < self.conv_layers[1]:
            channels.append(min(math.floor(self.growth * channels[-1]), self.max_channels))
        return tuple(channels)

    def grids(self) -> dict[str, Grid]:
        """All grids of Stage 2 by name, also those that `substage_order` leaves out."""
        return {
            "downsample": self._downsample_grid,
            "batchnorm": self._batchnorm_grid,
            "dropout": self._dropout_grid,
            "shortcuts": self._shortcuts_grid,
            "activation": self._activation_grid,
        }

    def _downsample_grid(self, arch: CNN) -> Iterable[CNN]:
        positions = downsampling_layers(arch.channels, self.downsample_above)
        kinds = itertools.product(self.grid_downsample, repeat=len(positions))
        return (_downsampled(arch, positions, chosen) for chosen in kinds)

    def _batchnorm_grid(self, arch: CNN) -> Iterable[CNN]:
        return (replace(arch, batchnorm=fraction_layers(arch.depth, fraction)) for fraction in self.grid_batchnorm)

    def _dropout_grid(self, arch: CNN) -> Iterable[CNN]:
        grid = itertools.product(self.grid_dropout, self.grid_drop, self.grid_input_drop)
        return (replace(arch, dropout=_dropout(arch.depth, *values)) for values in grid)

    def _shortcuts_grid(self, arch: CNN) -> Iterable[CNN]:
        return (replace(arch, shortcuts=shortcut_starts(arch.depth, every)) for every in self.grid_shortcuts)

    def _activation_grid(self, arch: CNN) -> Iterable[CNN]:
        return (replace(arch, activation=name) for name in self.grid_activation)


def _downsampled(arch: CNN, positions: Sequence[int], kinds: Sequence[str]) -> CNN:
    """`arch` with a pool after, or a stride of 2 in, the layers at `positions` (one of `kinds` each), and no others."""
    by_kind = {kind: tuple(i for i, k in zip(positions, kinds, strict=True) if k == kind) for kind in DOWNSAMPLING}
    return replace(arch, pools=by_kind["pool"], strides=by_kind["stride"])


def _dropout(n: int, fraction: float, drop: float, input_drop: float) -> tuple[float, ...]:
    """Drop probability after each of n layers; where layer 1 has dropout, it is `input_drop`."""
    layers = fraction_layers(n, fraction)
    return tuple(0.0 if i not in layers else input_drop if i == 1 else drop for i in range(1, n + 1))


def _rule(name: str, value: object) -> tuple[int, int]:
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise ArgumentError(
            f"{name}={short_repr(value)} is not allowed: "
            f"give two whole numbers (least number of conv layers, layers from one shortcut to the next)"
        )
    return check_int(f"{name}[0]", value[0], 1, MAX_LAYERS), check_int(f"{name}[1]", value[1], 0, MAX_LAYERS)
