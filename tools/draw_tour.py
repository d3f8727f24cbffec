"""Draw docs/life_of_a_trial.png: the calls from `dnc.search` to a training, and the way of its trial back to the store.

    python tools/draw_tour.py

A tiny search is watched while it runs: every box is a function that was called, in its room and in the order of the
calls, and every arrow is labeled with the kind of object that was handed over. Nothing is listed by hand but which
kinds are worth a label.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from types import CodeType, FrameType, GeneratorType
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path as Line
from matplotlib.textpath import TextPath

import dnc
from dnc.config import Config
from dnc.plots.palette import COMPUTED, FONT_SIZE, FONTS, GRID, INK, MUTED, NET_J, PAPER, SMALL_SIZE
from dnc.plots.style_matplotlib import DPI, Picture, style
from dnc.searches.settings import SearchSettings
from dnc.searches.study import Study
from dnc.store.rows import TrialStore
from dnc.training.loop import Outcome, train
from dnc.trial import Trial, TrialStatus, Visit
from dnc.workers.jobs import TrainJob

ROOMS = ("searches", "evaluation", "workers", "training", "store")  # from top to bottom
PACKAGE = str(Path(dnc.__file__).parent)
PICTURE = Path(__file__).resolve().parents[1] / "docs" / "life_of_a_trial.png"

# What carries a config through the rooms, from the first form to the last; a call that is given several of them is
# labeled with the last.
CARRIERS = (SearchSettings, Study, Visit, Trial, TrainJob, Config, Outcome, TrialStatus)


class Call(NamedTuple):
    """A function that was called.

    Attributes:
        room, file, function: where it is: a folder of dnc, a file in it, a name in that ("Class.method").
        given: what it was given, e.g. "Trial (planned)"; empty if that says nothing new.
    """

    room: str
    file: str
    function: str
    given: str


class Branch(NamedTuple):
    """Calls that a function of the way down made later, when the training was over.

    Attributes:
        caller: the function's place in `Life.down`.
        calls: the calls below it; the last is one of the store.
    """

    caller: int
    calls: tuple[Call, ...]


class Life(NamedTuple):
    """The life of a trial.

    Attributes:
        down: the calls from `dnc.search` to the training loop.
        recorded: how the training and then the visit reach the store.
    """

    down: tuple[Call, ...]
    recorded: tuple[Branch, Branch]


def main() -> None:
    """Write the picture; the same code gives the same bytes."""
    figure = draw(trace())
    with style():
        figure.savefig(PICTURE, dpi=DPI, metadata={"Software": None})
    print(PICTURE)


# ---- watching a search ---------------------------------------------------------------------------------


def trace() -> Life:
    """Run a tiny search and note the calls around the training of its first trial."""
    data = dnc.load_data("digits", n_train=200, n_val=100)
    watch = Watch((train.__code__, TrialStore.add_training.__code__, TrialStore.add_visit.__code__))
    previous = sys.getprofile()
    sys.setprofile(watch)
    try:
        dnc.search(data, dnc.MLPSpace(), penalty="n_params", epochs=1, n1=1, n2=1, workers=0, progress=False)
    finally:
        sys.setprofile(previous)
    down, *recorded = watch.chains.values()
    training, visit = (watch.branch(chain, down) for chain in recorded)
    return Life(tuple(map(watch.call, down)), (training, visit))


class Watch:
    """A profile function that notes who leads to some functions, when each is entered for the first time.

    Args:
        ends: the code of these functions, in the order in which they are expected.

    Attributes:
        chains: the frames from `dnc.search` to each of them, by its code.
    """

    def __init__(self, ends: Sequence[CodeType]) -> None:
        self._ends = ends
        self.chains: dict[CodeType, tuple[FrameType, ...]] = {}
        self._given: dict[FrameType, list[Any]] = {}
        self._yielded: dict[FrameType, Any] = {}

    def __call__(self, frame: FrameType, event: str, value: Any) -> None:
        if not _is_ours(frame):
            return
        if event == "call":
            # now, as a function may use up the iterators that it is given
            self._given.setdefault(frame, _arguments(frame))
            if frame.f_code is self._ends[len(self.chains)]:
                self.chains[frame.f_code] = tuple(_frames_from_search(frame))
                if len(self.chains) == len(self._ends):
                    sys.setprofile(None)  # the first trial is over; frames of others would only be kept in memory
        elif event == "return":  # or yield
            self._yielded.setdefault(frame, value)

    def branch(self, frames: Sequence[FrameType], down: Sequence[FrameType]) -> Branch:
        """The part of a chain that has left the way down."""
        shared = next(i for i, (a, b) in enumerate(zip(frames, down, strict=False)) if a is not b)
        return Branch(shared - 1, tuple(map(self.call, frames[shared:])))

    def call(self, frame: FrameType) -> Call:
        """A frame as plain data."""
        path = Path(frame.f_code.co_filename)
        function = frame.f_code.co_qualname.rsplit("<locals>.", 1)[-1]
        values = [self._yielded.get(v) if isinstance(v, FrameType) else v for v in self._given[frame]]
        return Call(path.parent.name, path.name, function, _label(values))


def _is_ours(frame: FrameType) -> bool:
    return frame.f_code.co_filename.startswith(PACKAGE)


def _arguments(frame: FrameType) -> list[Any]:
    """What a function is called with; of a list or an iterator over one the first element, of a generator its frame."""
    code = frame.f_code
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    return [_first(frame.f_locals[name]) for name in names]


def _first(value: Any) -> Any:
    if isinstance(value, GeneratorType):
        return value.gi_frame  # it has not yielded yet, and later it has no frame
    if isinstance(value, list | tuple):
        return next(iter(value), None)
    return next(copy.copy(value), None) if isinstance(value, type(iter([]))) else value


def _frames_from_search(frame: FrameType | None) -> Iterator[FrameType]:
    """The frames of dnc that led to this one, `dnc.search` first."""
    frames = []
    while frame is not None:
        frames.append(frame)
        frame = None if frame.f_code is dnc.search.__code__ else frame.f_back
    return filter(_is_ours, reversed(frames))


def _label(values: Sequence[Any]) -> str:
    """The kind of the last carrier among the values, with its status if it has one."""
    for kind in reversed(CARRIERS):
        for value in values:
            if isinstance(value, kind):
                trial = value.trial if isinstance(value, Visit) else value
                status = f" ({trial.status})" if isinstance(trial, Trial) else ""
                return str(value) if isinstance(value, TrialStatus) else kind.__name__ + status
    return next((f"row ({v['status']})" for v in values if isinstance(v, dict) and "status" in v), "")


# ---- drawing; all lengths in inches, from the top left --------------------------------------------------

WIDTH = 8.2  # 900 pixels on a page, so that text of 7 points has 11 of them
ROW, BOX, STEP = 0.40, 0.31, 0.28  # height of a row and of a box in it; how far right a call is of its caller
TOP, MARGIN, GUTTER, GAP = 0.44, 0.1, 1.0, 0.1  # title; around the picture; names of the rooms; between lanes
CORNER = 0.13  # from the left edge of a box to the arrow at its lower side
SPACE = 0.05  # between an arrow and its label
LEGEND = 5.3  # its left end
PAD = 0.065  # between the edge of a box and its text
DOTTED = (0, (1, 2))
NAME_SIZE = SMALL_SIZE + 0.5
DOWN, BACK = COMPUTED, NET_J


class Box(NamedTuple):
    """Where a call is drawn: its four sides, and the middle of its height."""

    left: float
    right: float
    top: float
    y: float
    bottom: float
    call: Call


class Lane(NamedTuple):
    """Where a room is drawn: as many rows as calls stand in it one below the other; `rows` gives their middles."""

    room: str
    top: float
    bottom: float
    rows: Iterator[float]


def draw(info: Life) -> Picture:
    """The calls as a staircase down the rooms; right of it the trial comes back, and is recorded on its way."""
    lanes = _lanes(info)
    height = max(lane.bottom for lane in lanes.values()) + MARGIN
    with style():
        figure = Picture(figsize=(WIDTH, height))  # laid out here, not by constraints
        axis = figure.add_axes((0, 0, 1, 1))
        axis.set(xlim=(0, WIDTH), ylim=(height, 0))
        axis.set_axis_off()
        for lane in lanes.values():
            axis.fill_between([MARGIN, WIDTH - MARGIN], lane.top, lane.bottom, color=GRID, alpha=0.5, linewidth=0)
            axis.text(2 * MARGIN, lane.top + ROW / 2, f"{lane.room}/", fontweight="bold", va="center")
        down = [_place(call, GUTTER + STEP * i, next(lanes[call.room].rows)) for i, call in enumerate(info.down)]
        for caller, box in pairwise(down):
            x = caller.left + CORNER
            _arrow(axis, [(x, caller.bottom), (x, box.y), (box.left, box.y)], DOWN)
            _text(axis, x - SPACE, box.y, box.call.given, DOWN, ha="right")
        for box in down:
            _draw_box(axis, box, DOWN, filled=box in (down[0], down[-1]))
        _draw_way_back(axis, info, down, lanes)
        _draw_title_and_legend(axis, TOP + ROW / 2)
    return figure


def _lanes(info: Life) -> dict[str, Lane]:
    rooms = [call.room for call in info.down] + [branch.calls[-1].room for branch in info.recorded]
    lanes: dict[str, Lane] = {}
    top = TOP
    for room in [room for room in ROOMS if room in rooms]:
        n = rooms.count(room)
        lanes[room] = Lane(room, top, top + ROW * n, iter([top + ROW * (i + 0.5) for i in range(n)]))
        top = lanes[room].bottom + GAP
    return lanes


def _place(call: Call, left: float, y: float) -> Box:
    """The box of a call, as wide as its texts."""
    width = max(_length(call.function, NAME_SIZE), _length(call.file, SMALL_SIZE)) + 2.3 * PAD
    return Box(left, left + width, y - BOX / 2, y, y + BOX / 2, call)


def _draw_way_back(axis: Axes, info: Life, down: Sequence[Box], lanes: Mapping[str, Lane]) -> None:
    """The outcome goes up to the function that records it, the trial to the one that makes a visit of it."""
    training, visit = info.recorded
    rise = max(box.right for box in down[training.caller + 1 :]) + 0.25
    keepers = _row(training, down, rise - CORNER)
    observers = _row(visit, down, keepers[-1].left)
    loop, first, last = down[-1], keepers[0], keepers[-1]
    _arrow(axis, [(loop.right, loop.y), (rise, loop.y), (rise, first.bottom)], BACK)
    _text(axis, rise + SPACE, loop.y - ROW, first.call.given, BACK)
    x, bottom = last.left + CORNER, observers[0].bottom
    _arrow(axis, [(x, last.top), (x, bottom)], BACK)
    _text(axis, x + SPACE, (last.top + bottom) / 2, observers[0].call.given, BACK)
    for branch, boxes in zip(info.recorded, (keepers, observers), strict=True):
        caller = down[branch.caller]
        axis.plot([caller.right, boxes[0].left], [caller.y] * 2, color=MUTED, linewidth=0.8, linestyle=DOTTED)
        for left, right in pairwise(boxes):
            _arrow(axis, [(left.right, left.y), (right.left, right.y)], BACK)
            _text(axis, (left.right + right.left) / 2, left.y - 0.1, right.call.given, BACK, ha="center")
        call, fall = branch.calls[-1], boxes[-1].right - CORNER
        stored = _place(call, 0.0, next(lanes[call.room].rows))
        stored = stored._replace(left=boxes[-1].right - stored.right, right=boxes[-1].right)
        _arrow(axis, [(fall, boxes[-1].bottom), (fall, stored.top)], BACK)
        _text(axis, fall - SPACE, loop.y - ROW, call.given, BACK, ha="right")
        for box in (*boxes, stored):
            _draw_box(axis, box, BACK)


def _row(branch: Branch, down: Sequence[Box], x: float) -> list[Box]:
    """The calls of a branch before the store's, from x to the right in the row of their caller."""
    boxes: list[Box] = []
    for call in branch.calls[:-1]:
        if boxes:
            x = boxes[-1].right + _length(call.given, SMALL_SIZE) + 0.16  # the label stands on the arrow between them
        boxes.append(_place(call, x, down[branch.caller].y))
    return boxes


def _draw_title_and_legend(axis: Axes, y: float) -> None:
    """The legend goes where the staircase leaves room: at the right of the first lane, from y on."""
    base, size = TOP * 0.64, FONT_SIZE + 1.5
    title = axis.text(MARGIN, base, "The life of a trial", fontsize=size, fontweight="bold")
    subtitle = "from dnc.search to the training loop, and back into the store"
    offset: Any = {"xycoords": (title, "data"), "xytext": (8, 0), "textcoords": "offset points"}
    axis.annotate(subtitle, (1, base), color=MUTED, **offset)
    left, right = LEGEND, LEGEND + 0.3
    _arrow(axis, [(left, y), (right, y)], DOWN)
    _text(axis, right + 0.08, y, "a call, with what it is given", DOWN)
    _arrow(axis, [(left, y + 0.2), (right, y + 0.2)], BACK)
    _text(axis, right + 0.08, y + 0.2, "the trial's way back, and into the store", BACK)
    axis.plot([left, right], [y + 0.4] * 2, color=MUTED, linewidth=0.8, linestyle=DOTTED)
    _text(axis, right + 0.08, y + 0.4, "the same call, later", MUTED)


def _draw_box(axis: Axes, box: Box, color: str, *, filled: bool = False) -> None:
    axis.add_patch(
        FancyBboxPatch(
            (box.left, box.top), box.right - box.left, BOX, boxstyle="round,pad=0,rounding_size=0.05",
            facecolor=color if filled else PAPER, edgecolor=color, linewidth=0.8,
        )
    )  # fmt: skip
    name, file = (PAPER, PAPER) if filled else (INK, MUTED)
    axis.text(box.left + PAD, box.y - 0.065, box.call.function, color=name, fontsize=NAME_SIZE, va="center")
    axis.text(box.left + PAD, box.y + 0.075, box.call.file, color=file, fontsize=SMALL_SIZE, va="center")


def _arrow(axis: Axes, points: Sequence[tuple[float, float]], color: str) -> None:
    axis.add_patch(
        FancyArrowPatch(
            path=Line(points), arrowstyle="-|>,head_length=3,head_width=1.6", color=color, linewidth=1.0, shrinkA=0,
            shrinkB=0, joinstyle="miter", capstyle="butt",
        )
    )  # fmt: skip


def _text(axis: Axes, x: float, y: float, text: str, color: str, ha: str = "left") -> None:
    axis.text(x, y, text, color=color, fontsize=SMALL_SIZE, ha=ha, va="center")


def _length(text: str, size: float) -> float:
    return TextPath((0, 0), text, size=size, prop=FontProperties(family=FONTS[0])).get_extents().x1 / 72


if __name__ == "__main__":
    main()
