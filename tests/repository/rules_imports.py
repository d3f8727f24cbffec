"""Who may import whom, what stays light, and that no files import each other in a circle."""

from __future__ import annotations

import sys
from collections import deque
from pathlib import Path

from source_tree import files, import_graph, imports

# Top-level files that every folder may import. Among themselves, each may import those to its left.
FOUNDATION = "card errors files environment config trial objective tradeoff".split()
# Folders, and which others their files may import. Each names only folders that stand above it here.
FOLDERS = {
    "bars": "",  # a single file, and no plain data: it loads tqdm
    "bayesopt": "",
    "space": "bayesopt",
    "data": "",
    "networks": "",
    "training": "data networks",
    "models": "bars data networks training",
    "store": "",
    "workers": "data training",
    "evaluation": "data networks training store workers",
    "plots": "bayesopt space",
    "searches": "bars bayesopt space data networks training models store workers evaluation plots",
    "experiments": "bayesopt space data training store workers evaluation plots searches",
    "widgets": "plots searches",
}
# The top: `__init__` is dnc itself, its public names, which only the command line uses as users do.
TOP = {
    "citation": "",
    "__init__": "citation bayesopt space data networks models workers plots searches widgets",
    "terminal": "",
    "cli_options": "terminal bayesopt space data searches",
    "cli_records": "searches",
    "commands": "cli_options cli_records data searches",
    "commands_record": "__init__ cli_options cli_records plots searches",
    "commands_model": "__init__ cli_options cli_records data searches",
    "cli": "__init__ terminal cli_options commands commands_record commands_model",
    "__main__": "cli",
}
MAY_IMPORT = {
    **{name: set(FOUNDATION[:i]) for i, name in enumerate(FOUNDATION)},
    **{name: {*FOUNDATION, *others.split()} for name, others in (FOLDERS | TOP).items()},
}
LIGHT = {*FOUNDATION, "bayesopt", "space"}  # load nothing but the standard library and what follows
LIGHT_PACKAGES = {"numpy", "scipy", "dnc"}


def part(path: Path, root: Path) -> str:
    """The top-level file or folder of dnc that `path` belongs to, e.g. "bayesopt"."""
    return path.relative_to(root / "dnc").with_suffix("").parts[0]


def imported_part(name: str, root: Path) -> str:
    """The same for an imported name of dnc, e.g. "dnc.bayesopt.gp"; names that dnc itself gives are of "__init__"."""
    first = (name.split(".") + [""])[1]
    path = root / "dnc" / first
    is_module = first != "" and (path.is_dir() or path.with_suffix(".py").is_file())
    return first if is_module or first in MAY_IMPORT else "__init__"


def folder_imports(root: Path) -> list[str]:
    """Imports that the tables above do not allow, and imports from one subfolder into a neighboring one."""
    violations = []
    for path in files(root / "dnc", ".py"):
        own, place = part(path, root), path.relative_to(root)
        if own not in MAY_IMPORT:
            violations.append(f"{place}: {own} stands in no table: give it a place in {Path(__file__).name}")
            continue
        for line, name in imports(path, root):
            if name.split(".")[0] != "dnc":
                continue
            other = imported_part(name, root)
            if other in MAY_IMPORT and other != own and other not in MAY_IMPORT[own]:  # unknown: told of its own file
                violations.append(f"{place}:{line}: {own} may not import {name}")
            elif other == own and _are_neighbors(place.parts, name.split("."), root):
                violations.append(f"{place}:{line}: imports {name}, from a neighboring folder")
    return violations


def _are_neighbors(place: tuple[str, ...], name: list[str], root: Path) -> bool:
    """Whether both lie in subfolders of one folder, in different ones."""
    return len(place) > 3 and len(name) > 2 and place[2] != name[2] and root.joinpath(*name[:3]).is_dir()


def needless_permissions(root: Path) -> list[str]:
    """What the tables of folders and of the top allow but no file needs."""
    needed = {
        (part(path, root), imported_part(name, root))
        for path in files(root / "dnc", ".py")
        for _, name in imports(path, root)
        if name.split(".")[0] == "dnc"
    }
    allowed = [(own, other) for own, others in (FOLDERS | TOP).items() for other in others.split()]
    return [f"{own} may import {other}, but does not" for own, other in allowed if (own, other) not in needed]


def heavy_imports(root: Path) -> list[str]:
    """Imports of anything but the standard library, numpy and scipy in the light parts."""
    allowed = LIGHT_PACKAGES | sys.stdlib_module_names
    return [
        f"{path.relative_to(root)}:{line}: imports {name}: only numpy and scipy are allowed here"
        for path in files(root / "dnc", ".py")
        if part(path, root) in LIGHT
        for line, name in imports(path, root)
        if name.split(".")[0] not in allowed
    ]


def circles(root: Path) -> list[str]:
    """Files that import each other in a circle; each group once, as its shortest chain and the files around it."""
    graph = import_graph(root)
    reachable = {path: _reachable(path, graph) for path in graph}
    violations, done = [], set[Path]()
    for path in graph:
        if path in done or path not in reachable[path]:
            continue
        group = {other for other in reachable[path] if path in reachable[other]}
        done |= group
        chain = min((_shortest_chain(start, graph) for start in sorted(group)), key=len)
        text = " -> ".join(str(file.relative_to(root)) for file in chain)
        others = ", ".join(str(file.relative_to(root)) for file in sorted(group - set(chain)))
        violations.append(text + (f" (in circles with them: {others})" if others else ""))
    return violations


def _reachable(start: Path, graph: dict[Path, set[Path]]) -> set[Path]:
    reached, waiting = set[Path](), [start]
    while waiting:
        new = graph[waiting.pop()] - reached
        reached |= new
        waiting += new
    return reached


def _shortest_chain(start: Path, graph: dict[Path, set[Path]]) -> list[Path]:
    """From `start`, which lies on a circle, back to it by the fewest imports."""
    waiting = deque([[start]])
    seen = set[Path]()
    while True:
        chain = waiting.popleft()
        for file in sorted(graph[chain[-1]] - seen):
            if file == start:
                return [*chain, start]
            seen.add(file)
            waiting.append([*chain, file])
