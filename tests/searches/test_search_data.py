"""Searches on data as people have it: other test samples train nothing again, and tables are scaled on the way."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from small_search import tiny

import dnc
from dnc.workers.jobs import TrainJob

pytestmark = pytest.mark.usefixtures("counted_clock")


@pytest.mark.parametrize("space", [dnc.MLPSpace(hidden_layers=(0, 1), nodes=(4, 16)), None], ids=["mlp", "cnn"])
def test_another_number_of_test_samples_trains_nothing_again(
    space: dnc.MLPSpace | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = space or dnc.CNNSpace(conv_layers=(1, 2), first_channels=(2, 4), max_channels=4)
    arguments = {"space": chosen, "store": tmp_path / "t.db", "penalty": "n_params", "epochs": 1}
    first = tiny(data=dnc.load_data("digits", n_train=100, n_val=50, n_test=20), **arguments)
    monkeypatch.setattr(TrainJob, "__call__", lambda self, data: pytest.fail("it trains again"))
    again = tiny(data=dnc.load_data("digits", n_train=100, n_val=50, n_test=30), **arguments)
    assert again.best.trial == first.best.trial


def test_a_table_that_needs_it_is_searched_and_refitted_standardized() -> None:
    rng = np.random.default_rng(0)
    y = np.arange(240) % 3
    x = rng.normal(size=(240, 3)) * [1, 200, 0.01] + 4 * np.eye(3)[y] * [1, 200, 0.01] + [1000, 0, 0]
    data = dnc.Dataset.from_arrays(x[:180], y[:180], x[180:], y[180:])
    result = tiny(data=data, space=dnc.MLPSpace(hidden_layers=(1, 1), nodes=(16, 32)), penalty="n_params", epochs=15)
    assert result.best.val_acc > 0.9
    model = result.refit(epochs=15, progress=False)
    assert model.preprocessing == data.preprocessing
    assert model.score(x[180:], y[180:]) == model.score(data.x_test, data.y_test) == model.test_acc > 0.9
    ensemble = result.ensemble(2, epochs=1, progress=False)
    assert ensemble.score(x[180:], y[180:]) == ensemble.test_acc
