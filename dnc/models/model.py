"""Final networks: train the winner on train + validation data, test it, predict with it, save and load it.

The headline is the test accuracy of the last epoch. The best over the epochs is kept apart: choosing by it would
peek at the test set.
"""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dnc.config import MLP, Config
from dnc.data.dataset import Augment, Dataset
from dnc.environment import versions
from dnc.errors import ArgumentError, check_int, short_repr
from dnc.models.predict import predict_logits
from dnc.models.saving import load_model as load_parts
from dnc.models.saving import save_model as save_parts
from dnc.networks.params import count_params
from dnc.training.clock import Calibration, calibrate, measure_t_tr
from dnc.training.engine import Engine, machine_name, select_engine
from dnc.training.loop import train
from dnc.trial import Epoch

if TYPE_CHECKING:
    from dnc.networks.build import Network


@dataclass(frozen=True, eq=False)
class Model:
    """A trained network.

    Attributes:
        config: its architecture and training hyperparameters.
        classes: names of the classes, in the order of the probabilities.
        test_acc: test accuracy (fraction) after the last epoch; NaN without test data.
        best_test_acc: best test accuracy over the epochs (optimistic); NaN without test data.
        t_tr: training time of one epoch on train + validation data, seconds.
        n_params: trainable parameters.
        curve: one `Epoch` an epoch; its val_loss and val_acc are those of the test set.
        network: the torch module, in evaluation mode.
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

    def predict_proba(self, x: ArrayLike) -> NDArray[np.float32]:
        """Class probabilities, shape (N, n_classes), of samples as the data set holds them, shape (N, ...).

        Raises:
            ArgumentError: samples of another shape.
        """
        logits = predict_logits(self.network, np.asarray(x), self.engine, self.augment)
        odds = np.exp(logits - logits.max(axis=1, keepdims=True, initial=-np.inf))
        return odds / odds.sum(axis=1, keepdims=True)

    def predict(self, x: ArrayLike) -> NDArray[np.int64]:
        """Predicted class numbers, shape (N,)."""
        return self.predict_proba(x).argmax(axis=1)

    def score(self, x: ArrayLike, y: ArrayLike) -> float:
        """Accuracy (fraction) on samples and their class numbers."""
        return float((self.predict(x) == np.asarray(y)).mean())

    def save(self, folder: str | Path) -> Path:
        """Write weights and a JSON description into `folder`, which is made if need be; `load_model` reads them.

        Raises:
            DncError: the folder cannot be written.
        """
        meta = {
            "classes": list(self.classes),
            "test_acc": _number(self.test_acc),
            "best_test_acc": _number(self.best_test_acc),
            "t_tr": _number(self.t_tr),
            "curve": [[_number(v) for v in (e.train_loss, e.val_loss, e.val_acc, e.seconds)] for e in self.curve],
            "augment": None if self.augment is None else _augment_to_dict(self.augment),
            "versions": versions(),
            "machine": machine_name(self.engine),
        }
        return save_parts(folder, self.network, self.config, meta)

    def __str__(self) -> str:
        return (
            f"{self.config}\n  test accuracy {self.test_acc:.2%} (last epoch; best {self.best_test_acc:.2%}), "
            f"t_tr {self.t_tr:.4g} s an epoch, {self.n_params:,} parameters"
        )


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Networks that vote (Appendix: Ensembling). Their training times and parameters add up."""

    members: tuple[Model, ...]
    data: Dataset

    def predict_proba(self, x: ArrayLike) -> NDArray[np.float32]:
        """Mean of the members' class probabilities, shape (N, n_classes)."""
        return np.mean([m.predict_proba(x) for m in self.members], axis=0)

    def predict(self, x: ArrayLike) -> NDArray[np.int64]:
        """Majority vote of the members, shape (N,); ties go to the class with the higher mean probability."""
        probabilities = np.stack([m.predict_proba(x) for m in self.members])
        n_classes = probabilities.shape[2]
        votes = np.stack([(probabilities.argmax(axis=2) == k).sum(axis=0) for k in range(n_classes)], axis=1)
        return (votes + 0.5 * probabilities.mean(axis=0)).argmax(axis=1)  # the mean is at most 1: it only breaks ties

    @property
    def test_acc(self) -> float:
        """Test accuracy of the vote, a fraction; NaN without test data."""
        if not self.data.n_test:
            return math.nan
        return float((self.predict(self.data.x_test) == self.data.y_test).mean())

    @property
    def t_tr(self) -> float:
        """Seconds of one epoch of all members."""
        return float(sum(m.t_tr for m in self.members))

    @property
    def n_params(self) -> int:
        """Trainable parameters of all members."""
        return sum(m.n_params for m in self.members)

    def __str__(self) -> str:
        kinds = Counter(str(m.config.arch) for m in self.members)
        return f"{len(self.members)} networks ({', '.join(kinds)}): test accuracy {self.test_acc:.2%}"


def fit(
    config: Config,
    data: Dataset,
    *,
    epochs: int,
    seed: int = 0,
    device: str = "auto",
    progress: bool = True,
    clock: Calibration | None = None,
) -> Model:
    """Train a config on train + validation data and test it after every epoch.

    Args:
        config: what to train.
        data: the data set; an MLP sees it flat.
        epochs: epochs to train, >= 1.
        seed: seed of initial weights, shuffling and dropout.
        device: "auto", "cpu" or "cuda".
        progress: show a bar.
        clock: the reference step time that the search used, so that t_tr is on the same scale; None measures it.

    Raises:
        ArgumentError: a bad argument.
        TrainingFailed: the loss is not finite, or the memory does not suffice.
    """
    check_int("epochs", epochs, 1)
    seen = data.flatten() if isinstance(config.arch, MLP) else data
    final, engine = seen.final(), engine_for(config, device)
    bar = _bar(epochs) if progress else None

    def show(epoch: int, point: Epoch) -> None:
        if bar is not None:
            if math.isfinite(point.val_acc):
                bar.set_postfix_str(f"test accuracy {point.val_acc:.2%}", refresh=False)
            bar.update(1)

    try:
        timing = measure_t_tr(config, final, engine, clock or calibrate(engine), epochs=epochs)
        outcome = train(config, final, epochs, seed, engine, on_epoch=show, keep_weights=True)
    finally:
        if bar is not None:
            bar.close()
    if outcome.model is None:
        raise ArgumentError(f"config={short_repr(config)} gave no network")
    return Model(
        config=config,
        classes=data.classes,
        test_acc=outcome.curve[-1].val_acc,
        best_test_acc=outcome.val_acc,
        t_tr=timing.t_tr,
        n_params=count_params(config.arch, final.input_shape, final.n_classes),
        curve=outcome.curve,
        network=outcome.model,
        augment=final.augment,
        engine=engine,
    )


def engine_for(config: Config, device: str) -> Engine:
    """The engine that a search would train this config with."""
    return select_engine(device, family="mlp" if isinstance(config.arch, MLP) else "cnn")


def load_model(folder: str | Path, device: str = "auto") -> Model:
    """The model that `Model.save` wrote into `folder`. No code from the files is run.

    Raises:
        ModelError: the folder is missing, damaged or not a saved model.
    """
    saved = load_parts(folder)
    meta: Mapping[str, Any] = saved.meta
    curve = tuple(Epoch(*(math.nan if v is None else float(v) for v in point)) for point in meta.get("curve", []))
    shape, n_classes = saved.model.input_shape, saved.model.classifier.out_features
    return Model(
        config=saved.config,
        classes=tuple(map(str, meta.get("classes", range(n_classes)))),
        test_acc=_float(meta.get("test_acc")),
        best_test_acc=_float(meta.get("best_test_acc")),
        t_tr=_float(meta.get("t_tr")),
        n_params=count_params(saved.config.arch, shape, n_classes),
        curve=curve,
        network=saved.model,
        augment=_augment_from_dict(meta.get("augment")),
        engine=engine_for(saved.config, device),
    )


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None  # JSON knows no NaN


def _float(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) else math.nan


def _augment_to_dict(augment: Augment) -> dict[str, Any]:
    return {"pad": augment.pad, "flip": augment.flip, "mean": list(augment.mean), "std": list(augment.std)}


def _augment_from_dict(value: Any) -> Augment | None:
    if not isinstance(value, Mapping):
        return None
    return Augment(value["pad"], value["flip"], tuple(value["mean"]), tuple(value["std"]))


def _bar(epochs: int) -> Any:
    from tqdm.auto import tqdm

    return tqdm(total=epochs, desc="final training", unit="epoch", dynamic_ncols=True, file=sys.stderr)
