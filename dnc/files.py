"""Paths that users give, files that a reader finds whole or not at all, and numbers as JSON can hold them."""

from __future__ import annotations

import math
import os
import re
import secrets
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dnc.errors import ArgumentError, DncError, short_repr

# Path("https://…") drops the second slash. One letter alone is a drive of Windows.
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://|(https?|ftp|file|s3|gs):/")


def user_path(
    name: str, value: object, error: type[DncError] = ArgumentError, *, allowed: str = "the path of a file or folder"
) -> Path:
    """A path that a user gave, with ~ replaced by the home folder. It need not exist.

    Args:
        name: what the message calls it.
        value: the path.
        error: the error to raise.
        allowed: what the message says is allowed.

    Raises:
        DncError: not a path, a URL, one that this system does not have, a device or a pipe, or ~ without a home folder.

    >>> from pathlib import Path
    >>> user_path("store", "~/trials.db") == Path.home() / "trials.db"
    True
    """
    text = os.fspath(value) if isinstance(value, os.PathLike) else value
    what = f"{name}={short_repr(text)}"
    if not isinstance(text, str) or not text:
        raise error(f"{what} is not allowed: give {allowed}")
    if _URL.match(text):
        raise error(f"{what} is a URL: fetch it first, then give {allowed}")
    try:
        path = Path(text).expanduser()
        mode = path.stat().st_mode
    except RuntimeError:  # an unknown user, or no HOME and no passwd entry
        raise error(f"{what} is not possible: there is no such home folder; give a path without ~") from None
    except ValueError:  # a null byte, or a character that the file system's encoding does not have
        raise error(f"{what} has characters that no path has: give {allowed}") from None
    except (FileNotFoundError, NotADirectoryError):
        return path
    except OSError as failure:  # e.g. too long, a link to itself, a folder that may not be entered
        raise error(f"{what} cannot be used ({failure.strerror}): give another path") from None
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # reading it may never end, writing would replace it
        raise error(f"{what} is a device, a pipe or a socket: give {allowed}")
    return path


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
