"""The file readers: right on good files, one `DataError` on bad ones, and nothing in a file is ever executed."""

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
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dnc.data import cifar, readers
from dnc.errors import DataError

FUZZ = settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def npz(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


def batch(n: int = 4, labels: list[int] | None = None, protocol: int = 4, key: str = "labels") -> bytes:
    x = np.random.default_rng(0).integers(0, 256, (n, 3072), dtype=np.uint8)
    return pickle.dumps({"data": x, key: labels or [i % 10 for i in range(n)], "batch_label": b"1"}, protocol)


def official_batch(x: np.ndarray, labels: list[int]) -> bytes:
    """A batch as Python 2 wrote CIFAR's, instruction by instruction (protocol 2, byte strings)."""

    def text(value: bytes) -> bytes:
        return b"U" + bytes([len(value)]) + value

    def number(value: int) -> bytes:
        return b"K" + bytes([value]) if value < 256 else b"M" + struct.pack("<H", value)

    shape = number(x.shape[0]) + number(x.shape[1]) + b"\x86"
    array = b"cnumpy.core.multiarray\n_reconstruct\nq\x04cnumpy\nndarray\nq\x05K\x00\x85U\x01b\x87Rq\x06"
    dtype = b"cnumpy\ndtype\nq\x07U\x02u1K\x00K\x01\x87Rq\x08(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    raw = x.tobytes()
    state = b"(K\x01" + shape + dtype + b"\x89T" + struct.pack("<I", len(raw)) + raw + b"tb"
    items = text(b"labels") + b"](" + b"".join(map(number, labels)) + b"e" + text(b"data") + array + state
    return b"\x80\x02}q\x01(" + items + b"u."


def one_line(error: pytest.ExceptionInfo[DataError], *words: str) -> None:
    message = str(error.value)
    assert "\n" not in message
    assert all(word in message for word in words), message


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
            archive.writestr(f"{key}.npy", b"these are no arrays")
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


# CIFAR batches


def test_official_form_of_a_batch(tmp_path: Path) -> None:
    x = np.random.default_rng(1).integers(0, 256, (300, 3072), dtype=np.uint8)
    labels = [i % 10 for i in range(300)]
    content = official_batch(x, labels)
    assert pickle.loads(content, encoding="latin1")["labels"] == labels  # it really is a pickle
    path = tmp_path / "data_batch_1"
    path.write_bytes(content)
    images, found = cifar.read_batch(path, "labels", 10)
    np.testing.assert_array_equal(images, x.reshape(300, 3, 32, 32))
    assert found.tolist() == labels


@pytest.mark.parametrize("protocol", [3, 4])
def test_batches_of_python_3(tmp_path: Path, protocol: int) -> None:
    path = tmp_path / "train"
    path.write_bytes(batch(6, [0, 99, 1, 2, 3, 4], protocol, "fine_labels"))
    images, labels = cifar.read_batch(path, "fine_labels", 100)
    expected = pickle.loads(path.read_bytes())
    np.testing.assert_array_equal(images.reshape(6, -1), expected["data"])
    assert labels.tolist() == expected["fine_labels"]


def test_column_major_arrays() -> None:
    x = np.asfortranarray(np.arange(12, dtype=np.uint8).reshape(3, 4))
    np.testing.assert_array_equal(cifar.parse_plain_pickle(pickle.dumps({"x": x}, 4))["x"], x)


class Trap:
    """Creates a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (str(self.marker), "w")


def hostile(marker: Path) -> dict[str, bytes]:
    name, good = str(marker).encode(), batch()
    call = b"(S'" + name + b"'\nS'w'\n"
    return {
        "reduce 0": pickle.dumps(Trap(marker), 0),
        "reduce 2": pickle.dumps(Trap(marker), 2),
        "reduce 4": pickle.dumps(Trap(marker), 4),
        "within the data": pickle.dumps({"data": [Trap(marker)], "labels": [0]}, 4),
        "system": b"cos\nsystem\n(S'touch " + name + b"'\ntR.",
        "INST": call + b"i__builtin__\nopen\n.",
        "OBJ": b"(cbuiltins\nopen\n" + call[1:] + b"o.",
        "NEWOBJ": b"cbuiltins\nopen\n" + call + b"t\x81.",
        "eval": b"cbuiltins\neval\n(S'open(\"" + name + b'", "w")\'\ntR.',
        "numpy": b"cnumpy\nload\n(S'" + name + b"'\ntR.",
        "dotted": b"\x80\x04\x8c\x05numpy\x8c\x0cf2py.os.systm\x93.",
        "persistent": b"P" + name + b"\n.",
        "extension": b"\x80\x02\x82\x01.",
        "odd escape": b"c\\umpy\n_reconstruct\n.",
        "before a good one": b"\x80\x04cos\nsystem\n0" + good[2:],
    }


@pytest.mark.parametrize("kind", sorted(hostile(Path("x"))))
def test_hostile_pickles_execute_nothing(tmp_path: Path, kind: str) -> None:
    marker, path = tmp_path / "executed", tmp_path / "data_batch_1"
    path.write_bytes(hostile(marker)[kind])
    with pytest.raises(DataError) as error:
        cifar.read_batch(path, "labels", 10)
    one_line(error, "data_batch_1", "may be damaged")
    assert not marker.exists()


def test_the_traps_do_work_where_they_are_unpickled(tmp_path: Path) -> None:
    """Otherwise the test before could not fail."""
    for kind in ("reduce 0", "reduce 2", "reduce 4", "within the data", "system", "INST", "OBJ", "eval"):
        marker = tmp_path / kind.replace(" ", "-")
        try:
            held: Any = pickle.loads(hostile(marker)[kind])
        except Exception as error:  # having done its work, what it gives back does not matter
            held = error
        assert marker.exists(), (kind, held)
        for file in held["data"] if isinstance(held, dict) else [held]:
            if hasattr(file, "close"):
                file.close()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (pickle.dumps([1, 2], 4), "dict"),
        (pickle.dumps({"data": 1, "labels": [1]}, 4), "no 'data'"),
        (batch(key="fine_labels"), "'labels'"),
        (batch(labels=[0, 1]), "2 labels for 4 images"),
        (batch(labels=[0, 1, 2, 10]), "labels outside 0 to 9"),
        (pickle.dumps({"data": np.zeros((2, 3072)), "labels": [0, 1]}, 4), "uint8"),
        (pickle.dumps({"data": np.zeros((2, 3000), np.uint8), "labels": [0, 1]}, 4), "3,072"),
        (batch()[:-1], "may be damaged"),
        (batch()[:1000], "may be damaged"),
        (b"", "may be damaged"),
        (b"\x80\x02}r\xff\xff\xff\x7fh\x00.", "may be damaged"),  # a memo of 2^31 entries
    ],
    ids=[
        *("list", "no-array", "other-labels", "label-count", "label-range", "floats", "size"),
        *("no-end", "cut", "empty", "memo"),
    ],
)
def test_bad_batches(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "test_batch"
    path.write_bytes(content)
    with pytest.raises(DataError) as error:
        cifar.read_batch(path, "labels", 10)
    one_line(error, "test_batch", words)


def test_class_names(tmp_path: Path) -> None:
    path = tmp_path / "meta"
    assert cifar.read_names(path, "label_names", 2) == ()
    path.write_bytes(pickle.dumps({"label_names": ["cat", b"dog"]}, 4))
    assert cifar.read_names(path, "label_names", 2) == ("cat", "dog")
    with pytest.raises(DataError, match="has no 3 names"):
        cifar.read_names(path, "label_names", 3)


# fuzz: whatever the bytes, either an answer or a DataError


@st.composite
def damaged(draw: st.DrawFn, good: bytes) -> bytes:
    """A good file cut, with some bytes overwritten, removed or inserted."""
    content = bytearray(good)
    for _ in range(draw(st.integers(0, 4))):
        if not content:
            break
        place = draw(st.integers(0, len(content) - 1))
        patch = draw(st.binary(max_size=6))
        content[place : place + draw(st.integers(0, 8))] = patch
    return bytes(content[: draw(st.integers(0, len(content)))] if draw(st.booleans()) else content)


def small_npz() -> bytes:
    file = io.BytesIO()
    np.savez(file, xtr=np.zeros((3, 2), np.uint8), ytr=np.arange(3), xte=np.ones((1, 2)), yte=np.zeros(1, int))
    return file.getvalue()


def survives(path: Path, content: bytes, read: Any) -> None:
    path.write_bytes(content)
    message = ""
    try:
        read(path)
    except DataError as error:
        message = str(error)
    assert "\n" not in message


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


@FUZZ
@given(
    st.binary(max_size=200)
    | damaged(batch(1))
    | damaged(official_batch(np.zeros((1, 3072), np.uint8), [3]))
    | st.lists(st.sampled_from([bytes([b]) for b in b"(}]).tuRbcqhK0123aesNU\n\x85\x86\x87\x93\x94"]), max_size=40).map(
        b"".join
    )
)
def test_fuzz_cifar(tmp_path: Path, content: bytes) -> None:
    survives(tmp_path / "f", content, lambda path: cifar.read_batch(path, "labels", 10))


def test_readers_leave_no_file_open_and_write_nothing(tmp_path: Path) -> None:
    path = npz(tmp_path / "a.npz", xtr=np.zeros((2, 2)), ytr=[0, 1], xte=np.zeros((2, 2)), yte=[0, 1])
    readers.read_npz(path)
    os.remove(path)  # on Windows this needs it closed; an open file is a ResourceWarning elsewhere
    assert list(tmp_path.iterdir()) == []
