"""Readers of CIFAR's official Python batches, which are pickles, without unpickling (see `plain_pickle`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from dnc.data.arrays import RawData
from dnc.data.plain_pickle import parse_plain_pickle
from dnc.data.readers import check_memory, reading
from dnc.errors import DataError, short_repr

KIND = "one of CIFAR's Python batches"
PIXELS = (3, 32, 32)


def read_batch(path: Path, label_key: str, n_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 [N, 3, 32, 32] and labels int64 [N] of one batch file.

    Raises:
        DataError: it is not such a file, or its images and labels do not belong together.
    """
    content = _read(path)
    x, labels = content.get("data"), content.get(label_key)
    with reading(path, KIND):
        if not isinstance(x, np.ndarray) or x.ndim != 2 or x.shape[1] != 3072 or type(labels) is not list:
            raise ValueError(f"it has no 'data' of 3,072 bytes per image or no {label_key!r}")
        if len(x) != len(labels) or not all(type(v) is int and 0 <= v < n_classes for v in labels):
            raise ValueError(f"it has {len(labels)} labels for {len(x)} images, or labels outside 0 to {n_classes - 1}")
        return x.reshape(-1, *PIXELS), np.array(labels, dtype=np.int64)


def read_names(path: Path, key: str, n_classes: int) -> tuple[str, ...]:
    """The class names in a `meta` file, () where the file does not exist: they are only displayed.

    Raises:
        DataError: the file is damaged, or names two classes alike.
    """
    if not path.exists():
        return ()
    names = _read(path).get(key)
    if type(names) is not list or len(names) != n_classes:
        raise DataError(
            f"{short_repr(str(path), 200)} has no {n_classes} names in {key!r}: it may be damaged, get it again"
        )
    texts = tuple(n.decode("utf-8", "replace") if isinstance(n, bytes) else str(n) for n in names)
    if len(set(texts)) != n_classes:
        twice = next(text for text in texts if texts.count(text) > 1)
        raise DataError(
            f"{short_repr(str(path), 200)} repeats the name {short_repr(twice)} in {key!r}: it may be damaged, get it "
            "again"
        )
    return texts


def read_cifar10(files: tuple[Path, ...], meta: Path) -> RawData:
    """CIFAR-10 from its five training batches and its test batch, in this order.

    Raises:
        DataError: a damaged file.
    """
    parts = [read_batch(path, "labels", 10) for path in files]
    return _joined(parts[:-1], parts[-1], read_names(meta, "label_names", 10))


def read_cifar100(files: tuple[Path, ...], meta: Path) -> RawData:
    """CIFAR-100 (fine labels) from its files `train` and `test`, in this order.

    Raises:
        DataError: a damaged file.
    """
    parts = [read_batch(path, "fine_labels", 100) for path in files]
    return _joined(parts[:-1], parts[-1], read_names(meta, "fine_label_names", 100))


def _joined(
    train: list[tuple[np.ndarray, np.ndarray]], test: tuple[np.ndarray, np.ndarray], classes: tuple[str, ...]
) -> RawData:
    return RawData(np.concatenate([x for x, _ in train]), np.concatenate([y for _, y in train]), *test, classes)


def _read(path: Path) -> dict[Any, Any]:
    with reading(path, KIND):
        check_memory(path, 4 * path.stat().st_size)
        return parse_plain_pickle(path.read_bytes())
