"""The trade-off plot as a small inline SVG, for the card of a result: no plotting library, a few kilobytes.

It takes the colors of the page, so that it can be read on light and dark ones.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import NamedTuple

from dnc.errors import DncError
from dnc.plots.axis_info import Axis
from dnc.plots.tradeoff_info import Result, TradeoffInfo, tradeoff_info
from dnc.trial import Trial

WIDTH, HEIGHT = 330, 190  # pixels
LEFT, RIGHT, TOP, BOTTOM = 40, 10, 20, 32  # between the axes and the edges
INSET = 8  # pixels between the axes and what they show, for the text below a mark
CELL = 3  # pixels: trials that fall into one square of this side are drawn as one
MAX_DOTS = 500
CHARACTER = 6  # pixels, the width of a digit
TICK_ROOM = 44  # pixels between the labels of the horizontal axis
ACCENT = "var(--jp-brand-color1, #2a7fd5)"


class Mark(NamedTuple):
    """A point to point out: complexity, error, and what to write beside it."""

    x: float
    y: float
    text: str


def sketch(result: Result, marks: Sequence[Mark] | None = None) -> str:
    """The trials of a result with their front and the line of equal f; "" where there is nothing to draw.

    Args:
        result: a search's result.
        marks: what to point out instead of the winner and its line.

    >>> from dnc import Config, MLP, MLPSpace, Objective, SearchResult, Trial, Visit
    >>> trial = Trial(Config(MLP((20,))), val_acc=0.9, t_tr=2.0, n_params=5000)
    >>> result = SearchResult("s", {}, {}, MLPSpace(), Objective(0.1, "t_tr", 4.0), (Visit(1, "", 0, trial),))
    >>> sketch(result)[:4]
    '<svg'
    """
    try:
        info = tradeoff_info(result)
    except DncError:  # no finished trial, or its complexity was not measured
        return ""
    if marks is None:
        # at w_c = 0 the best trial may be one whose complexity was not measured: the plot has no place for it
        best = int(result.table.order(result.objective)[0])
        i = info.winner
        marks = [Mark(info.points.x[i], info.points.y[i], "")] if best == info.points.trial[i] else []
        lines = info.lines[:1] if marks else ()
    else:
        lines = ()
    told = _symbols("marked: the winner at each w_c") if any(mark.text for mark in marks) else ""
    to_x, to_y = (
        _Scale(info.points.x_axis, LEFT + INSET, WIDTH - RIGHT),
        _Scale(info.points.y_axis, HEIGHT - BOTTOM - INSET, TOP),
    )
    equal_f = [_path(zip(map(to_x, line.x), map(to_y, line.y), strict=True)) for line in lines]
    parts = [
        f'<path d="M{LEFT} {TOP}V{HEIGHT - BOTTOM}H{WIDTH - RIGHT}" fill="none" stroke="currentColor" opacity="0.5"/>',
        *_ticks(info, to_x, to_y),
        f'<path d="{_dots(info, to_x, to_y)}" stroke="currentColor" stroke-width="4" stroke-linecap="round"'
        ' opacity="0.4"/>',
        f'<path d="{_front(info, to_x, to_y)}" fill="none" stroke="currentColor" opacity="0.85"/>',
        *(f'<path d="{d}" fill="none" stroke="{ACCENT}" stroke-dasharray="4 3"/>' for d in equal_f),
        f'<text x="{WIDTH - RIGHT}" y="10" text-anchor="end">{told}</text>' if told else "",
        *_marked(marks, to_x, to_y),
    ]
    label = f"trade-off of {len(info.points.x)} trials: error against {info.points.x_axis.label}"
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="100%" style="max-width:{WIDTH}px;display:block" role="img" '
        f'aria-label="{escape(label)}" font-size="10" font-family="inherit" fill="currentColor">{"".join(parts)}</svg>'
    )


def winner_marks(winners: Mapping[float, Trial | None], penalty: str) -> list[Mark]:
    """The winner of each w_c; where one network wins several, all of them beside one mark.

    >>> from dnc import Config, MLP, Trial
    >>> trial = Trial(Config(MLP((20,))), val_acc=0.75, t_tr=2.0, n_params=5000)
    >>> winner_marks({0.0: trial, 0.1: trial, 1.0: None}, "t_tr")
    [Mark(x=2.0, y=0.25, text='0, 0.1')]
    """
    texts: dict[tuple[float, float], list[str]] = {}
    for wc, trial in winners.items():
        if trial is not None and math.isfinite(x := trial.complexity(penalty)):
            texts.setdefault((x, 1 - trial.val_acc), []).append(f"{wc:g}")
    return [Mark(x, y, ", ".join(names)) for (x, y), names in texts.items()]


class _Scale:
    """Data units of an axis -> pixels."""

    def __init__(self, axis: Axis, start: float, end: float) -> None:
        self._log, self._start, self._length = axis.log, start, end - start
        self._low, self._high = self._unit(axis.low), self._unit(axis.high)

    def _unit(self, value: float) -> float:
        return math.log10(value) if self._log else value

    def __call__(self, value: float) -> float:
        return self._start + self._length * (self._unit(value) - self._low) / (self._high - self._low)


def _path(points: Iterable[tuple[float, float]]) -> str:
    steps = [f"{x:.1f} {y:.1f}" for x, y in points]
    return f"M{'L'.join(steps)}" if steps else ""


def _dots(info: TradeoffInfo, to_x: _Scale, to_y: _Scale) -> str:
    """One dot for each small square that holds a trial; a selection of them where there are very many."""
    squares = {
        (round(to_x(x) / CELL), round(to_y(y) / CELL)) for x, y in zip(info.points.x, info.points.y, strict=True)
    }
    shown = sorted(squares)[:: math.ceil(len(squares) / MAX_DOTS)]
    return "".join(f"M{x * CELL} {y * CELL}h0" for x, y in shown)


def _front(info: TradeoffInfo, to_x: _Scale, to_y: _Scale) -> str:
    """The non-dominated trials as stairs: what the best error is up to each complexity."""
    indices = info.points.pareto[:: math.ceil(len(info.points.pareto) / MAX_DOTS)]
    pixels = [(to_x(info.points.x[i]), to_y(info.points.y[i])) for i in indices]
    stairs = "".join(f"H{x:.1f}V{y:.1f}" for x, y in pixels[1:])
    return f"M{pixels[0][0]:.1f} {pixels[0][1]:.1f}{stairs}"


def _marked(marks: Sequence[Mark], to_x: _Scale, to_y: _Scale) -> list[str]:
    """A disk for each mark, and its text: below, where no trial can be better, or above where another text is near."""
    parts: list[str] = []
    texts: list[tuple[float, float, float]] = []  # center, baseline, width
    for mark in marks:
        x, y = to_x(mark.x), to_y(mark.y)
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" fill="{ACCENT}"/>')
        width = CHARACTER * len(mark.text)
        x = min(max(x, LEFT + width / 2 + 3), WIDTH - RIGHT - width / 2)  # clear of the axis, and inside
        below = (x, y + 15, width)
        crowded = any(abs(x - a) < (width + w) / 2 + 2 and abs(below[1] - b) < 11 for a, b, w in texts)
        texts.append((x, y - 8, width) if crowded else below)
        if mark.text:
            place = f'x="{x:.1f}" y="{texts[-1][1]:.1f}" text-anchor="middle"'
            parts.append(f"<text {place}>{escape(mark.text)}</text>")
    return parts


def _symbols(label: str) -> str:
    """The paper's symbols with their subscripts."""
    below = r'<tspan font-style="italic">\1</tspan><tspan dy="2" font-size="8">\2</tspan><tspan dy="-2">\3</tspan>'
    return re.sub(r"\b(t|N|w)_(tr|p|c)\b(.*)", below, label)


def _ticks(info: TradeoffInfo, to_x: _Scale, to_y: _Scale) -> list[str]:
    x_axis, y_axis = info.points.x_axis, info.points.y_axis
    parts, free = [], -math.inf
    for value, text in zip(x_axis.ticks, x_axis.tick_text, strict=True):
        if (x := to_x(value)) >= free:
            free = x + TICK_ROOM
            parts.append(f'<path d="M{x:.1f} {HEIGHT - BOTTOM}v3" stroke="currentColor" opacity="0.5"/>')
            parts.append(f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 13}" text-anchor="middle">{escape(text)}</text>')
    free = math.inf
    for value, text in zip(y_axis.ticks, y_axis.tick_text, strict=True):
        if (y := to_y(value)) <= free:
            free = y - TICK_ROOM / 2
            parts.append(f'<path d="M{LEFT} {y:.1f}h-3" stroke="currentColor" opacity="0.5"/>')
            parts.append(f'<text x="{LEFT - 6}" y="{y + 3.5:.1f}" text-anchor="end">{escape(text)}</text>')
    parts.append('<text x="2" y="10">error</text>')
    end = f'x="{WIDTH - RIGHT}" y="{HEIGHT - 5}" text-anchor="end"'
    return [*parts, f"<text {end}>{_symbols(escape(x_axis.label))}</text>"]
