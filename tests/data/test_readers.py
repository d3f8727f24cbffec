"""The readers of idx and npz files: right on good ones, one `DataError` on bad ones, nothing in them is executed."""

from __future__ import annotations

import gzip
import io
import os
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from files import FUZZ, Trap, damaged, one_line, survives
from hypothesis import given
from hypothesis import strategies as st

from dnc.data import readers
from dnc.errors import DataError


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def npz(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


# idx


@pytest.mark.parametrize("packed", [False, True])
def test_idx_plain_and_gzip(tmp_path: Path, packed: bool) -> None:
    x = np.arange(2 * 3 * 5, dtype=np.uint8).reshape(2, 3, 5)
    path = tmp_path / "x"  # the content tells, not the name
    path.write_bytes(gzip.compress(idx(x)) if packed else idx(x))
    np.testing.assert_array_equal(readers.read_idx(path, 3), x)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "nothing"),
        (b"hello, world, this is text", "68 65 6c 6c"),
        (idx(np.zeros((2, 3), np.uint8)), "00 00 08 02"),  # two dimensions, three asked for
        (struct.pack(">BBBB3I", 0, 0, 13, 3, 1, 1, 1) + bytes(4), "00 00 0d 03"),  # floats
        (idx(np.zeros((2, 3, 4), np.uint8))[:-1], "23"),
        (idx(np.zeros((2, 3, 4), np.uint8)) + b"\0", "more"),
        (gzip.compress(idx(np.zeros((2, 3, 4), np.uint8)))[:-10], "EOFError"),
        (gzip.compress(idx(np.zeros((9, 9, 9), np.uint8)))[:-8] + bytes(8), "CRC"),
        (struct.pack(">BBBB3I", 0, 0, 8, 3, 2**32 - 1, 2**32 - 1, 2**32 - 1), "GB of memory"),
    ],
    ids=["empty", "text", "dimensions", "floats", "short", "long", "gzip-cut", "gzip-damaged", "huge"],
)
def test_bad_idx(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "bad-idx"
    path.write_bytes(content)
    with pytest.raises(DataError) as error:
        readers.read_idx(path, 3)
    one_line(error, "bad-idx", words)


def test_absent_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        readers.read_idx(tmp_path / "nothing", 3)
    with pytest.raises(DataError, match=r"IsADirectoryError|PermissionError"):
        readers.read_npz(tmp_path)


# npz


def test_npz(tmp_path: Path) -> None:
    x, y = np.random.default_rng(0).random((6, 4)), np.array([0, 1, 2, 0, 1, 2])
    raw = readers.read_npz(npz(tmp_path / "a.npz", xtr=x, ytr=y, xte=x[:2], yte=y[:2], classes=["a", "b", "c"]))
    np.testing.assert_array_equal(raw.x_train, x)
    np.testing.assert_array_equal(raw.y_test, y[:2])
    assert raw.classes == ("a", "b", "c")
    without_test = readers.read_npz(npz(tmp_path / "b.npz", xtr=x, ytr=y, classes=[b"a", b"b", b"\xff"]))
    np.testing.assert_array_equal(without_test.x_train, x)
    assert (without_test.x_test, without_test.y_test) == (None, None)
    assert without_test.classes == ("a", "b", "\ufffd")  # bytes that are no text once ended the reading


def test_bad_npz(tmp_path: Path) -> None:
    good = {"xtr": np.zeros((4, 2)), "ytr": np.arange(4) % 2, "xte": np.zeros((2, 2)), "yte": np.arange(2)}
    path = tmp_path / "bad.npz"

    def refused(*words: str) -> None:
        with pytest.raises(DataError) as error:
            readers.read_npz(path)
        one_line(error, "bad.npz", *words)

    npz(path, xtr=good["xtr"], labels=good["ytr"])
    refused("no ytr, xte, yte", "labels", "numpy.savez")
    npz(path, **{**good, "xtr": np.array([[1], "a"], dtype=object)})
    refused("allow_pickle=False")
    npz(path, **good, classes=np.zeros((2, 2)))
    refused("classes")
    path.write_bytes(b"")
    refused("nothing")
    path.write_bytes(b"not a zip file at all")
    refused("6e 6f 74 20")
    path.write_bytes(pickle.dumps(good))
    refused("starts with 80")
    with open(path, "wb") as file:
        np.save(file, np.zeros(3))
    refused("starts with 93 4e")
    npz(path, **good)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    refused("BadZipFile")
    path.write_bytes(whole[:150] + b"\xff" * 8 + whole[158:])
    refused("it may be damaged")
    with zipfile.ZipFile(path, "w") as archive:
        for key in good:
            archive.writestr(f"{key}.npy", b"these are not arrays")
    refused("not an array")


def test_npz_that_states_more_than_it_holds_or_than_fits(tmp_path: Path) -> None:
    path = tmp_path / "big.npz"
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (10**15,)})
    with zipfile.ZipFile(path, "w") as archive:
        for key in readers.NPZ_KEYS:
            archive.writestr(f"{key}.npy", header.getvalue() + bytes(64))
    with pytest.raises(DataError) as error:
        readers.read_npz(path)
    one_line(error, "big.npz")
    with pytest.raises(DataError, match="GB of memory: give a smaller file"):
        readers.check_memory(path, 10**18)
    readers.check_memory(path, 1000)


def test_npz_runs_no_code(tmp_path: Path) -> None:
    marker = tmp_path / "executed"
    trap = np.array([Trap(marker)], dtype=object)
    with pytest.raises(DataError):
        readers.read_npz(npz(tmp_path / "trap.npz", xtr=trap, ytr=trap, xte=trap, yte=trap))
    assert not marker.exists()


def test_counts_become_weights_of_length_one(tmp_path: Path) -> None:
    x = np.array([[3, 0, 1], [0, 0, 0]], dtype=np.uint16)
    path = npz(tmp_path / "c.npz", xtr=x, ytr=[0, 1], xte=x, yte=[0, 1], idf=np.array([1.0, 2.0, 3.0], np.float32))
    row = np.array([np.log(4), 0, 3 * np.log(2)])
    raw = readers.read_counts(path)
    assert raw.x_train.dtype == np.float32
    np.testing.assert_allclose(raw.x_train, [row / np.sqrt((row**2).sum()), [0, 0, 0]], rtol=1e-6)
    for bad in (
        {"idf": np.ones(2)},
        {"xtr": -x.astype(int)},
        {"xtr": x.astype(float)},
        {"idf": np.array(["a", "b", "c"])},
    ):
        arrays = {"xtr": x, "ytr": [0, 1], "xte": x, "yte": [0, 1], "idf": np.ones(3), **bad}
        with pytest.raises(DataError):
            readers.read_counts(npz(path, **arrays))


# fuzz: whatever the bytes, either an answer or a DataError


def small_npz() -> bytes:
    file = io.BytesIO()
    np.savez(file, xtr=np.zeros((3, 2), np.uint8), ytr=np.arange(3), xte=np.ones((1, 2)), yte=np.zeros(1, int))
    return file.getvalue()


@FUZZ
@given(
    st.binary(max_size=200)
    | damaged(idx(np.zeros((2, 3, 4), np.uint8)))
    | damaged(gzip.compress(idx(np.zeros((2, 3, 4), np.uint8))))
)
def test_fuzz_idx(tmp_path: Path, content: bytes) -> None:
    survives(tmp_path / "f", content, lambda path: readers.read_idx(path, 3))


@FUZZ
@given(st.binary(max_size=200) | damaged(small_npz()))
def test_fuzz_npz(tmp_path: Path, content: bytes) -> None:
    survives(tmp_path / "f", content, readers.read_npz)


def test_readers_leave_no_file_open_and_write_nothing(tmp_path: Path) -> None:
    path = npz(tmp_path / "a.npz", xtr=np.zeros((2, 2)), ytr=[0, 1], xte=np.zeros((2, 2)), yte=[0, 1])
    readers.read_npz(path)
    os.remove(path)  # on Windows this needs it closed; an open file is a ResourceWarning elsewhere
    assert list(tmp_path.iterdir()) == []
