"""From what a user gave to a study that is open for work: checks first, then the store and the worker processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from dnc.data.dataset import Dataset
from dnc.errors import ArgumentError, short_repr
from dnc.evaluation.evaluator import Evaluator
from dnc.evaluation.setup import TrainingSetup
from dnc.searches.archive import Store
from dnc.searches.settings import Resources, SearchSettings, StoreLike
from dnc.searches.study import Study, epochs_of, preset_config
from dnc.space import CNNSpace, MLPSpace, Space
from dnc.store.rows import TrialStore
from dnc.training.engine import select_engine
from dnc.training.memory import device_bytes, gigabytes, needed_bytes
from dnc.trial import Trial
from dnc.workers.cores import count_workers
from dnc.workers.pool import Workers


@dataclass(frozen=True)
class OpenResources:
    """A store and worker processes that are ready for use.

    Attributes:
        store: the open trial store.
        workers: the worker pool; `own_workers` says whether `close` ends it.
    """

    store: Store
    workers: Workers
    own_workers: bool

    def close(self) -> None:
        """End the worker processes, unless somebody else has started them. The store stays open for results."""
        if self.own_workers:
            self.workers.close()


def open_resources(resources: Resources) -> OpenResources:
    """Open the store and make the worker pool.

    Raises:
        ArgumentError: workers are neither a number, "auto" nor a `Workers`.
        StoreError: the store cannot be used.
    """
    store = open_or_keep(resources.store)
    if isinstance(resources.workers, Workers):
        return OpenResources(store, resources.workers, own_workers=False)
    count = count_workers(resources.workers, select_engine(resources.device).device)
    return OpenResources(store, Workers(count), own_workers=True)


def open_or_keep(store: StoreLike) -> Store:
    """The trial store at a path, or in memory; one that is open is returned as it is.

    Raises:
        ArgumentError: a `TrialStore` that is no `Store`: results need to know where they can be read again.
    """
    if isinstance(store, Store):
        return store
    if isinstance(store, TrialStore):
        raise ArgumentError(f"store={short_repr(store)} is not allowed: give a dnc.Store, or the path of one")
    return Store(store)


@contextmanager
def open_study(
    data: Dataset | None,
    space: Space,
    settings: SearchSettings,
    resources: Resources,
    *,
    history: Sequence[Trial] = (),
    stopped: Callable[[], bool] = lambda: False,
) -> Iterator[tuple[Study, Evaluator, Store]]:
    """Open a study that trains, with its evaluator and store; its worker processes end with the context.

    Raises:
        ArgumentError: data and space do not fit together or into memory. No store file is made then.
        StoreError: the store cannot be used.
    """
    view = check_study(data, space, settings, resources)
    # Opened last: a call that is refused leaves neither a file nor a process.
    opened = open_resources(resources)
    try:
        evaluator = make_evaluator(view, space, settings, resources, opened, stopped)
        settings = replace(settings, epochs=evaluator.setup.epochs)
        yield Study(view, space, settings, evaluator, tuple(history)), evaluator, opened.store
    finally:
        opened.close()


def make_evaluator(
    view: Dataset,
    space: Space,
    settings: SearchSettings,
    resources: Resources,
    opened: OpenResources,
    stopped: Callable[[], bool],
) -> Evaluator:
    """What trains the configs of a space on its view of the data."""
    engine = select_engine(resources.device, family=space.family)
    return Evaluator(
        TrainingSetup(view, epochs_of(settings, space), settings.seed_of_trainings, engine, settings.clock),
        opened.store,
        opened.workers,
        penalty=settings.penalty,
        stopped=stopped,
        trial_timeout=resources.trial_timeout,
        retry_failed=resources.retry_failed,
    )


# ---- checks ------------------------------------------------------------------------------------------


def check_study(data: Dataset | None, space: Space, settings: SearchSettings, resources: Resources) -> Dataset:
    """Return the data as the space's family sees it: an MLP sees flat input without augmentation.

    Raises:
        ArgumentError: data and space do not fit together, or not into memory; an unknown name in `stage2_order`.
    """
    check_space(space)
    data = check_data(data)
    space.substages(settings.stage2_order)
    view = family_view(data, space)
    engine = select_engine(resources.device, family=space.family)
    largest = preset_config(space.reference(), space, view)  # c_0 is measured on it
    needed, available = needed_bytes(largest, view, engine), device_bytes(engine)
    if needed > available:
        bounds = "nodes=, hidden_layers=" if space.family == "mlp" else "conv_layers=, max_channels="
        raise ArgumentError(
            f"space={short_repr(str(largest.arch), 40)} as its largest network needs at least {gigabytes(needed)} of "
            f"memory, but there are only {gigabytes(available)}: give smaller upper bounds of {bounds}"
        )
    if not isinstance(resources.workers, Workers):
        count_workers(resources.workers, engine.device)
    return view


def check_space(space: object) -> None:
    """Refuse what is not a search space.

    Raises:
        ArgumentError: neither a CNNSpace nor an MLPSpace.
    """
    if not isinstance(space, (CNNSpace, MLPSpace)):
        raise ArgumentError(f"space={short_repr(space)} is not allowed: give a dnc.CNNSpace or a dnc.MLPSpace")


def check_data(data: object) -> Dataset:
    """Return a data set that can be searched on.

    Raises:
        ArgumentError: not a data set, or one without training or validation samples.
    """
    if data is None:
        raise ArgumentError("data=None is not allowed: give a dnc.Dataset, e.g. dnc.load_data('digits')")
    if not isinstance(data, Dataset):
        raise ArgumentError(f"data={short_repr(data)} is not a dnc.Dataset: see dnc.load_data and Dataset.from_arrays")
    if not (data.n_train and data.n_val):
        raise ArgumentError(
            f"data {data.name!r} has {data.n_train} training and {data.n_val} validation samples: "
            "a search needs both; make it with val_fraction= or x_val="
        )
    return data


def family_view(data: Dataset, space: Space) -> Dataset:
    """The data as the space's family sees it.

    Raises:
        ArgumentError: a CNN space on flat data.
    """
    if space.family == "mlp":
        return data.prepared().flatten()
    if not data.is_image:
        raise ArgumentError(
            f"data {data.name!r} has flat samples of {data.n_features} numbers, but a CNNSpace needs "
            "images: load it with image_shape=(channels, height, width), or search an MLPSpace"
        )
    return data.prepared()
