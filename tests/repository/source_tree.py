"""Reading a source tree: its files, their syntax trees, the names in them, and who imports whom."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

SKIPPED = {".git", ".venv", "build", "dist", "__pycache__", ".pytest_cache", ".ruff_cache", ".hypothesis"}
Function = ast.FunctionDef | ast.AsyncFunctionDef


def files(root: Path, *suffixes: str) -> Iterator[Path]:
    """All files below `root` with one of the suffixes, without environments, caches and build outputs."""
    for path in sorted(root.iterdir()):
        if path.name in SKIPPED or path.name.startswith(".venv") or path.is_symlink():
            continue
        if path.is_dir():
            yield from files(path, *suffixes)
        elif path.suffix in suffixes:
            yield path


def program_files(root: Path) -> list[Path]:
    """The Python files that users run: dnc, tools, benchmarks and those beside them, but no tests."""
    folders = [root / name for name in ("dnc", "tools", "benchmarks") if (root / name).is_dir()]
    return [*(path for folder in folders for path in files(folder, ".py")), *sorted(root.glob("*.py"))]


def lines(path: Path) -> list[str]:
    """The lines of a text file; bytes that are not UTF-8 are replaced."""
    return path.read_text(encoding="utf-8", errors="replace").splitlines()


def parse(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imports(path: Path, root: Path) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of every import in a file, also in functions, relative or by importlib.

    `from a import b` gives "a.b", whether b is a module or a name in one: `module_file` tells them apart.
    """
    package = path.relative_to(root).parent.parts
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, name.name) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) + 1 - node.level]) if node.level else ""
            module = ".".join(filter(None, (base, node.module)))
            yield from ((node.lineno, f"{module}.{name.name}") for name in node.names)
        elif isinstance(node, ast.Call) and called(node).split(".")[-1] in {"import_module", "__import__"}:
            yield from ((node.lineno, str(arg.value)) for arg in node.args[:1] if isinstance(arg, ast.Constant))


def module_file(root: Path, name: str) -> Path | None:
    """The file that "a.b" is imported from: a/b.py or a/b/__init__.py if b is a module, else that of a."""
    parts = name.split(".")
    for module in filter(None, (parts, parts[:-1])):
        path = root.joinpath(*module)
        for file in (path.with_suffix(".py"), path / "__init__.py"):
            if file.is_file():
                return file
    return None


def import_graph(root: Path) -> dict[Path, set[Path]]:
    """For each file of dnc, the files of dnc that it imports, late and for type checkers included."""
    names = {path: {name for _, name in imports(path, root)} for path in files(root / "dnc", ".py")}
    targets = {path: {module_file(root, name) for name in imported} for path, imported in names.items()}
    return {path: {file for file in imported if file in names} for path, imported in targets.items()}


def identifiers(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """(line, name) wherever code names something: variables, attributes, parameters, functions, classes, imports."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name) | ast.keyword(arg=str(name)):
                yield node.lineno, name
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield node.lineno, name
            case ast.alias(name=name, asname=alias):
                yield node.lineno, alias or name.rsplit(".", 1)[-1]


def functions(node: ast.AST, outer: str = "") -> Iterator[tuple[str, Function]]:
    """(qualified name, function) of all functions and methods below a node, those inside functions included."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Function | ast.ClassDef):
            name = f"{outer}{child.name}"
            if isinstance(child, Function):
                yield name, child
            yield from functions(child, f"{name}.")
        else:
            yield from functions(child, outer)


def called(node: ast.Call) -> str:
    """The dotted name that a call calls; "" if it calls anything else."""
    name = ast.unparse(node.func)
    return name if re.fullmatch(r"[\w.]+", name) else ""
