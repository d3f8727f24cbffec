"""How long files are, how large folders, and how many parameters a function has."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from source_tree import Function, files, functions, lines, parse

MAX_LINES = 350
MAX_SHARE = 1 / 5  # of the lines of dnc, in one of its folders
MAX_PARAMETERS = 10
# What users call with keywords: every setting is a parameter of its own, with its default.
PUBLIC_WITH_MANY = {
    "search",
    "sweep",
    "start",
    "transfer",
    "estimate",
    "load_data",
    "Dataset.from_arrays",
    "Problem.__init__",
}


def long_files(root: Path) -> list[str]:
    """Files of more than MAX_LINES lines."""
    counts = ((path, len(lines(path))) for path in files(root, ".py"))
    return [
        f"{path.relative_to(root)}: {n} lines, at most {MAX_LINES} are allowed" for path, n in counts if n > MAX_LINES
    ]


def large_folders(root: Path) -> list[str]:
    """Top-level folders of dnc that, with their subfolders, hold more than their share of its lines."""
    counts: Counter[str] = Counter()
    for path in files(root / "dnc", ".py"):
        counts["/".join(path.relative_to(root).parts[:2])] += len(lines(path))
    total = counts.total()
    return [
        f"{name}: {n} of the {total} lines of dnc, at most {int(total * MAX_SHARE)} are allowed"
        for name, n in counts.items()
        if n > total * MAX_SHARE and (root / name).is_dir()
    ]


def many_parameters(root: Path) -> list[str]:
    """Functions of more than MAX_PARAMETERS parameters that are none of the public ones."""
    counts = (
        (f"{path.relative_to(root)}:{function.lineno}: {name}", n_parameters(function))
        for path in files(root / "dnc", ".py")
        for name, function in functions(parse(path))
        if name not in PUBLIC_WITH_MANY
    )
    limit = MAX_PARAMETERS
    return [f"{place} has {n} parameters, at most {limit} are allowed" for place, n in counts if n > limit]


def n_parameters(function: Function) -> int:
    """How many parameters a function has; self and cls are not counted."""
    a = function.args
    named = [arg.arg for arg in (*a.posonlyargs, *a.args, *a.kwonlyargs)]
    return sum(name not in {"self", "cls"} for name in named) + sum(arg is not None for arg in (a.vararg, a.kwarg))
