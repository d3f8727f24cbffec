"""Fig. 7 as plain data: ways to search compared on f, with every seed visible, and how f falls during the search."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dnc.errors import ArgumentError, check_choice
from dnc.plots.palette import ARM_COLORS

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("wc", "arm", "seed", "stage", "step", "best_so_far")
LEVEL = 0.9  # of the intervals of means: 5% of their errors are on either side, as in the verdicts
GRID_SHARE = 1 / 6  # length of stage 2 on the axis of trials, as a share of stage 1's: its grids are small
SKIPPED = 0.1  # share of stage 1 whose f does not stretch the axis: the first trials are far from any optimum
TITLE = "Search objective f of each search method (lower is better)"


def grid_width(trials: int) -> int:
    """Trials' worth of axis that stage 2 takes where stages 1 and 3 have so many trials each.

    The grids of different searches have different lengths, so that stage 2 cannot be drawn trial by trial.
    """
    return max(1, round(GRID_SHARE * trials))


class Group(NamedTuple):
    """The searches of one arm at one w_c, one number per seed."""

    arm: str
    label: str
    seeds: tuple[int, ...]
    stage1: tuple[float, ...]  # best f after stage 1
    final: tuple[float, ...]  # best f after stage 3
    curve: tuple[float, ...]  # best f so far along the axis of trials, mean over seeds
    distinct_stage1: tuple[int, ...] = ()  # distinct configs among the trials of stage 1; empty if not recorded
    distinct: tuple[int, ...] = ()  # the same of the whole search

    @property
    def mean(self) -> float:
        """Mean of the final f."""
        return float(np.mean(self.final))

    @property
    def half_width(self) -> float:
        """Half the interval of the mean, by Student's t over seeds; 0 where there is one seed."""
        n = len(self.final)
        if n < 2:
            return 0.0
        from scipy.special import stdtrit  # late: a picture of one seed, and `import dnc.plots`, do without

        return float(stdtrit(n - 1, 0.5 + LEVEL / 2)) * float(np.std(self.final, ddof=1)) / math.sqrt(n)

    @property
    def name(self) -> str:
        """The label on one line."""
        return " ".join(self.label.split())

    @property
    def tick(self) -> str:
        """The label with the number of distinct configs in stage 1, where it was recorded."""
        return f"{self.label}\nd {span(self.distinct_stage1, '–')}" if self.distinct_stage1 else self.label


class Panel(NamedTuple):
    """All arms at one w_c."""

    wc: float
    groups: tuple[Group, ...]

    def curve_range(self, trials: int) -> tuple[float, float]:
        """Ends of the axis of best f so far, where stages 1 and 3 have so many trials each."""
        skipped = max(1, round(SKIPPED * trials))
        curves = [np.array(group.curve) for group in self.groups]
        tail = np.concatenate([curve[skipped:] for curve in curves])
        tail = tail if np.isfinite(tail).any() else np.concatenate(curves)
        low, high = float(np.nanmin(tail)), float(np.nanmax(tail))
        pad = 0.06 * (high - low) or 0.01
        return low - pad, high + pad


class ArmsInfo(NamedTuple):
    """Plain data of Fig. 7."""

    panels: tuple[Panel, ...]
    trials: int  # of stage 1, and of stage 3
    note: str

    @property
    def caption(self) -> tuple[str, ...]:
        """How to read the picture, and the note: lines of plain text."""
        seeds = max(len(group.seeds) for panel in self.panels for group in panel.groups)
        bars = f", bars: mean of {seeds} seeds with its {LEVEL:.0%} interval" if seeds > 1 else " (one seed)"
        above = f"Top: filled marks are final f after stage 3, hollow ones f after stage 1; one mark per seed{bars}."
        below = "Bottom: best f so far in the same colors, mean over seeds; stage 2 (shaded) is the same grid for all."
        counted = any(group.distinct_stage1 for panel in self.panels for group in panel.groups)
        least = ", from the least to the most over seeds" if seeds > 1 else ""
        distinct = f"d: distinct configs among the {self.trials} trials of stage 1{least}."
        return tuple(line for line in (above, below, distinct * counted, *self.note.split("\n")) if line)

    @property
    def length(self) -> int:
        """Length of the axis of trials: stage 1, the width of stage 2, stage 3."""
        return 2 * self.trials + grid_width(self.trials)

    @property
    def stage_names(self) -> tuple[tuple[float, str], ...]:
        """(middle, name) of each stage on the axis of trials."""
        trials, width = self.trials, grid_width(self.trials)
        middles = trials / 2, trials + width / 2, 1.5 * trials + width
        return tuple((middle + 0.5, name) for middle, name in zip(middles, ("stage 1", "2", "stage 3"), strict=True))

    @property
    def shaded(self) -> tuple[float, float]:
        """The ends of stage 2 on the axis of trials."""
        return self.trials + 0.5, self.trials + grid_width(self.trials) + 0.5

    @property
    def ticks(self) -> tuple[tuple[float, str], ...]:
        """(position, text) of ticks on the axis of trials, which count anew in stage 3."""
        within = sorted({1, max(1, self.trials // 2), self.trials})
        return tuple((float(start + k), str(k)) for start in (0, self.trials + grid_width(self.trials)) for k in within)

    @property
    def positions(self) -> tuple[str, ...]:
        """What each position on the axis of trials is, in words."""
        trials = range(1, self.trials + 1)
        return (
            *(f"stage 1, trial {k}" for k in trials),
            *["after stage 2"] * grid_width(self.trials),
            *(f"stage 3, trial {k}" for k in trials),
        )


def span(counts: tuple[int, ...], to: str) -> str:
    """The least and the greatest count in words, or the one that all are.

    >>> span((3, 5, 4), to=" to "), span((3, 3), to=" to ")
    ('3 to 5', '3')
    """
    return to.join(str(count) for count in dict.fromkeys((min(counts), max(counts))))


def offset(k: int, n: int) -> float:
    """Where the mark of seed k of n is drawn beside the middle of its arm, so that no mark hides another."""
    return 0.0 if n < 2 else 0.15 * (k / (n - 1) - 0.5)


def arms_info(frame: pd.DataFrame, labels: Mapping[str, str], note: str = "") -> ArmsInfo:
    """Arrange tidy rows, one per step of a search.

    Args:
        frame: columns wc, arm, seed, stage, step, best_so_far (f, over all stages of its search); and, where it was
            recorded, distinct_so_far (how many distinct configs the search has tried).
        labels: the arms in order ("random", "sobol", "balanced", "extreme"), and what they are called.
        note: what the numbers were made with.

    Raises:
        ArgumentError: a column is missing, there is no row of stage 1 or 3, or an arm is unknown.
    """
    missing = [name for name in COLUMNS if name not in frame.columns]
    if missing:
        raise ArgumentError(f"frame has no column {missing[0]!r}: give one row per step with {', '.join(COLUMNS)}")
    for arm in labels:
        check_choice("arm", arm, ARM_COLORS)
    proposed = frame.loc[(frame["stage"] != 2) & frame["arm"].isin(list(labels)), "step"]
    if proposed.empty:
        raise ArgumentError(f"frame has no step of stage 1 or 3 of {', '.join(labels) or 'any arm'}: there is no f")
    trials = int(frame.loc[frame["stage"] != 2, "step"].max()) + 1
    panels = []
    for wc, part in frame[frame["arm"].isin(list(labels))].groupby("wc", sort=True):
        rows_of = {arm: part[part["arm"] == arm] for arm in labels}
        groups = [_group(arm, labels[arm], rows, trials) for arm, rows in rows_of.items() if len(rows)]
        if not np.isfinite([f for group in groups for f in group.curve]).any():
            raise ArgumentError(f"frame has no finite best_so_far at w_c={wc:g}: there is no f to draw")
        panels.append(Panel(float(wc), tuple(groups)))  # type: ignore[arg-type]
    return ArmsInfo(tuple(panels), trials, note)


def _group(arm: str, label: str, rows: Any, trials: int) -> Group:
    seeds, stage1, final, curves = [], [], [], []
    distinct_stage1, distinct = [], []
    for seed, run in rows.sort_values(["stage", "step"]).groupby("seed", sort=True):
        seeds.append(int(seed))  # type: ignore[call-overload]
        one, two, three = (run.loc[run["stage"] == s, "best_so_far"].to_numpy(dtype=float) for s in (1, 2, 3))
        if not len(one):
            raise ArgumentError(f"frame has no step of stage 1 for arm {arm!r} with seed {seed}: give whole searches")
        after = two[-1] if len(two) else one[-1]  # a search may have nothing to vary in stage 2
        stage1.append(float(one[-1]))
        final.append(float(three[-1]) if len(three) else float(after))
        if "distinct_so_far" in run.columns:
            distinct_stage1.append(int(run.loc[run["stage"] == 1, "distinct_so_far"].iloc[-1]))
            distinct.append(int(run["distinct_so_far"].iloc[-1]))
        curves.append(
            np.concatenate([_filled(one, trials), np.full(grid_width(trials), after), _filled(three, trials, after)])
        )
    curve = np.mean(curves, axis=0)
    return Group(
        arm,
        label,
        tuple(seeds),
        tuple(stage1),
        tuple(final),
        tuple(map(float, curve)),
        tuple(distinct_stage1),
        tuple(distinct),
    )


def _filled(values: np.ndarray, length: int, empty: float = float("nan")) -> np.ndarray:
    """`values` continued by the last one: a stage that ended early keeps its best."""
    last = values[-1] if len(values) else empty
    return np.concatenate([values, np.full(length - len(values), last)])
