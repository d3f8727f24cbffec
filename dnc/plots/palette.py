"""The colours, markers, fonts and sizes of every picture, whichever back end draws it.

The palettes stay distinct under every kind of colour blindness (a test simulates it), and every colour comes with a
marker, so that no meaning rests on colour alone.

>>> wc_color(0.1)
'#14a59c'
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

# From accurate and costly (dark, cold) to cheap (warm): w_c has an order, and so have its colours.
WC_COLORS: Mapping[float, str] = MappingProxyType(
    {0.0: "#350f66", 0.01: "#5a5cf0", 0.1: "#14a59c", 1.0: "#ba8c0a", 10.0: "#a32440"}
)

# Fig. 7: the two baselines are muted, the two kinds of Bayesian optimization stand out.
ARM_COLORS: Mapping[str, str] = MappingProxyType(
    {"random": "#8d8d8d", "sobol": "#2f8fdb", "balanced": "#c9500a", "extreme": "#2d1e6b"}
)
ARM_MARKERS: Mapping[str, str] = MappingProxyType({"random": "o", "sobol": "s", "balanced": "D", "extreme": "^"})

STAGE_MARKERS: Mapping[int, str] = MappingProxyType({1: "o", 2: "s", 3: "D"})
WORST_RANK, BEST_RANK = "#d3d8de", "#39424e"  # the trade-off's points, from the last rank to the first
NET_I, NET_J, COMPUTED = "#5a5cf0", "#c9500a", "#350f66"  # Fig. 2: x_i, x_j, and what is computed from both

INK, MUTED, GRID, PAPER = "#222222", "#5f6670", "#e3e6ea", "#ffffff"  # text, secondary text, grid lines, background
FONTS = ("DejaVu Sans", "Arial", "Helvetica", "sans-serif")  # the first comes with matplotlib: alike everywhere
FONT_SIZE, SMALL_SIZE = 8.5, 7.0  # points
PAGE = 7.2  # inches: the width of both columns of a paper


def wc_color(wc: float) -> str:
    """The colour of a w_c: as listed for the paper's five, between its neighbours (by log w_c) for any other."""
    if wc in WC_COLORS:
        return WC_COLORS[wc]
    listed = sorted(WC_COLORS)
    if wc <= 0 or not math.isfinite(wc):
        return WC_COLORS[listed[0] if wc <= 0 else listed[-1]]
    # w_c = 0 has no logarithm: on this scale it lies at 0.001, one decade below the smallest of the others
    decades = [-3.0, *(math.log10(w) for w in listed[1:])]
    decade = min(max(math.log10(wc), -3.0), 1.0)
    right = next(i for i in range(1, len(decades)) if decade <= decades[i] + 1e-12)
    share = (decade - decades[right - 1]) / (decades[right] - decades[right - 1])
    return _mixed(WC_COLORS[listed[right - 1]], WC_COLORS[listed[right]], share)


def arm_text_color(arm: str) -> str:
    """The colour of an arm's name: its own, but ink for the grey one, which is too pale for text."""
    return INK if arm == "random" else ARM_COLORS[arm]


def _mixed(a: str, b: str, share: float) -> str:
    channels = ((int(a[i : i + 2], 16), int(b[i : i + 2], 16)) for i in (1, 3, 5))
    return "#" + "".join(f"{round(x + share * (y - x)):02x}" for x, y in channels)
