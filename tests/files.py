"""What the tests of several file readers share: damage, and the check of an error's text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from dnc.errors import DataError

FUZZ = settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])


def one_line(error: pytest.ExceptionInfo[DataError], *words: str) -> None:
    message = str(error.value)
    assert "\n" not in message
    assert all(word in message for word in words), message


class Trap:
    """Creates a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (str(self.marker), "w")


@st.composite
def damaged(draw: st.DrawFn, good: bytes) -> bytes:
    """A good file cut, with some bytes overwritten, removed or inserted."""
    content = bytearray(good)
    for _ in range(draw(st.integers(0, 4))):
        if not content:
            break
        place = draw(st.integers(0, len(content) - 1))
        patch = draw(st.binary(max_size=6))
        content[place : place + draw(st.integers(0, 8))] = patch
    return bytes(content[: draw(st.integers(0, len(content)))] if draw(st.booleans()) else content)


def survives(path: Path, content: bytes, read: Callable[[Path], Any]) -> None:
    path.write_bytes(content)
    message = ""
    try:
        read(path)
    except DataError as error:
        message = str(error)
    assert "\n" not in message
