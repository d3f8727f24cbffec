"""The trade-off plot as plain data: error against complexity, who wins under w_c, and the lines of equal f.

`tradeoff_info` gathers everything that is to be seen; `dnc.plots.tradeoff_matplotlib` and `dnc.plots.tradeoff_plotly`
draw it. A line of equal f is error = f - w_c c / c_0 (eq. 1): no trial lies below the winner's own line.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from dnc.card import accuracy, per_epoch
from dnc.errors import ArgumentError, SearchError
from dnc.objective import METRICS, Objective
from dnc.plots.axis_info import Axis, axis_around, share_along, spread_along
from dnc.tradeoff import breakpoints, pareto
from dnc.trial import Visit

SYMBOLS = {"t_tr": "t_tr", "n_params": "N_p"}  # how the paper writes the metrics
LOG_LEVELS = (1.0, 1.5, 2.25, 3.4, 5.0)  # equal-f lines on a logarithmic error axis, as multiples of the winner's f
LINEAR_LEVELS = (0.0, 0.2, 0.4, 0.6, 0.8)  # on a linear one, as shares of its length above the winner's f
LABEL_ROOM = 0.12, 0.12  # of the lengths of the axes, for the label of a line
LINE_POINTS = 32  # of one line, in each direction


class Trials(Protocol):
    """What the plot reads of a result's table of n distinct trials; `TrialTable` is one."""

    @property
    def visits(self) -> Sequence[Visit]:
        """The first visit of each trial, (n,)."""
        ...

    def complexity(self, penalty: str, /) -> NDArray[np.float64]:
        """The metric of each trial, (n,); NaN where it was not measured."""
        ...

    def order(self, objective: Objective, /) -> NDArray[np.intp]:
        """Indices of the trials that did not fail, best first."""
        ...

    def within_error(self, objective: Objective, best: int, n_val: int | None, /) -> NDArray[np.intp]:
        """Indices of the trials that cannot be told from the trial `best`."""
        ...


class Result(Protocol):
    """What the plot reads of a search's result; `SearchResult` is one."""

    @property
    def id(self) -> str: ...
    @property
    def objective(self) -> Objective: ...
    @property
    def table(self) -> Trials: ...
    @property
    def n_val(self) -> int | None: ...
    @property
    def caution(self) -> str:
        """One sentence if w_c lies beyond what the search was aimed at, else empty."""
        ...

    def rescore(self, wc: float | None = None, penalty: str | None = None) -> Result:
        """The same trials under another w_c or penalty."""
        ...


class Line(NamedTuple):
    """A line of equal f, clipped to the axes; x ascending. Its label stands above and to the right of a point of it."""

    f: float
    x: tuple[float, ...]
    y: tuple[float, ...]
    label: tuple[float, float] | None  # that point; None where the axes leave no room


class Points(NamedTuple):
    """What w_c does not change: the n trials that did not fail, under one penalty.

    Attributes:
        penalty, reference: the metric's name and its c_0.
        trial: index of each point in the result's table of trials, (n,).
        x, y: complexity (the metric's unit) and error (fraction), (n,).
        x_se, y_se: their standard errors, (n,); 0 where there is none, or it is not known.
        stage: the stage that found each point, (n,).
        text: what each point is, lines separated by newlines, (n,).
        pareto: indices of the non-dominated points, cheapest first.
        winners, starts: indices of the points that win at some w_c, and the w_c from which each does (eq. 1).
        x_axis, y_axis: the axes, which stay the same while w_c changes.
    """

    penalty: str
    reference: float
    trial: tuple[int, ...]
    x: tuple[float, ...]
    y: tuple[float, ...]
    x_se: tuple[float, ...]
    y_se: tuple[float, ...]
    stage: tuple[int, ...]
    text: tuple[str, ...]
    pareto: tuple[int, ...]
    winners: tuple[int, ...]
    starts: tuple[float, ...]
    x_axis: Axis
    y_axis: Axis


class TradeoffInfo(NamedTuple):
    """Everything a trade-off plot shows at one w_c.

    Attributes:
        points: the n trials.
        wc: w_c.
        f: the objective of each point, (n,).
        order: indices of the points from the best to the worst, (n,).
        winner: index of the best point.
        near: indices of the points whose f cannot be told from the winner's, within the errors of both.
        wins: the interval of w_c in which the winner wins.
        lines: lines of equal f; the first is the winner's.
        title: one line about the winner.
        caution: one sentence if w_c lies beyond what the search was aimed at, else "".
    """

    points: Points
    wc: float
    f: tuple[float, ...]
    order: tuple[int, ...]
    winner: int
    near: tuple[int, ...]
    wins: tuple[float, float]
    lines: tuple[Line, ...]
    title: str
    caution: str

    @property
    def rank(self) -> tuple[int, ...]:
        """Rank of each point, 1 for the winner."""
        ranks = np.empty(len(self.order), dtype=int)
        ranks[list(self.order)] = np.arange(1, len(self.order) + 1)
        return tuple(ranks.tolist())


def tradeoff_info(
    result: Result, wc: float | None = None, penalty: str | None = None, points: Points | None = None
) -> TradeoffInfo:
    """Everything a trade-off plot of `result` shows. Trains nothing.

    Args:
        result: a search's result.
        wc, penalty: as in `result.rescore`; None takes the result's own.
        points: of an earlier call with this result and penalty, so that a slider need not gather them again.

    Raises:
        ArgumentError: not a search result, the penalty was not recorded, or w_c is negative.
        SearchError: no trial has finished.
    """
    if not hasattr(result, "rescore"):
        raise ArgumentError("result is not a search result: give what dnc.search or store.result returned")
    scored = result.rescore(wc=wc, penalty=penalty)
    objective = scored.objective
    if points is None or (points.penalty, points.reference) != (objective.penalty, objective.reference):
        points = _points(scored)
    point_of = {trial: point for point, trial in enumerate(points.trial)}
    # at w_c = 0 a trial has an f, and so a rank, even if its complexity was not measured: it has no place in the plot
    order = tuple(point_of[int(trial)] for trial in scored.table.order(objective) if int(trial) in point_of)
    f = tuple(np.asarray(objective(1 - np.array(points.y), np.array(points.x))).tolist())
    winner, value = order[0], objective.wc
    near = scored.table.within_error(objective, points.trial[winner], scored.n_val)
    title = (
        f"w_c = {value:.3g}: {1 - points.y[winner]:.2%} validation accuracy with "
        f"{SYMBOLS.get(points.penalty, points.penalty)} = {quantity(points.x[winner], points.penalty)}"
    )
    return TradeoffInfo(
        points,
        value,
        f,
        order,
        winner,
        tuple(point_of[trial] for trial in near.tolist() if trial in point_of),
        _interval(points, winner),
        _lines(points, value, f[winner]),
        title,
        scored.caution,
    )


def quantity(value: float, penalty: str) -> str:
    """A complexity with its unit: '10.7 ms', '82,353 parameters'."""
    if penalty == "t_tr":
        return per_epoch(value)
    unit = METRICS[penalty].unit if penalty in METRICS else ""
    number = f"{value:,.0f}" if penalty == "n_params" else f"{value:.3g}"
    return f"{number} {unit}".strip()


def _points(scored: Result) -> Points:
    table, objective = scored.table, scored.objective
    complexity = table.complexity(objective.penalty)
    error = np.array([1.0 - v.trial.val_acc if v.trial.ok else np.nan for v in table.visits])
    trial = np.flatnonzero(np.isfinite(error) & np.isfinite(complexity))
    if not len(trial):
        raise SearchError(f"search {scored.id} has no finished trial yet: run it (again) to get one")
    x, y = complexity[trial], error[trial]
    winners, starts = breakpoints(x, y, objective.reference)
    visits = [table.visits[i] for i in trial.tolist()]
    symbol = SYMBOLS.get(objective.penalty, objective.penalty)
    x_se = [v.trial.t_tr_se if objective.penalty == "t_tr" else 0.0 for v in visits]
    y_se = np.sqrt(np.clip(y * (1 - y), 0, None) / scored.n_val) if scored.n_val else np.zeros(len(y))  # binomial
    label = METRICS[objective.penalty].label
    unit = METRICS[objective.penalty].unit if objective.penalty != "n_params" else ""
    name = f"{label} {symbol}" if symbol != label else label
    return Points(
        penalty=objective.penalty,
        reference=objective.reference,
        trial=tuple(trial.tolist()),
        x=tuple(x.tolist()),
        y=tuple(y.tolist()),
        x_se=tuple(np.nan_to_num(x_se).tolist()),
        y_se=tuple(y_se.tolist()),
        stage=tuple(v.stage for v in visits),
        text=tuple(
            f"{v.trial.config.arch}\n{v.trial.config.training}\naccuracy {accuracy(v.trial.val_acc, scored.n_val)}, "
            f"t_tr {per_epoch(v.trial.t_tr, v.trial.t_tr_se)}, {v.trial.n_params:,} parameters, stage {v.stage}"
            for v in visits
        ),
        pareto=tuple(pareto(x, y).tolist()),
        winners=tuple(winners.tolist()),
        starts=tuple(starts.tolist()),
        x_axis=axis_around(f"{name} ({unit})" if unit else name, x, "si" if objective.penalty == "n_params" else "g"),
        y_axis=axis_around("error: 1 − validation accuracy", y, "%"),
    )


def _interval(points: Points, winner: int) -> tuple[float, float]:
    if winner not in points.winners:  # it ties with a winner at exactly this w_c, and wins nowhere on its own
        return math.nan, math.nan
    i = points.winners.index(winner)
    return points.starts[i], (*points.starts[1:], math.inf)[i]


# ---- lines of equal f ----------------------------------------------------------------------------------


def _lines(points: Points, wc: float, best: float) -> tuple[Line, ...]:
    axis = points.y_axis
    if axis.log:
        levels = [best * factor for factor in LOG_LEVELS]
    else:
        levels = [best + share * (axis.high - axis.low) for share in LINEAR_LEVELS]
    lines = (_line(points, wc, level) for level in levels)
    return tuple(line for line in lines if len(line.x) > 1)


def _line(points: Points, wc: float, level: float) -> Line:
    """error = level - w_c c / c_0 within both axes, sampled evenly along x and along y."""
    x_axis, y_axis, slope = points.x_axis, points.y_axis, wc / points.reference
    x = spread_along(x_axis, LINE_POINTS)
    if slope:  # on logarithmic axes the line bends down steeply: points spread along x alone would cut its corner
        x = np.sort(np.concatenate([x, (level - spread_along(y_axis, LINE_POINTS)) / slope]))
    y = level - slope * x
    # a line on the very edge of the plot, or of an f far beyond all errors, must not vanish by rounding
    slack = 1e-9 * (y_axis.high - y_axis.low) + 4 * np.spacing(level)
    inside = (x >= x_axis.low) & (x <= x_axis.high) & (y >= y_axis.low - slack) & (y <= y_axis.high + slack)
    x, y = x[inside], np.clip(y[inside], y_axis.low, y_axis.high)
    free = (share_along(x, x_axis) < 1 - LABEL_ROOM[0]) & (share_along(y, y_axis) < 1 - LABEL_ROOM[1])
    places = zip(_rounded(x[free]), _rounded(y[free]), strict=True)
    return Line(level, _rounded(x), _rounded(y), next(places, None))


def _rounded(values: np.ndarray) -> tuple[float, ...]:
    return tuple(float(f"{v:.5g}") for v in values)  # finer than any screen, and a third of the size in a notebook


def wc_grid(points: Sequence[Points], own: float, per_decade: int = 20) -> tuple[float, ...]:
    """0 and a logarithmic grid of w_c that reaches beyond every change of winner, for a slider.

    Args:
        points: of each penalty that can be chosen.
        own: a w_c that must be in the grid.
        per_decade: steps from one power of ten to the next.
    """
    changes = [start for p in points for start in p.starts if start > 0] + ([own] if own > 0 else [])
    low = math.floor(math.log10(min(changes))) - 1 if changes else -3
    high = math.ceil(math.log10(max(changes))) + 1 if changes else 1
    exponents = np.arange(low * per_decade, high * per_decade + 1) / per_decade
    grid = {float(f"{10.0**exponent:.3g}") for exponent in exponents}
    return (0.0, *sorted(grid | ({own} if own > 0 else set())))
