"""The space of MLPs (Sec. 3.2)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

from dnc.bayesopt.kernel import OMEGA, NodeKernel, check_powers, check_weights
from dnc.config import ACTIVATIONS, MAX_LAYERS, MAX_WIDTH, MLP, assign
from dnc.errors import ArgumentError, check_bounds, check_choice, check_float, check_int, short_repr
from dnc.space.base import ArchitectureSpace, Grid, check_drop, check_order, check_tuple
from dnc.space.domains import NodeDomain
from dnc.space.training import TrainingSpace, check_training


@dataclass(frozen=True, repr=False)
class MLPSpace(ArchitectureSpace):
    """MLPs of Sec. 3.2; the defaults are those for 784 inputs, `MLPSpace.rcv1()` has those for RCV1.

    Args:
        hidden_layers: bounds of the number of hidden layers.
        nodes: bounds of the nodes in each hidden layer.
        drop: drop probability after each hidden layer in Stage 1.
        activation: of all hidden layers.
        grid_drop, grid_activation: what Stage 2 tries.
        substage_order: grids of Stage 2 in order; add "activation" to vary it, too.
        weight_decay_from, weight_decay_per_param: see `default_training`.
        training: Stage 3.
        default_epochs, refit_epochs: of a search, and of the final training.
        omega, r, weights: of the kernel: scale > 0, powers in (0, 1] and coefficients (sum 1) of the sum of nodes and
            of the number of layers.

    Raises:
        ArgumentError: a value outside its range.

    >>> import dnc
    >>> space = dnc.MLPSpace(hidden_layers=(0, 3), nodes=(10, 100))
    >>> print(space.preset((50, 20)), "|", space.reference())
    MLP 50-20, drop 0.2 | MLP 100-100-100, drop 0.2
    """

    hidden_layers: tuple[int, int] = (0, 2)
    nodes: tuple[int, int] = (20, 400)
    drop: float = 0.2
    activation: str = "relu"
    grid_drop: tuple[float, ...] = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
    grid_activation: tuple[str, ...] = ACTIVATIONS
    substage_order: tuple[str, ...] = ("dropout",)
    weight_decay_from: float = 1e4
    weight_decay_per_param: float = 1e-9
    training: TrainingSpace = field(default_factory=TrainingSpace)
    default_epochs: int = 60
    refit_epochs: int = 180
    omega: float = OMEGA
    r: tuple[float, float] = (1 / 2, 1.0)
    weights: tuple[float, float] = (1 / 2, 1 / 2)

    searched: ClassVar[tuple[str, ...]] = ("hidden_layers", "nodes")
    family: ClassVar[str] = "mlp"

    def __post_init__(self) -> None:
        assign(self, hidden_layers=check_bounds("hidden_layers", self.hidden_layers, 0, MAX_LAYERS))
        assign(self, nodes=check_bounds("nodes", self.nodes, 1, MAX_WIDTH))
        assign(self, drop=check_drop("drop", self.drop), grid_drop=check_tuple("grid_drop", self.grid_drop, check_drop))
        check_choice("activation", self.activation, ACTIVATIONS)
        assign(self, grid_activation=check_tuple("grid_activation", self.grid_activation, check_choice, ACTIVATIONS))
        assign(self, weight_decay_from=check_float("weight_decay_from", self.weight_decay_from, 0))
        assign(self, weight_decay_per_param=check_float("weight_decay_per_param", self.weight_decay_per_param, 0))
        check_training(self.training)
        for name in ("default_epochs", "refit_epochs"):
            assign(self, **{name: check_int(name, getattr(self, name), 1)})
        assign(self, omega=check_float("omega", self.omega, 0, open_low=True), r=check_powers("r", self.r))
        if len(self.r) != 2:
            raise ArgumentError(f"r={short_repr(self.r)} is not allowed: give two powers, for nodes and for layers")
        assign(self, weights=check_weights("weights", self.weights, 2))
        assign(self, substage_order=check_order("substage_order", self.substage_order, self.grids()))

    @classmethod
    def rcv1(cls) -> MLPSpace:
        """The space that the paper searches for Reuters RCV1; `dataclasses.replace` changes it further."""
        return cls(hidden_layers=(0, 3), nodes=(50, 1000), weight_decay_from=1e5, weight_decay_per_param=1e-10)

    def stage1(self) -> NodeDomain:
        """What Stage 1 explores: hidden layers and nodes, everything else preset.

        >>> import dnc
        >>> domain = dnc.MLPSpace().stage1()
        >>> domain.encode([dnc.MLP((100,)), dnc.MLP()]).tolist()  # rows: nodes of each layer, then zeros
        [[100.0, 0.0], [0.0, 0.0]]
        """
        return NodeDomain(self.hidden_layers, self.nodes, self.kernel(), self.preset)

    def kernel(self) -> NodeKernel:
        """Similarity of MLPs by the sum of nodes and the number of layers (Sec. 2.2)."""
        fewest, most = self.hidden_layers
        high = (float(most * self.nodes[1]), float(most))
        return NodeKernel((0.0, float(fewest)), high, self.omega, self.r, self.weights, ("nodes", "layers"))

    def preset(self, hidden: Sequence[int]) -> MLP:
        """The network with these hidden layers and the presets of Stage 1."""
        return MLP(tuple(hidden), self.drop, self.activation)

    def reference(self) -> MLP:
        """The network that c_0 is measured on: most layers, most nodes in each layer."""
        return self.preset((self.nodes[1],) * self.hidden_layers[1])

    def grids(self) -> dict[str, Grid]:
        """All grids of Stage 2 by name, also those that `substage_order` leaves out."""
        return {"dropout": self._dropout_grid, "activation": self._activation_grid}

    def _dropout_grid(self, arch: MLP) -> Iterable[MLP]:
        return (replace(arch, drop=drop) for drop in self.grid_drop)

    def _activation_grid(self, arch: MLP) -> Iterable[MLP]:
        return (replace(arch, activation=name) for name in self.grid_activation)
