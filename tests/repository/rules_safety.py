"""What code never does: run what it reads, open a server, name a path of one machine, write a file in part."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from source_tree import called, files, imports, lines, parse, program_files

PRINTERS = {"dnc/cli.py", "dnc/terminal.py", "dnc/__main__.py"}
WRITER = "dnc/files.py"  # the one place where a file is written whole or not at all
PICKLES = {"pickle", "_pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal", "joblib"}
OPEN_SERVER = re.compile(
    r"0\.0\.0\.0|--ip[= ]['\"]?(?!127\.0\.0\.1|localhost|::1)[^\s\"',]|\.ip\s*=\s*[\"'](?!127\.0\.0\.1|localhost)"
    r"|allow_remote_access\s*=\s*True"
)
HOME_PATH = re.compile(r"(?<![\w.])/(?:home|Users|root)/\w|(?<!\w)[A-Za-z]:\\{1,2}Users\\")
TEXT = {".py", ".md", ".toml", ".yml", ".yaml", ".lock", ".txt", ".ipynb", ".sh", ".cfg", ".json", ".csv", ""}


def unsafe_calls(root: Path) -> list[str]:
    """Code that runs what it reads (pickle, eval, exec, shell), and prints in the library."""
    violations = []
    for path in program_files(root):
        place = path.relative_to(root)
        names = ((line, name.split(".")[0]) for line, name in imports(path, root))
        violations += [f"{place}:{line}: imports {name}" for line, name in names if name in PICKLES]
        calls = [node for node in ast.walk(parse(path)) if isinstance(node, ast.Call)]
        violations += [f"{place}:{call.lineno}: {text}" for call in calls for text in _unsafe(call, place.as_posix())]
    return violations


def _unsafe(node: ast.Call, place: str) -> Iterator[str]:
    name, keywords = called(node), {k.arg: k.value for k in node.keywords}
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


def _is(node: ast.expr | None, value: object) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def whole_writes(root: Path) -> list[str]:
    """Files put in the place of others anywhere but in dnc/files.py: there no crash leaves half of one."""
    return [
        f"{path.relative_to(root)}:{node.lineno}: replaces a file: {WRITER} does that"
        for path in program_files(root)
        if path.relative_to(root).as_posix() != WRITER
        for node in ast.walk(parse(path))
        if isinstance(node, ast.Call) and _replaces_a_file(node)
    ]


def _replaces_a_file(node: ast.Call) -> bool:
    if called(node) in {"os.replace", "os.rename", "shutil.move"}:
        return True
    is_method = isinstance(node.func, ast.Attribute) and node.func.attr in {"replace", "rename"}
    return is_method and len(node.args) == 1 and not node.keywords  # of a Path: those of texts and tables take more


def open_servers(root: Path) -> list[str]:
    """Texts that start a notebook server, or any other, for more than this machine."""
    return [
        f"{path.relative_to(root)}:{number}: a server that other machines can reach"
        for path in files(root, ".py", ".sh", ".toml", ".yml", ".yaml", ".cfg", ".json", ".ipynb", ".md", "")
        if path.name not in {Path(__file__).name, "test_architecture.py"}
        for number, line in enumerate(lines(path), 1)
        if OPEN_SERVER.search(line)
    ]


def machine_paths(root: Path) -> list[str]:
    """Texts with a path of somebody's home, or of this checkout."""
    here = str(root.resolve())
    checkout = re.compile(re.escape(here) + r"\b") if here.count("/") > 1 else None
    return [
        f"{path.relative_to(root)}:{number}: names a path of one machine"
        for path in files(root, *TEXT)
        for number, line in enumerate(lines(path), 1)
        if HOME_PATH.search(line) or (checkout is not None and checkout.search(line))
    ]
