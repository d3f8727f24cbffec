"""Progress bars on the terminal, wherever there is one."""

from __future__ import annotations

import sys
from typing import Any


def progress_bar(
    total: int, unit: str, *, label: str = "", bar_format: str | None = None, seldom_in_logs: bool = False
) -> Any:
    """A bar of tqdm's on stderr; None where there is no stderr, as in a program without a console.

    Args:
        total: number of steps.
        unit: what a step is called.
        label: text before the bar.
        bar_format: how it is laid out; None for tqdm's own way.
        seldom_in_logs: a new line every ten seconds at most where stderr is no terminal.
    """
    stream = sys.stderr
    if stream is None or getattr(stream, "closed", False):
        return None
    from tqdm.auto import tqdm

    # a program may have put any object with a `write` in the place of stderr
    is_terminal = hasattr(stream, "isatty") and stream.isatty()
    return tqdm(
        total=total,
        unit=unit,
        desc=label,
        dynamic_ncols=True,
        file=stream,
        mininterval=10.0 if seldom_in_logs and not is_terminal else 0.1,
        bar_format=bar_format,
    )
