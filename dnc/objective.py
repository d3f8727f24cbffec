"""The search objective, eqs. (1), (2a) and (2b), and the registry of complexity metrics.

    f = f_p + w_c f_c,    f_p = 1 - best validation accuracy,    f_c = c / c_0

f is composed from trials when it is read, never stored with them, so that they can be ranked under another w_c.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from dnc.config import Config
from dnc.errors import ArgumentError, check_choice, check_float, short_repr
from dnc.trial import Trial

ERRORS = 2.0  # standard errors by which the f of a trial may lie to either side


class Subject(Protocol):
    """What a complexity metric may look at."""

    @property
    def config(self) -> Config: ...
    @property
    def input_shape(self) -> tuple[int, ...]: ...
    @property
    def n_classes(self) -> int: ...
    @property
    def n_train(self) -> int: ...

    def build(self) -> Any:
        """The network as a torch module on the CPU, in evaluation mode."""


@dataclass(frozen=True)
class Metric:
    """A complexity metric c.

    Attributes:
        name: what `penalty=` calls it.
        unit: its unit, for axes and tables.
        label: its name in figures.
        compute: `Subject -> float`; None for the built-in t_tr and n_params, which every evaluation gives.
        measured: True if it depends on the machine (a time), False if on the config alone (a count).

    >>> import dnc
    >>> dnc.METRICS["t_tr"].label, dnc.METRICS["t_tr"].unit
    ('training time per epoch', 's')
    """

    name: str
    unit: str
    label: str
    compute: Callable[[Subject], float] | None = None
    measured: bool = False


METRICS: dict[str, Metric] = {
    "t_tr": Metric("t_tr", "s", "training time per epoch", measured=True),
    "n_params": Metric("n_params", "parameters", "parameter count"),
}


def register_metric(
    name: str, compute: Callable[[Subject], float], *, unit: str = "", label: str = "", measured: bool = False
) -> Metric:
    """Make `penalty=name` possible: `compute(subject)` gives a finite number >= 0 for a config.

    It runs in the calling process. With `measured=True` its values belong to this machine. Registering a name again
    replaces the metric.

    Raises:
        ArgumentError: the name belongs to a built-in metric or is not an identifier.

    >>> import dnc
    >>> depth = dnc.register_metric("depth", lambda subject: subject.config.arch.depth, unit="layers")
    >>> dnc.Objective(wc=0.5, penalty="depth", reference=10)(val_acc=0.75, complexity=5)
    0.5
    >>> del dnc.METRICS["depth"]
    """
    if name in ("t_tr", "n_params") or not name.isidentifier():
        raise ArgumentError(
            f"name={short_repr(name)} is not allowed: give a new identifier other than t_tr and n_params"
        )
    METRICS[name] = Metric(name, unit, label or name, compute, measured)
    return METRICS[name]


@dataclass(frozen=True)
class Objective:
    """f = (1 - val_acc) + wc * c / reference.

    Args:
        wc: the penalty coefficient w_c >= 0.
        penalty: the complexity metric c, a name in `METRICS`.
        reference: c_0 > 0, in the metric's unit.

    Raises:
        ArgumentError: a value outside its range.

    >>> import dnc
    >>> f = dnc.Objective(wc=0.1, penalty="n_params", reference=100_000)
    >>> round(f(0.9, 50_000), 12)
    0.15
    """

    wc: float
    penalty: str
    reference: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "wc", check_float("wc", self.wc, 0))
        check_choice("penalty", self.penalty, METRICS)
        object.__setattr__(self, "reference", check_float("reference", self.reference, 0, open_low=True))

    def __call__(self, val_acc: ArrayLike, complexity: ArrayLike) -> Any:
        """Eq. (1) for accuracies (fractions) and complexities of the same shape (any shape)."""
        f_p = 1.0 - np.asarray(val_acc, dtype=float)
        # at w_c = 0 the complexity must not matter, not even where it was not measured
        f = f_p + self.wc * (np.asarray(complexity, dtype=float) / self.reference) if self.wc else f_p
        return float(f) if np.ndim(f) == 0 else f

    def penalty_term(self, trial: Trial) -> float:
        """w_c c / c_0 of a trial, which is known before it is trained; 0 if c is not known."""
        term = self.wc * (trial.complexity(self.penalty) / self.reference) if self.wc else 0.0
        return term if term == term else 0.0

    def bound(self, trial: Trial) -> float:
        """A lower bound of f that is known before a training: w_c c / c_0, less twice its standard error."""
        return max(0.0, self.penalty_term(trial) - ERRORS * self.timing_error(trial))

    def timing_error(self, trial: Trial) -> float:
        """Standard error that t_tr's gives to a trial's f; 0 where c is exact, or its error is not known."""
        error = self.wc * trial.t_tr_se / self.reference if self.penalty == "t_tr" else 0.0
        return error if math.isfinite(error) else 0.0

    def of(self, trial: Trial) -> float:
        """f of a trial; infinity if it failed or its complexity is needed and not known, so that it never wins."""
        f = self(trial.val_acc, trial.complexity(self.penalty) if self.wc else 0.0) if trial.ok else math.nan
        return math.inf if math.isnan(f) else f
