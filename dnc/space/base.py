"""What the spaces of both families share: Stage 2's grids, the training of Stages 1 and 2, plain data."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from dnc.card import Card, HasCard, clipped, constructor
from dnc.config import Training
from dnc.errors import ArgumentError, check_choice, check_float, short_repr

if TYPE_CHECKING:
    from dnc.space.training import TrainingSpace

Grid = Callable[[Any], Iterable[Any]]  # incumbent architecture -> architectures, perhaps with repeats


@dataclass(frozen=True)
class Substage:
    """One grid of Stage 2.

    Attributes:
        name: e.g. "dropout".
        grid: gives the architectures to try for an incumbent; they may repeat, and the incumbent may be among them.
    """

    name: str
    grid: Grid

    def candidates(self, arch: Any) -> tuple[Any, ...]:
        """The grid's networks that differ from `arch` and each other, in the grid's order."""
        return tuple(dict.fromkeys(other for other in self.grid(arch) if other != arch))


class ArchitectureSpace(HasCard):
    """Base of CNNSpace and MLPSpace, which have the fields."""

    family: ClassVar[str]
    searched: ClassVar[tuple[str, ...]]  # the fields that say what Stage 1 explores
    training: TrainingSpace
    weight_decay_from: float
    weight_decay_per_param: float
    substage_order: tuple[str, ...]
    default_epochs: int

    def stage3(self, max_batch: int | None = None) -> TrainingSpace:
        """What Stage 3 explores; batch sizes are capped at `max_batch`, the size of the train split.

        >>> import dnc
        >>> dnc.CNNSpace().stage3(max_batch=400).batch_size
        (32, 400)
        """
        return self.training if max_batch is None else self.training.capped(max_batch)

    def default_training(self, n_params: int) -> Training:
        """Training hyperparameters of Stages 1 and 2 (Sec. 3.1, 3.2).

        The weight decay is n_params * weight_decay_per_param from n_params = weight_decay_from on, otherwise 0.

        >>> import dnc
        >>> print(dnc.CNNSpace().default_training(n_params=6_876_233))
        lr 0.001, weight decay 6.88e-05, batch 256
        """
        decay = n_params * self.weight_decay_per_param if n_params >= self.weight_decay_from else 0.0
        return Training(self.training.preset_lr, decay, self.training.preset_batch_size)

    @abstractmethod
    def reference(self) -> Any:
        """The network that c_0 is measured on."""

    @abstractmethod
    def grids(self) -> dict[str, Grid]:
        """All grids of Stage 2 by name, also those that `substage_order` leaves out."""

    def substages(self, order: Sequence[str] | None = None) -> tuple[Substage, ...]:
        """The grids of Stage 2, in `order` (default: `substage_order`).

        Raises:
            ArgumentError: an unknown name, or a name twice.

        >>> import dnc
        >>> (dropout,) = dnc.MLPSpace().substages()
        >>> [net.drop for net in dropout.candidates(dnc.MLP((100,), drop=0.2))]
        [0.0, 0.1, 0.3, 0.4, 0.5]
        """
        grids = self.grids()
        names = check_order("order", self.substage_order if order is None else order, grids)
        return tuple(Substage(name, grids[name]) for name in names)

    def to_dict(self) -> dict[str, Any]:
        """Plain data (what JSON can hold) that `dnc.space.space_from_dict` turns back into an equal space."""
        return {"family": self.family, **_tuples_to_lists(asdict(self))}  # type: ignore[call-overload]

    def _card(self) -> Card:
        stage1 = [
            (name.replace("_", " "), bounds_text(value) if isinstance(value, tuple) else f"{value:,}")
            for name, value in ((name, getattr(self, name)) for name in self.searched)
        ]
        training = self.training
        stage3 = [
            ("learning rate", bounds_text(training.lr)),
            ("weight decay", bounds_text(training.weight_decay)),
            ("batch size", bounds_text(training.batch_size)),
        ]
        return Card(
            title=f"search space of {self.family.upper()}s",
            facts=(
                *((f"stage 1: {name}", value) for name, value in stage1),
                ("stage 2", ", ".join(self.substage_order) or "nothing"),
                *((f"stage 3: {name}", value) for name, value in stage3),
                ("epochs", f"{self.default_epochs:,}"),
            ),
            notes=(f"c_0 is measured on {clipped(str(self.reference()), 300)}",),
        )

    def __repr__(self) -> str:
        return constructor(self, self.searched)


def bounds_text(bounds: tuple[float, float]) -> str:
    """'4 to 16', or one number where both are equal."""
    low, high = (f"{bound:,}" if isinstance(bound, int) else f"{bound:g}" for bound in bounds)
    return low if low == high else f"{low} to {high}"


def check_order(name: str, order: object, allowed: Iterable[str]) -> tuple[str, ...]:
    """Return `order` as a tuple of distinct names from `allowed`.

    Raises:
        ArgumentError: it is not a sequence of names, or has an unknown name or a name twice.
    """
    names = check_tuple(name, order, check_choice, tuple(allowed), empty=True)
    if len(set(names)) < len(names):
        raise ArgumentError(f"{name}={short_repr(order)} repeats a name: give each name at most once")
    return names


def check_tuple(
    name: str, values: object, check: Callable[..., Any], *limits: Any, empty: bool = False
) -> tuple[Any, ...]:
    """Return `values` as a tuple, every entry passed through `check(name, value, *limits)`.

    Raises:
        ArgumentError: it is not a tuple or list, is empty where it must not be, or has an entry that the check refuses.
    """
    if not isinstance(values, (tuple, list)) or not (values or empty):
        raise ArgumentError(
            f"{name}={short_repr(values)} is not allowed: give a tuple of {'' if empty else 'one or more '}values"
        )
    return tuple(check(f"{name}[{i}]", value, *limits) for i, value in enumerate(values))


def check_drop(name: str, value: object) -> float:
    """Return `value` as a drop probability in [0, 1).

    Raises:
        ArgumentError: outside the range.
    """
    return check_float(name, value, 0, 1, open_high=True)


def _tuples_to_lists(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _tuples_to_lists(entry) for name, entry in value.items()}
    return list(map(_tuples_to_lists, value)) if isinstance(value, (list, tuple)) else value
