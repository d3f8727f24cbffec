"""The rules of the code's structure, as functions from a source tree to a list of violations.

`test_architecture.py` applies them to this repository, and to small trees that break each of them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from rules_imports import circles, folder_imports, heavy_imports
from rules_safety import machine_paths, open_servers, unsafe_calls, whole_writes
from rules_size import large_folders, long_files, many_parameters
from rules_words import paper_numbers, words

Rule = Callable[[Path], list[str]]
RULES: tuple[Rule, ...] = (
    folder_imports,
    circles,
    heavy_imports,
    long_files,
    large_folders,
    many_parameters,
    paper_numbers,
    words,
    unsafe_calls,
    whole_writes,
    open_servers,
    machine_paths,
)
