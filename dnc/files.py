"""Writing files that a reader finds either whole or not at all, and numbers as JSON can hold them."""

from __future__ import annotations

import math
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A new, empty file beside `path`, which takes its place when the block ends, and is removed if the block fails.

    Until then whatever is at `path` stays as it is. A link at `path` is replaced, never followed.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     target = Path(folder, "answer.txt")
    ...     with replacing(target) as part:
    ...         _ = part.write_text("42")
    ...     target.read_text()
    '42'

    Raises:
        OSError: the folder does not exist or cannot be written.
    """
    # The same folder, as a rename between file systems is a copy that can be interrupted; a random name, as other
    # threads and processes may be writing the same file.
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    part.touch(exist_ok=False)  # with the mode that the umask asks for; mkstemp's 0600 would hide it from a group
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def finite_or_none(value: float) -> float | None:
    """The number itself, or None for NaN and the infinities, which JSON and SQL do not know.

    >>> finite_or_none(0.5), finite_or_none(math.nan), finite_or_none(-math.inf)
    (0.5, None, None)
    """
    return value if math.isfinite(value) else None


def nan_if_none(value: float | None) -> float:
    """The way back: NaN for None, else the number.

    >>> nan_if_none(None), nan_if_none(0.5)
    (nan, 0.5)
    """
    return math.nan if value is None else float(value)


def json_ready(value: Any) -> Any:
    """Nested mappings, lists, tuples and numbers as strict JSON takes them: text as keys, None for NaN and infinity.

    >>> json_ready({"interval": (0.0, math.inf), 3: [math.nan]})
    {'interval': [0.0, None], '3': [None]}
    """
    if isinstance(value, Mapping):
        return {str(key): json_ready(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_ready(item) for item in value]
    return finite_or_none(value) if isinstance(value, float) else value
