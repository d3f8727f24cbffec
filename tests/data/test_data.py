"""Data sets from arrays: splits, fingerprint, inputs and labels in any usual form, a clear error for the rest."""

from __future__ import annotations

import dataclasses
import hashlib
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnc.data import Augment, Dataset, load_data
from dnc.data.arrays import area_weights, downsize, read_inputs
from dnc.data.augment import channel_statistics, default_pad
from dnc.errors import ArgumentError, DataError, DncError

RNG = np.random.default_rng(0)
X = RNG.integers(0, 256, (60, 3, 8, 6), dtype=np.uint8)
Y = np.arange(60) % 3


def clean(name: str, x: Any, **options: Any) -> np.ndarray:
    return read_inputs(name, x, **options).x


def parts(data: Dataset) -> list[np.ndarray]:
    return [data.x_train, data.y_train, data.x_val, data.y_val, data.x_test, data.y_test]


# inputs


def test_forms_of_images() -> None:
    last = X.transpose(0, 2, 3, 1)
    flat = X.reshape(60, -1)
    cases: list[tuple[np.ndarray, dict[str, Any]]] = [
        (X, {}),
        (last, {}),
        (last, {"layout": "NHWC"}),
        (flat, {"image_shape": (3, 8, 6)}),
        (last.reshape(60, -1), {"image_shape": (3, 8, 6), "layout": "NHWC"}),
        (X, {"image_shape": (3, 8, 6)}),
        (last, {"image_shape": [3, 8, 6]}),
    ]
    for x, options in cases:
        np.testing.assert_array_equal(clean("x", x, **options), X)
    assert clean("x", flat).shape == (60, 144)
    assert clean("x", X[:, 0]).shape == (60, 1, 8, 6)
    five = np.zeros((2, 5, 8, 6), np.uint8)
    assert clean("x", five, image_shape=(5, 8, 6)).shape == (2, 5, 8, 6)
    assert clean("x", five, layout="NCHW").shape == (2, 5, 8, 6)


@pytest.mark.parametrize("shape", [(2, 3, 8, 3), (2, 8, 8, 8), (2, 1, 1, 1)])
def test_ambiguous_images_are_asked_for(shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match="say layout='NCHW' or 'NHWC'"):
        clean("x", np.zeros(shape))


@pytest.mark.parametrize(
    ("given", "kept"),
    [("uint8", "uint8"), ("bool", "float32"), ("int64", "float32"), ("uint16", "float32"), ("float16", "float32"),
     ("float32", "float32"), ("float64", "float32"), (">f8", "float32"), (">u2", "float32")],
)  # fmt: skip
def test_dtypes(given: str, kept: str) -> None:
    x = clean("x", np.array([[0, 1], [1, 0]], dtype=given))
    assert x.dtype == kept
    assert x.tolist() == [[0, 1], [1, 0]]
    assert x.flags.c_contiguous


def test_the_arrays_given_may_change_afterwards() -> None:
    x, y, x_test = np.zeros((20, 2), np.float32), np.arange(20) % 2, np.zeros((4, 2), np.float32)
    data = Dataset.from_arrays(x, y, x_test, y[:4], x_val=x_test, y_val=y[:4])
    x += 1
    x_test += 1
    y += 1
    assert all(part.max(initial=0) == 0 for part in (data.x_train, data.x_val, data.x_test))
    assert data.y_train.max() == 1


# labels


def test_forms_of_labels() -> None:
    x = np.zeros((4, 2))
    for y in ([0, 1, 1, 0], [[0], [1], [1], [0]], [0.0, 1.0, 1.0, 0.0], [False, True, True, False]):
        data = Dataset.from_arrays(x, y, x_val=x, y_val=y)
        assert data.y_train.tolist() == [0, 1, 1, 0]
        assert (data.y_train.dtype, data.classes) == (np.int64, ("0", "1"))
    for y in (
        ["cat", "dog", "dog", "cat"],
        np.array(["cat", "dog", "dog", "cat"], object),
        [b"cat", b"dog", b"dog", b"cat"],
    ):
        data = Dataset.from_arrays(x, y, x_val=x, y_val=["dog", "cat", "cat", "cat"])
        assert data.y_train.tolist() == [0, 1, 1, 0]
        assert data.y_val.tolist() == [1, 0, 0, 0]
        assert data.classes == ("cat", "dog")
    named = Dataset.from_arrays(x, [0, 1, 1, 0], val_fraction=0.5, classes=("left", "right"))
    assert named.classes == ("left", "right")


BAD = [
    ({"x": np.full((60, 2), np.nan)}, "NaN or infinite"),
    ({"x": np.full((60, 2), np.inf)}, "NaN or infinite"),
    ({"x": np.full((60, 2), 1e300)}, "as float32"),
    ({"x": np.zeros((60, 2), complex)}, "complex128"),
    ({"x": np.full((60, 2), None)}, "object"),
    ({"x": np.full((60, 2), "a")}, "array of numbers"),
    ({"x": [[1, 2], [1, 2, 3]]}, "same shape"),
    ({"x": "abc"}, "array of numbers"),
    ({"x": None}, "array of numbers"),
    ({"x": np.zeros(60)}, "(N, features)"),
    ({"x": np.zeros((0, 2))}, "(N, features)"),
    ({"x": np.zeros((60, 0))}, "(N, features)"),
    ({"x": np.zeros((60, 1, 2, 3, 4))}, "reshape it"),
    ({"y": Y[:50]}, "50 labels for 60 samples"),
    ({"y": Y + 1}, "no sample of class 0"),
    ({"y": Y * 2}, "no sample of class 1"),
    ({"y": Y - 1}, "label -1"),
    ({"y": Y + 0.5}, "label 0.5"),
    ({"y": np.where(Y == 0, np.nan, 1.0)}, "label nan"),
    ({"y": Y + 2**40}, "number the classes from 0"),
    ({"y": Y * 0}, "one class only"),
    ({"y": ["a"] * 60}, "one class only"),
    ({"y": np.eye(3)[Y]}, "argmax"),
    ({"y": np.array([{}] * 60)}, "Python objects"),
    ({"y": Y.astype(complex)}, "whole numbers"),
    ({"classes": ("a", "b")}, "2 class names for 3 classes"),
    ({"x_test": X[:5], "y_test": [0, 1, 2, 3, 0]}, "allowed are 0 to 2"),
    ({"x_test": X[:5] / 255, "y_test": Y[:5]}, "same shape, type and scale"),
    ({"x_test": X[:5, :, :4], "y_test": Y[:5]}, "same shape, type and scale"),
    ({"x_test": X[:5], "y_test": None}, "belong together"),
    ({"y": np.array(["a", "b", "c"])[Y], "x_test": X[:2], "y_test": ["a", "q"]}, "'q'"),
    ({"val_fraction": 0}, "val_fraction"),
    ({"val_fraction": 1.0}, "val_fraction"),
    ({"val_fraction": float("nan")}, "val_fraction"),
    ({"val_fraction": 0.001}, "empty split"),
    ({"val_fraction": 0.999}, "empty split"),
    ({"split_seed": -1}, "split_seed"),
    ({"name": ""}, "name"),
    ({"image_shape": (3, 8, 8)}, "does not fit image_shape=(3, 8, 8)"),
    ({"image_shape": (8, 8)}, "(channels, height, width)"),
    ({"image_shape": (0, 8, 6)}, "image_shape[0]"),
    ({"layout": "nhwc"}, "'NHWC'"),
    ({"image_size": 16}, "image_size=16"),
    ({"image_size": "small"}, "image_size"),
    ({"image_size": (2, 2, 2)}, "(height, width)"),
    ({"x": X.reshape(60, -1), "image_size": 4}, "image_shape="),
    ({"x": X.reshape(60, -1), "augment": True}, "image_shape="),
    ({"augment": "yes"}, "augment"),
    ({"augment": Augment(mean=(0.5,), std=(0.5,))}, "does not fit"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "words"), BAD, ids=[words for _, words in BAD])
def test_bad_arrays(change: dict[str, Any], words: str) -> None:
    with pytest.raises(DncError) as error:
        Dataset.from_arrays(**{"x": X, "y": Y, **change})
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_bad_augment() -> None:
    cases: list[dict[str, Any]] = [{"pad": -1}, {"flip": 1}, {"mean": (0.5,)}, {"mean": (0.5,), "std": (0.0,)}]
    for bad in cases:
        with pytest.raises(ArgumentError):
            Augment(**bad)


def test_dataset_refuses_arrays_that_do_not_fit_together() -> None:
    data = Dataset.from_arrays(X, Y)
    for change in (
        {"x_val": data.x_val.astype(np.float32)},
        {"x_val": data.x_val[:, :, ::2]},
        {"y_train": data.y_train[1:]},
        {"y_train": data.y_train.astype(np.int32)},
        {"n_classes": 2},
    ):
        with pytest.raises(DataError):
            dataclasses.replace(data, **change)


# size


def test_area_average_against_a_loop() -> None:
    x = RNG.random((2, 1, 7, 5)).astype(np.float32)
    out = downsize(x, (3, 2))
    fine = x.repeat(3, axis=2).repeat(2, axis=3)  # a common grid: 21 x 10 cells, blocks of 7 x 5
    expected = fine.reshape(2, 1, 3, 7, 2, 5).mean(axis=(3, 5))
    np.testing.assert_allclose(out, expected, rtol=1e-5)


@given(n=st.integers(1, 64), data=st.data())
def test_area_weights_are_an_average(n: int, data: st.DataObject) -> None:
    m = data.draw(st.integers(1, n))
    w = area_weights(n, m)
    np.testing.assert_allclose(w.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(w.sum(axis=0), m / n, rtol=1e-4)
    assert (w >= 0).all()


def test_downsized_bytes_stay_bytes() -> None:
    white = np.full((3, 1, 28, 28), 255, np.uint8)
    small = downsize(white, 12)
    assert small.dtype == np.uint8
    assert (small == 255).all()
    np.testing.assert_array_equal(downsize(X, (8, 6)), X)
    assert Dataset.from_arrays(X, Y, X, Y, image_size=4).input_shape == (3, 4, 4)


# augmentation and views


def test_augmentation_statistics_are_those_of_the_training_images() -> None:
    data = Dataset.from_arrays(X, Y, augment=True)
    assert data.augment is not None
    np.testing.assert_allclose(data.augment.mean, (data.x_train / 255).mean(axis=(0, 2, 3)), rtol=1e-12)
    np.testing.assert_allclose(data.augment.std, (data.x_train / 255).std(axis=(0, 2, 3)), rtol=1e-12)
    assert (data.augment.pad, data.augment.flip, data.augmentation_id) == (1, True, "crop1+flip+norm")
    own = Dataset.from_arrays(X, Y, augment=Augment(pad=3, flip=False, mean=(0.1, 0.2, 0.3), std=(1, 1, 1)))
    assert own.augmentation_id == "crop3+norm"
    assert own.augment is not None
    assert own.augment.mean == (0.1, 0.2, 0.3)
    x = (1e4 + RNG.random((50, 2, 4, 4))).astype(np.float32)
    x[:, 1] = 0.1  # a constant channel is not divided by nought
    mean, std = channel_statistics(x)
    np.testing.assert_allclose(mean, x.mean(axis=(0, 2, 3), dtype=float), rtol=1e-12)
    np.testing.assert_allclose(std, [x[:, 0].std(dtype=float), 1], rtol=1e-9)


def test_padding_of_small_images() -> None:
    assert [default_pad((s, s)) for s in (96, 32, 28, 16, 8, 4)] == [4, 4, 4, 2, 1, 1]


def test_flatten_and_final() -> None:
    data = Dataset.from_arrays(X, Y, X[:7], Y[:7], augment=True)
    flat = data.flatten()
    assert (flat.input_shape, flat.augment, flat.is_image, data.is_image) == ((144,), None, False, True)
    assert flat is data.flatten()  # so that its fingerprint is computed once
    assert flat.flatten() is flat
    np.testing.assert_array_equal(flat.x_val, data.x_val.reshape(-1, 144))
    final = data.final()
    assert (final.n_train, final.n_val, final.augment) == (60, 7, data.augment)
    np.testing.assert_array_equal(final.x_val, data.x_test)
    np.testing.assert_array_equal(final.y_train, np.concatenate([data.y_train, data.y_val]))
    assert Dataset.from_arrays(X, Y).final().n_val == 0


def test_fingerprint_is_the_content() -> None:
    data = Dataset.from_arrays(X, Y, X[:9], Y[:9], augment=True)
    assert data.augment is not None
    same = Dataset.from_arrays(X.copy(), Y.tolist(), X[:9], Y[:9], augment=True, name="another name")
    assert data.fingerprint == same.fingerprint
    assert len(data.fingerprint) == 64

    def changed(array: np.ndarray) -> np.ndarray:
        copy = array.copy()
        copy.flat[0] = (int(copy.flat[0]) + 1) % 3
        return copy

    xs = ("x_train", "x_val", "x_test")
    changes: list[dict[str, Any]] = [{k: changed(getattr(data, k))} for k in ("x_train", "x_val", "y_train", "y_val")]
    changes += [{k: getattr(data, k).astype(np.float32) for k in xs}]
    changes += [{k: np.ascontiguousarray(getattr(data, k).swapaxes(2, 3)) for k in xs}]
    changes += [{"augment": None}, {"n_classes": 4, "classes": ()}]
    for change in ({"pad": 2}, {"flip": False}, {"mean": (0.0, 0.0, 0.0)}, {"std": (1.0, 1.0, 1.0)}):
        changes.append({"augment": dataclasses.replace(data.augment, **change)})
    others = [dataclasses.replace(data, **change) for change in changes]
    others += [data.flatten(), data.final()]  # the same bytes in another shape or another split
    prints = [data.fingerprint, *(other.fingerprint for other in others)]
    assert len(set(prints)) == len(prints)
    for unseen in ("x_test", "y_test"):  # by a training
        assert dataclasses.replace(data, **{unseen: changed(getattr(data, unseen))}).fingerprint == data.fingerprint


def test_fingerprint_is_a_fixed_number() -> None:
    """A store outlives a version: a change of this number makes every stored training a stranger."""
    data = Dataset.from_arrays(
        np.arange(12.0).reshape(6, 2), [0, 1] * 3, x_val=np.zeros((1, 2)), y_val=[1], scale="none"
    )
    header = b'[[["train",[6,2],"<f4","<i8"],["val",[1,2],"<f4","<i8"],["test",[0,2],"<f4","<i8"]],2,null]'
    content = np.arange(12, dtype="<f4").tobytes() + np.array([0, 1] * 3, "<i8").tobytes()
    content += np.zeros(2, "<f4").tobytes() + np.array([1], "<i8").tobytes()
    assert data.fingerprint == hashlib.sha256(header + content).hexdigest()


def test_fingerprints_of_accepted_data_stay() -> None:
    """They are those that version 0.1.0 gave to the same data without its test samples."""
    x, y = (np.arange(60 * 144) % 251).astype(np.uint8).reshape(60, 3, 8, 6), np.arange(60) % 3
    half = load_data("digits", n_train=100, n_val=50, n_test=50, augment=True, split_seed=1)
    sets = [
        (load_data("digits"), "e503ce925c9dacfc88e4289669d1da9ca6a55f1c8553cd5c411adc298492d24f"),
        (half, "897d5c43365217d65f1870406ef1319745bf694b8750b6d59be1298bd9cf8b00"),
        (Dataset.from_arrays(x, y, x[:9], y[:9]), "2fc7b1b9d02bd1da10e8324286fc3d7fb15c14c0ee410a923631059702b7af06"),
        (
            Dataset.from_arrays(x / 8, y, x[:9] / 8, y[:9], scale="none"),
            "76b27a285523b2b1c679388f22dcb9ffcf0d0acf5415d57bbc053833a7c5c9ae",
        ),
        (
            Dataset.from_arrays(x, np.array(["c", "a", "b"])[y], augment=True),
            "82f5777e3cc8c95caac5432862690b896aab4475be3016a78d3d2f35f20df3a4",
        ),
        (
            Dataset.from_arrays(x[:, 0].tolist(), y.tolist(), classes=("x", "y", "z"), scale="none"),
            "c2bb41e3743702c7e009a667df2186ef05fa3fdfe4645d67028aba864682d189",
        ),
    ]
    assert [data.fingerprint for data, _ in sets] == [fingerprint for _, fingerprint in sets]


def test_description() -> None:
    data = Dataset.from_arrays(X, Y, X[:9], Y[:9], augment=True, name="mine")
    text = "mine: 48 train / 12 val / 9 test, 3x8x6 uint8, 3 classes, augmented (crop1+flip+norm)"
    assert (data.describe(), repr(data)) == (text, f"<Dataset {text}>")
    assert (data.n_features, data.classes) == (144, ("0", "1", "2"))


def test_a_data_set_travels_to_another_process() -> None:
    data = Dataset.from_arrays(X, Y, augment=True)
    lean = len(pickle.dumps(data))
    assert data.flatten().n_features == 144
    assert len(pickle.dumps(data)) == lean  # flat inputs are views: they do not travel as well
    assert pickle.loads(pickle.dumps(data)).fingerprint == data.fingerprint
