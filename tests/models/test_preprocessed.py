"""Models and ensembles treat samples as the training samples were treated, also after they were saved and loaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import torch
from sklearn.datasets import load_wine

from dnc.config import CNN, MLP, Architecture, Config, Training
from dnc.data import Dataset, load_data
from dnc.errors import DncError
from dnc.models.ensemble import Ensemble
from dnc.models.final_training import train_final
from dnc.models.model import Model, load_model
from dnc.models.saving import DESCRIPTION, ModelError

RNG = np.random.default_rng(0)
N = 300
Y = np.arange(N) % 3
HOT = np.eye(3, dtype=np.uint8)[Y].repeat(4, axis=1)
COLORS = np.clip(RNG.normal(100, 30, (N, 6, 6, 3)) + 60 * np.eye(3)[Y][:, None, None], 0, 255).round().astype(int)


def trained(data: Dataset, arch: Architecture, epochs: int = 8) -> Model:
    training = Training(lr=1e-2, batch_size=32)
    return train_final(Config(arch, training), data, epochs=epochs, device="cpu", progress=False)


@pytest.mark.parametrize("arch", [MLP((20,)), CNN((6, 8), pools=(1,))], ids=["mlp", "cnn"])
def test_channels_last_scores_at_prediction_as_at_loading(arch: Architecture, tmp_path: Path) -> None:
    data = Dataset.from_arrays(COLORS[:200], Y[:200], COLORS[200:], Y[200:])
    model = trained(data, arch)
    assert model.test_acc > 0.9
    loaded = load_model(model.save(tmp_path), device="cpu")
    assert loaded.preprocessing == model.preprocessing == data.preprocessing
    x = COLORS[200:]
    forms: list[Any] = [x, x.astype(np.uint8), x.astype(float), torch.tensor(x), x.tolist(), data.x_test]
    for judge in (model, loaded, Ensemble((model, loaded), data)):
        assert {judge.score(form, Y[200:]) for form in forms} == {model.test_acc}
        for bad in (x / 255, x[:, :5], x.reshape(100, -1)):
            with pytest.raises(DncError, match="give the same shape, type and scale"):
                judge.predict(bad)


@pytest.mark.parametrize("dtype", ["uint8", "bool", "int64", "float32"])
def test_one_hot_columns_train_alike_in_every_type(dtype: str) -> None:
    x = HOT.astype(dtype)
    data = Dataset.from_arrays(x[:200], Y[:200], x[200:], Y[200:])
    model = trained(data, MLP((20,)), epochs=3)
    assert model.test_acc == 1
    for form in (HOT, HOT > 0, HOT.astype(float), pd.DataFrame(HOT), scipy.sparse.csr_array(HOT)):
        given: Any = form
        np.testing.assert_array_equal(model.predict_proba(given), model.predict_proba(HOT))


def test_raw_tables_train_as_standardized_ones() -> None:
    x, y = load_wine(return_X_y=True)
    standardized = (x - x.mean(axis=0)) / x.std(axis=0)
    scores = {}
    for name, values, scale in (("raw", x, "none"), ("auto", x, "auto"), ("by hand", standardized, "none")):
        data = Dataset.from_arrays(values[::2], y[::2], values[1::2], y[1::2], scale=scale)
        model = trained(data, MLP((20,)), epochs=30)
        scores[name] = model.test_acc
        assert model.score(values[1::2], y[1::2]) == model.score(data.x_test, data.y_test) == model.test_acc
        assert model.score(pd.DataFrame(values[1::2]), y[1::2]) == model.test_acc
    assert scores["auto"] >= scores["by hand"] - 0.02 > scores["raw"] + 0.2


@pytest.mark.parametrize("low", [0, 245])
def test_an_offset_does_no_harm(low: int) -> None:
    """Features around 1000, and a large table of bytes near 255."""
    x = RNG.normal(size=(N, 80)) + 1.2 * np.eye(3)[Y].repeat(27, axis=1)[:, :80]
    x = np.clip(250 + 2 * x, low, 255).astype(np.uint8) if low else x + 1000
    data = Dataset.from_arrays(x[:200], Y[:200], x[200:], Y[200:])
    assert trained(data, MLP((20,)), epochs=5).test_acc > 0.95


@pytest.mark.real_data
@pytest.mark.parametrize("shape", [(28, 28), (784,)])
def test_fashion_mnist_is_the_same_in_bytes_and_integers(data_root: Path, shape: tuple[int, ...]) -> None:
    named = load_data("fmnist", n_train=1000, n_val=500, n_test=500, download=False)
    scores = []
    for dtype in (np.uint8, np.int64, np.float64):
        x, x_val, x_test = (v.reshape(-1, *shape).astype(dtype) for v in (named.x_train, named.x_val, named.x_test))
        data = Dataset.from_arrays(x, named.y_train, x_test, named.y_test, x_val=x_val, y_val=named.y_val)
        model = trained(data, MLP((32,)), epochs=2)
        scores += [model.test_acc, model.score(x_test, named.y_test), model.score(x_test.astype(int), named.y_test)]
    assert set(scores) == {trained(named, MLP((32,)), epochs=2).test_acc}


def test_models_of_earlier_versions_do_what_they_did(tmp_path: Path) -> None:
    data = load_data("digits", n_train=100, n_val=50, n_test=50)
    model = trained(data, MLP((20,)), epochs=1)
    path = model.save(tmp_path) / DESCRIPTION
    description = json.loads(path.read_text())
    saved = description["meta"].pop("preprocessing")
    path.write_text(json.dumps(description))
    old = load_model(tmp_path, device="cpu")
    assert old.preprocessing is None
    assert np.array_equal(old.predict_proba(data.x_test), model.predict_proba(data.x_test))
    in_bytes = (data.x_test * 255).astype(np.uint8)
    assert np.array_equal(old.predict(in_bytes), model.predict((in_bytes / 255).astype(np.float32)))
    bad_std = {"std": [-1.0], "mean": [0.0]}
    for change in ({"mean": [1.0]}, bad_std, {"shape": [3, 8, 8]}, {"layout": "CHW"}, {"shape": 3}):
        path.write_text(json.dumps({**description, "meta": {**description["meta"], "preprocessing": saved | change}}))
        with pytest.raises(ModelError, match="damaged") as error:
            load_model(tmp_path)
        assert "\n" not in str(error.value)
