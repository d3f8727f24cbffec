"""What a trial trains: an architecture (CNN or MLP) and its training hyperparameters.

Everything here is frozen, validated and *canonical*: a field without effect is normalized away, so that
two configs describe the same network if and only if they are equal. That makes the hash of a config's
content (`Config.key`) a sound name for it in the trial store.

Layers are counted from 1, as in the paper ("the 4th layer has a stride of 2").
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from typing import Any

from dnc.card import constructor
from dnc.errors import ArgumentError, check_choice, check_float, check_int, short_repr

ACTIVATIONS = ("relu", "leaky_relu", "elu", "silu", "gelu", "tanh")
MAX_WIDTH = 100_000  # channels or nodes of one layer: far above any search space, far below an overflow
MAX_LAYERS = 1_000
SHORTCUT_SPAN = 2  # a shortcut skips two conv layers (Sec. 3.1)


@dataclass(frozen=True, repr=False)
class CNN:
    """A convolutional network: 3x3 conv blocks, global average pooling, one linear classifier (Sec. 3.1).

    Args:
        channels: output channels of each conv layer, c_1 … c_n.
        strides: layers (from 1) whose convolution has stride 2.
        pools: layers (from 1) followed by a 2x2 max pool.
        batchnorm: layers (from 1) with batch normalization.
        dropout: drop probability after each layer: one number for all layers, or one per layer. 0 means none.
        shortcuts: layers (from 1) after which a shortcut starts; it skips two conv layers. Those that start too
            late for that (after layer n - 2) are dropped.
        activation: one of `ACTIVATIONS`.

    Raises:
        ArgumentError: a value outside its range.

    >>> import dnc
    >>> net = dnc.CNN(channels=(32, 64), pools=(1,), batchnorm=(1, 2), dropout=0.3, shortcuts=(1,))
    >>> print(net)
    CNN 32-64, pool after 1, BN, drop 0.3
    >>> net.dropout, net.shortcuts  # one probability serves every layer; a shortcut from layer 1 needs 3 layers
    ((0.3, 0.3), ())
    """

    channels: tuple[int, ...]
    strides: tuple[int, ...] = ()
    pools: tuple[int, ...] = ()
    batchnorm: tuple[int, ...] = ()
    dropout: tuple[float, ...] = ()
    shortcuts: tuple[int, ...] = ()
    activation: str = "relu"

    def __post_init__(self) -> None:
        channels = _widths("channels", self.channels)
        n = len(channels)
        if n == 0:
            raise ArgumentError("channels=() is not allowed: a CNN needs at least one conv layer")
        starts = _layers("shortcuts", self.shortcuts, MAX_LAYERS)
        assign(self, channels=channels)
        assign(self, strides=_layers("strides", self.strides, n), pools=_layers("pools", self.pools, n))
        assign(self, batchnorm=_layers("batchnorm", self.batchnorm, n), dropout=_drops(self.dropout, n))
        assign(self, shortcuts=tuple(s for s in starts if s <= n - SHORTCUT_SPAN))
        check_choice("activation", self.activation, ACTIVATIONS)

    def __repr__(self) -> str:
        return constructor(self)

    @property
    def depth(self) -> int:
        """Number of conv layers."""
        return len(self.channels)

    @property
    def widths(self) -> tuple[int, ...]:
        """What stage 1 searches: the channels."""
        return self.channels

    def __str__(self) -> str:
        parts = [f"CNN {'-'.join(map(str, self.channels))}"]
        parts += [f"stride 2 at {_layer_list(self.strides)}"] if self.strides else []
        parts += [f"pool after {_layer_list(self.pools)}"] if self.pools else []
        if self.batchnorm:
            parts.append("BN" if len(self.batchnorm) == self.depth else f"BN after {_layer_list(self.batchnorm)}")
        drops = sorted(set(self.dropout) - {0.0})
        if drops:
            parts.append(f"drop {'/'.join(f'{p:g}' for p in drops)}")
        parts += [f"shortcuts from {_layer_list(self.shortcuts)}"] if self.shortcuts else []
        parts += [self.activation] if self.activation != "relu" else []
        return ", ".join(parts)


@dataclass(frozen=True, repr=False)
class MLP:
    """A multi-layer perceptron: hidden linear layers with an activation and dropout, one linear classifier (Sec. 3.2).

    Args:
        hidden: nodes of each hidden layer; () is a linear (softmax) classifier.
        drop: drop probability after every hidden layer. 0 means none.
        activation: one of `ACTIVATIONS`.

    Raises:
        ArgumentError: a value outside its range.

    >>> import dnc
    >>> print(dnc.MLP(hidden=(200, 100), drop=0.2))
    MLP 200-100, drop 0.2
    >>> dnc.MLP(hidden=(), drop=0.2) == dnc.MLP()  # without hidden layers, dropout has no effect
    True
    """

    hidden: tuple[int, ...] = ()
    drop: float = 0.0
    activation: str = "relu"

    def __post_init__(self) -> None:
        hidden = _widths("hidden", self.hidden)
        drop = check_float("drop", self.drop, 0, 1, open_high=True)
        check_choice("activation", self.activation, ACTIVATIONS)
        assign(self, hidden=hidden, drop=drop)
        if not hidden:  # neither has an effect without a hidden layer
            assign(self, drop=0.0, activation="relu")

    def __repr__(self) -> str:
        return constructor(self, ("hidden",))

    @property
    def depth(self) -> int:
        """Number of hidden layers."""
        return len(self.hidden)

    @property
    def widths(self) -> tuple[int, ...]:
        """What stage 1 searches: the nodes."""
        return self.hidden

    def __str__(self) -> str:
        parts = [f"MLP {'-'.join(map(str, self.hidden))}" if self.hidden else "MLP without hidden layers"]
        parts += [f"drop {self.drop:g}"] if self.drop else []
        parts += [self.activation] if self.activation != "relu" else []
        return ", ".join(parts)


Architecture = CNN | MLP


@dataclass(frozen=True)
class Training:
    """Training hyperparameters, those of Stage 3.

    Args:
        lr: initial learning rate η of Adam, > 0.
        weight_decay: L2 coefficient λ, >= 0.
        batch_size: samples per gradient step, >= 1.

    Raises:
        ArgumentError: a value outside its range.

    >>> import dnc
    >>> print(dnc.Training(lr=0.002, batch_size=128))
    lr 0.002, weight decay 0, batch 128
    """

    lr: float = 1e-3
    weight_decay: float = 0.0
    batch_size: int = 256

    def __post_init__(self) -> None:
        assign(self, lr=check_float("lr", self.lr, 0, 1e6, open_low=True))
        assign(self, weight_decay=check_float("weight_decay", self.weight_decay, 0, 1e6))
        assign(self, batch_size=check_int("batch_size", self.batch_size, 1))

    def __str__(self) -> str:
        return f"lr {self.lr:.3g}, weight decay {self.weight_decay:.3g}, batch {self.batch_size}"


@dataclass(frozen=True, repr=False)
class Config:
    """An architecture with its training hyperparameters: one point that a search can evaluate.

    Args:
        arch: the network.
        training: how it is trained.

    Raises:
        ArgumentError: something else than an architecture and a `Training`.

    >>> import dnc
    >>> config = dnc.Config(dnc.MLP((100,)), dnc.Training(lr=0.01))
    >>> print(config)
    MLP 100; lr 0.01, weight decay 0, batch 256
    >>> dnc.Config.from_json(config.to_json()) == config
    True
    """

    arch: Architecture
    training: Training = field(default_factory=Training)

    def __post_init__(self) -> None:
        if not isinstance(self.arch, (CNN, MLP)):
            raise ArgumentError(f"arch={short_repr(self.arch)} is not allowed: give a dnc.CNN or a dnc.MLP")
        if not isinstance(self.training, Training):
            raise ArgumentError(f"training={short_repr(self.training)} is not allowed: give a dnc.Training")

    def __repr__(self) -> str:
        return constructor(self, ("training",))

    @cached_property
    def key(self) -> str:
        """SHA-256 (hex) of the canonical JSON: equal configs, and only they, share it."""
        return content_hash(self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        """Plain data that `from_dict` turns back into an equal config."""
        family = "cnn" if isinstance(self.arch, CNN) else "mlp"
        return {"family": family, "arch": asdict(self.arch), "training": asdict(self.training)}

    def to_json(self) -> str:
        """Canonical JSON text (sorted keys; floats keep every bit)."""
        return canonical_json(self.to_dict())

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Config:
        """The config that `to_dict` described.

        Raises:
            ArgumentError: it is not such a description.
        """
        families = {"cnn": CNN, "mlp": MLP}
        if not isinstance(data, Mapping) or set(data) != {"family", "arch", "training"}:
            raise ArgumentError(f"config={short_repr(data)} is not a config: it needs 'family', 'arch' and 'training'")
        architecture = families[check_choice("family", data["family"], families)]
        return cls(from_fields(architecture, data["arch"]), from_fields(Training, data["training"]))

    @classmethod
    def from_json(cls, text: str) -> Config:
        """The config that `to_json` wrote.

        Raises:
            ArgumentError: it is not such a text.
        """
        try:
            data = json.loads(text)
        except (TypeError, ValueError):
            raise ArgumentError(f"config={short_repr(text)} is not JSON: give what Config.to_json wrote") from None
        return cls.from_dict(data)

    def __str__(self) -> str:
        return f"{self.arch}; {self.training}"


def canonical_json(value: object) -> str:
    """JSON with sorted keys and no spaces; refuses NaN and infinity."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def content_hash(value: object) -> str:
    """SHA-256 (hex) of `canonical_json(value)`."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def assign(target: object, **values: object) -> None:
    """Set fields of a frozen dataclass, checked or normalized, while it is made."""
    for name, value in values.items():
        object.__setattr__(target, name, value)


def from_fields(kind: Any, data: object) -> Any:
    """`kind(...)` of plain data, lists turned into tuples.

    Raises:
        ArgumentError: unknown fields, or values that `kind` refuses.
    """
    allowed = {f.name for f in fields(kind)}
    if not isinstance(data, Mapping) or not set(data) <= allowed:
        raise ArgumentError(
            f"{kind.__name__}: {short_repr(data)} has unknown fields: allowed are {', '.join(sorted(allowed))}"
        )
    return kind(**{name: _lists_to_tuples(value) for name, value in data.items()})


def _lists_to_tuples(value: Any) -> Any:
    return tuple(map(_lists_to_tuples, value)) if isinstance(value, (list, tuple)) else value


def _sequence(name: str, value: object) -> Sequence[Any]:
    try:
        items = None if isinstance(value, (str, bytes)) else tuple(value)  # type: ignore[arg-type]
    except TypeError:
        items = None
    if items is None:
        raise ArgumentError(f"{name}={short_repr(value)} is not allowed: give a tuple of numbers")
    if len(items) > MAX_LAYERS:
        raise ArgumentError(f"{name} has {len(items)} entries: at most {MAX_LAYERS} layers are allowed")
    return items


def _widths(name: str, value: object) -> tuple[int, ...]:
    return tuple(check_int(f"{name}[{i}]", v, 1, MAX_WIDTH) for i, v in enumerate(_sequence(name, value)))


def _layers(name: str, value: object, n: int) -> tuple[int, ...]:
    return tuple(sorted({check_int(f"{name}[{i}]", v, 1, n) for i, v in enumerate(_sequence(name, value))}))


def _drops(value: object, n: int) -> tuple[float, ...]:
    items = [value] * n if not hasattr(value, "__iter__") else list(_sequence("dropout", value)) or [0.0] * n
    if len(items) != n:
        raise ArgumentError(
            f"dropout has {len(items)} entries: give one probability for all layers, or one for each of the {n}"
        )
    return tuple(check_float(f"dropout[{i}]", v, 0, 1, open_high=True) for i, v in enumerate(items))


def _layer_list(layers: Sequence[int]) -> str:
    return "+".join(map(str, layers))
