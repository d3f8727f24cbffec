"""Names of classes: labels that are text are numbered in the order of `classes=`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dnc.data import Dataset, load_data
from dnc.errors import DncError

X = np.random.default_rng(0).random((40, 3))
WORDS = ["zero", "one"] * 20


@pytest.mark.parametrize("y", [WORDS, np.array(WORDS, object), [[v] for v in WORDS], [v.encode() for v in WORDS]])
@pytest.mark.parametrize("classes", [("zero", "one"), ["zero", "one"], np.array(["zero", "one"]), (b"zero", b"one")])
def test_text_is_numbered_in_the_order_of_the_names(y: Any, classes: Any) -> None:
    data = Dataset.from_arrays(X, y, X[:2], y[:2], x_val=X, y_val=y, classes=classes)
    assert data.classes == ("zero", "one")
    assert data.y_train.tolist() == data.y_val.tolist() == [0, 1] * 20
    assert data.y_test.tolist() == [0, 1]


def test_without_names_text_is_numbered_in_alphabetical_order() -> None:
    data = Dataset.from_arrays(X, WORDS, x_val=X, y_val=WORDS)
    assert (data.classes, data.y_val.tolist()) == (("one", "zero"), [1, 0] * 20)
    reversed_names = Dataset.from_arrays(X, ["10", "9"] * 20, x_val=X, y_val=["10", "9"] * 20, classes=("9", "10"))
    assert reversed_names.y_val.tolist() == [1, 0] * 20


def test_numbers_take_the_names_in_order_and_may_be_tested_by_name() -> None:
    y = np.arange(40) % 2
    data = Dataset.from_arrays(X, y, X, WORDS, x_val=X, y_val=y, classes=("zero", "one"))
    assert data.y_train.tolist() == data.y_val.tolist() == data.y_test.tolist() == y.tolist()


@pytest.mark.parametrize(
    ("y", "classes", "words"),
    [
        (WORDS, ("zero", "two"), ("'one' in row 1", "not in classes=('zero', 'two')")),
        (WORDS, ("left", "right"), ("'zero' in row 0", "not in classes")),
        (WORDS, ("zero",), ("'one' in row 1", "not in classes")),
        (WORDS, ("zero", "one", "two"), ("no sample of class 'two'", "leave it out of classes")),
        (WORDS, ("zero", "one", "zero"), ("repeats 'zero'",)),
        (["zero"] * 40, ("zero",), ("one class only",)),
        ([0, 1] * 20, ("zero", "zero"), ("repeats 'zero'",)),
        ([0, 1] * 20, (1, "1"), ("repeats '1'",)),
        ([0, 1] * 20, ("zero", None), ("one name per class",)),
        ([0, 1] * 20, ("zero", float("nan")), ("one name per class",)),
        ([0, 1] * 20, 5, ("classes=5", "one name per class")),
        ([0, 1] * 20, ("zero", "one", "two"), ("3 class names for 2 classes",)),
    ],
)
def test_names_that_do_not_fit_are_one_line(y: Any, classes: Any, words: tuple[str, ...]) -> None:
    with pytest.raises(DncError) as error:
        Dataset.from_arrays(X, y, classes=classes)
    assert [word for word in words if word not in str(error.value)] == [], error.value
    assert "\n" not in str(error.value)


def test_names_in_a_file_number_its_text(tmp_path: Any) -> None:
    np.savez(tmp_path / "a.npz", xtr=X, ytr=WORDS, classes=["zero", "one"])
    data = load_data(tmp_path / "a.npz")
    expected = Dataset.from_arrays(X, WORDS, classes=("zero", "one"))
    assert (data.classes, data.n_test, data.fingerprint) == (("zero", "one"), 0, expected.fingerprint)
