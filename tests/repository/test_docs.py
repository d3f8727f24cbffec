"""What the pages promise is tested, and what they refer to is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from references import anchors, broken_references, defined, names_of_tests

ROOT = Path(__file__).parents[2]
PAGES = ["README.md", "CONTRIBUTING.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", ["reliability.md", "determinism.md"])
def test_every_row_names_a_test(page: str) -> None:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| ") and not line.endswith("| test |")]
    named = [re.findall(r"`(test_\w+)`", row.rstrip("|").rsplit("|", 1)[1]) for row in rows]
    assert len(rows) > 5
    assert [row for row, names in zip(rows, named, strict=True) if not names] == []
    assert sorted({name for names in named for name in names} - names_of_tests(ROOT)) == []


@pytest.mark.parametrize("page", PAGES)
def test_everything_that_a_page_refers_to_is_there(page: str) -> None:
    assert broken_references(ROOT / page, ROOT) == []


def test_the_readmes_example_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, counted_clock: None) -> None:
    """With less to train; what the page shows below it has the form of what is printed."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    code, shown = re.findall(r"```python\n(.*?)```\s*```text\n(.*?)```", text, re.DOTALL)[0]
    monkeypatch.chdir(tmp_path)
    printed: list[str] = []
    program = compile(
        re.sub(r"(epochs|n1|n2)=\d+", r"\1=1", code).replace("store=", "workers=0, store="), "README.md", "exec"
    )
    names = {"print": lambda *values: printed.extend(" ".join(map(str, values)).splitlines())}
    exec(program, names)
    head = re.compile(
        r"search \w{12} \(finished\): \d+ trials of \d+ steps, w_c = 0.1, penalty n_params with c_0 = 55,210 para"
    )
    for lines in (printed, shown.splitlines()):
        assert head.match(lines[0])
        assert lines[1].startswith("f = 0.")
        assert lines[-2] == "  aimed at w_c = 0.1; its trials may be ranked at w_c 0.001 to 0.1"
        assert re.fullmatch(r"\d+\.\d\d%", lines[-1])
    assert {path.name for path in tmp_path.iterdir()} == {"trials.db", "model"}


def test_the_readmes_pictures_are_there() -> None:
    pictures = re.findall(r'(?:srcset|src)="([^"]+)"', (ROOT / "README.md").read_text(encoding="utf-8"))
    assert len(pictures) == 2
    assert [name for name in pictures if not (ROOT / name).is_file()] == []


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small repository that pages can refer to."""
    texts = {
        "README.md": "# Two words, `and` code\n```\n# no heading\n```\n",
        "dnc/bayesopt/gp.py": "A, B = 1, 2\nclass GP:\n    noise: float = 1\n    def fit(self): ...\ndef solve(): ...",
        "tests/space/test_space.py": "def test_depth(): ...\ndef small(): ...",
        "figures/fig7.json": "{}",
        "docs/other.md": "## A heading",
    }
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    "text",
    [
        "see [this](../README.md) and [that](other.md)",
        "see [this](https://example.org/nowhere.md) or [write](mailto:a@example.org)",
        "![a picture](../figures/fig7.json)",
        "[a part](../README.md#two-words-and-code), [here](#top)\n# Top",
        "| (3a) | [`solve`](../dnc/bayesopt/gp.py) | [`GP.fit`](../dnc/bayesopt/gp.py) |",
        "[`solve`, `A`](../dnc/bayesopt/gp.py) [`GP.noise`](../dnc/bayesopt/gp.py) [`solve()`](../dnc/bayesopt/gp.py)",
        "[`gp.py`](../dnc/bayesopt/gp.py) [`dnc/bayesopt/gp.py`](../dnc/bayesopt/gp.py) [code](../dnc/bayesopt/gp.py)",
        "`dnc/bayesopt/` `bayesopt/` `bayesopt/gp.py` `dnc/bayesopt/gp.py:GP.fit` `tests/*/test_*.py`",
        '`make tests ARGS="tests/space/test_space.py -k depth"` `tests/space/test_space.py::test_depth`',
        "`test_depth` `dnc.search` `dnc.bayesopt.gp.GaussianProcess.fit` `trials.db` `result.best` `out.json`",
        "`make tests\nARGS=tests/space/test_space.py`, [a\nfile](other.md)",
        "```\n`dnc/nothing.py` and [this](nowhere.md)\n```",
    ],
)
def test_references_that_lead_somewhere(tree: Path, text: str) -> None:
    assert problems(tree, text) == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("see [this](README.md)", "there is no README.md"),
        ("![a picture](../figures/fig8.png)", "there is no ../figures/fig8.png"),
        ("[a part](../README.md#three-words)", "README.md has no heading #three-words"),
        ("[a part](../README.md#no-heading)", "README.md has no heading #no-heading"),
        ("[`fit`](../dnc/bayesopt/gp.py)", "../dnc/bayesopt/gp.py does not define fit"),
        ("[`GP.solve`](../dnc/bayesopt/gp.py)", "../dnc/bayesopt/gp.py does not define GP.solve"),
        ("`dnc/bayesopt/gp.py:fit`", "dnc/bayesopt/gp.py does not define fit"),
        ("`dnc/nothing.py`", "there is no dnc/nothing.py"),
        ("`nothing.py`", "there is no nothing.py"),
        ("`dnc/nothing/`", "there is no dnc/nothing/"),
        ("`figures/fig8.json`", "there is no figures/fig8.json"),
        ("`dnc.nothing`", "there is no dnc.nothing"),
        ("`dnc.bayesopt.gp.GaussianProcess.nothing`", "there is no dnc.bayesopt.gp.GaussianProcess.nothing"),
        ("`tests/space/test_space.py::test_width`", "tests/space/test_space.py does not define test_width"),
        ("`test_width`", "there is no test test_width"),
    ],
)
def test_a_broken_reference_is_found(tree: Path, text: str, problem: str) -> None:
    assert problems(tree, text) == [f"docs/page.md:3: {problem}"]


def problems(tree: Path, text: str) -> list[str]:
    page = tree / "docs" / "page.md"
    page.write_text("# Title\n\n" + text, encoding="utf-8")
    return broken_references(page, tree)


def test_what_a_file_defines_and_what_a_page_heads(tree: Path) -> None:
    assert defined(tree / "dnc/bayesopt/gp.py") == {"A", "B", "GP", "GP.noise", "GP.fit", "solve"}
    assert anchors(tree / "README.md") == {"two-words-and-code"}
    assert names_of_tests(tree) == {"test_depth"}
