"""Axes as plain data: their ends, whether they are logarithmic, and their ticks."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LOG_FROM = 5.0  # largest / smallest from which an axis is logarithmic
MARGIN = 0.06  # of an axis' length, beyond the outermost points


class Axis(NamedTuple):
    """One axis: its ends (low < high) and its ticks, in data units."""

    label: str
    log: bool
    low: float
    high: float
    ticks: tuple[float, ...]
    tick_text: tuple[str, ...]


def axis_around(label: str, values: Floats, form: str) -> Axis:
    """The axis on which `values` (n,) lie, logarithmic where they span a wide range; `form`: "g", "si" or "%"."""
    low, high = float(values.min()), float(values.max())
    log = low > 0 and high / low >= LOG_FROM
    if log:
        pad = (high / low) ** MARGIN
        low, high = low / pad, high * pad
    else:
        pad = MARGIN * (high - low) or 0.1 * abs(high) or 1.0
        low, high = low - pad, high + pad
    ticks = _log_ticks(low, high) if log else _linear_ticks(low, high)
    return Axis(label, log, low, high, ticks, tuple(_tick_text(t, form) for t in ticks))


def _log_ticks(low: float, high: float) -> tuple[float, ...]:
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for digits in ((1, 2, 5), (1, 3), (1,)):
        ticks = [digit * 10.0**k for k in decades for digit in digits if low <= digit * 10.0**k <= high]
        if len(ticks) <= 9:
            return tuple(ticks)
    return tuple(ticks[:: math.ceil(len(ticks) / 8)])


def _linear_ticks(low: float, high: float) -> tuple[float, ...]:
    rough = (high - low) / 5
    unit = 10.0 ** math.floor(math.log10(rough))
    gap = unit * next(s for s in (1, 2, 5, 10) if s * unit >= rough)
    return tuple(k * gap for k in range(math.ceil(low / gap), math.floor(high / gap) + 1))


def _tick_text(value: float, form: str) -> str:
    if form == "%":
        return f"{100 * value:.3g} %"
    if form == "si":
        for size, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
            if abs(value) >= size:
                return f"{value / size:.3g}{prefix}"
    return f"{value:.6g}"


def share_along(values: Floats, axis: Axis) -> Floats:
    """Where values lie along an axis: 0 at its low end, 1 at its high end."""
    unit = np.log10 if axis.log else np.asarray
    low, high = unit(axis.low), unit(axis.high)
    return (unit(values) - low) / (high - low)


def spread_along(axis: Axis, n: int) -> Floats:
    """n values, evenly along an axis from end to end."""
    return (np.geomspace if axis.log else np.linspace)(axis.low, axis.high, n)
