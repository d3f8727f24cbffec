"""`load_data`: a named set or an `.npz` file as a `Dataset`; and where the files of the named sets are."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from dnc.data import readers
from dnc.data.arrays import RawData
from dnc.data.dataset import Augment, Dataset
from dnc.data.download import FAILURES
from dnc.data.named_sets import DATASETS, NamedSet
from dnc.errors import ArgumentError, DataError, check_choice, short_repr
from dnc.files import user_path

ROOT_VARIABLE = "DNC_DATA"


class DatasetInfo(NamedTuple):
    """What `datasets` tells about a named set.

    Attributes:
        name: what to call `load_data` with.
        description: for the user.
        shape: of one sample.
        n_classes: number of classes.
        sizes: samples in the default train, validation and test split.
        present: whether its files are under the data root.
        path: their folder; None for the embedded set.
    """

    name: str
    description: str
    shape: tuple[int, ...]
    n_classes: int
    sizes: tuple[int, int, int]
    present: bool
    path: Path | None


def data_root(root: str | os.PathLike[str] | None = None) -> Path:
    """The folder of the data sets: `root`, else $DNC_DATA, else `dnc` in the user's cache. It need not exist.

    A user without a home folder has one in the folder for temporary files.

    Raises:
        ArgumentError: `root` is not a path.

    >>> import dnc
    >>> dnc.data_root("data/sets").as_posix()  # without an argument, $DNC_DATA and the cache are asked
    'data/sets'
    """
    if root is not None:
        return user_path("root", root)
    if os.environ.get(ROOT_VARIABLE):
        return user_path(f"${ROOT_VARIABLE}", os.environ[ROOT_VARIABLE])
    try:
        return _cache()
    except RuntimeError:  # no HOME and no passwd entry, as containers run under any user's number
        return Path(tempfile.gettempdir()) / f"dnc-{os.getuid() if hasattr(os, 'getuid') else 0}"


def _cache() -> Path:
    """The folder of `dnc` in the user's cache.

    Raises:
        RuntimeError: the user has no home folder.
    """
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "dnc"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "dnc" / "Cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dnc"


def datasets(root: str | os.PathLike[str] | None = None) -> tuple[DatasetInfo, ...]:
    """The named sets, and whether their files are under the data root (the files are not opened).

    Raises:
        ArgumentError: `root` is not a path.

    >>> import dnc
    >>> [(info.name, info.shape, info.sizes) for info in dnc.datasets()][:2]
    [('digits', (1, 8, 8), (1000, 397, 400)), ('mnist', (1, 28, 28), (50000, 10000, 10000))]
    """
    folder = data_root(root)
    infos = []
    for entry in DATASETS.values():
        chosen = _available(entry, folder)
        path = folder / Path(chosen.files[0]).parent if chosen.files else None
        present = not _missing(chosen, folder)
        facts = chosen.description, chosen.shape, chosen.n_classes, chosen.sizes
        infos.append(DatasetInfo(entry.name, *facts, present, path))
    return tuple(infos)


def load_data(
    name_or_path: str | os.PathLike[str],
    root: str | os.PathLike[str] | None = None,
    n_train: int | None = None,
    n_val: int | None = None,
    n_test: int | None = None,
    augment: bool | Augment = False,
    image_size: int | tuple[int, int] | None = None,
    image_shape: tuple[int, int, int] | None = None,
    split_seed: int = 0,
    val_fraction: float | None = None,
    download: bool = True,
    *,
    layout: str | None = None,
    stratify: bool = True,
    scale: str = "auto",
) -> Dataset:
    """A named data set, or the arrays `xtr ytr xte yte` of an `.npz` file (`xtr ytr` where it has no test set).

    Named sets are split as in the paper: CIFAR 40k/10k/10k, MNIST and FMNIST 50k/10k/10k, RCV1 178k/50k/100k; digits
    1000/397/400 (the same 400 for every seed), reuters 5226/1306/2568. "cifar100" uses
    `cifar100_subset.npz` under the root where the whole set is absent, and is then named "cifar100-subset".

    Args:
        name_or_path: one of `DATASETS`, or the path of an `.npz` file.
        root: the data root; see `data_root`.
        n_train, n_val, n_test: use only so many samples, drawn by split_seed; smaller subsets are part of larger ones.
        augment: True for the paper's augmentation: crop, normalize, and flip (never digits and MNIST); or an `Augment`.
        image_size: average the images down to this side, or (height, width).
        image_shape: (C, H, W), to turn flat rows into images.
        split_seed: which validation set and subsets are drawn.
        val_fraction: share of the samples outside the test set to validate on; None takes the named set's own share,
            and 0.2 for a file.
        download: fetch files that are absent, where there is a network.
        layout: "NCHW" or "NHWC", where the shape of a file's images does not tell.
        stratify: keep the proportions of the classes in every split and subset.
        scale: "auto", "standardize" or "none", see `Dataset.from_arrays`. For a named set "auto" is "none": it is as in
            the paper.

    Raises:
        ArgumentError: an unknown name or a bad argument.
        DataError: files that are absent (the message says which to put where) or damaged, or not data to classify.

    >>> import dnc
    >>> dnc.load_data("digits")
    <Dataset digits: 1,000 train / 397 val / 400 test, 1x8x8 float32, 10 classes>
    >>> dnc.load_data("digits", n_train=200, n_val=100, augment=True).augment.flip
    False
    """
    if isinstance(name_or_path, str) and name_or_path in DATASETS:
        path = Path(name_or_path)
    else:
        path = user_path("name_or_path", name_or_path, allowed="a name or a path")
    if path.suffix.lower() == ".npz":
        name, raw, flip = path.stem, readers.read_npz(path), True
        fraction = 0.2 if val_fraction is None else val_fraction
    else:
        chosen = check_choice("data", os.fspath(name_or_path), [*DATASETS, "a path that ends in .npz"])
        entry, raw = _load(DATASETS[chosen], data_root(root), download)
        name, flip = entry.name, entry.flip
        if isinstance(augment, Augment) and augment.flip and not flip:
            raise ArgumentError(f"{name} is never flipped: give augment=True, or an Augment with flip=False")
        scale = "none" if scale == "auto" else scale
        own = entry.sizes[1] / max(len(raw.x_train), sum(entry.sizes[:2]))
        fraction = own if val_fraction is None else val_fraction
    return Dataset.from_arrays(
        raw.x_train,
        raw.y_train,
        raw.x_test,
        raw.y_test,
        val_fraction=fraction,
        name=name,
        image_shape=image_shape,
        stratify=stratify,
        split_seed=split_seed,
        augment=augment,
        flip=flip,
        layout=layout,
        image_size=image_size,
        n_train=n_train,
        n_val=n_val,
        n_test=n_test,
        classes=raw.classes,
        scale=scale,
    )


def _load(entry: NamedSet, root: Path, fetch: bool) -> tuple[NamedSet, RawData]:
    """The arrays of a set, fetched first if they are absent; and the set itself, or the one that stands in for it."""
    entry = _available(entry, root)
    why = ""
    if _missing(entry, root) and fetch and entry.fetch is not None:
        try:
            entry.fetch(root)
        except FAILURES as error:
            why = f" (download failed: {' '.join(f'{type(error).__name__} {error}'.split())[:100]})"
    missing = _missing(entry, root)
    if missing:
        raise DataError(
            f"{entry.name} is not under {short_repr(str(root), 200)}{why}: put {', '.join(missing)} there{entry.note}, "
            f"or set root= or ${ROOT_VARIABLE} to the folder that has {'them' if len(missing) > 1 else 'it'}; "
            f"'digits' and `reproduce.py --scale smoke` need no files"
        )
    raw = entry.read(*(_find(root, f) or root / f for f in (*entry.files, *entry.extras)))
    for x, n in ((raw.x_train, sum(entry.sizes[:2])), (raw.x_test, entry.sizes[2])):
        if x is None or x.shape[1:] != entry.shape or (entry.exact and len(x) != n):
            raise DataError(
                f"{entry.name} under {short_repr(str(root), 200)} has samples of shape {getattr(x, 'shape', None)} "
                f"instead of {(n, *entry.shape)}: get its files again"
            )
    return entry, raw


def _available(entry: NamedSet, root: Path) -> NamedSet:
    """The set, or its fallback where only that one's files exist."""
    other = entry.fallback
    return other if other is not None and _missing(entry, root) and not _missing(other, root) else entry


def _missing(entry: NamedSet, root: Path) -> list[str]:
    """The needed files that are absent, relative to the root."""
    return [file for file in entry.files if _find(root, file) is None]


def _find(root: Path, file: str) -> Path | None:
    return next(
        (path for path in (root / file, root / f"{file}.gz") if os.path.isfile(path)), None
    )  # of those that can be seen
