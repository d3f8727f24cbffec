"""Limits of the validation error that end a training after the first epoch which is beyond its own."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from dnc.trial import Epoch

ErrorLimits = tuple[float, ...]  # after epoch k, the largest best error with which a training goes on


def best_errors(curve: Sequence[Epoch]) -> list[float]:
    """The best validation error up to each epoch."""
    return list(accumulate((1 - epoch.val_acc for epoch in curve), min))


def ends_after(curve: Sequence[Epoch], limits: ErrorLimits) -> int:
    """The epoch after which a training with this curve ends by its limits; 0 if by none."""
    pairs = zip(best_errors(curve), limits, strict=False)
    return next((k for k, (error, limit) in enumerate(pairs, start=1) if error > limit), 0)
