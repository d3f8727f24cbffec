"""Scores: labels in every form that data takes give the right one; anything else is one line."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import torch
from small_training import CPU, stripes

import dnc
from dnc.errors import DncError
from dnc.models.ensemble import Ensemble
from dnc.models.model import Model
from dnc.networks.build import build

DATA = stripes()
CONFIG = dnc.Config(dnc.MLP(hidden=(20,)))
NAMES = ("north", "west", "south", "east")  # not in alphabetical order
NETWORK = build(CONFIG.arch, DATA.flatten().input_shape, 4, seed=0).eval()
MODEL = Model(CONFIG, NAMES, math.nan, math.nan, 1.0, 99, (), NETWORK, None, CPU)
ENSEMBLE = Ensemble((MODEL, MODEL), DATA)
X = DATA.x_val
Y = np.where(np.arange(len(X)) % 3 == 0, (MODEL.predict(X) + 1) % 4, MODEL.predict(X))  # a third is wrong
TEXT = np.array(NAMES)[Y]
LABELS: dict[str, Any] = {
    "numbers": Y,
    "a column": Y[:, None],
    "a list": Y.tolist(),
    "rows of a list": Y[:, None].tolist(),
    "floats": Y.astype(np.float16),
    "objects": Y.astype(object),
    "a series": pd.Series(Y, index=Y),
    "a table of one column": pd.DataFrame({"y": Y}),
    "nullable": pd.Series(Y, dtype="Int64"),
    "a tensor with grad": torch.tensor(Y.astype(float), requires_grad=True),
    "bfloat16": torch.tensor(Y).bfloat16(),
    "a sparse column": scipy.sparse.csr_array(Y[:, None]),
    "names": TEXT,
    "a column of names": TEXT[:, None],
    "a list of names": TEXT.tolist(),
    "bytes": TEXT.astype("S"),
    "categories": pd.Series(TEXT, dtype="category"),
}


@pytest.mark.parametrize("judge", [MODEL, ENSEMBLE], ids=["model", "ensemble"])
@pytest.mark.parametrize("y", LABELS.values(), ids=LABELS)
def test_labels_of_every_kind_give_the_right_score(judge: Any, y: Any) -> None:
    assert judge.score(X, y) == (len(X) - math.ceil(len(X) / 3)) / len(X)


@pytest.mark.parametrize("judge", [MODEL, ENSEMBLE], ids=["model", "ensemble"])
@pytest.mark.parametrize(
    ("y", "words"),
    [
        (Y[:-1], f"{len(X) - 1} labels for {len(X)} samples"),
        (Y[:1], f"1 labels for {len(X)} samples"),
        (Y[0], "one label per sample"),
        (Y[None], "one label per sample"),
        (np.eye(4)[Y], "argmax(1)"),
        (Y + 2, "label 4"),
        (Y - 1, "label -1"),
        (Y + 0.5, "whole numbers"),
        (np.where(Y == 1, np.nan, Y), "label nan in row"),
        (["up", *TEXT[1:].tolist()], "'up' in row 0"),
        ([None, *TEXT[1:].tolist()], "no label in row 0"),
        ([10**400, *Y[1:].tolist()], "label inf in row 0"),
        (None, "one label per sample"),
    ],
)
def test_labels_that_do_not_fit_are_one_line(judge: Any, y: Any, words: str) -> None:
    with pytest.raises(DncError) as error:
        judge.score(X, y)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_without_samples_there_is_no_score() -> None:
    for y in (Y[:0], [], TEXT[:0], np.array([], dtype=object)):
        assert math.isnan(MODEL.score(X[:0], y))
        assert math.isnan(ENSEMBLE.score(X[:0], y))


def test_the_score_is_the_test_accuracy() -> None:
    data = dataclasses.replace(DATA, x_test=X, y_test=Y)
    ensemble = Ensemble((MODEL, MODEL), data)
    assert ensemble.score(data.x_test, data.y_test) == ensemble.test_acc


def test_samples_as_tensors_and_tables_are_predicted_alike() -> None:
    rows = X.reshape(len(X), -1)
    floats = rows.astype(np.float32) / 255 if rows.dtype == np.uint8 else rows
    expected = MODEL.predict_proba(floats)
    for x in (torch.tensor(floats, requires_grad=True), pd.DataFrame(floats), scipy.sparse.csr_array(floats)):
        given: Any = x
        assert np.array_equal(MODEL.predict_proba(given), expected)
    for bad in (torch.zeros(rows.shape, device="meta"), [[0.0], [0.0, 1.0]], pd.DataFrame({"a": ["b"]}), None):
        nothing: Any = bad
        with pytest.raises(DncError) as error:
            MODEL.predict(nothing)
        assert "\n" not in str(error.value)
