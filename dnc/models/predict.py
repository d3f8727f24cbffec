"""Predict with a trained network, in chunks."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import ArrayLike

from dnc.data.augmenter import Augmenter
from dnc.data.dataset import Augment
from dnc.data.labels import known_labels
from dnc.errors import ArgumentError
from dnc.networks.build import Network
from dnc.networks.mlp import Perceptron
from dnc.training.batches import BatchSource
from dnc.training.engine import Engine, compute_settings, evaluation_engine, precision
from dnc.training.loop import failing_on_memory
from dnc.training.mlp_cpu.stacked import product_type, stacked_forward


def predict_logits(network: Network, x: np.ndarray, engine: Engine, augment: Augment | None = None) -> np.ndarray:
    """Logits (N, n_classes) float32 of samples x: (N, *input_shape), or flat (N, features).

    Args:
        network: a network of `build`; it is put into evaluation mode and onto the engine's device.
        x: uint8 samples (divided by 255), or floats (used as they are).
        engine: how to compute.
        augment: the augmentation that a CNN was trained with: its mean and std normalize the images.

    Raises:
        ArgumentError: samples of another shape or type.
    """
    samples = _as_samples(x, network.input_shape)
    engine = evaluation_engine(engine, samples.dtype)
    flat = isinstance(network, Perceptron)
    with compute_settings(engine), failing_on_memory(), torch.inference_mode(), precision(engine):
        network = network.to(engine.device).eval()
        augmenter = None if flat or augment is None else Augmenter(augment, engine.device)
        labels = np.zeros(len(samples), dtype=np.int64)
        # As in training, so that the predictions have exactly the accuracy that the last epoch reported.
        if isinstance(network, Perceptron) and engine.kind == "direct":
            forward, dtype = stacked_forward(network, engine), product_type(engine)
        else:
            forward, dtype = network, torch.float32
        source = BatchSource(samples, labels, flat=flat, augmenter=augmenter, device=engine.device, dtype=dtype)
        parts = [forward(batch).float().cpu() for batch, _ in source.chunks()]
        no_logits = torch.empty(0, network.classifier.out_features)  # for no samples at all
        return torch.cat([no_logits, *parts]).numpy()


def accuracy_on(predicted: np.ndarray, y: ArrayLike, classes: tuple[str, ...]) -> float:
    """Fraction of the class numbers predicted, shape (N,), that are those of the labels y; NaN without samples.

    Raises:
        DataError: another number of labels, or a label of no class.

    >>> accuracy_on(np.array([0, 1, 1]), [["cat"], ["dog"], ["cat"]], ("cat", "dog"))
    0.6666666666666666
    """
    labels = known_labels("y", y, len(predicted), classes)
    return float((predicted == labels).mean()) if len(labels) else math.nan


def _as_samples(x: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Samples of shape (N, *shape), uint8 or float32."""
    samples = np.asarray(x)
    if samples.dtype != np.uint8 and not np.issubdtype(samples.dtype, np.floating):
        raise ArgumentError(f"x holds {samples.dtype}: give uint8 or float samples, as in training")
    given, features = samples.shape[1:], math.prod(shape)
    without_channel = shape[0] == 1 and given == shape[1:]
    # rows of features for a network that sees images, or anything of that size for one that sees it flat
    flat = given == (features,) or (len(shape) == 1 and samples.ndim > 1 and math.prod(given) == features)
    if not (given == shape or without_channel or flat):
        wanted = f"(N, {', '.join(map(str, shape))})"
        raise ArgumentError(f"x has shape {samples.shape}: the model takes samples of shape {wanted}")
    if samples.dtype != np.uint8:
        samples = samples.astype(np.float32, copy=False)
    return samples.reshape(len(samples), *shape)
