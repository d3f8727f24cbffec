"""Models and ensembles: what is saved comes back, and members vote."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_training import CNN_CONFIG, CPU, stripes

import dnc
from dnc.data.dataset import Dataset
from dnc.models.ensemble import Ensemble
from dnc.models.model import Model, load_model
from dnc.models.saving import DESCRIPTION, ModelError
from dnc.networks.build import build
from dnc.trial import Epoch


def small_model() -> Model:
    data = stripes(augment=True)
    network = build(CNN_CONFIG.arch, data.input_shape, data.n_classes, seed=0).eval()
    curve = (Epoch(1.5, math.nan, math.nan, 0.25), Epoch(1.0, 0.5, 0.75, 0.125))
    return Model(CNN_CONFIG, tuple("abcd"), 0.5, math.nan, 0.125, 99, curve, network, data.augment, CPU)


def test_everything_that_is_saved_comes_back(tmp_path: Path) -> None:
    model, x = small_model(), stripes().x_val
    loaded = load_model(model.save(tmp_path), device="cpu")
    assert (loaded.config, loaded.classes, loaded.augment) == (model.config, model.classes, model.augment)
    assert (loaded.test_acc, loaded.t_tr) == (0.5, 0.125)
    assert math.isnan(loaded.best_test_acc)
    assert loaded.curve[1:] == model.curve[1:]
    assert str(loaded.curve[0]) == str(model.curve[0])  # NaN does not equal itself
    assert loaded.n_params == dnc.count_params(CNN_CONFIG.arch, (1, 8, 8), 4)
    assert np.array_equal(loaded.predict_proba(x), dataclasses.replace(model, engine=loaded.engine).predict_proba(x))
    json.loads((tmp_path / DESCRIPTION).read_text(), parse_constant=lambda text: pytest.fail(f"{text} is not JSON"))


@pytest.mark.parametrize(
    "change",
    [
        {"curve": [[1.0]]},
        {"curve": 3},
        {"classes": 3},
        {"augment": {"pad": 4}},
        {"augment": {"pad": 4, "flip": True, "mean": 3, "std": [1]}},
    ],
    ids=str,
)
def test_notes_that_are_damaged_are_one_error(tmp_path: Path, change: dict[str, Any]) -> None:
    path = small_model().save(tmp_path) / DESCRIPTION
    description = json.loads(path.read_text())
    description["meta"] |= change
    path.write_text(json.dumps(description))
    with pytest.raises(ModelError, match="is damaged: save the model again") as error:
        load_model(tmp_path)
    assert "\n" not in str(error.value)


def test_probabilities_add_up_to_one() -> None:
    model, x = small_model(), stripes().x_val
    probabilities = model.predict_proba(x)
    assert probabilities.sum(axis=1) == pytest.approx(1)
    assert np.array_equal(model.predict(x), probabilities.argmax(axis=1))
    assert model.score(x, model.predict(x)) == 1
    assert model.predict_proba(x[:0]).shape == (0, 4)


def voter(*probabilities: list[float]) -> Model:
    """A model that is always of the same opinion, one row per sample."""

    class Voter(Model):
        predict_proba: Callable[..., Any] = lambda self, x: np.array(probabilities)

    fields = {field.name: getattr(small_model(), field.name) for field in dataclasses.fields(Model)}
    return Voter(**fields)


def test_the_majority_wins_and_the_mean_breaks_ties() -> None:
    x, y = np.zeros((2, 1), np.float32), np.array([1, 2])
    data = Dataset("two", x, y, x[:0], y[:0], x, y, 4)
    # first sample: two narrow votes for 1 against one certain vote for 0; second sample: one vote each for 0, 2 and 3
    members = (
        voter([1.0, 0.0, 0.0, 0.0], [0.4, 0.3, 0.3, 0.0]),
        voter([0.4, 0.6, 0.0, 0.0], [0.0, 0.0, 0.9, 0.1]),
        voter([0.4, 0.6, 0.0, 0.0], [0.3, 0.0, 0.1, 0.6]),
    )
    ensemble = Ensemble(members, data)
    assert ensemble.predict(x).tolist() == [1, 2]
    assert ensemble.test_acc == 1
    assert ensemble.predict_proba(x)[0] == pytest.approx([0.6, 0.4, 0, 0])
    assert (ensemble.t_tr, ensemble.n_params) == (3 * 0.125, 3 * 99)
    assert math.isnan(Ensemble(members, dataclasses.replace(data, x_test=x[:0], y_test=y[:0])).test_acc)
