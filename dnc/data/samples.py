"""Samples without labels from a file, to predict with. Nothing in a file is executed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from dnc.data.foreign import as_array
from dnc.data.readers import check_memory, reading
from dnc.errors import ArgumentError, DataError, short_repr
from dnc.files import user_path

NPZ_KEYS = ("x", "xte")  # which array of several holds the samples; xte as in the files of `load_data`


def read_samples(path: str | os.PathLike[str]) -> np.ndarray:
    """The samples in a `.npy`, `.npz` or `.csv` file, shape (N, …).

    Args:
        path: an `.npz` file has them as its only array, or named x or xte; a `.csv` file has one sample per line, whose
            first line may name the columns.

    Raises:
        ArgumentError: another kind of file.
        DataError: the file is absent, damaged, or holds no samples.

    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder, "two.csv")
    ...     _ = file.write_text("height,width\\n1.5,2\\n3,4\\n")
    ...     read_samples(file).tolist()
    [[1.5, 2.0], [3.0, 4.0]]
    """
    file = user_path("path", path)
    kind = file.suffix.lower()
    if kind == ".csv":
        with reading(file, "a .csv file"):
            samples: Any = _read_csv(file)
    elif kind in (".npy", ".npz"):
        with reading(file, f"an {kind} file"), open(file, "rb") as raw:
            content = np.load(raw, allow_pickle=False)
            samples = content if isinstance(content, np.ndarray) else _member(file, content)
    else:
        raise ArgumentError(f"path={short_repr(str(path))} is not allowed: give a file that ends in .npz, .npy or .csv")
    array = as_array("the file", samples)
    if array.ndim < 2:
        raise DataError(
            f"{short_repr(str(file), 200)} holds an array of shape {array.shape}: give one row for each sample"
        )
    return array


def _read_csv(file: Path) -> ArrayLike:
    import pandas as pd

    first = pd.read_csv(file, header=None, nrows=1)
    named = not all(map(pd.api.types.is_numeric_dtype, first.dtypes))
    return pd.read_csv(file, header=0 if named else None)


def _member(file: Path, archive: Any) -> np.ndarray:
    """The samples of an `.npz` file that is open."""
    names = archive.files
    key = next((name for name in NPZ_KEYS if name in names), names[0] if len(names) == 1 else None)
    if key is None:
        held = ", ".join(map(short_repr, names[:8])) or "nothing"
        raise DataError(
            f"{short_repr(str(file), 200)} has no x or xte but {held}: save the samples by numpy.savez(file, x=…)"
        )
    # it may unpack to more than the memory: the size is known before anything is unpacked
    check_memory(file, sum(info.file_size for info in archive.zip.infolist() if info.filename == f"{key}.npy"))
    samples = archive[key]
    if not isinstance(samples, np.ndarray):  # numpy hands out raw bytes where a member is not an array
        raise DataError(f"{short_repr(str(file), 200)}: {key} is not an array: save it with numpy.savez")
    return samples
