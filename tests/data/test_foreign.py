"""Labels and tables as people have them: the same data as from plain arrays, or one line that says what to mend."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import torch

from dnc.data import Dataset
from dnc.data.foreign import as_array
from dnc.errors import DncError

X = np.random.default_rng(0).integers(0, 64, (40, 3)) / 8.0  # exact in bfloat16
Y = np.arange(40) % 4
TEXT = np.array(list("abcd"))[Y]
GAP = [*TEXT[:5].tolist(), None, *TEXT[6:].tolist()]
SAMPLES: dict[str, Any] = {
    "objects": X.astype(object),
    "a table": pd.DataFrame(X, columns=list("abc")),
    "a nullable table": pd.DataFrame(X, columns=list("abc")).convert_dtypes(),
    "objects in a table": pd.DataFrame(X, columns=list("abc"), dtype=object),
    "decimals": [[Decimal(v) for v in row] for row in X.tolist()],
    "fractions": [[Fraction(v) for v in row] for row in X.tolist()],
    "integers among floats": [[int(v) if v == int(v) else v for v in row] for row in X.tolist()],
    "a masked array without gaps": np.ma.masked_array(X),
    "a tensor": torch.tensor(X),
    "a tensor with grad": torch.tensor(X, requires_grad=True),
    "bfloat16": torch.tensor(X).bfloat16(),
    "a sparse tensor": torch.tensor(X).to_sparse(),
    "a list of tensors": [torch.tensor(row, requires_grad=True) for row in X],
    **{kind: getattr(scipy.sparse, kind)(X) for kind in ("csr_array", "csc_matrix", "coo_array", "lil_matrix")},
}
LABELS: dict[str, Any] = {
    "objects": Y.astype(object),
    "float objects": Y.astype(float).astype(object),
    "integers and floats": [*Y[:9].tolist(), *Y[9:].astype(float).tolist()],
    "nullable": pd.array(Y, dtype="Int64"),  # type: ignore[call-overload]
    "a series of another index": pd.Series(Y, index=range(100, 140)),
    "a column": pd.DataFrame({"y": Y}),
    "categories": pd.Series(Y, dtype="category"),
    "half precision": Y.astype(np.float16),
    "a sparse column": scipy.sparse.csr_array(Y[:, None]),
    "a tensor with grad": torch.tensor(Y.astype(float), requires_grad=True),
    "bfloat16": torch.tensor(Y).bfloat16(),
    "a list of tensors": [torch.tensor(v) for v in Y],
    "text": TEXT,
    "text of any length": TEXT.astype(np.dtypes.StringDType()),
    "categories of text": pd.Series(TEXT, dtype="category"),
    "nullable text": pd.Series(TEXT, dtype="string"),
    "objects of bytes": np.array([v.encode() for v in TEXT.tolist()], dtype=object),
}
SPARSE_BYTES: Any = scipy.sparse.csr_array(np.eye(3, dtype=np.uint8))
PLAIN = Dataset.from_arrays(X, Y)


@pytest.mark.parametrize("x", SAMPLES.values(), ids=SAMPLES)
def test_samples_as_people_have_them(x: Any) -> None:
    assert Dataset.from_arrays(x, Y).fingerprint == PLAIN.fingerprint


@pytest.mark.parametrize("y", LABELS.values(), ids=LABELS)
def test_labels_as_people_have_them(y: Any) -> None:
    data = Dataset.from_arrays(X, y, X, y)
    assert data.y_test.tolist() == Y.tolist()
    assert data.classes in (("0", "1", "2", "3"), tuple("abcd"))


def test_a_table_of_several_types_is_floats() -> None:
    """Never bytes, which would be divided by 255, as if 0 and 1 were the colors of an image."""
    table = pd.DataFrame({"a": X[:, 0], "b": pd.array(Y, dtype="Int64"), "c": Y == 1})  # type: ignore[call-overload]
    expected = np.stack([X[:, 0], Y, Y == 1], axis=1)
    assert Dataset.from_arrays(table, Y).fingerprint == Dataset.from_arrays(expected, Y).fingerprint
    bytes_and_bools = pd.DataFrame({"a": Y.astype(np.uint8), "b": Y == 1})
    assert Dataset.from_arrays(bytes_and_bools, Y).x_train.dtype == np.float32
    assert as_array("x", np.array([[np.uint8(3)]], dtype=object)).dtype == np.uint8
    assert as_array("x", SPARSE_BYTES).dtype == np.uint8


def test_huge_integers() -> None:
    assert Dataset.from_arrays([[2**70, *row] for row in X.tolist()], Y).x_train.max() == 2.0**70
    for huge, words in ((10**400, "infinite"), (-(10**5000), "infinite")):
        refused([[huge, 1], [0, 1]] * 20, Y, "x", words, "row 0")
        refused(X, [*Y[:9].tolist(), huge, *Y[10:].tolist()], "y", "inf in row 9", "whole numbers")
    for huge in (10**30, -(10**30), 2**63, 1e300):
        refused(X, [*Y[:9].tolist(), huge, *Y[10:].tolist()], "y", f"{float(huge):g} in row 9", "0 to 10000000")


class Broken:
    """An array that fails in its own way."""

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        raise KeyError("two\nlines")


def refused(x: Any, y: Any, *words: str) -> None:
    with pytest.raises(DncError) as error:
        Dataset.from_arrays(x, y)
    message = str(error.value)
    assert "\n" not in message
    assert len(message) < 400
    assert [word for word in words if word not in message] == [], message


MISSING: dict[str, Any] = {
    "objects": np.array(GAP, dtype=object),
    "a list": GAP,
    "a list with NaN": [float("nan") if v is None else v for v in GAP],
    "a column of a list": [[v] for v in GAP],
    "a series": pd.Series(GAP),
    "nullable text": pd.Series(GAP, dtype="string"),
    "categories": pd.Series(GAP, dtype="category"),
    "nullable numbers": pd.array([*Y[:5], None, *Y[6:]], dtype="Int64"),
    "numbers": [*Y[:5], None, *Y[6:]],
    "NaN": np.where(np.arange(40) == 5, np.nan, Y),
    "masked": np.ma.masked_array(Y, np.arange(40) == 5),
    "masked text": np.ma.masked_array(TEXT, np.arange(40) == 5),
}


@pytest.mark.parametrize("y", MISSING.values(), ids=MISSING)
def test_a_missing_label_is_named_by_its_row(y: Any) -> None:
    refused(X, y, "y", "row 5 (rows count from 0)")


def test_samples_that_are_no_numbers_are_named_by_their_place() -> None:
    refused(pd.DataFrame({"a": X[:, 0], "b": list("uv") * 20}), Y, "'u' in row 0, column 'b'", "array of numbers")
    refused(pd.DataFrame(X).astype(object).mask(X == 7.5, None).to_numpy(), Y, "None in row", "missing value")
    refused(np.ma.masked_array(X, np.arange(120).reshape(40, 3) == 7), Y, "row 2, column 1", "missing value")
    refused(np.where(np.arange(120).reshape(40, 3) == 7, np.nan, X), Y, "NaN or infinite", "row 2")
    refused(pd.DataFrame(X).astype("Float64").mask(X > 7), Y, "row")
    refused(X.astype(complex).astype(object), Y, "a complex in row 0, column 0")
    refused(X, np.array(["a", 1] * 20, dtype=object), "Python objects", "not both")


@pytest.mark.parametrize(
    "value",
    [torch.zeros((40, 3), device="meta"), torch.zeros((40, 3), dtype=torch.complex64).conj(), Broken(), object(), None],
    ids=["no memory", "complex", "broken", "object", "nothing"],
)
def test_what_cannot_be_read_is_one_line(value: Any) -> None:
    refused(value, Y, "x")
    refused(X, value, "y")
