"""A trained network with all that is needed to use it: predict, score, save, load."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dnc.card import Card, HasCard, accuracy, per_epoch
from dnc.config import MLP, Config
from dnc.data.dataset import Augment
from dnc.data.foreign import as_array
from dnc.data.preprocessing import Preprocessing
from dnc.environment import versions
from dnc.errors import ArgumentError, short_repr
from dnc.files import json_ready
from dnc.models.predict import accuracy_on, predict_logits
from dnc.models.saving import DESCRIPTION, ModelError, load_network, save_network
from dnc.networks.params import count_params
from dnc.training.engine import Engine, machine_name, select_engine
from dnc.trial import Epoch

if TYPE_CHECKING:
    from dnc.networks.build import Network


@dataclass(frozen=True, eq=False, repr=False)
class Model(HasCard):
    """A trained network, as `result.refit()` and `load_model` return it.

    The headline is the test accuracy after the last epoch. The best over the epochs is kept apart: choosing by it would
    peek at the test set.

    Attributes:
        config: its architecture and training hyperparameters.
        classes: names of the classes, in the order of the probabilities.
        test_acc: test accuracy (fraction) after the last epoch; NaN without test data.
        best_test_acc: best test accuracy over the epochs (optimistic); NaN without test data.
        t_tr: training time per epoch on train + validation data, seconds.
        n_params: number of trainable parameters.
        curve: one `Epoch` per epoch; its val_loss and val_acc are those of the test set.
        network: the torch module, in evaluation mode.
        augment: the augmentation of the training data, whose mean and std normalize images before a prediction.
        engine: how predictions are computed.
        preprocessing: what is done to samples, as it was done to the training samples; None for a model of an earlier
            version, which divides uint8 by 255 and uses floats as they are.

    >>> import dnc, tempfile
    >>> from dnc.models.final_training import train_final
    >>> data = dnc.load_data("digits", n_train=300, n_val=100, n_test=100)
    >>> model = train_final(dnc.Config(dnc.MLP(hidden=(20,))), data, epochs=2, progress=False)
    >>> model.predict(data.x_test[:5]).shape, model.predict_proba(data.x_test[:5]).shape
    ((5,), (5, 10))
    >>> model.score(data.x_test, data.y_test) == model.test_acc
    True
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = model.save(folder)
    ...     sorted(file.name for file in path.iterdir())
    ['config.json', 'weights.pt']
    """

    config: Config
    classes: tuple[str, ...]
    test_acc: float
    best_test_acc: float
    t_tr: float
    n_params: int
    curve: tuple[Epoch, ...]
    network: Network
    augment: Augment | None
    engine: Engine
    preprocessing: Preprocessing | None = None

    def predict_proba(self, x: ArrayLike) -> NDArray[np.float32]:
        """Class probabilities, shape (N, n_classes), of samples as `Dataset.from_arrays` took them, shape (N, ...).

        Arrays, tables and tensors of any type are treated as those to train on were: the same layout, the same scaling.
        So are the samples that the data set holds.

        Raises:
            DataError: samples of another shape or scale, or no numbers.
        """
        samples = as_array("x", x) if self.preprocessing is None else self.preprocessing.apply("x", x)
        logits = predict_logits(self.network, samples, self.engine, self.augment)
        # softmax without overflow; `initial` lets the maximum of no samples pass
        exponentials = np.exp(logits - logits.max(axis=1, keepdims=True, initial=-np.inf))
        return exponentials / exponentials.sum(axis=1, keepdims=True)

    def predict(self, x: ArrayLike) -> NDArray[np.int64]:
        """Predicted class numbers, shape (N,), of samples, shape (N, ...); `classes` has their names.

        Raises:
            DataError: samples of another shape or scale, or no numbers.
        """
        return self.predict_proba(x).argmax(axis=1)

    def score(self, x: ArrayLike, y: ArrayLike) -> float:
        """Accuracy (fraction) on samples, shape (N, ...), and their labels, shape (N,) or (N, 1); NaN without samples.

        The labels are class numbers or the names in `classes`, in any form that `Dataset.from_arrays` takes.

        Raises:
            DataError: samples of another shape or scale, another number of labels, or a label of no class.
        """
        return accuracy_on(self.predict(x), y, self.classes)

    def save(self, folder: str | Path) -> Path:
        """Write weights and a JSON description into `folder`, which is made if need be; `load_model` reads them.

        Raises:
            DncError: the folder cannot be written.
        """
        meta = {
            "classes": self.classes,
            "test_acc": self.test_acc,
            "best_test_acc": self.best_test_acc,
            "t_tr": self.t_tr,
            "curve": [(e.train_loss, e.val_loss, e.val_acc, e.seconds) for e in self.curve],
            "augment": None if self.augment is None else _augment_to_dict(self.augment),
            "preprocessing": None if self.preprocessing is None else self.preprocessing.to_dict(),
            "versions": versions(),
            "machine": machine_name(self.engine),
        }
        return save_network(folder, self.network, self.config, json_ready(meta))

    def _card(self) -> Card:
        facts = (
            ("test accuracy", accuracy(self.test_acc)),
            ("best over the epochs", accuracy(self.best_test_acc)),
            ("t_tr", per_epoch(self.t_tr)),
            ("N_p", f"{self.n_params:,}"),
            ("epochs", f"{len(self.curve):,}"),
            ("classes", f"{len(self.classes):,}"),
        )
        return Card("trained network", str(self.config.arch), facts, detail=str(self.config.training))

    def __str__(self) -> str:
        return (
            f"{self.config}\n  test accuracy {self.test_acc:.2%} (last epoch; best {self.best_test_acc:.2%}), "
            f"t_tr {self.t_tr:.4g} s per epoch, {self.n_params:,} parameters"
        )


def load_model(folder: str | Path, device: str = "auto") -> Model:
    """The model that `Model.save` wrote into `folder`. No code from the files is run.

    Args:
        folder: where it was saved.
        device: "auto", "cpu" or "cuda": where it will predict.

    Raises:
        ModelError: the folder is missing, damaged or not a saved model.
        ArgumentError: there is no such device, or `folder` can be no path.

    >>> import dnc, tempfile
    >>> from dnc.models.final_training import train_final
    >>> data = dnc.load_data("digits", n_train=300, n_val=100, n_test=100)
    >>> model = train_final(dnc.Config(dnc.MLP(hidden=(20,))), data, epochs=1, progress=False)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     loaded = dnc.load_model(model.save(folder))
    >>> bool((loaded.predict_proba(data.x_test) == model.predict_proba(data.x_test)).all())
    True
    """
    network, config, meta = load_network(folder)
    n_classes = network.classifier.out_features
    try:  # the notes of a damaged description may hold anything
        classes = tuple(map(str, meta.get("classes", range(n_classes))))
        curve = tuple(Epoch(*map(_float_or_nan, point)) for point in meta.get("curve", []))
        augment = _augment_from_dict(meta.get("augment"))
        preprocessing = _preprocessing_from_dict(meta.get("preprocessing"), network.input_shape)
    except (KeyError, TypeError, ValueError, OverflowError, ArgumentError) as error:
        raise ModelError(f"{DESCRIPTION} in {short_repr(str(folder))} is damaged: save the model again") from error
    return Model(
        config=config,
        classes=classes,
        test_acc=_float_or_nan(meta.get("test_acc")),
        best_test_acc=_float_or_nan(meta.get("best_test_acc")),
        t_tr=_float_or_nan(meta.get("t_tr")),
        n_params=count_params(config.arch, network.input_shape, n_classes),
        curve=curve,
        network=network,
        augment=augment,
        engine=engine_for(config, device),
        preprocessing=preprocessing,
    )


def engine_for(config: Config, device: str) -> Engine:
    """The engine that a search would train this config with.

    Raises:
        ArgumentError: there is no such device.
    """
    return select_engine(device, family="mlp" if isinstance(config.arch, MLP) else "cnn")


def _float_or_nan(value: object) -> float:
    """A number that `json_ready` may have turned into None."""
    return float(value) if isinstance(value, (int, float)) else math.nan


def _preprocessing_from_dict(value: Any, input_shape: tuple[int, ...]) -> Preprocessing | None:
    if value is None:  # of an earlier version
        return None
    preprocessing = Preprocessing.from_dict(value)
    if math.prod(preprocessing.image_shape or preprocessing.shape) != math.prod(input_shape):
        raise ArgumentError(f"shape={preprocessing.shape} does not fit the network's {input_shape}")
    return preprocessing


def _augment_to_dict(augment: Augment) -> dict[str, Any]:
    return {"pad": augment.pad, "flip": augment.flip, "mean": augment.mean, "std": augment.std}


def _augment_from_dict(value: Any) -> Augment | None:
    if not isinstance(value, Mapping):
        return None
    return Augment(value["pad"], value["flip"], tuple(value["mean"]), tuple(value["std"]))
