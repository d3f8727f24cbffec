"""Readers of idx and `.npz` files. Nothing in a file is executed, and whatever is wrong with it is one `DataError`."""

from __future__ import annotations

import gzip
import io
import math
import os
import struct
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from dnc.data.arrays import RawData
from dnc.data.labels import check_class_names
from dnc.errors import ArgumentError, DataError, DncError, short_repr

NPZ_KEYS = ("xtr", "ytr", "xte", "yte")
GZIP_MAGIC, ZIP_MAGIC = b"\x1f\x8b", b"PK\x03\x04"
IDX_UINT8 = 0x08  # the only element type of MNIST and its relatives

_DAMAGE = (  # what the standard library and numpy raise on files that are not what they should be
    OSError,
    EOFError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    OverflowError,
    MemoryError,
    RecursionError,
    RuntimeError,
    SyntaxError,
    struct.error,
    zlib.error,
    zipfile.BadZipFile,
    tokenize.TokenError,
)


@contextmanager
def reading(path: Path, kind: str) -> Iterator[None]:
    """Turn whatever goes wrong while `path` is read into one line.

    Args:
        path: the file.
        kind: what it should be, e.g. "an .npz file".

    Raises:
        DataError: the file is absent, unreadable or not of this kind.
    """
    name = short_repr(str(path), 200)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about old or odd headers: what comes out is checked instead
            yield
    except DncError:
        raise
    except FileNotFoundError as error:
        raise DataError(f"{name} does not exist: give the path of {kind}") from error
    except _DAMAGE as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:120]
        raise DataError(f"{name} is not {kind} that can be read ({reason}): it may be damaged, get it again") from error


def machine_memory() -> float:
    """Memory of this machine in bytes; infinity where the system does not tell."""
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):
        return math.inf


def check_memory(path: Path, n_bytes: int) -> None:
    """Refuse to unpack more than this machine has memory for.

    Raises:
        DataError: `n_bytes` is more than the memory.
    """
    memory = machine_memory()
    if n_bytes > memory:
        raise DataError(
            f"{short_repr(str(path), 200)} unpacks to {n_bytes / 1e9:,.0f} GB, "
            f"this machine has {memory / 1e9:,.0f} GB of memory: give a smaller file"
        )


def read_idx(path: Path, n_dims: int) -> np.ndarray:
    """The uint8 array of an idx file, plain or gzip (told apart by content): n_dims = 3 for images, 1 for labels.

    Raises:
        DataError: it is not such a file, or too short or too long for the shape that it states.
    """
    with reading(path, f"an idx file of {n_dims} dimension(s)"), open(path, "rb") as raw:
        packed = raw.read(2) == GZIP_MAGIC
        raw.seek(0)
        with gzip.GzipFile(fileobj=raw) if packed else io.BufferedReader(raw) as file:  # type: ignore[arg-type]
            header = file.read(4 + 4 * n_dims)
            if len(header) < 4 + 4 * n_dims or header[:4] != bytes((0, 0, IDX_UINT8, n_dims)):
                raise ValueError(f"it starts with {header[:4].hex(' ') or 'nothing'}")
            shape = struct.unpack(f">{n_dims}I", header[4:])
            size = math.prod(shape)
            check_memory(path, size)
            data = file.read(size + 1)  # one more, to see whether it ends there
    if len(data) != size:
        held = "more" if len(data) > size else f"{len(data):,}"
        raise DataError(
            f"{short_repr(str(path), 200)} states shape {shape}, so {size:,} bytes, but holds {held}: "
            f"it is damaged, get it again"
        )
    return np.frombuffer(data, dtype=np.uint8).reshape(shape)


def read_idx_set(files: tuple[Path, ...]) -> RawData:
    """From the files of the train images, train labels, test images and test labels, in this order.

    Raises:
        DataError: a file is damaged.
    """
    x_train, y_train, x_test, y_test = (read_idx(path, n) for path, n in zip(files, (3, 1, 3, 1), strict=True))
    return RawData(x_train[:, None], y_train, x_test[:, None], y_test)


def read_npz(path: Path) -> RawData:
    """`xtr ytr` of an `.npz` file, `xte yte` if it has a test set, and the class names in `classes` if it has them.

    Raises:
        DataError: it is not an `.npz` file, a key is missing, or an array would need pickle.
    """
    contents = _read_keys(path, NPZ_KEYS[:2], (*NPZ_KEYS[2:], "classes"))
    test = [key for key in NPZ_KEYS[2:] if key in contents]
    if len(test) == 1:
        raise DataError(
            f"{short_repr(str(path), 200)} has {test[0]} but no {'yte' if test[0] == 'xte' else 'xte'}: "
            f"save both, or neither for data without a test set"
        )
    classes = contents.get("classes", np.array([], dtype=str))
    if classes.ndim != 1 or classes.dtype.kind not in "US":
        raise DataError(f"{short_repr(str(path), 200)}: classes has shape {classes.shape}: give one text per class")
    x_train, y_train, x_test, y_test = map(contents.get, NPZ_KEYS)
    assert x_train is not None
    assert y_train is not None
    return RawData(x_train, y_train, x_test, y_test, _class_names(path, classes))


def read_counts(path: Path) -> RawData:
    """Word counts `xtr xte` [N, tokens] and `idf` [tokens] as log(1 + count)·idf, each row of length 1, float32.

    Raises:
        DataError: it is not an `.npz` file, a key is missing, or the arrays do not belong together.
    """
    contents = _read_keys(path, (*NPZ_KEYS, "idf"), ("classes",))
    idf = contents["idf"]

    def weighted(key: str) -> np.ndarray:
        counts = contents[key]
        if (
            counts.ndim != 2
            or counts.dtype.kind not in "iu"
            or idf.shape != counts.shape[1:]
            or counts.min(initial=0) < 0
        ):
            raise DataError(
                f"{short_repr(str(path), 200)}: {key} {counts.shape} and idf {idf.shape} are not counts and weights"
            )
        x = np.log1p(counts, dtype=np.float32) * idf.astype(np.float32)
        length = np.linalg.norm(x, axis=1, keepdims=True)
        return x / np.where(length == 0, 1, length)  # a document without any of the tokens stays 0

    with reading(path, "an .npz file of word counts"):
        classes = _class_names(path, contents["classes"].ravel()) if "classes" in contents else ()
        return RawData(weighted("xtr"), contents["ytr"], weighted("xte"), contents["yte"], classes)


def _class_names(path: Path, classes: np.ndarray) -> tuple[str, ...]:
    try:
        return check_class_names(classes.tolist())
    except ArgumentError as error:  # here it is the file that is wrong, not the call
        raise DataError(f"{short_repr(str(path), 200)}: {error}") from None


def _read_keys(path: Path, needed: tuple[str, ...], optional: tuple[str, ...]) -> dict[str, np.ndarray]:
    with reading(path, "an .npz file"), open(path, "rb") as raw:
        start = raw.read(len(ZIP_MAGIC))
        if start != ZIP_MAGIC:
            raise ValueError(f"it starts with {start.hex(' ') or 'nothing'}")
        raw.seek(0)
        with np.load(raw, allow_pickle=False) as archive:
            if not set(needed) <= set(archive.files):
                wanted = list(dict.fromkeys((*NPZ_KEYS, *needed)))  # all that there may be, for one clear message
                missing = [key for key in wanted if key not in archive.files]
                present = ", ".join(map(short_repr, archive.files[:8])) or "nothing"
                raise DataError(
                    f"{short_repr(str(path), 200)} has no {', '.join(missing)} but {present}: "
                    f"save the arrays {', '.join(wanted)} with numpy.savez"
                )
            keys = [*needed, *(key for key in optional if key in archive.files)]
            # a small archive may unpack to more than the memory: the sizes are known before anything is unpacked
            sizes = {info.filename: info.file_size for info in archive.zip.infolist()} if archive.zip else {}
            check_memory(path, sum(sizes.get(f"{key}.npy", 0) for key in keys))
            return {key: _member(path, key, archive[key]) for key in keys}


def _member(path: Path, key: str, value: object) -> np.ndarray:
    if not isinstance(value, np.ndarray):  # numpy hands out raw bytes where a member is not an array
        raise DataError(f"{short_repr(str(path), 200)}: {key} is not an array: save it with numpy.savez")
    return value
