"""What is done to samples: by their values, not their type; decided on the training split; the same for new samples."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import torch
from hypothesis import given
from hypothesis import strategies as st

from dnc.data import Augment, Dataset, load_data
from dnc.data.preprocessing import Preprocessing
from dnc.errors import DncError

RNG = np.random.default_rng(0)
N = 120
Y = np.arange(N) % 3
IMAGES = RNG.integers(0, 256, (N, 3, 8, 6))
ONE_HOT = np.eye(5, dtype=np.uint8)[RNG.integers(0, 5, N)]
TABLE = RNG.normal(size=(N, 4)) * [1, 300, 0.01, 5] + [0, 750, 0.02, 1000]
TYPES = ("uint8", "int16", "int64", "uint16", "float32", "float64", ">i4")


def same(a: Dataset, b: Dataset) -> bool:
    pairs = ((getattr(a, k), getattr(b, k)) for k in ("x_train", "x_val", "x_test"))
    return a.preprocessing == b.preprocessing and all(u.dtype == v.dtype and np.array_equal(u, v) for u, v in pairs)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize(
    "x",
    [
        IMAGES,
        IMAGES[:, 0],
        IMAGES.reshape(N, -1),
        IMAGES // 16,
        IMAGES[:, :, 0, 0],
        ONE_HOT,
        200 + IMAGES[:, 0, 0] % 50,
    ],
    ids=["images", "gray", "rows", "dark", "few columns", "one-hot", "near 255"],
)
def test_equal_values_are_equal_samples_whatever_their_type(x: np.ndarray, dtype: str) -> None:
    data = Dataset.from_arrays(x.astype(np.uint8), Y, x[:9].astype(np.uint8), Y[:9])
    other = Dataset.from_arrays(x.astype(dtype), Y, x[:9].astype(dtype), Y[:9])
    mixed = Dataset.from_arrays(x.astype(dtype), Y, x[:9].astype(np.int32), Y[:9])
    assert same(data, other)
    assert same(data, mixed)
    assert data.fingerprint == other.fingerprint


@pytest.mark.parametrize("dtype", ["bool", *TYPES])
def test_0_and_1_stay_0_and_1(dtype: str) -> None:
    data = Dataset.from_arrays(ONE_HOT.astype(dtype), Y)
    assert same(data, Dataset.from_arrays(ONE_HOT.astype(np.float32), Y))
    assert data.prepared() is data
    assert (data.x_train.dtype, data.x_train.max()) == (np.float32, 1)


def test_pixels_stay_bytes() -> None:
    for x in (IMAGES, IMAGES.reshape(N, -1), IMAGES[:, 0]):
        data = Dataset.from_arrays(x, Y)
        assert (data.x_train.dtype, data.preprocessing.encoding, data.preprocessing.mean) == (np.uint8, "pixels", ())
        assert str(data.preprocessing).endswith("pixels, divided by 255") or data.preprocessing.layout is None


@pytest.mark.parametrize(
    ("x", "standardized"),
    [
        (TABLE, True),
        (RNG.random((N, 4)), False),
        (RNG.normal(size=(N, 4)), False),
        (RNG.normal(size=(N, 4)) + 1000, True),
        (RNG.normal(size=(N, 4)) / 1000, True),
        (RNG.random((N, 40)) * (RNG.random((N, 40)) < 0.1) / 50, False),  # rare words
        (RNG.integers(245, 256, (N, 300)), True),
        (RNG.integers(0, 17, (N, 64)), True),
        (np.hstack([ONE_HOT[:, :1].repeat(200, axis=1), IMAGES[:, 0, 0]]), True),
        (RNG.random((N, 3, 8, 8)) * 255, True),
        (RNG.random((N, 3, 8, 8)), False),
        (0.99 + RNG.random((N, 8, 8)) / 100, False),
        (IMAGES * 200, True),
        (IMAGES[:, 0] % 2, False),
    ],
)
def test_what_needs_it_is_standardized(x: np.ndarray, standardized: bool) -> None:
    data = Dataset.from_arrays(x, Y)
    assert bool(data.preprocessing.mean) == standardized
    assert ("standardized" in repr(data)) == standardized == ("standardized" in repr(data.preprocessing))
    assert "\n" not in repr(data.preprocessing)
    seen = data.prepared().x_train
    if standardized:
        columns = np.moveaxis(seen, 1, 0).reshape(seen.shape[1], -1).astype(float)
        varied = [c for c in columns if not set(np.unique(c)) <= {0, 1}]
        np.testing.assert_allclose([(c.mean(), c.std()) for c in varied], [(0, 1)] * len(varied), atol=2e-3)
    else:
        np.testing.assert_array_equal(seen, data.x_train)


def test_columns_of_0_and_1_and_constant_ones_in_a_table() -> None:
    x = np.hstack([TABLE, ONE_HOT, np.full((N, 2), [7.0, 1e6])])
    data = Dataset.from_arrays(x, Y)
    seen = data.prepared().x_train
    np.testing.assert_array_equal(seen[:, 4:9], data.x_train[:, 4:9])
    np.testing.assert_array_equal(seen[:, 9:], 0)
    assert "6 of 11 features standardized" in repr(data)
    everything = Dataset.from_arrays(ONE_HOT, Y, scale="standardize").prepared().x_train
    np.testing.assert_allclose(everything.std(axis=0), 1, rtol=1e-3)


def test_none_is_what_it_was() -> None:
    for x, dtype in ((ONE_HOT, np.uint8), (IMAGES, np.float32), (TABLE, np.float32), (ONE_HOT > 0, np.float32)):
        data = Dataset.from_arrays(x, Y, scale="none")
        assert (data.x_train.dtype, data.preprocessing.mean, data.prepared() is data) == (dtype, (), True)
    digits = load_data("digits")
    assert digits.prepared() is digits
    assert load_data("digits", scale="standardize").preprocessing.mean != ()
    with pytest.raises(DncError, match="'standardize'"):
        Dataset.from_arrays(TABLE, Y, scale="standardise")


@given(factor=st.floats(-1e4, 1e4), offset=st.floats(-1e4, 1e4), split_seed=st.integers(0, 5))
def test_statistics_are_those_of_the_training_split(factor: float, offset: float, split_seed: int) -> None:
    data = Dataset.from_arrays(TABLE, Y, split_seed=split_seed)
    x = TABLE.copy()
    held_out = ~(TABLE.astype(np.float32)[:, None] == data.x_train).all(axis=2).any(axis=1)
    x[held_out] = factor * x[held_out] + offset
    other = Dataset.from_arrays(x, Y, x * factor, Y, split_seed=split_seed)
    assert 0 < held_out.sum() < N
    assert other.preprocessing == data.preprocessing
    np.testing.assert_array_equal(other.prepared().x_train, data.prepared().x_train)
    given_apart = Dataset.from_arrays(x[~held_out], Y[~held_out], x_val=x[held_out], y_val=Y[held_out])
    np.testing.assert_allclose(given_apart.preprocessing.mean, data.preprocessing.mean, rtol=1e-9)


def test_the_fingerprint_knows_the_scaling_and_nothing_of_the_test_set() -> None:
    auto, none = Dataset.from_arrays(TABLE, Y, TABLE[:30], Y[:30]), Dataset.from_arrays(TABLE, Y, scale="none")
    assert auto.fingerprint != none.fingerprint
    assert auto.prepared().fingerprint != none.prepared().fingerprint
    fewer = Dataset.from_arrays(TABLE, Y, TABLE[:30], Y[:30], n_test=10)
    assert (fewer.n_test, fewer.fingerprint) == (10, auto.fingerprint)
    assert fewer.prepared().fingerprint == auto.prepared().fingerprint == auto.prepared().flatten().fingerprint


def containers(x: np.ndarray) -> dict[str, Any]:
    """The same samples as people have them."""
    kinds: dict[str, Any] = {t: x.astype(t) for t in ("float64", "float32", ">f8") if (x.astype(t) == x).all()}
    kinds |= {t: x.astype(t) for t in ("int64", "int32", "uint8", "bool") if (x.astype(t) == x).all()}
    kinds |= {
        "list": x.tolist(),
        "objects": x.astype(object),
        "tensor": torch.tensor(x),
        "tensors": list(torch.tensor(x)),
    }
    if x.ndim == 2:
        table = pd.DataFrame(x, columns=[f"c{i}" for i in range(x.shape[1])])
        kinds |= {"table": table, "nullable": table.convert_dtypes(), "sparse": scipy.sparse.csr_array(x)}
    return kinds


@pytest.mark.parametrize(
    "x",
    [IMAGES, IMAGES.transpose(0, 2, 3, 1), IMAGES[:, 0], ONE_HOT.astype(int), TABLE.astype(np.float32).astype(float)],
    ids=["NCHW", "NHWC", "gray", "one-hot", "table"],
)
def test_new_samples_are_treated_as_those_to_train_on(x: np.ndarray) -> None:
    data = Dataset.from_arrays(x, Y, x, Y)
    restored = Preprocessing.from_dict(data.preprocessing.to_dict())
    assert restored == data.preprocessing
    for kind, same_samples in (containers(x) | {"as the data set holds them": data.x_test}).items():
        seen = restored.apply("x", same_samples)
        assert seen.dtype == data.x_train.dtype, kind
        np.testing.assert_array_equal(seen, data.prepared().x_test, err_msg=kind)
    assert restored.apply("x", x[:0]).shape == (0, *data.input_shape)


def test_layouts() -> None:
    cube = RNG.integers(0, 256, (N, 4, 4, 4))
    last = IMAGES.transpose(0, 2, 3, 1)
    for x, options in (
        (last.reshape(N, -1), {"image_shape": (3, 8, 6), "layout": "NHWC"}),
        (IMAGES.reshape(N, -1), {"image_shape": (3, 8, 6)}),
        (cube, {"layout": "NHWC"}),
        (cube, {"layout": "NCHW"}),
        (last, {"image_size": 4}),
        (IMAGES / 7, {"image_size": (4, 3)}),
    ):
        arguments: dict[str, Any] = options
        data = Dataset.from_arrays(x, Y, x, Y, **arguments)
        np.testing.assert_array_equal(data.preprocessing.apply("x", x), data.prepared().x_test)
        np.testing.assert_array_equal(data.preprocessing.apply("x", x), data.preprocessing.apply("x", x.tolist()))
        if x is not cube:
            np.testing.assert_array_equal(data.preprocessing.apply("x", data.x_test), data.prepared().x_test)
    assert data.preprocessing.image_shape == (3, 4, 3)


@pytest.mark.parametrize(
    ("train", "x", "words"),
    [
        (IMAGES, IMAGES / 255, "in row 0 (rows count from 0), the training samples are pixels, whole numbers"),
        (IMAGES, IMAGES - 1, "has -1 in row"),
        (IMAGES / 255, IMAGES, "whole numbers up to 255, the training samples go to 1"),
        (IMAGES, IMAGES[:, :2], "has shape (120, 2, 8, 6), the training samples (N, 3, 8, 6)"),
        (IMAGES.transpose(0, 2, 3, 1), IMAGES.reshape(N, -1), "has shape (120, 144)"),  # in which order?
        (IMAGES, IMAGES[0, 0, 0], "(N, features)"),
        (TABLE, TABLE[:, :3], "has shape (120, 3), the training samples (N, 4)"),
        (IMAGES.reshape(N, -1), IMAGES, "has shape (120, 3, 8, 6)"),  # in which order are the rows?
        (TABLE, np.full((2, 4), np.nan), "NaN"),
        (TABLE, pd.DataFrame({"a": ["u"], "b": [1], "c": [1], "d": [1]}), "'u' in row 0, column 'a'"),
    ],
)
def test_what_does_not_fit_is_one_line(train: np.ndarray, x: Any, words: str) -> None:
    for call in (
        lambda: Dataset.from_arrays(train, Y).preprocessing.apply("x", x),
        lambda: Dataset.from_arrays(train, Y, x_test=x, y_test=Y),
    ):
        with pytest.raises(DncError) as error:
            call()
        assert words in str(error.value)
        assert "\n" not in str(error.value)


def test_augmentation_normalizes_what_networks_see() -> None:
    data = Dataset.from_arrays(IMAGES * 200.0, Y, augment=True)
    assert data.augment is not None
    np.testing.assert_allclose(data.augment.mean, 0, atol=1e-5)
    np.testing.assert_allclose(data.augment.std, 1, rtol=1e-5)
    own = Augment(mean=(2e4,) * 3, std=(1e4,) * 3)  # knows the scale
    assert Dataset.from_arrays(IMAGES * 200.0, Y, augment=own).preprocessing.mean == ()
    with pytest.raises(DncError, match="give one"):
        Dataset.from_arrays(IMAGES * 200.0, Y, augment=own, scale="standardize")


def test_preprocessing_travels_with_the_data() -> None:
    data = Dataset.from_arrays(TABLE, Y, TABLE, Y, classes=("a", "b", "c"))
    assert data.preprocessing.classes == ("a", "b", "c")
    final = data.prepared().final()
    np.testing.assert_array_equal(final.x_train[: data.n_train], data.prepared().x_train)  # no new statistics
    assert dataclasses.replace(data, name="other").preprocessing == data.preprocessing


@pytest.mark.parametrize("row", range(0, 40, 3))
@pytest.mark.parametrize("scale", ["auto", "standardize", "none"])
def test_one_large_number_is_data_in_whatever_split_it_falls(row: int, scale: str) -> None:
    """Among 0 and 1, or among counts up to 255: it used to be refused where it fell in the validation split."""
    rng = np.random.default_rng(0)
    for x, value in ((rng.integers(0, 2, (40, 10)).astype(float), 200), (rng.integers(0, 256, (40, 80)), 300)):
        x[row, 3] = value
        data = Dataset.from_arrays(x, np.arange(40) % 2, scale=scale)
        assert (data.n_train, data.n_val) == (32, 8)
        assert max(data.x_train.max(), data.x_val.max()) == value


def test_what_scaling_would_make_infinite_stays_finite() -> None:
    x = np.random.default_rng(0).normal(size=(40, 2)) * (1e-30, 1e3)
    data = Dataset.from_arrays(x, np.arange(40) % 2)
    assert np.isfinite(data.preprocessing.apply("x", np.array([[1e10, 0.0], [-1e10, 0.0]]))).all()
