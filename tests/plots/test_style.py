"""The look of all pictures: colours that can be told apart, and settings that stay out of the user's way."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest

from dnc.config import CNN
from dnc.plots import kernel_matplotlib, palette, style_matplotlib, style_plotly
from dnc.plots.kernel_info import kernel_info
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
PALETTES = {
    "wc": list(palette.WC_COLORS.values()),
    "arms": list(palette.ARM_COLORS.values()),
    "nets": [palette.NET_I, palette.NET_J, palette.COMPUTED],
}


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
@pytest.mark.parametrize("colors", PALETTES)
def test_colours_can_be_told_apart(colors: str, sight: str) -> None:
    seen = [lab(SIGHT[sight] @ linear(c)) for c in PALETTES[colors]]
    assert min(float(np.linalg.norm(a - b)) for a, b in itertools.combinations(seen, 2)) > 25


@pytest.mark.parametrize("color", [c for colors in PALETTES.values() for c in colors])
def test_marks_contrast_with_the_paper(color: str) -> None:
    luminance = float(XYZ[1] @ linear(color))
    assert 1.05 / (luminance + 0.05) >= 3  # WCAG 2.1, 1.4.11: graphical objects


def test_every_arm_has_a_marker_of_its_own() -> None:
    assert set(palette.ARM_MARKERS) == set(palette.ARM_COLORS)
    assert len(set(palette.ARM_MARKERS.values())) == 4


def test_colours_of_other_wc_lie_between_their_neighbours() -> None:
    assert palette.wc_color(0.01) == palette.WC_COLORS[0.01]
    a, b = palette.WC_COLORS[0.01], palette.WC_COLORS[0.1]
    between = palette.wc_color(10**-1.5)  # half-way in log w_c
    for i in (1, 3, 5):
        assert int(between[i : i + 2], 16) == pytest.approx(
            (int(a[i : i + 2], 16) + int(b[i : i + 2], 16)) / 2, abs=0.5
        )
    assert palette.wc_color(1e-9) == palette.WC_COLORS[0.0]
    assert palette.wc_color(1e9) == palette.wc_color(math.inf) == palette.WC_COLORS[10.0]


def test_style_leaves_the_users_settings_alone() -> None:
    before = dict(mpl.rcParams)
    with style_matplotlib.style():
        assert mpl.rcParams["font.size"] == palette.FONT_SIZE
    assert dict(mpl.rcParams) == before


def test_a_picture_shows_itself_and_is_saved_alike(tmp_path: Path) -> None:
    info = kernel_info(CNN(channels=(50, 80)), CNN(channels=(36, 61, 107)), CNNSpace())
    assert kernel_matplotlib.draw(info)._repr_png_().startswith(b"\x89PNG")
    first = [p.read_bytes() for p in style_matplotlib.save(kernel_matplotlib.draw(info), tmp_path, "a")]
    again = [p.read_bytes() for p in style_matplotlib.save(kernel_matplotlib.draw(info), tmp_path, "b")]
    assert first[0].startswith(b"\x89PNG")
    assert first[1].startswith(b"%PDF")
    assert first == again


def test_plotly_template_has_the_palette() -> None:
    layout: Any = style_plotly.plotly_template().layout
    assert list(layout.colorway) == list(palette.WC_COLORS.values())
