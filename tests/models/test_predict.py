"""Prediction with trained networks."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from small_training import CNN_CONFIG, CPU, MLP_CONFIG, stripes

from dnc.config import MLP, Config
from dnc.errors import ArgumentError
from dnc.models.predict import predict_logits
from dnc.networks.build import build
from dnc.training import batches
from dnc.training.loop import train


@pytest.mark.parametrize("config", [MLP_CONFIG, CNN_CONFIG], ids=["mlp", "cnn"])
@pytest.mark.parametrize("augment", [False, True])
def test_predictions_have_the_accuracy_of_the_last_epoch(config: Config, augment: bool) -> None:
    data = stripes(augment=augment)
    outcome = train(config, data, 4, 0, CPU, keep_weights=True)
    assert outcome.model is not None
    logits = predict_logits(copy.deepcopy(outcome.model), data.x_val, CPU, data.augment)
    assert logits.shape == (data.n_val, 4)
    assert logits.dtype == np.float32
    assert np.mean(logits.argmax(1) == data.y_val) == outcome.curve[-1].val_acc


def test_prediction_takes_equivalent_shapes_and_names_wrong_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "CHUNK_IMAGES", 3)
    model = build(CNN_CONFIG.arch, (1, 8, 8), 4, seed=0)
    x = stripes().x_val
    logits = predict_logits(model, x, CPU)
    for same in (x.reshape(-1, 64), x.reshape(-1, 8, 8), (x / 255).astype(np.float32)):
        np.testing.assert_allclose(predict_logits(model, same, CPU), logits, rtol=1e-5, atol=1e-6)
    assert predict_logits(model, x[:0], CPU).shape == (0, 4)
    flat = build(MLP(), (64,), 4, seed=0)
    assert np.array_equal(predict_logits(flat, x, CPU), predict_logits(flat, x.reshape(-1, 64), CPU))
    for wrong in (x[0, 0], x.reshape(-1, 8, 8, 1), x[:, :, :4]):
        with pytest.raises(ArgumentError, match=r"takes samples of shape \(N, 1, 8, 8\)"):
            predict_logits(model, wrong, CPU)
    with pytest.raises(ArgumentError, match="int64"):
        predict_logits(model, x.astype(np.int64), CPU)
