"""What a family of searches is: settings (data and space), penalties, w_c and seeds, at one scale.

Figures 3 to 8 are made from such families (Sec. 3.1: "we obtain a family of networks by varying w_c").
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dnc.data import load_data
from dnc.errors import DataError
from dnc.searches.settings import SearchSettings
from dnc.searches.stages import grid_steps
from dnc.searches.sweep import WCS
from dnc.space import Space

if TYPE_CHECKING:
    from dnc.data.dataset import Dataset


@dataclass(frozen=True)
class Setting:
    """What is searched on which data: a column of the figures.

    Attributes:
        title: what people call it.
        data: name of the data set.
        space: the search space.
        epochs, refit_epochs: of a search's trainings, and of the final one.
        augment: whether images are augmented.
        n_train, n_val, n_test: number of samples that are used; None takes all.
        image_size: side that images are averaged down to; None leaves them as they are.
        wcs: the w_c that are searched with.
        stand_in: name of the data set that is taken where `data` cannot be had; empty for none.

    >>> from dnc.space import MLPSpace
    >>> setting = Setting("digits", "digits", MLPSpace(), epochs=4, refit_epochs=12, n_train=300)
    >>> setting.load(None)
    <Dataset digits: 300 train / 397 val / 400 test, 64 float32, 10 classes>
    """

    title: str
    data: str
    space: Space
    epochs: int
    refit_epochs: int
    augment: bool = False
    n_train: int | None = None
    n_val: int | None = None
    n_test: int | None = None
    image_size: int | None = None
    wcs: tuple[float, ...] = WCS
    stand_in: str = ""

    def load(self, root: Path | None) -> Dataset:
        """The data as the space's family sees it, read from the data root `root`.

        Raises:
            DataError: it is not there and cannot be downloaded.
        """
        try:
            loaded = self._load(self.data, root)
        except DataError:
            if not self.stand_in:
                raise
            loaded = self._load(self.stand_in, root)
        return loaded.flatten() if self.space.family == "mlp" else loaded

    def _load(self, name: str, root: Path | None) -> Dataset:
        return load_data(
            name,
            root,
            n_train=self.n_train,
            n_val=self.n_val,
            n_test=self.n_test,
            augment=self.augment,
            image_size=self.image_size,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain data for a record."""
        return {**asdict(self), "space": self.space.to_dict(), "wcs": list(self.wcs)}


@dataclass(frozen=True)
class Run:
    """One search of a family, followed by the final training of its winner.

    Attributes:
        setting: on what.
        settings: how: w_c, penalty, seed, clock, budget.
        n_new: how many of its trainings no run before it in the plan shares, at most.
    """

    setting: Setting
    settings: SearchSettings
    n_new: int


@dataclass(frozen=True)
class FamilyScale:
    """One size of a family.

    Attributes:
        name: one of `dnc.experiments.scale.SCALES`.
        settings: the columns of the figure.
        penalties: metrics that are penalized, each in searches of its own.
        n1, n2, n3: budget of stages 1 and 3: initial points, optimization steps, candidates per step.
        n_seeds: number of independent repetitions, each with a clock of its own.

    >>> from dnc.space import MLPSpace
    >>> setting = Setting("digits", "digits", MLPSpace(), epochs=4, refit_epochs=12, wcs=(0.0, 1.0))
    >>> scale = FamilyScale("smoke", (setting,), ("t_tr", "n_params"), n1=3, n2=2, n3=100, n_seeds=2)
    >>> [(run.settings.seed, run.settings.penalty, run.settings.wc, run.n_new) for run in scale.runs(7)][:4]
    [(7, 't_tr', 0.0, 15), (7, 't_tr', 1.0, 12), (7, 'n_params', 0.0, 0), (7, 'n_params', 1.0, 12)]
    """

    name: str
    settings: tuple[Setting, ...]
    penalties: tuple[str, ...]
    n1: int
    n2: int
    n3: int
    n_seeds: int

    def seeds(self, first: int) -> list[int]:
        """The seed of each repetition: `first`, which the user gives, and those that follow it."""
        return [first + k for k in range(self.n_seeds)]

    def runs(self, first_seed: int) -> list[Run]:
        """All runs in the order in which they start: whole seeds one after another, so that a cut run has some."""
        plan = []
        for seed in self.seeds(first_seed):
            common = SearchSettings(seed=seed, clock=seed, n1=self.n1, n2=self.n2, n3=self.n3)
            for setting in self.settings:
                steps = 2 * (self.n1 + self.n2) + grid_steps(setting.space)
                for penalty in self.penalties:
                    for wc in setting.wcs:
                        settings = replace(common, wc=wc, penalty=penalty, epochs=setting.epochs)
                        # What is shared for certain: the first points of stage 1 with all of the setting's runs before
                        # (they depend on the seed alone), and everything where w_c = 0 leaves no penalty.
                        first = penalty == self.penalties[0] and wc == setting.wcs[0]
                        n_new = steps if first else steps - self.n1
                        twin = wc == 0 and penalty != self.penalties[0]
                        plan.append(Run(setting, settings, 0 if twin else n_new))
        return plan
