"""How large an experiment is: data, space, budget, seeds; and what a run of it was asked for."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from dnc.data import load_data
from dnc.errors import ArgumentError, check_choice
from dnc.experiments.statistics import Verdict
from dnc.searches.archive import Store
from dnc.space import Space
from dnc.store.schema import check_path
from dnc.training.engine import Engine, select_engine
from dnc.workers.pool import Workers, count_workers

if TYPE_CHECKING:
    import pandas as pd

    from dnc.data.dataset import Dataset
    from dnc.plots.style_matplotlib import Picture

SCALES = ("smoke", "small", "paper")


@dataclass(frozen=True)
class Scale:
    """One size of an experiment.

    Attributes:
        name: one of `SCALES`.
        data: name of the data set.
        n_train, n_val: samples of it that are used; None takes all.
        space: what is searched.
        epochs: of every training.
        n1, n2, n3: budget of stages 1 and 3.
        wcs: the w_c compared.
        n_seeds: independent repetitions; the first has the seed that the user gives, then one more each.
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

    def load(self, root: Path | None) -> Dataset:
        """The data set.

        Raises:
            DataError: it is not there and cannot be downloaded.
        """
        return load_data(self.data, root, n_train=self.n_train, n_val=self.n_val)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for a record."""
        return {**asdict(self), "space": self.space.to_dict(), "wcs": list(self.wcs)}


@dataclass(frozen=True)
class Options:
    """What a run was asked for, mostly flags of `reproduce.py`.

    Attributes:
        scale: one of `SCALES`; None takes "paper" where there is a CUDA device, else "small".
        seed: the first seed.
        workers: worker processes, or "auto".
        device: "auto", "cpu" or "cuda".
        data_root: where data sets lie; None takes $DNC_DATA, else a folder in the user's cache.
        store: trial store; None takes one below `out`.
        out: folder of the pictures and records.
    """

    scale: str | None = None
    seed: int = 0
    workers: int | str = "auto"
    device: str = "auto"
    data_root: Path | None = None
    store: Path | None = None
    out: Path = Path("figures")

    def scale_name(self) -> str:
        """The scale, chosen by the device where it was not given."""
        chosen = self.scale or ("paper" if self.engine().device == "cuda" else "small")
        return check_choice("scale", chosen, SCALES)

    def engine(self, family: str | None = None) -> Engine:
        """The engine that trains on the device asked for; the fastest for a family."""
        return select_engine(self.device, family=family)

    def worker_count(self) -> int:
        """Worker processes of a run; 0 trains in the main process."""
        return count_workers(self.workers, self.engine().device)

    def store_path(self, name: str) -> Path:
        """The trial store of experiment `name` at this scale."""
        return self.store or self.out / ".store" / f"{name}-{self.scale_name()}.db"

    def check(self, name: str) -> None:
        """Refuse what cannot work before anything is written.

        Raises:
            ArgumentError: a bad option.
            StoreError: a store that cannot be one.
        """
        self.scale_name()
        self.worker_count()
        check_folder("out", self.out)
        if self.data_root is not None and not self.data_root.is_dir():
            raise ArgumentError(
                f"data-root={str(self.data_root)!r} is no folder: give the folder that holds the data sets"
            )
        path = self.store_path(name)
        if self.store is not None or path.exists():
            check_path(path, must_exist=False)

    def open_store(self, name: str) -> Store:
        """The trial store, its folder being made where it is the default one."""
        path = self.store_path(name)
        if self.store is None:
            path.parent.mkdir(parents=True, exist_ok=True)
        return Store(path)

    @contextmanager
    def resources(self, name: str) -> Iterator[tuple[Store, Workers]]:
        """The store and the worker processes of a run; both are closed at the end."""
        with self.open_store(name) as store, Workers(self.worker_count()) as workers:
            yield store, workers


@dataclass(frozen=True)
class Record:
    """What a run found: tidy rows, and facts about how they came about (plain data)."""

    frame: pd.DataFrame
    facts: Mapping[str, Any]


Notify = Callable[[str], None]


class Experiment(Protocol):
    """One figure or table of the paper."""

    @property
    def name(self) -> str:
        """Stem of its files, e.g. "fig7"."""
        ...

    def check(self, options: Options) -> None:
        """Refuse a bad argument, before anything is written."""
        ...

    def estimate(self, options: Options) -> str:
        """How long `run` will take, in words. Makes no file; a store that is there keeps the timings it takes."""
        ...

    def run(self, options: Options, say: Notify, progress: bool = True) -> Record:
        """Do it. `say` is told the estimate and what else people should know before it starts."""
        ...

    def claims(self, record: Record) -> tuple[Verdict, ...]:
        """The paper's claims about it, judged on a record."""
        ...

    def draw(self, record: Record) -> Picture:
        """The picture of a record."""
        ...


def check_folder(name: str, path: Path) -> Path:
    """Return a folder that exists or can be made.

    Raises:
        ArgumentError: a file is in the way, or the folder is not writable.
    """
    place = path.absolute()
    while not place.exists():
        place = place.parent
    if not place.is_dir():
        raise ArgumentError(f"{name}={str(path)!r} is not possible: {str(place)!r} is a file; give a folder")
    if not os.access(place, os.W_OK):
        raise ArgumentError(
            f"{name}={str(path)!r} is not possible: {str(place)!r} is not writable; give another folder"
        )
    return path
