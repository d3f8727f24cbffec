"""Predict with a trained network, in chunks."""

from __future__ import annotations

import math

import numpy as np
import torch

from dnc.data.augmenter import Augmenter
from dnc.data.dataset import Augment
from dnc.errors import ArgumentError
from dnc.networks.build import Network
from dnc.networks.mlp import Perceptron
from dnc.training.batches import BatchSource
from dnc.training.engine import Engine, compute_settings, precision
from dnc.training.loop import failing_on_memory
from dnc.training.mlp_cpu.stacked import product_type, stacked_forward


def predict_logits(model: Network, x: np.ndarray, engine: Engine, augment: Augment | None = None) -> np.ndarray:
    """Logits (N, n_classes) float32 of samples x: (N, *input_shape), or flat (N, features).

    Args:
        model: a network of `build`; it is put into evaluation mode and onto the engine's device.
        x: uint8 samples (divided by 255), or floats (used as they are).
        engine: how to compute.
        augment: the augmentation that a CNN was trained with: its mean and std normalise the images.

    Raises:
        ArgumentError: samples of another shape or type.
    """
    samples = _checked(x, model.input_shape)
    flat = isinstance(model, Perceptron)
    with compute_settings(engine), failing_on_memory(), torch.inference_mode(), precision(engine):
        network = model.to(engine.device).eval()
        augmenter = None if flat or augment is None else Augmenter(augment, engine.device)
        labels = np.zeros(len(samples), dtype=np.int64)
        if isinstance(network, Perceptron) and engine.kind == "direct":
            forward, dtype = stacked_forward(network, engine), product_type(engine)
        else:
            forward, dtype = network, torch.float32
        feed = BatchSource(samples, labels, flat=flat, augmenter=augmenter, device=engine.device, dtype=dtype)
        parts = [forward(batch).float().cpu() for batch, _ in feed.chunks()]
        return torch.cat([torch.empty(0, network.classifier.out_features), *parts]).numpy()


def _checked(x: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    samples = np.asarray(x)
    if samples.dtype != np.uint8 and not np.issubdtype(samples.dtype, np.floating):
        raise ArgumentError(f"x holds {samples.dtype}: give uint8 or float samples, as in training")
    given, features = samples.shape[1:], math.prod(shape)
    one_channel = shape[0] == 1 and given == shape[1:]
    flat = given == (features,) or (len(shape) == 1 and samples.ndim > 1 and math.prod(given) == features)
    if not (given == shape or one_channel or flat):
        wanted = f"(N, {', '.join(map(str, shape))})"
        raise ArgumentError(f"x has shape {samples.shape}: the model takes samples of shape {wanted}")
    if samples.dtype != np.uint8:
        samples = samples.astype(np.float32, copy=False)
    return samples.reshape(len(samples), *shape)
