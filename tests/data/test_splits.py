"""Splits and subsets: by seed, stratified, nested."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnc.data import Dataset, splits
from dnc.errors import ArgumentError

X = np.random.default_rng(0).integers(0, 256, (60, 3, 8, 6), dtype=np.uint8)
Y = np.arange(60) % 3


@given(counts=st.lists(st.integers(1, 40), min_size=2, max_size=6), seed=st.integers(0, 5), share=st.floats(0, 1))
def test_every_prefix_and_suffix_of_the_order_is_stratified(counts: list[int], seed: int, share: float) -> None:
    y = np.repeat(np.arange(len(counts)), counts)
    order = splits.sample_order(y, seed)
    assert sorted(order) == list(range(len(y)))
    k = round(share * len(y))
    ideal = np.array(counts) * k / len(y)
    slack = 1 + len(counts) / 2 * np.array(counts) / len(y)  # half a sample of each class may be rounded
    for chosen in (order[:k], order[len(y) - k :]):
        assert (np.abs(np.bincount(y[chosen], minlength=len(counts)) - ideal) <= slack).all()


def test_balanced_classes_stay_balanced() -> None:
    y = np.tile(np.arange(10), 30)
    for k in (10, 50, 200):
        assert np.bincount(y[splits.sample_order(y, 1)[:k]]).tolist() == [k // 10] * 10


def test_order_is_by_seed_alone() -> None:
    np.random.seed(1)
    before = np.random.get_state()[1].copy()  # type: ignore[union-attr]
    a, b, c = splits.sample_order(Y, 7), splits.sample_order(Y, 7), splits.sample_order(Y, 8)
    np.testing.assert_array_equal(a, b)
    assert (a != c).any()
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # type: ignore[index]
    assert sorted(splits.sample_order(Y, 7, stratify=False)) == list(range(60))


def test_default_split_is_disjoint_and_complete() -> None:
    data = Dataset.from_arrays(np.arange(60.0)[:, None], Y, val_fraction=0.25)
    assert (data.n_train, data.n_val, data.n_test) == (45, 15, 0)
    assert np.bincount(data.y_val).tolist() == [5, 5, 5]
    assert sorted([*data.x_train[:, 0], *data.x_val[:, 0]]) == list(range(60))
    other = Dataset.from_arrays(np.arange(60.0)[:, None], Y, val_fraction=0.25, split_seed=1)
    assert set(other.x_val[:, 0]) != set(data.x_val[:, 0])


def test_subsets_are_nested_and_independent_of_each_other() -> None:
    def load(**sizes: int) -> list[list[float]]:
        x = np.arange(60.0)[:, None]
        data = Dataset.from_arrays(x, Y, x, Y, **sizes)  # type: ignore[arg-type]
        return [v[:, 0].tolist() for v in (data.x_train, data.x_val, data.x_test)]

    train, val, _ = load()
    small_train, small_val, small_test = load(n_train=20, n_val=6, n_test=9)
    assert small_train == train[:20]
    assert small_val == val[:6]
    assert len(set(small_test)) == 9
    assert load(n_val=6)[0] == train  # fewer to validate on: the same training set
    large_train, large_val, _ = load(n_val=40)
    assert (len(large_train), large_val[:12]) == (20, val)
    assert len(load(n_train=59, n_val=1)[0]) == 59


@pytest.mark.parametrize(
    "sizes",
    [{"n_train": 49, "n_val": 12}, {"n_train": 1}, {"n_val": 59}, {"n_val": 0}, {"n_test": 1}, {"n_train": 2.5}],
)
def test_sizes_that_do_not_fit(sizes: dict[str, Any]) -> None:
    with pytest.raises(ArgumentError, match=next(iter(sizes))):
        Dataset.from_arrays(X, Y, **sizes)


def test_given_validation_set() -> None:
    data = Dataset.from_arrays(X, Y, x_val=X[:9], y_val=Y[:9], n_val=6)
    assert (data.n_train, data.n_val) == (60, 6)
    np.testing.assert_array_equal(data.x_train, X)  # nothing to draw: the order is kept
    with pytest.raises(ArgumentError, match="x_val and y_val belong together"):
        Dataset.from_arrays(X, Y, x_val=X[:9])
