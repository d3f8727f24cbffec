"""Early stopping (an option): end a training whose learning curve says that it cannot win.

Let e(k) be the best validation error up to epoch k of E. Over the curves that a search has finished,

    rho(k) = min e(E) / e(k)

is the most that an error has come down by after epoch k. A training ends after epoch k if even

    rho(k)^2 e(k) + w_c c / c_0  >  the best f so far

The square is the margin for curves unlike those before. Unlike certified pruning this may be wrong. Whether a training
ends is a function of its full curve and of what the search knew when it was started: a curve that is in the store, or
that a stack trained to its end, is judged as if it were trained now.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Sequence

from dnc.training.error_limits import ErrorLimits, best_errors
from dnc.trial import Epoch, Trial

MIN_CURVES = 5  # finished curves that a judgment needs, at least
MARGIN = 2  # the power of rho

LimitsFor = Callable[[Trial], ErrorLimits]  # of a trial that is planned: its complexities are known


class EarlyStop:
    """What the finished curves of a search say of those to come.

    Args:
        trials: of the search so far; those not trained to the end are passed over.
        epochs: E, the length of a whole training.
    """

    def __init__(self, trials: Iterable[Trial], epochs: int) -> None:
        # only whole curves: those that were ended are the ones that came down least, and would make rho too small
        curves = [best_errors(t.curve) for t in trials if t.ok and len(t.curve) == epochs]
        enough = len(curves) >= MIN_CURVES
        # (curves, E - 1): an error that was zero cannot come down any more
        shrunk = [[e[-1] / error if error > 0 else 1.0 for error in e[:-1]] for e in curves] if enough else []
        self._rho = [min(column) for column in zip(*shrunk, strict=True)]
        self._typical = [statistics.median(column) for column in zip(*shrunk, strict=True)]

    def limits(self, error_to_beat: float) -> ErrorLimits:
        """The limits of a training whose error must come down to this one: the best f less its own w_c c / c_0.

        Shape (E - 1,); empty where too little is known for a judgment.
        """
        if not math.isfinite(error_to_beat):
            return ()
        return tuple(error_to_beat / rho**MARGIN if rho > 0 else math.inf for rho in self._rho)

    def expected_error(self, curve: Sequence[Epoch]) -> float:
        """The error that a curve cut short would typically have come down to; what the search's model is told."""
        return best_errors(curve)[-1] * self._typical[len(curve) - 1]
