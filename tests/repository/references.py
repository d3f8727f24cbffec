"""What a page of the documentation refers to: links, paths, functions, public names, tests; and what is not there."""

from __future__ import annotations

import ast
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

from source_tree import files, parse

FENCED = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[([^\]]*)\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`]+)`")
FILE = re.compile(
    r"(?P<path>[\w.*/-]+\.(?:py|md|ipynb|toml|lock|yml|sh)|[\w.-]+(?:/[\w.*-]+)*/)"  # a file, or a folder/
    r"(?:::?(?P<name>[\w.]+))?"  # :function, ::test_function
)
BELOW_A_FOLDER = re.compile(r"(?:dnc|tests|docs|tools|benchmarks|notebooks|figures)/[\w./*-]+")  # with any suffix
DOTTED = re.compile(r"dnc(?:\.[A-Za-z_]\w*)+")
TEST = re.compile(r"test_\w+")


def broken_references(page: Path, root: Path) -> list[str]:
    """Links, and references in `code`, that lead nowhere.

    A path is looked for beside the page, at the root and in dnc; `file.py:function` and [`function`](file.py) also
    look for the name in the file (a method is `Class.method`); `dnc.a.b` is looked up in the package, `test_x` among
    the tests.
    """
    text = _prose(page)
    problems = [(link.start(), problem) for link in LINK.finditer(text) for problem in _broken_link(link, page)]
    text = LINK.sub(_blank, text)
    problems += [(code.start(), problem) for code in CODE.finditer(text) for problem in _broken_code(code, page, root)]
    return [f"{page.relative_to(root)}:{text.count(chr(10), 0, start) + 1}: {what}" for start, what in sorted(problems)]


def _prose(page: Path) -> str:
    """The text of a page with its fenced blocks left empty."""
    return FENCED.sub(_blank, page.read_text(encoding="utf-8"))


def _blank(match: re.Match[str]) -> str:
    return re.sub(r"[^\n]", " ", match.group())  # positions and lines stay what they are


def _broken_link(match: re.Match[str], page: Path) -> Iterator[str]:
    text, link = match.groups()
    if re.match(r"\w+:", link):  # http:, mailto:
        return
    target, _, anchor = link.partition("#")
    file = page.parent / target if target else page
    if not file.exists():
        yield f"there is no {target}"
    elif anchor and file.suffix == ".md" and anchor not in anchors(file):
        yield f"{file.name} has no heading #{anchor}"
    elif file.suffix == ".py":
        names = [name.removesuffix("()") for name in CODE.findall(text) if not FILE.fullmatch(name)]
        yield from (f"{target} does not define {name}" for name in names if name not in defined(file))


def _broken_code(match: re.Match[str], page: Path, root: Path) -> Iterator[str]:
    for token in re.split(r"[\s\"'=,()]+", match.group(1)):
        file = FILE.fullmatch(token)
        if file is not None or BELOW_A_FOLDER.fullmatch(token):
            path, name = (file["path"], file["name"]) if file is not None else (token, None)
            matching = [place for base in (page.parent, root, root / "dnc") for place in base.glob(path)]
            if not matching:
                yield f"there is no {path}"
            elif name is not None and not any(name in defined(place) for place in matching):
                yield f"{path} does not define {name}"
        elif DOTTED.fullmatch(token) and not _resolves(token):
            yield f"there is no {token}"
        elif TEST.fullmatch(token) and token not in names_of_tests(root):
            yield f"there is no test {token}"


def _resolves(name: str) -> bool:
    try:
        pkgutil.resolve_name(name)
    except (ImportError, AttributeError):
        return False
    return True


def anchors(page: Path) -> set[str]:
    """The names by which the headings of a page can be linked to."""
    headings = re.findall(r"^#+ +(.*?) *$", _prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def defined(path: Path) -> set[str]:
    """What a Python file defines: functions, classes, constants, methods and fields, as "f" and "Class.method"."""
    return set(_defined(parse(path).body)) if path.suffix == ".py" else set()


def _defined(body: list[ast.stmt], outer: str = "") -> Iterator[str]:
    for statement in body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield outer + statement.name
            if isinstance(statement, ast.ClassDef):
                yield from _defined(statement.body, f"{outer}{statement.name}.")
        elif isinstance(statement, ast.Assign | ast.AnnAssign):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            yield from (
                outer + leaf.id for target in targets for leaf in ast.walk(target) if isinstance(leaf, ast.Name)
            )


def names_of_tests(root: Path) -> set[str]:
    """The names of all tests."""
    tests = (path for path in files(root / "tests", ".py") if path.name.startswith("test_"))
    return {name for path in tests for name in defined(path) if name.startswith("test_")}
