"""What a training depends on besides its config, and the names that follow from it in the store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dnc.config import Config, content_hash
from dnc.data.dataset import Dataset
from dnc.training.engine import Engine, machine_id
from dnc.training.error_limits import ErrorLimits
from dnc.trial import Reading


@dataclass(frozen=True)
class TrainingSetup:
    """The data, length, seed and numerics that all trainings of a search share.

    Attributes:
        data: as the network family sees it.
        epochs: epochs of a training.
        train_seed: seed of a training's random streams.
        engine: how to compute.
        clock: number of the series of timings.
    """

    data: Dataset
    epochs: int
    train_seed: int
    engine: Engine
    clock: int = 0

    def identity(self, config: Config) -> dict[str, Any]:
        """What a training depends on, and nothing else."""
        return {
            "data": self.data.fingerprint,
            "config": config.to_dict(),
            "epochs": self.epochs,
            "train_seed": self.train_seed,
            "engine": self.engine.id,
        }

    def key(self, config: Config) -> str:
        """The name of a whole training in the store."""
        return content_hash(self.identity(config))

    def ended_key(self, config: Config, limits: ErrorLimits) -> str:
        """The name of a training that these limits end early."""
        return content_hash({**self.identity(config), "error_limits": list(limits)})

    def failure_key(self, config: Config, trial_timeout: float | None) -> str:
        """The name of a failure that is not the config's own: a time limit, a lack of memory, a dead worker.

        On another machine, or with another limit, the training is tried again.
        """
        conditions = {"trial_timeout": trial_timeout, "machine": machine_id(self.engine)}
        return content_hash({**self.identity(config), **conditions})

    def timing_subject(self, config: Config, reading: Reading = Reading.SCREENED) -> dict[str, Any]:
        """What a timing depends on: not on learning rate and weight decay. Each reading is a measurement of its own."""
        described = config.to_dict()
        return {
            **({} if reading is Reading.SCREENED else {"reading": str(reading)}),
            "family": described["family"],
            "arch": described["arch"],
            "batch_size": min(config.training.batch_size, self.data.n_train),
            "input_shape": list(self.data.input_shape),
            "n_classes": self.data.n_classes,
            "n_train": self.data.n_train,
            "augmentation": self.data.augmentation_id,
            "engine": self.engine.id,
            "machine": machine_id(self.engine),
            **self.series,
        }

    @property
    def series(self) -> dict[str, int]:
        """What sets the measurements of other clocks apart; nothing for clock 0, so that names from before it stay."""
        return {"clock": self.clock} if self.clock else {}

    def timing_key(self, config: Config, reading: Reading = Reading.SCREENED) -> str:
        """The name of a config's timing in the store."""
        return content_hash(self.timing_subject(config, reading))
