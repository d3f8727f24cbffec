"""The winner of a search, as a result gives it."""

from __future__ import annotations

from dataclasses import dataclass, field

from dnc.card import Card, HasCard, accuracy, per_epoch
from dnc.config import Config
from dnc.objective import Objective
from dnc.searches.cards import rivals_note, trial_facts
from dnc.trial import Trial


@dataclass(frozen=True, repr=False)
class Best(HasCard):
    """The winner of a search under its objective.

    A search times its winner once more when it has decided. Of several noisy times the smallest is too small (the
    winner's curse), so `t_tr` and `f` are by that last timing, where there is one.

    Attributes:
        config: architecture and training hyperparameters.
        val_acc: best validation accuracy, a fraction from 0 to 1.
        t_tr: training time of one epoch, seconds.
        n_params: trainable parameters.
        f: the objective (eq. 1).
        stage: the stage that found it.
        trial: the whole measurement.
        selected: the measurement that the search decided by; None if it is `trial`.
        objective: what f was composed with, if it is at hand.
        n_val: number of validation samples, if it is known.
        rivals: how many other trials are within the error of this one.
        caution: one sentence, if it was chosen at a w_c that its search was not aimed at.

    >>> from dnc import CNN, Config, Trial
    >>> config = Config(CNN(channels=(16, 32)))
    >>> trial = Trial(config, val_acc=0.9, t_tr=2.0, n_params=5000)
    >>> print(Best(config, 0.9, 2.0, 5000, f=0.15, stage=1, trial=trial))
    f = 0.1500: CNN 16-32; lr 0.001, weight decay 0, batch 256
      validation accuracy 90.00%, t_tr 2 s per epoch, 5,000 parameters (stage 1)
    """

    config: Config
    val_acc: float
    t_tr: float
    n_params: int
    f: float
    stage: int
    trial: Trial
    selected: Trial | None = field(default=None, compare=False)
    objective: Objective | None = field(default=None, compare=False)
    n_val: int | None = field(default=None, compare=False)
    rivals: int = field(default=0, compare=False)
    caution: str = field(default="", compare=False)

    @property
    def t_tr_se(self) -> float:
        """Standard error of t_tr in seconds; NaN if it is not known."""
        return self.trial.t_tr_se

    @property
    def f_selected(self) -> float:
        """f by the timing that the search decided by."""
        return self.f if self.selected is None or self.objective is None else self.objective.of(self.selected)

    def _card(self) -> Card:
        facts = trial_facts(self.trial, self.objective, self.n_val)
        if self.objective is None:
            facts.insert(0, ("f", f"{self.f:.4f}"))
        return Card(
            title=f"best trial (stage {self.stage})",
            headline=str(self.config.arch),
            detail=str(self.config.training),
            facts=tuple(facts),
            notes=tuple(self._notes()),
        )

    def _notes(self) -> list[str]:
        notes = []
        if self.selected is not None and self.f != self.f_selected:  # its time was part of the decision
            t_tr = per_epoch(self.selected.t_tr, self.selected.t_tr_se)
            notes.append(f"selected with f = {self.f_selected:.4f} and t_tr = {t_tr}, then timed once more")
        return [*notes, *rivals_note(self.rivals), *filter(None, [self.caution])]

    def __str__(self) -> str:
        lines = [
            f"f = {self.f:.4f}: {self.config}",
            f"validation accuracy {accuracy(self.val_acc, self.n_val)}, t_tr {per_epoch(self.t_tr, self.t_tr_se)} per "
            f"epoch, {self.n_params:,} parameters (stage {self.stage})",
            *self._notes(),
        ]
        return "\n  ".join(lines)
