"""Names and spelling: one place for a number of the paper, and words that a stranger could not read stay away."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from source_tree import files, functions, identifiers, lines, parse, program_files

PAPER_NUMBERS = {"N1", "N2", "N3", "XI", "NOISE"}  # n1, n2, n3, ξ and σ_n² (Sec. 3, Appendix)
TEXT = {".py", ".md", ".ipynb", ".toml", ".yml", ".sh"}
# Names that said nothing to a reader who knows the field: what was called so has a better name now.
REJECTED_NAMES = re.compile(
    r"_?(?:as_finished|began|begun|Board|bury|circumstances|company|gains_by_company|Complexities|crew|Dropper|Feed|Flats"
    r"|hear|Limits|measure_reference|Noise|perform|quiet_cpu|ReferenceTime|Say|Show|stillborn)"
    r"|_(?:Explorer|Middle|Net|plain|Sequence|told|turn)"
)
# The spelling is American throughout; the phrases made native readers stumble.
REJECTED_TEXT = re.compile(
    r"\w{1,12}(?:al|ar|gn|im|or|ron)is(?:e[sdr]?|ers?|ing|ations?)\b"
    r"|(?:behavi|col|fav|neighb)o[u]r|\b(?:centr[e]|gre[y]|judge[m]ent|label[l]ed|licen[c]e)"
    r"|every so[ ]many|seen[ _]to[ _]between|clock cannot[ ]be set",
    re.IGNORECASE,
)


def paper_numbers(root: Path) -> list[str]:
    """Numbers of the paper that are written down in a second file, or as a default instead of by their name."""
    violations, home = [], dict[str, str]()
    for path in files(root / "dnc", ".py"):
        place, tree = path.relative_to(root).as_posix(), parse(path)
        for line, name in _named_literals(tree):
            first = home.setdefault(name, place)
            if first != place:
                violations.append(f"{place}:{line}: {name} is written down in {first} already")
        violations += [
            f"{place}:{line}: {name} has a number as its default: name it {name.upper()}"
            for line, name in _literal_defaults(tree)
        ]
    return violations


def _named_literals(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """(line, name) of the paper's numbers that a literal is assigned to."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for name, value in (pair for target in targets for pair in _assigned(target, node.value)):
                if isinstance(name, ast.Name) and name.id in PAPER_NUMBERS and _is_literal(value):
                    yield node.lineno, name.id


def _assigned(target: ast.expr, value: ast.expr | None) -> list[tuple[ast.expr, ast.expr | None]]:
    """(target, value) of an assignment, or of each element where both are tuples: `N1, N2 = 15, 15`."""
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        return list(zip(target.elts, value.elts, strict=False))
    return [(target, value)]


def _literal_defaults(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """(line, name) of the parameters and fields of such a number's name whose default is a literal."""
    for _, function in functions(tree):
        a = function.args
        positional = [*a.posonlyargs, *a.args]
        with_default = zip(positional[len(positional) - len(a.defaults) :], a.defaults, strict=True)
        for arg, default in (*with_default, *zip(a.kwonlyargs, a.kw_defaults, strict=True)):
            if arg.arg.upper() in PAPER_NUMBERS and _is_literal(default):
                yield arg.lineno, arg.arg
    for node in ast.walk(tree):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and _is_literal(node.value):
            name = node.target.id
            if name.islower() and name.upper() in PAPER_NUMBERS:
                yield node.lineno, name


def _is_literal(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, (int, float))


def words(root: Path) -> list[str]:
    """Rejected names of variables, parameters, functions, classes and modules (once a file), and rejected spellings."""
    violations = []
    for path in [*program_files(root), *(files(root / "tests", ".py") if (root / "tests").is_dir() else ())]:
        names = {name: line for line, name in sorted(identifiers(parse(path)), reverse=True)}
        violations += [
            f"{path.relative_to(root)}:{line}: {name}: take a name that a stranger can read"
            for name, line in sorted(names.items(), key=lambda item: item[1])
            if REJECTED_NAMES.fullmatch(name)
        ]
    for path in files(root, *TEXT):
        for number, line in enumerate(lines(path), 1):
            violations += [
                f"{path.relative_to(root)}:{number}: {match.group()}: put it another way"
                for match in REJECTED_TEXT.finditer(line)
            ]
    return violations
