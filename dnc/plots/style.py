"""One look for every picture: colours, fonts and sizes, for matplotlib and for plotly.

The palettes stay distinct under every kind of colour blindness (a test simulates it), and every colour comes with a
marker, so that none of them carries a meaning alone. matplotlib is used without pyplot: no global state is touched.

>>> wc_color(0.1)
'#14a59c'
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from matplotlib import rc_context
from matplotlib.figure import Figure

if TYPE_CHECKING:
    import plotly.graph_objects as go

# From accurate and costly (dark, cold) to cheap (warm): w_c has an order, so have its colours.
WC_COLORS: Mapping[float, str] = MappingProxyType(
    {0.0: "#350f66", 0.01: "#5a5cf0", 0.1: "#14a59c", 1.0: "#ba8c0a", 10.0: "#a32440"}
)
WC_MARKERS: Mapping[float, str] = MappingProxyType({0.0: "o", 0.01: "s", 0.1: "D", 1.0: "^", 10.0: "v"})

# Fig. 7: the two baselines are muted, the two kinds of Bayesian optimization stand out.
ARM_COLORS: Mapping[str, str] = MappingProxyType(
    {"random": "#8d8d8d", "sobol": "#2f8fdb", "balanced": "#c9500a", "extreme": "#2d1e6b"}
)
ARM_MARKERS: Mapping[str, str] = MappingProxyType({"random": "o", "sobol": "s", "balanced": "D", "extreme": "^"})

INK, MUTED, GRID, PAPER = "#222222", "#5f6670", "#e3e6ea", "#ffffff"  # text, secondary text, grid lines, background
FONTS = ("DejaVu Sans", "Arial", "Helvetica", "sans-serif")  # the first comes with matplotlib: alike everywhere
FONT_SIZE, SMALL_SIZE, TITLE_SIZE = 8.5, 7.0, 10.0  # points
COLUMN, PAGE = 3.5, 7.2  # widths in inches: one column of a paper, and both
DPI = 200

RC: Mapping[str, Any] = MappingProxyType(
    {
        "font.family": "sans-serif",
        "font.sans-serif": list(FONTS[:-1]),
        "font.size": FONT_SIZE,
        "axes.titlesize": FONT_SIZE,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "axes.labelsize": FONT_SIZE,
        "axes.labelcolor": INK,
        "axes.edgecolor": MUTED,
        "axes.linewidth": 0.7,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": GRID,
        "grid.linewidth": 0.7,
        "text.color": INK,
        "xtick.color": MUTED,
        "ytick.color": MUTED,
        "xtick.labelcolor": INK,
        "ytick.labelcolor": INK,
        "xtick.labelsize": SMALL_SIZE + 0.5,
        "ytick.labelsize": SMALL_SIZE + 0.5,
        "lines.linewidth": 1.4,
        "lines.markersize": 5.0,
        "legend.frameon": False,
        "legend.fontsize": SMALL_SIZE + 0.5,
        "figure.facecolor": PAPER,
        "figure.dpi": 100,
        "savefig.dpi": DPI,
        "savefig.facecolor": PAPER,
        "pdf.fonttype": 42,  # text stays text that can be searched and edited
        "svg.fonttype": "none",
        "svg.hashsalt": "dnc",
    }
)


@contextmanager
def style() -> Iterator[None]:
    """matplotlib draws in this style inside the `with` block; the user's own settings are back after it."""
    settings: Any = dict(RC)  # its keys are more than matplotlib's type stubs list
    with rc_context(settings):
        yield


class Picture(Figure):
    """A matplotlib figure that shows itself in a notebook, and needs no pyplot to be drawn or saved."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        with style():
            self.savefig(buffer, format="png", dpi=DPI * 0.75)
        return buffer.getvalue()


def picture(width: float = PAGE, height: float = 3.0) -> Picture:
    """An empty figure of this size in inches, laid out so that nothing overlaps. Call it inside `style()`."""
    return Picture(figsize=(width, height), layout="constrained")


def save(figure: Figure, folder: Path, name: str) -> tuple[Path, Path]:
    """Write `name`.png and `name`.pdf; the same picture gives the same bytes. Returns both paths."""
    png, pdf = folder / f"{name}.png", folder / f"{name}.pdf"
    with style():
        figure.savefig(png, dpi=DPI, metadata={"Software": None})
        figure.savefig(pdf, metadata={"CreationDate": None, "Producer": None, "Creator": None})
    return png, pdf


def wc_color(wc: float) -> str:
    """The colour of a w_c: of the paper's five as listed, of another one between its neighbours (by log w_c)."""
    if wc in WC_COLORS:
        return WC_COLORS[wc]
    known = sorted(WC_COLORS)
    if wc <= 0 or not math.isfinite(wc):
        return WC_COLORS[known[0] if wc <= 0 else known[-1]]
    place = min(max(math.log10(wc), -3.0), 1.0)  # w_c = 0 stands at 0.001, one step below 0.01
    steps = [-3.0, *(math.log10(w) for w in known[1:])]
    right = next(i for i in range(1, len(steps)) if place <= steps[i] + 1e-12)
    share = (place - steps[right - 1]) / (steps[right] - steps[right - 1])
    return _mixed(WC_COLORS[known[right - 1]], WC_COLORS[known[right]], share)


def wc_marker(wc: float) -> str:
    """The matplotlib marker of a w_c; of one that is not the paper's, a dot."""
    return WC_MARKERS.get(wc, ".")


def wc_label(wc: float) -> str:
    """How a w_c is written in pictures (matplotlib's mathematics)."""
    return f"$w_c$ = {wc:g}"


def plotly_template() -> go.layout.Template:
    """The same look for plotly: pass it as `template=` or in `fig.update_layout(template=…)`."""
    import plotly.graph_objects as go

    axis = {
        "showgrid": True, "gridcolor": GRID, "zeroline": False, "linecolor": MUTED, "showline": True,
        "ticks": "outside", "tickcolor": MUTED, "ticklen": 4, "automargin": True, "title": {"standoff": 8},
    }  # fmt: skip
    layout = go.Layout(
        font={"family": ", ".join(FONTS), "size": 12, "color": INK},
        title={"font": {"size": 15}, "x": 0.0, "xref": "paper", "xanchor": "left"},
        colorway=list(WC_COLORS.values()),
        paper_bgcolor=PAPER,
        plot_bgcolor=PAPER,
        hoverlabel={"font": {"family": ", ".join(FONTS), "size": 12}, "align": "left"},
        legend={"bgcolor": "rgba(255,255,255,0.8)"},
        xaxis=axis,
        yaxis=axis,
        margin={"l": 64, "r": 24, "t": 48, "b": 56},
    )
    return go.layout.Template(layout=layout)


def _mixed(a: str, b: str, share: float) -> str:
    channels = ((int(a[i : i + 2], 16), int(b[i : i + 2], 16)) for i in (1, 3, 5))
    return "#" + "".join(f"{round(x + share * (y - x)):02x}" for x, y in channels)
