"""What every experiment offers (`Experiment`), is given (`Options`) and returns (`Record`).

`reproduce.py` calls an experiment in this order: `check` the options, `run` it, judge its `claims`, `draw` it, print
its `summary`. The last three see the record alone, so that a record that was written earlier can be judged and drawn
again without data and without training.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from dnc.errors import ArgumentError, StoreError, check_choice
from dnc.experiments.scale import SCALES
from dnc.experiments.statistics import Verdict
from dnc.files import user_path
from dnc.searches.archive import Store
from dnc.searches.settings import Device
from dnc.store.schema import check_path
from dnc.training.engine import Engine, select_engine
from dnc.workers.cores import count_workers
from dnc.workers.pool import Workers

if TYPE_CHECKING:
    import pandas as pd

    from dnc.plots.style_matplotlib import Picture

Notify = Callable[[str], None]  # is told what people should know, e.g. how long a run will take


@dataclass(frozen=True)
class Options:
    """What the user asks of an experiment, mostly flags of `reproduce.py`.

    Attributes:
        scale: one of `SCALES`; None takes "paper" where there is a CUDA device, else "small".
        seed: the first seed; an experiment with several repetitions counts on from it.
        workers: number of worker processes, or "auto".
        device: "auto", "cpu" or "cuda".
        data_root: folder of the data sets; None takes $DNC_DATA, else a folder in the user's cache.
        store: path of the trial store; None takes one below `out`.
        out: folder of the pictures and records.

    >>> options = Options("smoke", workers=0, device="cpu")
    >>> options.check("fig7")  # nothing is wrong
    >>> options.store_path("fig7").as_posix()
    'figures/.store/fig7-smoke.db'
    """

    scale: str | None = None
    seed: int = 0
    workers: int | str = "auto"
    device: Device = "auto"
    data_root: Path | None = None
    store: Path | None = None
    out: Path = Path("figures")

    def __post_init__(self) -> None:
        object.__setattr__(self, "out", user_path("out", self.out))
        if self.data_root is not None:
            object.__setattr__(self, "data_root", user_path("data-root", self.data_root))
        if self.store is not None:
            object.__setattr__(self, "store", user_path("store", self.store, StoreError))

    def scale_name(self) -> str:
        """The scale, chosen by the device where it was not given.

        Raises:
            ArgumentError: there is no such scale or device.
        """
        chosen = self.scale or ("paper" if self.engine().device == "cuda" else "small")
        return check_choice("scale", chosen, SCALES)

    def engine(self, family: str | None = None) -> Engine:
        """The engine that trains networks of `family` ("mlp", "cnn"; None: any) on the device that was asked for."""
        return select_engine(self.device, family=family)

    def worker_count(self) -> int:
        """Number of worker processes; 0 trains in this process."""
        return count_workers(self.workers, self.engine().device)

    def store_path(self, name: str) -> Path:
        """Path of the trial store of experiment `name` at this scale."""
        return self.store or self.out / ".store" / f"{name}-{self.scale_name()}.db"

    def check(self, name: str) -> None:
        """Refuse what cannot work, before anything is written.

        Raises:
            ArgumentError: a bad option.
            StoreError: the file at the store's path is not a trial store.
        """
        self.scale_name()
        self.worker_count()
        check_folder("out", self.out)
        if self.data_root is not None and not self.data_root.is_dir():
            raise ArgumentError(
                f"data-root={str(self.data_root)!r} is not a folder: give the folder that holds the data sets"
            )
        path = self.store_path(name)
        # the folder of the default path is made when it is opened; that of a given path must exist
        if self.store is not None or path.exists():
            check_path(path, must_exist=False)

    def open_store(self, name: str) -> Store:
        """Open the trial store of experiment `name`; the folder of the default path is made if need be."""
        path = self.store_path(name)
        if self.store is None:
            path.parent.mkdir(parents=True, exist_ok=True)
        return Store(path)

    @contextmanager
    def resources(self, name: str) -> Iterator[tuple[Store, Workers]]:
        """The trial store and the worker processes for `run`; both are closed at the end of the block."""
        with self.open_store(name) as store, Workers(self.worker_count()) as workers:
            yield store, workers


@dataclass(frozen=True)
class Record:
    """The outcome of an experiment: all that its claims and its picture are made from.

    Attributes:
        frame: tidy data, one row per observation; written as .csv.
        facts: how the data came about (plain data): "figure", what `provenance` says, and the experiment's own; written
            as .json.

    >>> import pandas as pd
    >>> record = Record(pd.DataFrame({"wc": [0.0, 0.1], "f": [0.25, 0.5]}), {"figure": "7", "seeds": [0]})
    >>> float(record.frame["f"].max()), record.facts["seeds"]
    (0.5, [0])
    """

    frame: pd.DataFrame
    facts: Mapping[str, Any]


class Experiment(Protocol):
    """One figure or table of the paper. Its module has an instance named `EXPERIMENT`, which `registry` lists.

    >>> from dnc.experiments.fig2 import EXPERIMENT
    >>> options = Options("smoke", workers=0, device="cpu")
    >>> EXPERIMENT.check(options)
    >>> print(EXPERIMENT.estimate(options))
    about a second: nothing is trained
    >>> record = EXPERIMENT.run(options, notify=print)
    >>> [verdict.verdict for verdict in EXPERIMENT.claims(record)]
    ['holds']
    """

    @property
    def name(self) -> str:
        """Stem of its files, e.g. "fig7"."""
        ...

    def check(self, options: Options) -> None:
        """Refuse bad options before anything is written: `options.check`, and what this experiment adds.

        Raises:
            DncError: an option that cannot work.
        """
        ...

    def estimate(self, options: Options) -> str:
        """How long `run` will take, in words. Makes no file; an existing store keeps the timings that are taken."""
        ...

    def run(self, options: Options, notify: Notify, progress: bool = True) -> Record:
        """Do the experiment.

        Args:
            options: checked options.
            notify: told how long it will take, and whatever else people should know before it starts.
            progress: show a progress bar.

        Raises:
            DncError: it is not possible.
            KeyboardInterrupt: it was interrupted; finished trials are in the store.
        """
        ...

    def claims(self, record: Record) -> tuple[Verdict, ...]:
        """Verdicts on what the paper claims about it."""
        ...

    def summary(self, record: Record) -> str:
        """What was found, as a table to print; empty where the verdicts say it all."""
        ...

    def draw(self, record: Record) -> Picture:
        """The picture of a record."""
        ...


def check_folder(name: str, path: Path) -> Path:
    """Return a folder that exists or can be made.

    Raises:
        ArgumentError: a file is in the way, or the folder is not writable.
    """
    existing = path.absolute()
    while not existing.exists():
        existing = existing.parent
    if not existing.is_dir():
        raise ArgumentError(f"{name}={str(path)!r} is not possible: {str(existing)!r} is a file; give a folder")
    if not os.access(existing, os.W_OK):
        raise ArgumentError(
            f"{name}={str(path)!r} is not possible: {str(existing)!r} is not writable; give another folder"
        )
    return path
