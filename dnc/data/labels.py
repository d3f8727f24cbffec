"""From the labels that a user or a file gives to whole numbers from 0, and the names of the classes."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike

from dnc.data.foreign import as_array, is_missing
from dnc.errors import ArgumentError, DataError, short_repr

LARGEST = 10_000_000  # label that is believed to be one: each class is a number of the network's output
EXACT = 2**53  # floats hold whole numbers exactly below


def training_labels(name: str, y: ArrayLike, n: int, given: tuple[str, ...] = ()) -> tuple[np.ndarray, tuple[str, ...]]:
    """Labels to train on as int64 [N] from 0, and the class names.

    Args:
        name: what to call the labels in an error.
        y: whole numbers that hold every class 0 … K-1, or text; (N,) or (N, 1).
        n: number of samples, hence of labels.
        given: names of the classes in the order of their numbers; () for the numbers themselves, and for text the
            texts in alphabetical order. Labels that are text must be among them.

    Raises:
        DataError: wrong length, fractions, negative or missing labels, labels without a name, a class without samples,
            fewer than two classes.
    """
    array = _checked(name, y, n)
    is_text = array.dtype.kind in "US"
    if is_text:
        text = _text(array)
        names = given or tuple(map(str, np.unique(text)))
        hint = f"is not in classes={short_repr(given)}: add it there, or correct the label"
        labels = _numbered(name, text, names, hint)
        n_classes = len(names)
    else:
        names = given
        labels = _whole(name, array, LARGEST, "")
        n_classes = int(labels.max(initial=0)) + 1
    if n_classes < 2:
        raise DataError(f"{name} has one class only: at least two are needed to classify")
    counts = np.bincount(labels, minlength=n_classes)
    empty = int(np.argmin(counts))
    if counts[empty] == 0 and is_text:
        raise DataError(
            f"{name} has no sample of class {short_repr(names[empty])}: "
            f"give training samples of each class, or leave it out of classes"
        )
    if counts[empty] == 0:
        raise DataError(
            f"{name} has no sample of class {empty}, but labels up to {n_classes - 1}: number the classes 0 to K-1 "
            f"without gaps, e.g. by np.unique(y, return_inverse=True)"
        )
    names = names or tuple(map(str, range(n_classes)))
    if len(names) != n_classes:
        raise DataError(f"there are {len(names)} class names for {n_classes} classes: give one name per class")
    return labels, names


def known_labels(name: str, y: ArrayLike, n: int, names: tuple[str, ...]) -> np.ndarray:
    """Labels of samples to validate, test or score on as int64 [N].

    Args:
        name: what to call the labels in an error.
        y: class numbers, or class names as text; (N,) or (N, 1).
        n: number of samples, hence of labels.
        names: of the classes that were trained.

    Raises:
        DataError: wrong length, fractions, missing labels, or labels of no such class.

    >>> known_labels("y", ["dog", "cat"], 2, ("cat", "dog")).tolist()
    [1, 0]
    """
    array = _checked(name, y, n)
    if array.dtype.kind in "US":
        return _numbered(name, _text(array), names, "no training sample has: give training samples of each class")
    return _whole(name, array, len(names) - 1, ", and give training samples of each")


def check_class_names(classes: Iterable[object] | None) -> tuple[str, ...]:
    """Class names as texts; () for none.

    Raises:
        ArgumentError: it is no sequence of names, or one is missing or comes twice.
    """
    try:
        given = () if classes is None else tuple(classes)
    except TypeError:
        given = (None,)
    if any(map(is_missing, given)):
        raise ArgumentError(
            f"classes={short_repr(classes)} is not allowed: give one name per class, like ('cat', 'dog')"
        )
    names = tuple(v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in given)
    if len(set(names)) < len(names):
        repeated = next(name for name in names if names.count(name) > 1)
        raise ArgumentError(
            f"classes={short_repr(names)} repeats {short_repr(repeated)}: give each class a name of its own"
        )
    return names


def _checked(name: str, y: ArrayLike, n: int) -> np.ndarray:
    """Labels [N] as numbers or texts, none of them missing."""
    array = as_array(name, y)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise DataError(
            f"{name} has shape {array.shape}: give one label per sample, shape (N,); for one-hot use argmax(1)"
        )
    if len(array) != n:
        raise DataError(f"{name} has {len(array)} labels for {n} samples: give one label per sample")
    if array.dtype.kind == "O":
        array = _objects_as_text(name, array)
    if array.dtype.kind not in "biufUS":
        raise DataError(f"{name} holds {short_repr(str(array.dtype))}: give whole numbers from 0, or text")
    return array


def _objects_as_text(name: str, array: np.ndarray) -> np.ndarray:
    missing = np.fromiter(map(is_missing, array), dtype=bool, count=len(array))
    if missing.any() and not missing.all():
        row, n = int(np.argmax(missing)), int(missing.sum())
        more = f" and in {n - 1} more" if n > 1 else ""
        raise DataError(
            f"{name} has no label in row {row}{more} (rows count from 0): label these samples, or leave them out"
        )
    for kind, text in ((str, str), (bytes, "S")):
        if all(isinstance(v, kind) for v in array):
            return array.astype(text)
    raise DataError(f"{name} holds Python objects: give whole numbers from 0, or text, but not both")


def _whole(name: str, array: np.ndarray, largest: int, hint: str) -> np.ndarray:
    """Numbers as labels from 0 to `largest`."""
    if array.dtype.kind == "f":
        array = array.astype(np.float64)  # half precision does not even hold the largest label
        wrong = ~(np.isfinite(array) & (array == np.floor(array)))
        if wrong.any():
            row = int(np.argmax(wrong))
            what = "; a sample without a label must be left out" if np.isnan(array[row]) else ""
            raise DataError(
                f"{name} has the label {array[row]} in row {row} (rows count from 0): "
                f"labels are whole numbers from 0 to classes - 1{what}"
            )
    wrong = (array < 0) | (array > largest)
    if wrong.any():
        row = int(np.argmax(wrong))
        label = int(array[row])
        shown = str(label) if abs(label) < EXACT else f"{array[row]:g}"
        raise DataError(
            f"{name} has the label {shown} in row {row} (rows count from 0), allowed are 0 to {largest}: "
            f"number the classes from 0{hint}"
        )
    return array.astype(np.int64)


def _text(array: np.ndarray) -> np.ndarray:
    return np.char.decode(array, "utf-8", "replace") if array.dtype.kind == "S" else array


def _numbered(name: str, text: np.ndarray, names: tuple[str, ...], hint: str) -> np.ndarray:
    """The place of each text among the names, which need not be sorted."""
    array = np.asarray(names)
    order = np.argsort(array)  # searchsorted needs them sorted
    labels = order[np.minimum(np.searchsorted(array, text, sorter=order), len(array) - 1)]
    unknown = array[labels] != text
    if unknown.any():
        row = int(np.argmax(unknown))
        raise DataError(
            f"{name} has the label {short_repr(str(text[row]))} in row {row} (rows count from 0), which {hint}"
        )
    return labels.astype(np.int64)
