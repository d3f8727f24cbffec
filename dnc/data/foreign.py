"""What people hold as numpy arrays: lists, tables with gaps, tensors, sparse matrices, masked arrays, objects."""

from __future__ import annotations

import math
import numbers
import sys
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from dnc.errors import DataError, DncError, short_repr

NUMBERS = (numbers.Real, Decimal, np.bool_)


def as_array(name: str, value: ArrayLike) -> np.ndarray:
    """`value` as an array. Objects that all are numbers become numbers; where anything else is among them, they stay.

    Args:
        name: what to call it in an error.
        value: an array or what can become one: nested lists, a pandas table, a torch tensor (on any device, with or
            without grad), a scipy sparse matrix. What is masked in a masked array is None.

    Raises:
        DataError: it cannot be an array, e.g. because the samples differ in shape.
    """
    try:
        array = _read(value)
        return _as_numbers(array) if array.dtype.kind == "O" else array
    except DncError:
        raise
    except MemoryError:
        raise DataError(
            f"{name} is too large for the memory as a dense array: give fewer samples or features"
        ) from None
    except Exception as error:  # a foreign type may raise anything
        if isinstance(value, (list, tuple)):
            text = f"{name}={short_repr(value)} is not one array: all samples must have the same shape"
        else:
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:100]
            text = f"{name} is a {type(value).__name__} that cannot be read as an array ({reason}): give a numpy array"
        raise DataError(text) from None


def is_missing(value: object) -> bool:
    """Whether `value` stands for nothing: None, NaN, or what pandas has for it.

    >>> [is_missing(v) for v in (None, float("nan"), 0, "", "nan")]
    [True, True, False, False, False]
    """
    pandas = _loaded("pandas")
    if value is None or (pandas is not None and (value is pandas.NA or value is pandas.NaT)):
        return True
    return isinstance(value, (float, np.floating)) and bool(value != value)


def first_object(array: np.ndarray) -> tuple[tuple[int, ...], Any]:
    """Where the first entry of an object array is that is no number, and the entry."""
    return next((place, v) for place, v in np.ndenumerate(array) if is_missing(v) or not _are_numbers([type(v)]))


def _read(value: Any) -> np.ndarray:
    # Not imported here: whoever has an object of theirs has loaded them.
    torch, sparse, pandas = (_loaded(name) for name in ("torch", "scipy.sparse", "pandas"))
    if torch is not None:
        if isinstance(value, torch.Tensor):
            return _read_tensor(torch, value)
        if isinstance(value, (list, tuple)) and any(isinstance(v, torch.Tensor) for v in value):
            return np.asarray([_read(v) for v in value])
    if sparse is not None and sparse.issparse(value):
        matrix: Any = value
        return matrix.toarray()
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        objects = value.data.astype(object)
        objects[np.ma.getmaskarray(value)] = None
        return objects
    array = np.asarray(value)
    if array.dtype.kind == "O" and pandas is not None and isinstance(value, pandas.DataFrame):
        return _read_table(value, array)
    if array.dtype.kind == "T":  # numpy's texts of any length, which may have gaps
        return array.astype(object)
    if array.dtype.kind in "US" and isinstance(value, (list, tuple)):
        objects = np.array(value, dtype=object)
        if any(map(is_missing, objects.ravel())):  # numpy would make the text "nan" of them
            return objects
    return array


def _read_table(table: Any, objects: np.ndarray) -> np.ndarray:
    """A table with columns of several types as float64 if all are numbers; else `objects`, its entries."""
    columns = [as_array("a column", table.iloc[:, j]) for j in range(table.shape[1])]
    if all(column.dtype.kind in "biuf" for column in columns):
        return np.stack(columns, axis=1, dtype=np.float64, casting="unsafe")  # never uint8: these are no images
    return objects


def _loaded(module: str) -> Any:
    """A package that is loaded already, or None."""
    return sys.modules.get(module)


def _read_tensor(torch: Any, tensor: Any) -> np.ndarray:
    tensor = tensor.detach()
    if tensor.layout != torch.strided:
        tensor = tensor.to_dense()
    if tensor.is_floating_point() and tensor.dtype not in (torch.float16, torch.float32, torch.float64):
        tensor = tensor.float()  # numpy has no bfloat16
    return tensor.cpu().numpy(force=True)


def _as_numbers(objects: np.ndarray) -> np.ndarray:
    """An object array as numbers, if all entries are; beyond the floats they are infinite."""
    flat = objects.ravel().tolist()
    types = set(map(type, flat))
    if not types or not _are_numbers(types):
        return objects
    if len(types) == 1:
        alike = np.array(flat)
        if alike.dtype.kind in "biuf":
            return alike.reshape(objects.shape)
    try:
        return objects.astype(np.float64)
    except OverflowError:
        return np.array([_as_float(v) for v in flat]).reshape(objects.shape)


def _are_numbers(types: Iterable[type]) -> bool:
    return all(issubclass(t, NUMBERS) and not issubclass(t, np.timedelta64) for t in types)


def _as_float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
