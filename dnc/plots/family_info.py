"""Families of networks (Figs. 3 and 4) as plain data: four quantities against w_c, and the trade-off, by column."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dnc.errors import ArgumentError

if TYPE_CHECKING:
    import pandas as pd

LEVEL = 0.9  # of the intervals, as in the verdicts


class Quantity(NamedTuple):
    """What a row of the figure shows. `log`: on a logarithmic axis, averaged as logarithms; else times 100, in %."""

    column: str
    label: str
    log: bool


QUANTITIES = (
    Quantity("test_acc", "test accuracy (%)", log=False),
    Quantity("t_tr", "t_tr (s per epoch)", log=True),
    Quantity("search_cost", "search cost (s)", log=True),
    Quantity("n_params", "N_p", log=True),
)
PENALTY_LABELS: Mapping[str, str] = MappingProxyType({"t_tr": "penalty t_tr", "n_params": "penalty N_p"})
COLUMNS = ("column", "penalty", "wc", "seed", *(q.column for q in QUANTITIES))


class Printed(NamedTuple):
    """What the paper prints for one search: values by quantity, in the frame's units."""

    column: str
    penalty: str
    wc: float
    values: Mapping[str, float]


class Estimate(NamedTuple):
    """A quantity over seeds, in the unit that is drawn.

    Attributes:
        values: by seed.
        mean: of the values; the geometric mean on a logarithmic axis.
        low, high: 90 % interval of the mean by Student's t; NaN with one seed.
    """

    values: tuple[float, ...]
    mean: float
    low: float
    high: float


class Member(NamedTuple):
    """The networks that one w_c and penalty gave, one a seed."""

    wc: float
    estimates: Mapping[str, Estimate]


class Series(NamedTuple):
    """A family: its members by w_c, and the paper's values where it prints some: (w_c, value) by quantity."""

    penalty: str
    members: tuple[Member, ...]
    printed: Mapping[str, tuple[tuple[float, float], ...]]


class Column(NamedTuple):
    """What was searched on which data: one series for each penalty."""

    title: str
    series: tuple[Series, ...]

    @property
    def wcs(self) -> tuple[float, ...]:
        """The w_c of the axis, smallest first."""
        return tuple(sorted({member.wc for series in self.series for member in series.members}))


class FamilyInfo(NamedTuple):
    """Plain data of the picture.

    Attributes:
        title: above it.
        columns: from left to right.
        absolute: whether the paper's values are drawn as printed; else they are moved to meet the family at w_c = 0.
        caption: lines below it.
    """

    title: str
    columns: tuple[Column, ...]
    absolute: bool
    caption: tuple[str, ...]

    @property
    def penalties(self) -> tuple[str, ...]:
        """The penalties of all series."""
        return tuple(dict.fromkeys(series.penalty for column in self.columns for series in column.series))


def dot_area(cost: float, largest: float) -> float:
    """Area of a dot in points², proportional to search cost: 110 for the largest of its panel."""
    return 110 * cost / largest


def family_info(
    frame: pd.DataFrame,
    columns: Mapping[str, str],
    title: str,
    printed: Sequence[Printed] = (),
    absolute: bool = False,
    note: str = "",
) -> FamilyInfo:
    """Arrange tidy rows, one per search.

    Args:
        frame: columns column, penalty, wc, seed, test_acc (a fraction), t_tr and search_cost (seconds), n_params.
        columns: names in `column` in order, and what they are called.
        title: of the picture.
        printed: the paper's values.
        absolute: draw them as printed; else what they change from w_c = 0 is added to, or multiplied with, the
            family's own value there.
        note: what the numbers were made with.

    Raises:
        ArgumentError: a column is missing, or there is no row of a data set.
    """
    missing = [name for name in COLUMNS if name not in frame.columns]
    if missing:
        raise ArgumentError(f"frame has no column {missing[0]!r}: give one row per search with {', '.join(COLUMNS)}")
    made = []
    for name, shown in columns.items():
        rows: Any = frame[frame["column"] == name]
        if rows.empty:
            raise ArgumentError(f"frame has no row of {name!r}: give whole families")
        made.append(Column(shown, tuple(_series(name, p, r, printed, absolute) for p, r in _groups(rows, "penalty"))))
    seeds = len(set(frame["seed"]))
    return FamilyInfo(title, tuple(made), absolute, _caption(tuple(made), seeds, absolute, note))


def _groups(rows: Any, by: str) -> list[tuple[Any, Any]]:
    return list(rows.groupby(by, sort=False))


def _series(column: str, penalty: str, rows: Any, printed: Sequence[Printed], absolute: bool) -> Series:
    members = tuple(
        Member(float(wc), {q.column: _estimate(group.sort_values("seed")[q.column], q) for q in QUANTITIES})
        for wc, group in sorted(_groups(rows, "wc"))
    )
    own = [p for p in printed if (p.column, p.penalty) == (column, penalty)]
    marks = {q.column: _marks(own, members[0], q, absolute) for q in QUANTITIES}
    return Series(penalty, members, {name: points for name, points in marks.items() if points})


def _marks(own: Sequence[Printed], first: Member, q: Quantity, absolute: bool) -> tuple[tuple[float, float], ...]:
    """The paper's values of a quantity, in the unit that is drawn."""
    unit = 1.0 if q.log else 100.0
    values = {p.wc: unit * p.values[q.column] for p in own if q.column in p.values}
    if not absolute:
        if 0.0 not in values or first.wc != 0:
            return ()
        start, here = values[0.0], first.estimates[q.column].mean
        values = {wc: here * v / start if q.log else here + v - start for wc, v in values.items()}
    return tuple(values.items())


def _estimate(column: Any, q: Quantity) -> Estimate:
    values = column.to_numpy(dtype=float) * (1.0 if q.log else 100.0)
    finite = values[np.isfinite(values)]
    if not len(finite):
        return Estimate(tuple(values.tolist()), math.nan, math.nan, math.nan)
    scaled = np.log10(finite) if q.log else finite
    mean, n = float(scaled.mean()), len(scaled)
    if n == 1:
        half = math.nan
    else:
        from scipy.special import stdtrit  # late: importing it takes longer than importing numpy

        half = float(stdtrit(n - 1, 0.5 + LEVEL / 2)) * float(scaled.std(ddof=1)) / math.sqrt(n)
    ends = (mean, mean - half, mean + half)
    return Estimate(tuple(values.tolist()), *(10**x if q.log else x for x in ends))


def _caption(columns: tuple[Column, ...], seeds: int, absolute: bool, note: str) -> tuple[str, ...]:
    bars = f"bars are {LEVEL:.0%} intervals over {seeds} seeds, small dots the seeds" if seeds > 1 else "one seed"
    lines = [f"Large marks are means, {bars}. Bottom row: area of a dot is proportional to search cost."]
    if any(series.printed for column in columns for series in column.series):
        how = "as printed" if absolute else "moved to meet ours at w_c = 0: they show the change with w_c"
        lines.append(f"Hollow gray: the paper's Tables 2 and 3 (best validation accuracy, t_tr on train data), {how}.")
    return tuple(line for line in (*lines, *note.split("\n")) if line)
