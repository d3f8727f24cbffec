"""What a notebook shows of an object: a few lines of text, or a card of HTML, both made from the same plain data.

The colors are those of the page (`currentColor` and JupyterLab's variables), so that a card suits light and dark
themes. Every text is escaped and cut to a length; there are no scripts and no style sheets.
"""

from __future__ import annotations

import math
import re
import textwrap
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import MISSING, fields
from html import escape
from typing import Any, NamedTuple

LINES, WIDTH = 10, 120  # of a text
ROWS = 7  # of a table
UNITS_OF_TIME = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"))
LONGEST = 400  # characters of one value in HTML: an architecture may have a thousand layers

LINE = "var(--jp-border-color2, rgba(128, 128, 128, 0.45))"
FRAME = (
    f"border:1px solid {LINE};border-radius:6px;padding:10px 14px;margin:4px 0;max-width:760px;box-sizing:border-box;"
    "font-family:var(--jp-ui-font-family, system-ui, sans-serif);font-size:13px;line-height:1.4;overflow-wrap:anywhere"
)
SMALL = "font-size:11px;opacity:0.75"
FACTS = "display:grid;grid-template-columns:repeat(auto-fill, minmax(124px, 1fr));gap:8px 14px"
CELL = "text-align:left;padding:3px 14px 3px 0;vertical-align:top;background:none;border:0;color:inherit"
SYMBOL = re.compile(r"\b(w_c|c_0|t_tr|N_p)\b")  # the paper's


class Card(NamedTuple):
    """The plain data behind a text and an HTML card.

    Attributes:
        title: one line: what it is.
        headline: what matters most, e.g. the winner's architecture; may be empty.
        detail: what belongs to the headline, e.g. how the winner is trained.
        facts: (name, value) pairs.
        head, rows: a table; without a head there is none.
        notes: sentences at the end.

    >>> print(Card("search 7a (finished)", "MLP 32", (("w_c", "0.1"), ("f", "0.15"))).text())
    search 7a (finished)
      MLP 32
      w_c = 0.1; f = 0.15
    """

    title: str
    headline: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    head: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    notes: tuple[str, ...] = ()
    detail: str = ""

    def text(self) -> str:
        """At most LINES lines of at most WIDTH characters."""
        facts = "; ".join(f"{name} = {value}" for name, value in self.facts)
        table = _columns([self.head, *self.rows[:ROWS]]) if self.head else []
        more = [_more(self.rows)] if len(self.rows) > ROWS else []
        parts = [line for line in ("; ".join(part for part in (self.headline, self.detail) if part), facts) if line]
        return fitted([self.title, *(f"  {line}" for line in (*parts, *table, *more, *self.notes))])

    def html(self, drawing: str = "") -> str:
        """A fragment of HTML; `drawing` is an inline SVG that stands beside the facts."""
        parts = [f'<div style="{SMALL}">{_safe(self.title)}</div>']
        if self.headline:
            parts.append(f'<div style="font-size:15px;font-weight:600;margin-top:2px">{_safe(self.headline)}</div>')
        if self.detail:
            parts.append(f"<div>{_safe(self.detail)}</div>")
        facts = "".join(
            f'<div><div style="{SMALL}">{_safe(name)}</div><div>{_safe(value)}</div></div>'
            for name, value in self.facts
        )
        inner = f'<div style="flex:1 1 270px;min-width:0;align-self:flex-start;{FACTS}">{facts}</div>' if facts else ""
        inner += f'<div style="flex:0 1 330px;min-width:min(260px, 100%)">{drawing}</div>' if drawing else ""
        if inner:
            parts.append(f'<div style="display:flex;flex-wrap:wrap;gap:12px 24px;margin-top:10px">{inner}</div>')
        if self.head:
            parts.append(_table(self.head, self.rows[:ROWS]))
        notes = [*([_more(self.rows)] if len(self.rows) > ROWS else []), *self.notes]
        parts += [f'<div style="{SMALL};margin-top:8px">{_safe(note)}</div>' for note in notes]
        return f'<div style="{FRAME}">{"".join(parts)}</div>'


class HasCard(ABC):
    """Base of what shows itself by a card. A dataclass must be made with repr=False to keep this `__repr__`."""

    @abstractmethod
    def _card(self) -> Card:
        """What is shown, as plain data."""

    def _drawing(self) -> str:
        """An SVG beside the facts, or nothing."""
        return ""

    def __repr__(self) -> str:
        return self._card().text()

    def _repr_html_(self) -> str:
        return self._card().html(self._drawing())


def fitted(lines: Iterable[str]) -> str:
    """Lines folded to WIDTH characters and cut after LINES lines.

    >>> fitted(["a" * 200]).count("a"), len(fitted("ab" * 20).splitlines())
    (200, 10)
    """
    folded: list[str] = []
    for line in lines:
        if len(line) <= WIDTH and len(line.splitlines()) == 1:
            folded.append(line)
            continue
        indent = " " * (len(line) - len(line.lstrip(" ")))
        text = clipped(line.strip(), LINES * WIDTH)
        folded += textwrap.wrap(text, WIDTH, initial_indent=indent, subsequent_indent=indent + "  ") or [""]
        if len(folded) > LINES:
            break
    return "\n".join(folded if len(folded) <= LINES else [*folded[: LINES - 1], "  …"])


def clipped(text: str, limit: int) -> str:
    """A text as one line of at most `limit` characters.

    >>> clipped("one line or\\nmore", 12)
    'one line or…'
    """
    line = " ".join(text[: 4 * limit].split())
    return line if len(line) <= limit and len(text) <= 4 * limit else line[: limit - 1].rstrip() + "…"


def constructor(thing: Any, always: Sequence[str] = ()) -> str:
    """A dataclass as the call that makes it, with the fields named in `always` and those that are not the defaults.

    >>> import dnc
    >>> constructor(dnc.Training(lr=0.01), always=["batch_size"])
    'Training(lr=0.01, batch_size=256)'
    """
    arguments = []
    for f in fields(thing):
        default = f.default if f.default_factory is MISSING else f.default_factory()
        value = getattr(thing, f.name)
        if f.name in always or value != default:
            arguments.append(f"{f.name}={clipped(repr(value), LINES * WIDTH)}")
    return fitted([f"{type(thing).__name__}({', '.join(arguments)})"])


# ---- values ------------------------------------------------------------------------------------------------


def accuracy(value: float, n: int | None = None) -> str:
    """An accuracy (fraction), with its binomial standard error where the number n of samples is known.

    At 0 and 1 that formula gives no error, so none is shown.

    >>> accuracy(0.9, 100), accuracy(0.9), accuracy(1.0, 100), accuracy(float("nan"))
    ('90.00% ± 3.00%', '90.00%', '100.00%', 'not known')
    """
    if not math.isfinite(value):
        return "not known"
    error = math.sqrt(value * (1 - value) / n) if n and 0 < value < 1 else 0.0
    return f"{value:.2%} ± {error:.2%}" if error else f"{value:.2%}"


def per_epoch(seconds: float, error: float = math.nan) -> str:
    """A training time per epoch, with its standard error where that was recorded.

    >>> per_epoch(0.0123), per_epoch(2.0, 0.031), per_epoch(float("nan"))
    ('12.3 ms', '2.00 ± 0.03 s', 'not measured')
    """
    if not math.isfinite(seconds):
        return "not measured"
    scale, unit = next(((s, u) for s, u in UNITS_OF_TIME if seconds >= 0.1 * s), UNITS_OF_TIME[-1])
    seconds, error = seconds / scale, error / scale
    if not (math.isfinite(error) and error > 0):
        return f"{seconds:.3g} {unit}"
    decimals = max(0, -math.floor(math.log10(error)))  # the error to one digit, and no more of the time than it leaves
    return f"{seconds:.{decimals}f} ± {error:.{decimals}f} {unit}"


# ---- parts -------------------------------------------------------------------------------------------------


def _safe(text: str) -> str:
    """A text as HTML, the paper's symbols with their subscripts."""
    return SYMBOL.sub(_subscripted, escape(clipped(text, LONGEST)))


def _subscripted(match: re.Match[str]) -> str:
    letter, below = match[0].split("_")
    return f'<i>{letter}</i><sub style="line-height:0">{below}</sub>'


def _more(rows: Sequence[object]) -> str:
    return f"… and {len(rows) - ROWS} more"


def _columns(table: Sequence[Sequence[str]]) -> list[str]:
    """Rows as lines, each column as wide as its widest cell; the last one is cut where the line ends."""
    table = [[clipped(cell, WIDTH) for cell in row] for row in table]
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in table)
    return [_cut(line) for line in lines]


def _cut(line: str) -> str:
    """A line of a table, cut to fit a text with its indent; blanks stay as they are."""
    return line.rstrip() if len(line.rstrip()) <= WIDTH - 2 else line[: WIDTH - 3] + "…"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    least = min(200, 7 * max(len(row[-1]) for row in (head, *rows)))  # pixels; beyond it, the table scrolls

    def line(cells: Sequence[str], tag: str, style: str) -> str:
        # numbers stay on one line; the last column, e.g. of architectures, may be folded
        wraps = ["white-space:nowrap"] * (len(cells) - 1) + [f"min-width:{least}px"]
        filled = (
            f'<{tag} style="{CELL};{style};{wrap}">{_safe(cell)}</{tag}>'
            for cell, wrap in zip(cells, wraps, strict=True)
        )
        return f"<tr>{''.join(filled)}</tr>"

    top = f"<thead>{line(head, 'th', 'font-weight:400;opacity:0.75')}</thead>"
    body = f"<tbody>{''.join(line(row, 'td', f'border-top:1px solid {LINE}') for row in rows)}</tbody>"
    table = f'<table style="border-collapse:collapse;margin:0;font-size:12px;color:inherit">{top}{body}</table>'
    return f'<div style="overflow-x:auto;margin-top:10px">{table}</div>'
