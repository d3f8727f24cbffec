"""What evaluating a config gives, and what a search did with it.

A *trial* says what was measured: accuracy, t_tr, N_p. It knows nothing of w_c, so that one trial serves every
w_c and both penalties. A *visit* says that a search came by: at which stage and step, and what its model expected.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from dnc.card import accuracy, fitted, per_epoch
from dnc.config import Config
from dnc.errors import check_choice


class TrialStatus(StrEnum):
    """How far the evaluation of a config came. Members equal their plain text, which is what a store records.

    Attributes:
        OK: trained to the last epoch.
        FAILED: its timing or training failed.
        PRUNED: measured but not trained, because its complexity alone rules it out.
        ENDED: trained in part, because its learning curve rules it out.
        PLANNED: not evaluated yet.

    >>> TrialStatus.OK == "ok", f"{TrialStatus.OK}"
    (True, 'ok')
    """

    OK = "ok"
    FAILED = "failed"
    PRUNED = "pruned"
    ENDED = "ended"
    PLANNED = "planned"


class SearchStatus(StrEnum):
    """How far a search came. Members equal their plain text, which is what a store records.

    Attributes:
        RUNNING: at work, or ended without a chance to say so (its process was killed).
        FINISHED: all stages are done.
        STOPPED: interrupted by the user or by a limit; the same call goes on from there.
        FAILED: ended by an error.

    >>> SearchStatus("stopped") is SearchStatus.STOPPED
    True
    """

    RUNNING = "running"
    FINISHED = "finished"
    STOPPED = "stopped"
    FAILED = "failed"


class Reading(StrEnum):
    """Which measurement of its t_tr a trial carries. Members equal their plain text, which is what a store records.

    A config is timed once before it is trained. What could be the best of a stage is timed again, more precisely,
    before the stage decides, and the winner of a search once more: of many noisy times the smallest is too small, and
    only a time that had no part in the decision is free of that.

    Attributes:
        SCREENED: the first timing, to a few percent, which the optimizers see.
        CONFIRMED: the second, to 1 %, by which a stage decides; also that of c_0.
        REPORTED: the third, to 1 %, of the winner.

    >>> Reading.CONFIRMED == "confirmed"
    True
    """

    SCREENED = "screened"
    CONFIRMED = "confirmed"
    REPORTED = "reported"


@dataclass(frozen=True)
class Epoch:
    """One point of a learning curve.

    Attributes:
        train_loss, val_loss: mean cross-entropy over the train and the validation split, in nats.
        val_acc: validation accuracy, a fraction.
        seconds: duration of this epoch, validation included.

    >>> import dnc
    >>> curve = (dnc.Epoch(1.2, 1.1, 0.62, 0.3), dnc.Epoch(0.7, 0.8, 0.75, 0.3))
    >>> max(epoch.val_acc for epoch in curve)
    0.75
    """

    train_loss: float
    val_loss: float
    val_acc: float
    seconds: float


@dataclass(frozen=True, repr=False)
class Trial:
    """One evaluated config.

    Attributes:
        config: what was trained.
        val_acc: best validation accuracy over the epochs, a fraction (eq. 2a uses 1 - val_acc); NaN if it failed.
        t_tr: training time of one epoch in seconds, as the clock measured it; NaN if not measured.
        n_params: number of trainable parameters N_p.
        status: a `TrialStatus`, or its text.
        reason: why it failed, was pruned or was ended, in one line; otherwise empty.
        seconds: recorded seconds of training and validation, also where the trial was looked up.
        curve: one `Epoch` per epoch.
        metrics: further registered complexity metrics by name.
        key: name of the training in the store; for an injected evaluation, the config's own key.
        cached: True if it was looked up instead of trained.
        t_tr_se: standard error of t_tr in seconds; NaN if it is not known.
        reading: which measurement t_tr is, a `Reading`.

    Raises:
        ArgumentError: an unknown status.

    >>> import dnc
    >>> trial = dnc.Trial(dnc.Config(dnc.MLP((100,))), val_acc=0.97, t_tr=2.5, n_params=79_510)
    >>> trial.ok, str(trial.status), trial.complexity("t_tr")
    (True, 'ok', 2.5)
    """

    config: Config
    val_acc: float
    t_tr: float
    n_params: int
    status: str = TrialStatus.OK
    reason: str = ""
    seconds: float = 0.0
    curve: tuple[Epoch, ...] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)
    key: str = ""
    cached: bool = field(default=False, compare=False)  # where it came from, not what it is
    t_tr_se: float = field(default=math.nan, compare=False)
    reading: Reading = Reading.SCREENED

    def __post_init__(self) -> None:
        if not isinstance(self.status, TrialStatus):  # a member is the usual case, and searches make many trials
            name = check_choice("status", self.status, [status.value for status in TrialStatus])
            object.__setattr__(self, "status", TrialStatus(name))
        if not self.key:
            object.__setattr__(self, "key", self.config.key)

    @property
    def ok(self) -> bool:
        """True if there is an accuracy to use."""
        return self.status == TrialStatus.OK and math.isfinite(self.val_acc)

    def __repr__(self) -> str:
        t_tr = per_epoch(self.t_tr, self.t_tr_se)
        measured = f"accuracy {accuracy(self.val_acc)}, t_tr {t_tr}, {self.n_params:,} parameters"
        reason = f" ({self.reason})" if self.reason else ""
        return fitted([f"<Trial {self.status}{reason}: {self.config}; {measured}>"])

    def complexity(self, penalty: str) -> float:
        """The complexity metric `penalty`: "t_tr" (seconds), "n_params", or a registered one; NaN if not measured."""
        if penalty == "t_tr":
            return self.t_tr
        if penalty == "n_params":
            return float(self.n_params)
        return float(self.metrics.get(penalty, math.nan))


@dataclass(frozen=True, repr=False)
class Visit:
    """A search's step: which trial, where, and what the model expected there (NaN where no model was asked).

    Attributes:
        stage: 1, 2 or 3.
        substage: in stage 2 e.g. "downsample", "batchnorm", "dropout", "shortcuts"; in stages 1 and 3 "", or "history"
            for the best of the trials told beforehand.
        step: number of the step within its stage, from 0.
        trial: what was measured.
        mu, sigma: posterior mean and standard deviation in the optimizer's transformed unit (log10 f by default).
        ei: expected improvement in the same unit.

    >>> import dnc
    >>> trial = dnc.Trial(dnc.Config(dnc.MLP((100,))), val_acc=0.97, t_tr=2.5, n_params=79_510)
    >>> row = dnc.Visit(stage=1, substage="", step=0, trial=trial).row()
    >>> row["architecture"], row["status"], row["n_params"]
    ('MLP 100', 'ok', 79510)
    """

    stage: int
    substage: str
    step: int
    trial: Trial
    mu: float = math.nan
    sigma: float = math.nan
    ei: float = math.nan

    def __repr__(self) -> str:
        where = f"stage {self.stage}{f' {self.substage}' if self.substage else ''}, step {self.step}"
        return fitted([f"<Visit of {where}: {self.trial!r}>"])

    def row(self) -> dict[str, Any]:
        """Plain columns: stage, step, measurements and hyperparameters."""
        trial, arch, training = self.trial, self.trial.config.arch, self.trial.config.training
        return {
            "stage": self.stage,
            "substage": self.substage,
            "step": self.step,
            "status": str(trial.status),  # plain text: tables and CSV files know no enum
            "reason": trial.reason,
            "val_acc": trial.val_acc,
            "error": 1.0 - trial.val_acc,
            "t_tr": trial.t_tr,
            "t_tr_se": trial.t_tr_se,
            "reading": str(trial.reading),
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
