"""Which layers get what: the paper's rules for batch normalization, dropout, down-sampling and shortcuts.

Layers count from 1. Everything is integer arithmetic, so nothing depends on rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from dnc.config import SHORTCUT_SPAN


def fraction_layers(n: int, fraction: float) -> tuple[int, ...]:
    """The layers that have a feature if a `fraction` of n layers has it: evenly spread, the last included (Sec. 3.1).

    >>> fraction_layers(7, 1 / 2)
    (2, 4, 6, 7)
    """
    exact = Fraction(fraction).limit_denominator(10_000)  # 0.1 means one in ten, not its nearest binary number
    m = -(-exact.numerator * n // exact.denominator)
    return tuple(-(-k * n // m) for k in range(1, m + 1))


def downsampling_layers(channels: Sequence[int], thresholds: Sequence[int] = (64, 128, 256)) -> tuple[int, ...]:
    """Layers after which the resolution halves: the next layer is the first with more channels than a threshold.

    Crossing several thresholds at once halves once; layer 1 itself being above a threshold does not (Sec. 3.1).

    >>> downsampling_layers((50, 52, 53, 59, 95, 96, 97, 120, 193, 239, 351, 385, 488, 496))
    (4, 8, 10)
    """
    crossings = (next((i for i, c in enumerate(channels) if c > t), 0) for t in thresholds)
    return tuple(sorted({i for i in crossings if i > 0}))


def shortcut_starts(n: int, every: int) -> tuple[int, ...]:
    """Layers after which a shortcut starts: 1, 1 + every, 1 + 2 every, … as long as two layers follow; every = 0: none.

    >>> shortcut_starts(9, 4)
    (1, 5)
    """
    return tuple(range(1, n - SHORTCUT_SPAN + 1, every)) if every else ()
