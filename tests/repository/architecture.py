"""The rules of the code's structure, as functions from a source tree to a list of violations.

`test_architecture.py` applies them to this repository, and to small trees that break each of them.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

# A file imports from its own folder or from lower levels. Top-level files of one level may import check_each other.
LEVELS = {
    "errors": 0, "config": 0, "objective": 0, "trial": 0, "tradeoff": 0, "environment": 0, "files": 0,
    "space": 1, "bayesopt": 1,
    "data": 2, "networks": 2,
    "training": 3,
    "models": 4,
    "store": 5, "workers": 5,
    "evaluation": 6,
    "plots": 6,
    "searches": 7,
    "experiments": 9,
    "widgets": 10,
    "__init__": 11, "__main__": 11, "cli": 11, "commands": 11, "terminal": 11,
}  # fmt: skip
TOP_FILES = {"errors", "config", "objective", "trial", "tradeoff", "environment", "files",
             "__init__", "__main__", "cli", "commands", "terminal"}  # fmt: skip
SAME_LEVEL = {("space", "bayesopt")}  # a space names the kernel on its points; bayesopt knows no space
LIGHT_LEVEL = 1  # up to here: standard library, numpy, scipy
LIGHT = {"numpy", "scipy", "dnc"}
MAX_LINES = 350
PRINTERS = {"dnc/cli.py", "dnc/__main__.py"}
PICKLES = {"pickle", "_pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal", "joblib"}
OPEN_SERVER = re.compile(
    r"0\.0\.0\.0|--ip[= ]['\"]?(?!127\.0\.0\.1|localhost|::1)[^\s\"',]|\.ip\s*=\s*[\"'](?!127\.0\.0\.1|localhost)"
    r"|allow_remote_access\s*=\s*True"
)
HOME_PATH = re.compile(r"(?<![\w.])/(?:home|Users|root)/\w|(?<!\w)[A-Za-z]:\\{1,2}Users\\")
TEXT = {".py", ".md", ".toml", ".yml", ".yaml", ".lock", ".txt", ".ipynb", ".sh", ".cfg", ".json", ".csv", ""}
SKIPPED = {".git", ".venv", "build", "dist", "__pycache__", ".pytest_cache", ".ruff_cache", ".hypothesis"}


def files(root: Path, *suffixes: str) -> Iterator[Path]:
    """All files below `root` with one of the suffixes, without environments, caches and build outputs."""
    for path in sorted(root.iterdir()):
        if path.name in SKIPPED or path.name.startswith(".venv") or path.is_symlink():
            continue
        if path.is_dir():
            yield from files(path, *suffixes)
        elif path.suffix in suffixes:
            yield path


def unit(path: Path, root: Path) -> str:
    """The top-level file or folder of dnc that `path` belongs to, e.g. "bayesopt"."""
    parts = path.relative_to(root / "dnc").with_suffix("").parts
    return parts[0]


def imports(tree: ast.AST, package: tuple[str, ...]) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of every import in a module, also in functions, relative or by importlib.

    `from a import b` gives "a.b": whether b is a module is for the caller to see.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, name.name) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) + 1 - node.level]) if node.level else ""
            module = ".".join(filter(None, (base, node.module)))
            yield from ((node.lineno, f"{module}.{name.name}") for name in node.names)
        elif isinstance(node, ast.Call) and _called(node).split(".")[-1] in {"import_module", "__import__"}:
            yield from ((node.lineno, str(arg.value)) for arg in node.args[:1] if isinstance(arg, ast.Constant))


def layering(root: Path) -> list[str]:
    """Imports against the levels, and heavy imports in the light ones."""
    found = []
    for path in files(root / "dnc", ".py"):
        own, place = unit(path, root), path.relative_to(root)
        if own not in LEVELS:
            found.append(f"{place}: {own} has no level: give it one in tests/architecture.py")
            continue
        for line, name in imports(_parse(path), place.parent.parts):
            parts = name.split(".")
            if parts[0] != "dnc":
                if LEVELS[own] <= LIGHT_LEVEL and parts[0] not in LIGHT | sys.stdlib_module_names:
                    found.append(f"{place}:{line}: imports {name}: only numpy and scipy are allowed here")
                continue
            known = len(parts) > 1 and (parts[1] in LEVELS or _is_module(root / "dnc" / parts[1]))
            target = parts[1] if known else "__init__"
            if not _may_import(own, target):
                found.append(f"{place}:{line}: {own} imports {name}: not from its own folder or a lower level")
    return found


def _may_import(own: str, target: str) -> bool:
    if own == target or own == "__init__" or target not in LEVELS:  # an unknown target is reported by its own file
        return True
    if LEVELS[own] == LEVELS[target]:
        files_only = own in TOP_FILES and target in TOP_FILES
        return files_only or (own, target) in SAME_LEVEL
    return LEVELS[own] > LEVELS[target]


def long_files(root: Path) -> list[str]:
    """Files of more than MAX_LINES lines."""
    counts = ((path, len(path.read_text(encoding="utf-8").splitlines())) for path in files(root, ".py"))
    return [
        f"{path.relative_to(root)}: {n} lines, at most {MAX_LINES} are allowed" for path, n in counts if n > MAX_LINES
    ]


def unsafe_calls(root: Path) -> list[str]:
    """Code that runs what it reads (pickle, eval, exec, shell), and prints in the library."""
    found = []
    ours = [
        p for place in ("dnc", "tools", "benchmarks") if (root / place).is_dir() for p in files(root / place, ".py")
    ]
    for path in [*ours, *root.glob("*.py")]:
        place, tree = path.relative_to(root), _parse(path)
        names = ((line, name.split(".")[0]) for line, name in imports(tree, place.parent.parts))
        found += [f"{place}:{line}: imports {name}" for line, name in names if name in PICKLES]
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
        found += [f"{place}:{call.lineno}: {text}" for call in calls for text in _unsafe(call, place.as_posix())]
    return found


def _unsafe(node: ast.Call, place: str) -> Iterator[str]:
    name, keywords = _called(node), {k.arg: k.value for k in node.keywords}
    last = name.rsplit(".", 1)[-1]
    if name in {"eval", "exec", "compile"} or (name.startswith("os.") and last in {"system", "popen"}):
        yield f"calls {name}"
    if last in {"read_pickle", "to_pickle"}:
        yield f"calls {name}"
    if name == "print" and place.startswith("dnc/") and place not in PRINTERS:
        yield "prints"
    if "allow_pickle" in keywords and not _is(keywords["allow_pickle"], False):
        yield f"{name} with allow_pickle other than False"
    if name in {"np.load", "numpy.load"} and "allow_pickle" not in keywords:
        yield f"{name} without allow_pickle=False"
    if name == "torch.load" and not _is(keywords.get("weights_only"), True):
        yield "torch.load without weights_only=True"
    if "shell" in keywords and not _is(keywords["shell"], False):
        yield f"{name} with shell"


def open_servers(root: Path) -> list[str]:
    """Texts that start a notebook server, or any other, for more than this machine."""
    return [
        f"{path.relative_to(root)}:{number}: a server that other machines can reach"
        for path in files(root, ".py", ".sh", ".toml", ".yml", ".yaml", ".cfg", ".json", ".ipynb", ".md", "")
        if path.name not in {"architecture.py", "test_architecture.py"}
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1)
        if OPEN_SERVER.search(line)
    ]


def machine_paths(root: Path) -> list[str]:
    """Texts with a path of somebody's home, or of this checkout."""
    here = str(root.resolve())
    found = []
    for path in files(root, *TEXT):
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            if HOME_PATH.search(line) or (here.count("/") > 1 and re.search(re.escape(here) + r"\b", line)):
                found.append(f"{path.relative_to(root)}:{number}: names a path of one machine")
    return found


def _parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def _called(node: ast.Call) -> str:
    name = ast.unparse(node.func)
    return name if re.fullmatch(r"[\w.]+", name) else ""


def _is(node: ast.expr | None, value: object) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def _is_module(path: Path) -> bool:
    return path.is_dir() or path.with_suffix(".py").is_file()
