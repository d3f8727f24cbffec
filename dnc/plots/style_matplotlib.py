"""How matplotlib draws every picture. pyplot is not used, so no global state is touched."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

from dnc.files import replacing
from dnc.plots.palette import FONT_SIZE, FONTS, GRID, INK, MUTED, PAGE, PAPER, SMALL_SIZE

DPI = 200
UNDATED: Mapping[str, Mapping[str, None]] = MappingProxyType(  # by kind of file: what would change with time or version
    {"png": {"Software": None}, "pdf": dict.fromkeys(("CreationDate", "Producer", "Creator"))}
)

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
    settings: Any = dict(RC)  # matplotlib's type stubs list fewer keys than there are
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
    """Write `name`.png and `name`.pdf to `folder` and return both paths.

    Raises:
        OSError: the folder does not exist or cannot be written; pictures that were there stay as they are.
    """
    png, pdf = folder / f"{name}.png", folder / f"{name}.pdf"
    for path, kind in ((png, "png"), (pdf, "pdf")):
        with replacing(path) as part:
            save_as(figure, part, kind)
    return png, pdf


def save_as(figure: Figure, path: Path, kind: str) -> None:
    """Write a "png" or "pdf" in this style; the same picture gives the same bytes."""
    with style():
        figure.savefig(path, format=kind, dpi=DPI if kind == "png" else "figure", metadata=dict(UNDATED[kind]))


def wc_label(wc: float) -> str:
    """How a w_c is written, in matplotlib's mathematics."""
    return f"$w_c$ = {wc:g}"
