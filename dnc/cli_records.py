"""What several commands of `dnc` share: recorded searches by their IDs, files to write, tables of text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from dnc.errors import ArgumentError, StoreError
from dnc.files import replacing, user_path

if TYPE_CHECKING:
    from dnc.searches.archive import Store
    from dnc.searches.best import Best
    from dnc.searches.result import SearchResult

BEST_COLUMNS = ("f", "accuracy", "t_tr", "N_p", "stage", "architecture", "training")


# ---- searches ------------------------------------------------------------------------------------------


def open_store(path: str) -> Store:
    """An existing trial store.

    Raises:
        StoreError: no such file, or not a trial store.
    """
    from dnc.searches.archive import open_store

    return open_store(path)


@contextmanager
def recorded(path: str, prefix: str) -> Iterator[SearchResult]:
    """The search whose ID begins with `prefix`, while its store is open.

    Raises:
        StoreError: no such search, several of them, or one that was stopped before its first trial.
    """
    with open_store(path) as store:
        yield store.result(search_id(store, prefix))


def search_id(store: Store, prefix: str) -> str:
    """The ID of the one search that begins with `prefix`.

    Raises:
        StoreError: there is none, or there are several.
    """
    matches = [name for name in store.searches()["id"] if name.startswith(prefix)]
    if len(matches) > 1 and prefix not in matches:
        raise StoreError(f"search {prefix!r} is ambiguous: it may be {' or '.join(matches)}; give more of the ID")
    # the store itself says so if there is no such search
    return matches[0] if len(matches) == 1 else str(store.search(prefix)["id"])


def names_a_search(text: str) -> bool:
    """Whether an argument that may be a store or a search's ID is the latter: no file, and written like one.

    >>> names_a_search("3a2f68"), names_a_search("trials.db")
    (True, False)
    """
    return re.fullmatch("[0-9a-f]{1,12}", text) is not None and not Path(text).exists()


# ---- files ---------------------------------------------------------------------------------------------


def new_file(flag: str, target: str, force: bool) -> Path:
    """The path of a file that can be written; called before the work, which may take hours.

    Raises:
        ArgumentError: the file exists and `force` is False, or its folder does not.
    """
    path = user_path(flag, target)
    if path.exists() and not force:
        raise ArgumentError(f"{path} exists: give another file, or --force to overwrite it")
    if path.is_dir():
        raise ArgumentError(f"{path} is a folder: give the name of a file")
    if not path.parent.is_dir():
        raise ArgumentError(f"{path}: the folder {path.parent} does not exist: create it first")
    return path


def write(path: Path, text: str) -> None:
    """Write the whole file or nothing."""
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8", newline="")  # CSV brings its own line ends


# ---- text ----------------------------------------------------------------------------------------------


def best_row(best: Best) -> tuple[str, ...]:
    """A trial as a row under BEST_COLUMNS."""
    from dnc.searches.cards import trial_facts

    facts = dict(trial_facts(best.trial, best.objective, best.n_val))
    measured = (facts[name] for name in BEST_COLUMNS[:4])
    return (*measured, str(best.stage), str(best.config.arch), str(best.config.training))


def text_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns of text, each as wide as its widest cell."""
    table = [head, *rows]
    widths = [max(len(row[i]) for row in table) for i in range(len(head))]
    lines = ("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in table)
    return "\n".join(lines)
