"""Pictures: their plain data, that they can be drawn, and that the colours can be told apart."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

from dnc.config import CNN
from dnc.errors import ArgumentError
from dnc.plots import style
from dnc.plots.arms import arms_info, draw_arms, grid_width, plotly_arms
from dnc.plots.kernel import draw_kernel, kernel_info, plotly_kernel
from dnc.space import CNNSpace

# How people with a colour blindness see linear RGB (Machado, Oliveira, Fernandes 2009, severity 1).
SIGHT = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
PALETTES = {"wc": list(style.WC_COLORS.values()), "arms": list(style.ARM_COLORS.values())}


def linear(color: str) -> np.ndarray:
    channels = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    """CIE L*a*b* of linear RGB, where Euclidean distances are about what people see."""
    x, y, z = XYZ @ np.clip(rgb, 0, 1) / np.array([0.95047, 1.0, 1.08883])
    f = [c ** (1 / 3) if c > (6 / 29) ** 3 else c / (3 * (6 / 29) ** 2) + 4 / 29 for c in (x, y, z)]
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def test_lab_knows_white_and_black() -> None:
    assert lab(linear("#ffffff")) == pytest.approx([100, 0, 0], abs=0.02)
    assert lab(linear("#000000")) == pytest.approx([0, 0, 0], abs=1e-9)


@pytest.mark.parametrize("sight", SIGHT)
@pytest.mark.parametrize("palette", PALETTES)
def test_colours_can_be_told_apart(palette: str, sight: str) -> None:
    seen = [lab(SIGHT[sight] @ linear(c)) for c in PALETTES[palette]]
    assert min(float(np.linalg.norm(a - b)) for a, b in itertools.combinations(seen, 2)) > 25


@pytest.mark.parametrize("color", [c for palette in PALETTES.values() for c in palette])
def test_marks_contrast_with_the_paper(color: str) -> None:
    luminance = float(XYZ[1] @ linear(color))
    assert 1.05 / (luminance + 0.05) >= 3  # WCAG 2.1, 1.4.11: graphical objects


def test_every_colour_comes_with_a_marker() -> None:
    assert set(style.WC_MARKERS) == set(style.WC_COLORS)
    assert len(set(style.WC_MARKERS.values())) == 5
    assert set(style.ARM_MARKERS) == set(style.ARM_COLORS)
    assert len(set(style.ARM_MARKERS.values())) == 4


def test_colours_of_other_wc_lie_between_their_neighbours() -> None:
    assert style.wc_color(0.01) == style.WC_COLORS[0.01]
    a, b = style.WC_COLORS[0.01], style.WC_COLORS[0.1]
    between = style.wc_color(10**-1.5)  # half-way in log w_c
    for i in (1, 3, 5):
        assert int(between[i : i + 2], 16) == pytest.approx(
            (int(a[i : i + 2], 16) + int(b[i : i + 2], 16)) / 2, abs=0.5
        )
    assert style.wc_color(1e-9) == style.WC_COLORS[0.0]
    assert style.wc_color(1e9) == style.wc_color(math.inf) == style.WC_COLORS[10.0]
    assert style.wc_marker(0.03) == "."


def test_style_leaves_the_users_settings_alone() -> None:
    before = dict(mpl.rcParams)
    with style.style():
        assert mpl.rcParams["font.size"] == style.FONT_SIZE
    assert dict(mpl.rcParams) == before


def test_a_picture_shows_itself_and_is_saved_alike(tmp_path: Path) -> None:
    info = kernel_info(CNN(channels=(50, 80)), CNN(channels=(36, 61, 107)), CNNSpace())
    assert draw_kernel(info)._repr_png_().startswith(b"\x89PNG")
    first = [p.read_bytes() for p in style.save(draw_kernel(info), tmp_path, "a")]
    again = [p.read_bytes() for p in style.save(draw_kernel(info), tmp_path, "b")]
    assert first[0].startswith(b"\x89PNG")
    assert first[1].startswith(b"%PDF")
    assert first == again


def test_plotly_template_has_the_palette() -> None:
    layout: Any = style.plotly_template().layout
    assert list(layout.colorway) == list(style.WC_COLORS.values())


# ---- Fig. 2 -----------------------------------------------------------------------------------------


def test_kernel_info_has_the_papers_numbers() -> None:
    info = kernel_info(CNN(channels=(50, 80)), CNN(channels=(36, 61, 107)), CNNSpace())
    assert [round(t.distance, 3) for t in info.terms] == [0.875, 1.236, 3.0]
    assert [round(t.kernel, 3) for t in info.terms] == [0.682, 0.466, 0.011]
    assert [(t.channels_i, t.channels_j) for t in info.terms] == [(50, 36), (80, 61), (None, 107)]
    assert [(t.low, t.high) for t in info.terms] == [(16, 64), (16, 128), (16, 256)]
    assert sum(t.part for t in info.terms) == pytest.approx(info.total)
    assert round(info.total, 3) == 0.386
    assert info.names == ("[50, 80]", "[36, 61, 107]")


def test_kernel_picture_works_for_any_pair() -> None:
    deep = CNN(channels=tuple(range(16, 76, 4)))
    info = kernel_info(deep, CNN(channels=(64,)), CNNSpace())
    assert len(info.terms) == 15
    assert len(draw_kernel(info).axes) == 4
    figure: Any = plotly_kernel(info)
    assert [len(trace.x) for trace in figure.data] == [15, 15, 15]
    assert list(figure.data[1].x) == [t.kernel for t in info.terms]


def test_kernel_info_refuses_different_kinds() -> None:
    with pytest.raises(ArgumentError, match="cannot be compared"):
        kernel_info(CNN(channels=(8,)), (8,), CNNSpace())  # type: ignore[arg-type]


# ---- Fig. 7 -----------------------------------------------------------------------------------------

LABELS = {
    "random": "random\n2",
    "sobol": "Sobol grid\n2",
    "balanced": "balanced BO\n1 + 1",
    "extreme": "extreme BO\n1 + 1",
}


def steps(wc: float, arm: str, seed: int, best: list[tuple[int, float]]) -> list[dict[str, float | str]]:
    """Rows of one search from its (stage, best f so far)."""
    counts = itertools.count
    numbers = {stage: counts() for stage in (1, 2, 3)}
    return [
        {"wc": wc, "arm": arm, "seed": seed, "stage": s, "step": next(numbers[s]), "best_so_far": f} for s, f in best
    ]


def two_seeds() -> pd.DataFrame:
    rows = steps(0.1, "random", 0, [(1, 0.9), (1, 0.5), (2, 0.45), (3, 0.45), (3, 0.4)])
    rows += steps(0.1, "random", 1, [(1, 0.7), (1, 0.7), (3, 0.6), (3, 0.6)])  # its stage 2 had nothing to vary
    rows += steps(0.1, "extreme", 0, [(1, 0.8), (2, 0.8), (3, 0.2)])  # its stages ended early
    return pd.DataFrame(rows)


def test_arms_info_gathers_what_is_drawn() -> None:
    info = arms_info(two_seeds().sample(frac=1, random_state=0), LABELS, "a note")
    assert info.trials == 2
    assert info.note == "a note"
    ((wc, groups),) = info.panels
    assert wc == 0.1
    random, extreme = groups
    assert (random.arm, random.seeds, random.stage1, random.final) == ("random", (0, 1), (0.5, 0.7), (0.4, 0.6))
    assert random.mean == pytest.approx(0.5)
    assert random.spread == pytest.approx(math.sqrt(0.02))
    assert grid_width(2) == 1
    assert random.curve == pytest.approx([0.8, 0.6, (0.45 + 0.7) / 2, (0.45 + 0.6) / 2, 0.5])
    assert extreme.curve == pytest.approx([0.8, 0.8, 0.8, 0.2, 0.2])
    assert extreme.spread == 0.0


def test_arms_pictures_show_every_seed() -> None:
    info = arms_info(two_seeds(), LABELS)
    figure = draw_arms(info)
    drawn = {tuple(np.asarray(line.get_ydata()).tolist()) for line in figure.axes[0].lines}
    assert {(0.4,), (0.6,), (0.5,), (0.7,), (0.2,), (0.8,)} <= drawn
    assert [t.get_text() for t in figure.axes[0].get_xticklabels()] == [LABELS["random"], LABELS["extreme"]]
    shown: Any = plotly_arms(info)
    final = [t for t in shown.data if t.name == "random 2" and t.marker.symbol == "circle"]
    assert [tuple(t.y) for t in final] == [(0.4, 0.6)]
    assert [tuple(t.customdata) for t in final] == [(0, 1)]
