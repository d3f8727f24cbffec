"""Final training: a config is trained on train + validation data and tested (Sec. 3.1)."""

from __future__ import annotations

import math

from dnc.bars import progress_bar
from dnc.config import MLP, Config
from dnc.data.dataset import Dataset
from dnc.errors import check_int
from dnc.models.model import Model, engine_for
from dnc.networks.params import count_params
from dnc.training.clock import Calibration, calibrate, measure_t_tr
from dnc.training.loop import train
from dnc.trial import Epoch


def train_final(
    config: Config,
    data: Dataset,
    *,
    epochs: int,
    seed: int = 0,
    device: str = "auto",
    progress: bool = True,
    clock: Calibration | None = None,
) -> Model:
    """Train a config on train + validation data and test it after every epoch; `Model` has an example.

    Args:
        config: what to train.
        data: the data set; an MLP sees it flat.
        epochs: number of epochs, >= 1.
        seed: seed of initial weights, shuffling and dropout.
        device: "auto", "cpu" or "cuda".
        progress: show a progress bar.
        clock: the calibration of the search, which puts t_tr on the search's scale; None calibrates anew.

    Raises:
        ArgumentError: a bad argument.
        TrainingFailed: the loss is not finite, or there is not enough memory.
    """
    epochs, seed = check_int("epochs", epochs, 1), check_int("seed", seed, 0)
    engine = engine_for(config, device)
    prepared = data.prepared()
    final_data = (prepared.flatten() if isinstance(config.arch, MLP) else prepared).final()
    bar = progress_bar(epochs, "epoch", label="final training") if progress else None

    def show(epoch: int, point: Epoch) -> None:
        if bar is not None:
            if math.isfinite(point.val_acc):  # NaN without test data
                bar.set_postfix_str(f"test accuracy {point.val_acc:.2%}", refresh=False)
            bar.update(1)

    try:
        timing = measure_t_tr(config, final_data, engine, clock or calibrate(engine), epochs=epochs)
        outcome = train(config, final_data, epochs, seed, engine, on_epoch=show, keep_weights=True)
    finally:
        if bar is not None:
            bar.close()
    assert outcome.model is not None  # keep_weights
    return Model(
        config=config,
        classes=data.classes,
        test_acc=outcome.curve[-1].val_acc,  # `final_data` validates on the test set
        best_test_acc=outcome.val_acc,
        t_tr=timing.t_tr,
        n_params=count_params(config.arch, final_data.input_shape, final_data.n_classes),
        curve=outcome.curve,
        network=outcome.model,
        augment=final_data.augment,
        engine=engine,
        preprocessing=data.preprocessing,
    )
