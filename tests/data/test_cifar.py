"""CIFAR's batches are pickles: read right, one `DataError` for bad ones, and nothing in them is ever executed."""

from __future__ import annotations

import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from files import FUZZ, Trap, damaged, one_line, survives
from hypothesis import given
from hypothesis import strategies as st

from dnc.data import cifar
from dnc.data.plain_pickle import parse_plain_pickle
from dnc.errors import DataError


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
    np.testing.assert_array_equal(parse_plain_pickle(pickle.dumps({"x": x}, 4))["x"], x)


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
    path.write_bytes(pickle.dumps({"label_names": ["cat", "dog", b"cat"]}, 4))
    with pytest.raises(DataError, match=r"repeats the name 'cat' in 'label_names'.*get it again") as error:
        cifar.read_names(path, "label_names", 3)
    one_line(error, "meta")


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
