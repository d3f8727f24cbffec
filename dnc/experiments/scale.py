"""How large an experiment is: data, space, budget, number of seeds."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dnc.data import load_data
from dnc.space import Space

if TYPE_CHECKING:
    from dnc.data.dataset import Dataset

SCALES = ("smoke", "small", "paper")  # seconds to minutes; what two CPU cores can do; the paper's own


@dataclass(frozen=True)
class Scale:
    """One size of an experiment.

    Attributes:
        name: one of `SCALES`.
        data: name of the data set.
        n_train, n_val: number of its samples that are used; None takes all.
        space: the search space.
        epochs: epochs of every training.
        n1, n2, n3: budget of stages 1 and 3: initial points, optimization steps, candidates per step.
        wcs: the w_c that are compared.
        n_seeds: number of independent repetitions.

    >>> from dnc.space import MLPSpace
    >>> scale = Scale("smoke", "digits", n_train=600, n_val=397, space=MLPSpace(), epochs=8,
    ...               n1=3, n2=3, n3=200, wcs=(0.0, 0.1), n_seeds=3)
    >>> scale.seeds(5)
    [5, 6, 7]
    """

    name: str
    data: str
    n_train: int | None
    n_val: int | None
    space: Space
    epochs: int
    n1: int
    n2: int
    n3: int
    wcs: tuple[float, ...]
    n_seeds: int

    def seeds(self, first: int) -> list[int]:
        """The seed of each repetition: `first`, which the user gives, and those that follow it."""
        return [first + k for k in range(self.n_seeds)]

    def load(self, root: Path | None) -> Dataset:
        """The data set, read from the data root `root`.

        Raises:
            DataError: it is not there and cannot be downloaded.
        """
        return load_data(self.data, root, n_train=self.n_train, n_val=self.n_val)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for a record."""
        return {**asdict(self), "space": self.space.to_dict(), "wcs": list(self.wcs)}
