"""What evaluating a config gives, and what a search did with it.

A *trial* says what was measured: accuracy, t_tr, N_p. It knows nothing of w_c, so that one trial serves every
w_c and both penalties. A *visit* says that a search came by: at which stage and step, and what its model expected.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from dnc.config import Config


@dataclass(frozen=True)
class Epoch:
    """One point of a learning curve: mean train loss, validation loss and accuracy (fraction), seconds."""

    train_loss: float
    val_loss: float
    val_acc: float
    seconds: float


@dataclass(frozen=True)
class Trial:
    """One evaluated config.

    Attributes:
        config: what was trained.
        val_acc: best validation accuracy over the epochs, a fraction (eq. 2a uses 1 - val_acc); NaN if it failed.
        t_tr: training time of one epoch in seconds, as the clock measured it; NaN if not measured.
        n_params: number of trainable parameters N_p.
        status: "ok", "failed", "pruned" (measured, but not trained: it cannot win), "ended" (trained in part: by its
            curve it cannot win), or "planned" (not evaluated yet).
        reason: why it failed, was pruned or ended, one line; else empty.
        seconds: recorded seconds of training and validation, looked up or not.
        curve: one `Epoch` an epoch.
        metrics: further registered complexity metrics by name.
        key: name of the training in the store; for an injected evaluation, the config's own key.
        cached: True if it was looked up instead of trained.
    """

    config: Config
    val_acc: float
    t_tr: float
    n_params: int
    status: str = "ok"
    reason: str = ""
    seconds: float = 0.0
    curve: tuple[Epoch, ...] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)
    key: str = ""
    cached: bool = field(default=False, compare=False)  # how it was come by, not what it is

    def __post_init__(self) -> None:
        if not self.key:
            object.__setattr__(self, "key", self.config.key)

    @property
    def ok(self) -> bool:
        """True if there is an accuracy to use."""
        return self.status == "ok" and math.isfinite(self.val_acc)

    def complexity(self, penalty: str) -> float:
        """The complexity metric `penalty`: "t_tr" (seconds), "n_params", or a registered one.

        Raises:
            KeyError: the trial carries no such metric.
        """
        if penalty == "t_tr":
            return self.t_tr
        if penalty == "n_params":
            return float(self.n_params)
        return float(self.metrics[penalty])


@dataclass(frozen=True)
class Visit:
    """A search's step: which trial, where, and what the model expected there (NaN where no model was asked).

    Attributes:
        stage: 1, 2 or 3.
        substage: in stage 2 e.g. "downsample", "batchnorm", "dropout", "shortcuts"; in stages 1 and 3 "", or "history"
            for the best trial that was told before.
        step: number of the step within its stage, from 0.
        trial: what was measured.
        mu, sigma: posterior mean and standard deviation in the optimizer's transformed units.
        ei: expected improvement in the same units.
    """

    stage: int
    substage: str
    step: int
    trial: Trial
    mu: float = math.nan
    sigma: float = math.nan
    ei: float = math.nan

    def with_trial(self, trial: Trial) -> Visit:
        """The same step with another record of its trial."""
        return replace(self, trial=trial)

    def row(self) -> dict[str, Any]:
        """Plain columns: stage, step, measurements and hyperparameters."""
        trial, arch, training = self.trial, self.trial.config.arch, self.trial.config.training
        return {
            "stage": self.stage,
            "substage": self.substage,
            "step": self.step,
            "status": trial.status,
            "reason": trial.reason,
            "val_acc": trial.val_acc,
            "error": 1.0 - trial.val_acc,
            "t_tr": trial.t_tr,
            "n_params": trial.n_params,
            **trial.metrics,
            "seconds": trial.seconds,
            "epochs": len(trial.curve),
            "architecture": str(arch),
            "depth": arch.depth,
            "lr": training.lr,
            "weight_decay": training.weight_decay,
            "batch_size": training.batch_size,
            "mu": self.mu,
            "sigma": self.sigma,
            "ei": self.ei,
            "cached": trial.cached,
            "config": trial.config.to_json(),
            "key": trial.key,
        }
