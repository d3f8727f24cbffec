"""The named data sets, where their files are, and `load_data`. A new set is one entry of `DATASETS`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dnc.data import cifar, download, rcv1, readers, splits
from dnc.data.arrays import RawData
from dnc.data.dataset import Augment, Dataset
from dnc.errors import ArgumentError, DataError, check_choice, short_repr

ROOT_VARIABLE = "DNC_DATA"


@dataclass(frozen=True)
class NamedSet:
    """One named set.

    Args:
        name, description: for the user.
        shape: of one sample.
        n_classes: number of classes.
        sizes: samples in the default training, validation and test split.
        read: the arrays from the files (in the order of `files`, then of `extras`).
        files: needed, relative to the data root; each may also be there with `.gz` added.
        extras: read if they are there.
        flip: whether mirrored images stay what they are.
        exact: whether the files must have exactly these sizes.
        note: what else to say where the files are absent.
        fetch: downloads the files, given the data root.
        fallback: the set to use where this one's files are absent.
    """

    name: str
    description: str
    shape: tuple[int, ...]
    n_classes: int
    sizes: tuple[int, int, int]
    read: Callable[..., RawData]
    files: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    flip: bool = False
    exact: bool = True
    note: str = ""
    fetch: Callable[[Path], None] | None = None
    fallback: NamedSet | None = None


class DatasetInfo(NamedTuple):
    """What `datasets` tells about a set; `path` is None for the embedded one."""

    name: str
    description: str
    shape: tuple[int, ...]
    n_classes: int
    sizes: tuple[int, int, int]
    present: bool
    path: Path | None


def _read_digits() -> RawData:
    """scikit-learn's 1,797 digits, float32 in [0, 1]. No test set is official: a stratified one of 400 is fixed."""
    from sklearn.datasets import load_digits

    bunch: Any = load_digits()
    x = (bunch["images"] / 16).astype(np.float32)[:, None]
    y = bunch["target"].astype(np.int64)
    order = splits.sample_order(y, seed=0)  # not split_seed: the test set stays out of every split
    test, rest = order[:400], np.sort(order[400:])
    return RawData(x[rest], y[rest], x[test], y[test])


_IDX = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
_CIFAR10, _CIFAR100 = "cifar-10-batches-py", "cifar-100-python"
_BATCHES = (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch")
_CLOTHES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)

_SUBSET = NamedSet(
    "cifar100-subset", "10,000 + 2,000 images of CIFAR-100", (3, 32, 32), 100, (8_000, 2_000, 2_000),
    readers.read_npz, ("cifar100_subset.npz",), flip=True,
)  # fmt: skip

DATASETS: dict[str, NamedSet] = {
    s.name: s
    for s in (
        NamedSet(
            "digits", "handwritten digits, embedded in scikit-learn", (1, 8, 8), 10, (1_000, 397, 400), _read_digits,
        ),
        NamedSet(
            "mnist", "handwritten digits", (1, 28, 28), 10, (50_000, 10_000, 10_000),
            lambda *files: readers.read_idx_set(files), tuple(f"MNIST/raw/{f}" for f in _IDX),
            note=" (plain or .gz)",
            fetch=lambda root: download.fetch_idx("MNIST", root / "MNIST" / "raw"),
        ),
        NamedSet(
            "fmnist", "Fashion-MNIST, pictures of clothes", (1, 28, 28), 10, (50_000, 10_000, 10_000),
            lambda *files: readers.read_idx_set(files)._replace(classes=_CLOTHES),
            tuple(f"FashionMNIST/raw/{f}" for f in _IDX), flip=True,
            note=" (plain or .gz)",
            fetch=lambda root: download.fetch_idx("FashionMNIST", root / "FashionMNIST" / "raw"),
        ),
        NamedSet(
            "cifar10", "photographs of 10 kinds of things", (3, 32, 32), 10, (40_000, 10_000, 10_000),
            lambda *files: cifar.read_cifar10(files[:6], files[6]), tuple(f"{_CIFAR10}/{f}" for f in _BATCHES),
            (f"{_CIFAR10}/batches.meta",), flip=True,
            fetch=lambda root: download.fetch_batches("CIFAR10", root / _CIFAR10),
        ),
        NamedSet(
            "cifar100", "photographs of 100 kinds of things", (3, 32, 32), 100, (40_000, 10_000, 10_000),
            lambda *files: cifar.read_cifar100(files[:2], files[2]), (f"{_CIFAR100}/train", f"{_CIFAR100}/test"),
            (f"{_CIFAR100}/meta",), flip=True,
            fetch=lambda root: download.fetch_batches("CIFAR100", root / _CIFAR100), fallback=_SUBSET,
        ),
        NamedSet(
            "rcv1", "Reuters RCV1 news, log TF-IDF of the 2,000 most frequent tokens", (2000,), 50,
            (rcv1.N_TRAIN, rcv1.N_VAL, rcv1.N_TEST), readers.read_npz, ("rcv1.npz",), exact=False,
            note=" (arrays xtr ytr xte yte; 'reuters' is a smaller stand-in)",
            fetch=lambda root: rcv1.build(root / "rcv1.npz"),
        ),
        NamedSet(
            "reuters", "Reuters-21578 R52 news, log(1 + count)·idf, rows of length 1 (for research only)", (2000,), 52,
            (5_226, 1_306, 2_568), readers.read_counts, ("reuters/reuters_r52.npz",),
        ),
    )
}  # fmt: skip


def data_root(root: str | os.PathLike[str] | None = None) -> Path:
    """The folder of the data sets: `root`, else $DNC_DATA, else `dnc` in the user's cache. It need not exist.

    Raises:
        ArgumentError: `root` is not a path.
    """
    if root is not None:
        return _path("root", root)
    if os.environ.get(ROOT_VARIABLE):
        return Path(os.environ[ROOT_VARIABLE]).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "dnc"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "dnc" / "Cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dnc"


def datasets(root: str | os.PathLike[str] | None = None) -> tuple[DatasetInfo, ...]:
    """The named sets, and whether their files are under the data root (only that they exist is looked at)."""
    folder = data_root(root)
    infos = []
    for entry in DATASETS.values():
        chosen = _available(entry, folder)
        path = folder / Path(chosen.files[0]).parent if chosen.files else None
        present = not _missing(chosen, folder)
        infos.append(DatasetInfo(entry.name, *_facts(chosen), present=present, path=path))
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
) -> Dataset:
    """A named data set, or the arrays `xtr ytr xte yte` of an `.npz` file.

    Named sets are split as in the paper: CIFAR 40k/10k/10k, MNIST and FMNIST 50k/10k/10k, RCV1 178k/50k/100k; digits
    1000/397/400 (the 400 are the same whatever the seed), reuters 5226/1306/2568. "cifar100" uses
    `cifar100_subset.npz` under the root where the whole set is absent, and is then named "cifar100-subset".

    Args:
        name_or_path: one of `DATASETS`, or the path of an `.npz` file.
        root: the data root; see `data_root`.
        n_train, n_val, n_test: use only so many, drawn by split_seed; smaller subsets are part of larger ones.
        augment: True for the paper's augmentation: crop, normalise, and flip (never digits and MNIST); or an `Augment`.
        image_size: average the images down to this side, or (height, width).
        image_shape: (C, H, W), to make images of flat rows.
        split_seed: which validation set and subsets are drawn.
        val_fraction: share of the training samples to validate on; None is the named set's own, 0.2 for a file.
        download: fetch files that are absent, where there is a network.
        layout: "NCHW" or "NHWC", where four axes of a file do not tell.
        stratify: keep the proportions of the classes in every split and subset.

    Raises:
        ArgumentError: an unknown name or a bad argument.
        DataError: files that are absent (the message says which to put where) or damaged, or not data to classify.
    """
    path = _path("name_or_path", name_or_path)
    if path.suffix.lower() == ".npz":
        name, raw, flip = path.stem, readers.read_npz(path), True
        fraction = 0.2 if val_fraction is None else val_fraction
    else:
        known = check_choice("data", os.fspath(name_or_path), [*DATASETS, "a path that ends in .npz"])
        entry, raw = _load(DATASETS[known], data_root(root), download)
        name, flip = entry.name, entry.flip
        if isinstance(augment, Augment) and augment.flip and not flip:
            raise ArgumentError(f"{name} is never flipped: give augment=True, or an Augment with flip=False")
        own = entry.sizes[1] / max(len(raw.x_train), sum(entry.sizes[:2]))
        fraction = own if val_fraction is None else val_fraction
    return Dataset.from_arrays(
        raw.x_train, raw.y_train, raw.x_test, raw.y_test,
        val_fraction=fraction, name=name, image_shape=image_shape, stratify=stratify, split_seed=split_seed,
        augment=augment, flip=flip, layout=layout, image_size=image_size, n_train=n_train, n_val=n_val, n_test=n_test,
        classes=raw.classes,
    )  # fmt: skip


def _load(entry: NamedSet, root: Path, fetch: bool) -> tuple[NamedSet, RawData]:
    entry = _available(entry, root)
    why = ""
    if _missing(entry, root) and fetch and entry.fetch is not None:
        try:
            entry.fetch(root)
        except download.FAILURES as error:
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
        if x.shape[1:] != entry.shape or (entry.exact and len(x) != n):
            raise DataError(
                f"{entry.name} under {short_repr(str(root), 200)} has samples of shape {x.shape} "
                f"instead of {(n, *entry.shape)}: get its files again"
            )
    return entry, raw


def _available(entry: NamedSet, root: Path) -> NamedSet:
    other = entry.fallback
    return other if other is not None and _missing(entry, root) and not _missing(other, root) else entry


def _missing(entry: NamedSet, root: Path) -> list[str]:
    return [file for file in entry.files if _find(root, file) is None]


def _find(root: Path, file: str) -> Path | None:
    return next((path for path in (root / file, root / f"{file}.gz") if path.is_file()), None)


def _facts(entry: NamedSet) -> tuple[str, tuple[int, ...], int, tuple[int, int, int]]:
    return entry.description, entry.shape, entry.n_classes, entry.sizes


def _path(name: str, value: object) -> Path:
    if not isinstance(value, (str, os.PathLike)) or not str(value) or "\0" in str(value):
        raise ArgumentError(f"{name}={short_repr(value)} is not allowed: give a name or a path")
    return Path(value).expanduser()
