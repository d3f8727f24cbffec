"""What the pages of docs/ promise is tested: each test that they name exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TESTS = {
    name
    for path in (ROOT / "tests").glob("test_*.py")
    for name in re.findall(r"^def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
}


@pytest.mark.parametrize("page", ["reliability.md", "determinism.md"])
def test_every_row_names_a_test(page: str) -> None:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| ") and not line.endswith("| test |")]
    named = [re.findall(r"`(test_\w+)`", row.rstrip("|").rsplit("|", 1)[1]) for row in rows]
    assert len(rows) > 5
    assert [row for row, names in zip(rows, named, strict=True) if not names] == []
    assert sorted({name for names in named for name in names} - TESTS) == []
