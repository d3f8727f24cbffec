"""How alike two configs are to Bayesian optimization, part by part (Fig. 2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from dnc.bayesopt.kernel import Kernel
from dnc.card import constructor
from dnc.config import CNN, MLP, Architecture, Config, Training
from dnc.errors import ArgumentError, short_repr


@dataclass(frozen=True, repr=False)
class Similarity:
    """sigma(x, x') of eq. (3c) and its parts; `float(similarity)` is the total, in [0, 1].

    Attributes:
        names: the hyperparameters compared, e.g. "layer 1".
        distances: ramp distances (3a).
        kernels: their squared exponentials (3b).
        weights: coefficients s_k, sum 1.

    >>> import dnc
    >>> print(dnc.similarity(dnc.MLP((100,)), dnc.MLP((200,)), dnc.MLPSpace()))
    similarity 0.785 (nodes 0.570, layers 1.000)
    """

    names: tuple[str, ...]
    distances: tuple[float, ...]
    kernels: tuple[float, ...]
    weights: tuple[float, ...]

    def __repr__(self) -> str:
        return constructor(self)

    def __float__(self) -> float:
        return sum(s * value for s, value in zip(self.weights, self.kernels, strict=True))

    def __str__(self) -> str:
        parts = (f"{name} {value:.3f}" for name, value in zip(self.names, self.kernels, strict=True))
        return f"similarity {float(self):.3f} ({', '.join(parts)})"


class _TrainingSpace(Protocol):
    @property
    def kernel(self) -> Kernel: ...


class _Space(Protocol):
    @property
    def training(self) -> _TrainingSpace: ...

    def kernel(self) -> Kernel: ...


Comparable = Architecture | Training | Config


def similarity(a: Comparable, b: Comparable, space: _Space) -> Similarity:
    """Similarity of two architectures, two trainings or two configs under the kernel of `space`.

    Only the space's bounds and kernel settings matter; a and b need not lie in it. Configs, which the paper never
    compares as a whole, are half architecture, half training.

    Raises:
        ArgumentError: a and b are of different kinds, or not of the kind that the space searches.

    Fig. 2 of the paper:

    >>> import dnc
    >>> s = dnc.similarity(dnc.CNN(channels=(50, 80)), dnc.CNN(channels=(36, 61, 107)), dnc.CNNSpace())
    >>> round(float(s), 3), [round(value, 3) for value in s.kernels]
    (0.386, [0.682, 0.466, 0.011])
    """
    if type(a) is not type(b) or not isinstance(a, (CNN, MLP, Training, Config)):
        raise ArgumentError(
            f"a={short_repr(a)} and b={short_repr(b)} cannot be compared: give two CNN, MLP, Training or Config"
        )
    if isinstance(a, Config) and isinstance(b, Config):
        arch, training = similarity(a.arch, b.arch, space), similarity(a.training, b.training, space)
        return Similarity(
            arch.names + training.names,
            arch.distances + training.distances,
            arch.kernels + training.kernels,
            tuple(0.5 * s for s in arch.weights + training.weights),
        )
    kernel = space.training.kernel if isinstance(a, Training) else space.kernel()
    rows = kernel.encode([a, b])
    terms = kernel.terms(rows[0], rows[1])
    return Similarity(terms.names, *(tuple(map(float, part)) for part in terms[1:]))
