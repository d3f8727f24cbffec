"""The picture of the tour shows what the code does now, and the page names every function in it."""

from __future__ import annotations

import importlib.util
import io
import itertools
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.patches import FancyBboxPatch
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from references import CODE, LINK

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "tour.md"
MAX_FRAMES = 10  # from `search` to the training loop, both included
SHOWN = 900  # pixels that a page gives the picture


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    """tools/draw_tour.py as a module."""
    spec = importlib.util.spec_from_file_location("draw_tour", ROOT / "tools" / "draw_tour.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def info(tool: ModuleType) -> Any:
    """What the picture shows."""
    return tool.trace()


def pixels(figure: Figure, dpi: int) -> np.ndarray:
    """The picture as (height, width, channels), values from 0 to 1."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=dpi)
    file.seek(0)
    return imread(file)


def test_the_trace_leads_from_a_search_to_a_training(info: Any) -> None:
    first, last = info.down[0], info.down[-1]
    assert len(info.down) <= MAX_FRAMES
    assert (first.room, first.file, first.function) == ("searches", "search.py", "search")
    assert (last.room, last.file, last.function) == ("training", "loop.py", "train")


def test_each_call_after_the_first_is_given_something(info: Any) -> None:
    given = [call.given for call in info.down]
    assert given[0] == ""
    assert "" not in given[1:]
    assert given[-1] == "Config"


def test_a_planned_trial_comes_back_finished_and_is_recorded(info: Any) -> None:
    training, visit = info.recorded
    assert "Trial (planned)" in [call.given for call in info.down]
    assert "Trial (ok)" in [call.given for call in visit.calls]
    assert training.calls[0].given == "Outcome"
    ends = [(call.room, call.function, call.given) for call in (training.calls[-1], visit.calls[-1])]
    assert ends == [("store", "TrialStore.add_training", "row (ok)"), ("store", "TrialStore.add_visit", "row (ok)")]
    assert [info.down[branch.caller].room for branch in info.recorded] == ["evaluation", "searches"]


def test_the_page_names_every_function_of_the_trace(info: Any) -> None:
    links = LINK.findall(PAGE.read_text(encoding="utf-8"))
    named = {(target, name.removesuffix("()")) for text, target in links for name in CODE.findall(text)}
    traced = [(f"../dnc/{call.room}/{call.file}", call.function) for call in info.down]
    assert [place for place in traced if place not in named] == []


def test_the_picture_is_what_is_drawn_now(tool: ModuleType, info: Any) -> None:
    committed, drawn = imread(tool.PICTURE), pixels(tool.draw(info), tool.DPI)
    assert committed.shape == drawn.shape
    assert np.allclose(committed, drawn, atol=0.05), "run tools/draw_tour.py"  # of rounding at the edges of letters


def test_a_renamed_function_changes_the_picture(tool: ModuleType, info: Any) -> None:
    renamed = [call._replace(function="train_all") if call.function == "run_job" else call for call in info.down]
    before, after = (pixels(tool.draw(i), 100) for i in (info, info._replace(down=tuple(renamed))))
    assert before.shape == after.shape
    assert not np.allclose(before, after, atol=0.05)


def test_nothing_overlaps_or_is_cut_off_or_too_small(tool: ModuleType, info: Any) -> None:
    figure = tool.draw(info)
    renderer = FigureCanvasAgg(figure).get_renderer()
    texts = [text for text in figure.findobj(Text) if text.get_text()]
    extents = [text.get_window_extent(renderer) for text in texts]
    boxes = [p.get_window_extent(renderer) for p in figure.axes[0].patches if isinstance(p, FancyBboxPatch)]
    assert len(boxes) == len(info.down) + sum(len(branch.calls) for branch in info.recorded)
    assert len(texts) > 2 * len(info.down)
    overlapping = [
        (a.get_text(), b.get_text())
        for (a, i), (b, j) in itertools.combinations(zip(texts, extents, strict=True), 2)
        if i.overlaps(j.shrunk(1, 0.8))  # the extent of a text has room for accents that it may not have
    ]
    assert overlapping == []
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))
    for extent, box in itertools.product(extents, boxes):
        assert not extent.overlaps(box) or (box.x0 < extent.x0 and extent.x1 < box.x1)  # beside it, or its own text
    union = Bbox.union([*extents, *boxes])
    assert min(union.x0, union.y0) >= 0
    assert (union.x1 <= figure.bbox.x1, union.y1 <= figure.bbox.y1) == (True, True)
    points = min(text.get_fontsize() for text in texts) * SHOWN / 96 / figure.get_figwidth()
    assert points >= 7


def test_the_same_code_gives_the_same_bytes(
    tool: ModuleType, info: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tool, "trace", lambda: info)
    for name in ("a.png", "b.png"):
        monkeypatch.setattr(tool, "PICTURE", tmp_path / name)
        tool.main()
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
