"""What users get written: whole files with the mode that their umask asks for."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from small_search import tiny

from dnc import cli
from dnc.plots import style_matplotlib

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.usefixtures("counted_clock")


@pytest.fixture
def _for_a_group() -> Iterator[None]:
    before = os.umask(0o027)
    yield
    os.umask(before)


@pytest.mark.skipif(sys.platform == "win32", reason="needs file modes of POSIX")
@pytest.mark.usefixtures("_for_a_group")
def test_every_file_has_the_mode_of_the_umask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(ROOT))
    import reproduce

    result = tiny(store="trials.db", penalty="n_params", epochs=1)
    assert result.store is not None
    result.store.export("copy.db")
    result.store.export("copy.sql")
    result.refit(1, progress=False).save("model")
    assert cli.main(["export", "trials.db", result.id, "--csv", "trials.csv"]) == 0
    assert cli.main(["export", "trials.db", result.id, "--json", "trials.json"]) == 0
    assert reproduce.main(["--figure", "2", "--out", "figures"]) == 0
    modes = {str(path.relative_to(tmp_path)): path.stat().st_mode & 0o777 for path in tmp_path.rglob("*.*")}
    assert {Path(name).suffix for name in modes} >= {".db", ".sql", ".csv", ".json", ".png", ".pdf", ".pt"}
    assert {name: oct(mode) for name, mode in modes.items() if mode != 0o640} == {}


def test_a_picture_that_cannot_be_drawn_leaves_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figure = style_matplotlib.picture()
    before = [path.read_bytes() for path in style_matplotlib.save(figure, tmp_path, "a")]

    def torn(self: Figure, path: Path, **options: object) -> None:
        Path(path).write_bytes(b"half of")
        raise OSError("no space left on device")

    monkeypatch.setattr(Figure, "savefig", torn)
    with pytest.raises(OSError, match="no space"):
        style_matplotlib.save(figure, tmp_path, "a")
    assert [(tmp_path / name).read_bytes() for name in ("a.png", "a.pdf")] == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.pdf", "a.png"]
