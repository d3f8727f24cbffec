"""How plotly draws every picture: the same colors, fonts and markers as matplotlib's."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from types import MappingProxyType
from typing import TYPE_CHECKING

from dnc.plots.palette import FONTS, GRID, INK, MUTED, PAPER, WC_COLORS

if TYPE_CHECKING:
    import plotly.graph_objects as go

SYMBOLS: Mapping[str, str] = MappingProxyType(  # plotly's name of each matplotlib marker in the palette
    {"o": "circle", "s": "square", "D": "diamond", "^": "triangle-up", "v": "triangle-down"}
)
SMALL = 11  # font size in pixels; the template's is 12


def plotly_template() -> go.layout.Template:
    """The look of every picture: pass it as `template=` or in `figure.update_layout(template=…)`.

    The background is set and not left transparent: dark text must stay readable in a dark notebook.
    """
    import plotly.graph_objects as go

    axis = {
        "showgrid": True,
        "gridcolor": GRID,
        "zeroline": False,
        "linecolor": MUTED,
        "showline": True,
        "ticks": "outside",
        "tickcolor": MUTED,
        "ticklen": 4,
        "automargin": True,
        "title": {"standoff": 8},
    }
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


def subscripted(text: str) -> str:
    """w_c, t_tr, N_p and c_0 with subscripts, as plotly's text wants them."""
    for symbol in ("w_c", "t_tr", "N_p", "c_0"):
        letter, index = symbol.split("_")
        text = text.replace(symbol, f"<i>{letter}</i><sub>{index}</sub>")
    return text


def markup(text: str) -> str:
    """Plain text of any origin as plotly's markup: nothing in it is taken for a tag, and newlines break lines."""
    return escape(text).replace("\n", "<br>")
