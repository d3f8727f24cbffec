"""Limits of the validation error: a training ends after the first epoch whose best error is above its limit."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from dnc.trial import Epoch

ErrorLimits = tuple[float, ...]  # for each epoch, the largest best error so far with which a training goes on


def best_errors(curve: Sequence[Epoch]) -> list[float]:
    """The best validation error up to each epoch."""
    return list(accumulate((1 - epoch.val_acc for epoch in curve), min))


def ends_after(curve: Sequence[Epoch], limits: ErrorLimits) -> int:
    """The epoch (from 1) after which the limits end a training with this curve; 0 if they do not.

    >>> curve = [Epoch(train_loss=1.0, val_loss=1.0, val_acc=acc, seconds=1.0) for acc in (0.5, 0.6, 0.6)]
    >>> ends_after(curve, (0.6, 0.5, 0.3))
    3
    """
    compared = zip(best_errors(curve), limits, strict=False)
    return next((k for k, (error, limit) in enumerate(compared, start=1) if error > limit), 0)
