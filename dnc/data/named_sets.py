"""The named data sets: what each is, which files it needs, how they are read and fetched. A new set is one entry here.

Files lie as torchvision puts them, so that downloads made for it serve.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dnc.data import cifar, download, rcv1, readers, splits
from dnc.data.arrays import RawData


@dataclass(frozen=True)
class NamedSet:
    """One named set.

    Args:
        name, description: for the user.
        shape: of one sample.
        n_classes: number of classes.
        sizes: samples in the default train, validation and test split.
        read: gives the arrays, called with the paths of `files`, then of `extras`, in this order.
        files: needed, relative to the data root; any of them may also have `.gz` appended.
        extras: read if they exist.
        flip: whether a mirrored image still shows what it did.
        exact: whether the files must have exactly these sizes.
        note: what else to say where the files are absent.
        fetch: downloads the files, given the data root.
        fallback: the set to use where the files of this one are absent.
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


IDX_FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
CIFAR10_FILES = (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch")
CIFAR100_FILES = ("train", "test")
FASHION_CLASSES = (
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


def _read_digits() -> RawData:
    """scikit-learn's 1,797 digits, float32 in [0, 1]. No test set is official: a stratified one of 400 is fixed."""
    from sklearn.datasets import load_digits

    bunch: Any = load_digits()
    x = (bunch["images"] / 16).astype(np.float32)[:, None]
    y = bunch["target"].astype(np.int64)
    order = splits.sample_order(y, seed=0)  # not split_seed: the test set stays out of every split
    test, rest = order[:400], np.sort(order[400:])
    return RawData(x[rest], y[rest], x[test], y[test])


def _read_mnist(*files: Path) -> RawData:
    return readers.read_idx_set(files)


def _read_fmnist(*files: Path) -> RawData:
    return readers.read_idx_set(files)._replace(classes=FASHION_CLASSES)


def _read_cifar10(*files: Path) -> RawData:
    return cifar.read_cifar10(files[:-1], meta=files[-1])


def _read_cifar100(*files: Path) -> RawData:
    return cifar.read_cifar100(files[:-1], meta=files[-1])


CIFAR100_SUBSET = NamedSet(
    name="cifar100-subset",
    description="10,000 + 2,000 images of CIFAR-100",
    shape=(3, 32, 32),
    n_classes=100,
    sizes=(8_000, 2_000, 2_000),
    read=readers.read_npz,
    files=("cifar100_subset.npz",),
    flip=True,
)

_SETS = (
    NamedSet(
        name="digits",
        description="handwritten digits, embedded in scikit-learn",
        shape=(1, 8, 8),
        n_classes=10,
        sizes=(1_000, 397, 400),
        read=_read_digits,
    ),
    NamedSet(
        name="mnist",
        description="handwritten digits",
        shape=(1, 28, 28),
        n_classes=10,
        sizes=(50_000, 10_000, 10_000),
        read=_read_mnist,
        files=tuple(f"MNIST/raw/{file}" for file in IDX_FILES),
        note=" (plain or .gz)",
        fetch=lambda root: download.fetch_idx("MNIST", root / "MNIST" / "raw"),
    ),
    NamedSet(
        name="fmnist",
        description="Fashion-MNIST, pictures of clothes",
        shape=(1, 28, 28),
        n_classes=10,
        sizes=(50_000, 10_000, 10_000),
        read=_read_fmnist,
        files=tuple(f"FashionMNIST/raw/{file}" for file in IDX_FILES),
        flip=True,
        note=" (plain or .gz)",
        fetch=lambda root: download.fetch_idx("FashionMNIST", root / "FashionMNIST" / "raw"),
    ),
    NamedSet(
        name="cifar10",
        description="photographs of 10 kinds of things",
        shape=(3, 32, 32),
        n_classes=10,
        sizes=(40_000, 10_000, 10_000),
        read=_read_cifar10,
        files=tuple(f"cifar-10-batches-py/{file}" for file in CIFAR10_FILES),
        extras=("cifar-10-batches-py/batches.meta",),
        flip=True,
        fetch=lambda root: download.fetch_batches("CIFAR10", root / "cifar-10-batches-py"),
    ),
    NamedSet(
        name="cifar100",
        description="photographs of 100 kinds of things",
        shape=(3, 32, 32),
        n_classes=100,
        sizes=(40_000, 10_000, 10_000),
        read=_read_cifar100,
        files=tuple(f"cifar-100-python/{file}" for file in CIFAR100_FILES),
        extras=("cifar-100-python/meta",),
        flip=True,
        fetch=lambda root: download.fetch_batches("CIFAR100", root / "cifar-100-python"),
        fallback=CIFAR100_SUBSET,
    ),
    NamedSet(
        name="rcv1",
        description="Reuters RCV1 news, log TF-IDF of the 2,000 most frequent tokens",
        shape=(2000,),
        n_classes=50,
        sizes=(rcv1.N_TRAIN, rcv1.N_VAL, rcv1.N_TEST),
        read=readers.read_npz,
        files=("rcv1.npz",),
        exact=False,
        note=" (arrays xtr ytr xte yte; 'reuters' is a smaller stand-in)",
        fetch=lambda root: rcv1.build(root / "rcv1.npz"),
    ),
    NamedSet(
        name="reuters",
        description="Reuters-21578 R52 news, log(1 + count)·idf, rows of length 1 (for research only)",
        shape=(2000,),
        n_classes=52,
        sizes=(5_226, 1_306, 2_568),
        read=readers.read_counts,
        files=("reuters/reuters_r52.npz",),
    ),
)
DATASETS: dict[str, NamedSet] = {entry.name: entry for entry in _SETS}
