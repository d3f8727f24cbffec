"""The command lines where a terminal has few characters."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
import pytest
from test_cli import ALONE, SMALL, searches

from dnc import cli

sys.path.insert(0, str(Path(__file__).parents[1]))
import reproduce


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def shown(main, argv: list[str], encoding: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """What a command writes to a terminal of this encoding."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", stream)
        assert main(argv) == 0
    stream.flush()
    return stream.buffer.getvalue().decode(encoding)  # type: ignore[attr-defined]


@pytest.mark.usefixtures("counted_clock")
@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_every_command_shows_its_result_in_any_encoding(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = np.random.default_rng(0).random((120, 6), np.float32), np.arange(120) % 2
    np.savez("Ω.npz", xtr=x[:100], ytr=y[:100], xte=x[100:], yte=y[100:])
    small = [*(SMALL[4:]), *ALONE, "--penalty", "n_params", "--store", "Ω.db"]

    def dnc(*argv: str) -> str:
        return shown(cli.main, list(argv), encoding, monkeypatch)

    assert "f = 0." in dnc("search", "Ω.npz", *small)
    name = searches(Path("Ω.db"))[0]
    assert "w_c" in dnc("sweep", "Ω.npz", "--wcs", "0", *small)
    budget = ["--n1", "1", "--n2", "0", *ALONE, "--store", "Ω.db"]
    assert "f = 0." in dnc("transfer", "Ω.db", name, "Ω.npz", *budget)
    assert name in dnc("show", "Ω.db")
    assert "N_p" in dnc("show", "Ω.db", name)
    assert name in dnc("export", "Ω.db", name, "--json", "-")
    assert "val_acc" in dnc("export", "Ω.db", name, "--csv", "-")
    assert "?.csv" in dnc("export", "Ω.db", name, "--csv", "Ω.csv")
    assert "?.db is sound" in dnc("store", "check", "Ω.db")
    assert "copied to ?2.db" in dnc("store", "export", "Ω.db", "Ω2.db")
    assert "digits" in dnc("datasets", "--root", "Ω")
    assert "drawn to ?.pdf" in dnc("plot", "Ω.db", name, "-o", "Ω.pdf")
    train = ["--data", "Ω.npz", *SMALL[4:6], "--epochs", "1", "--device", "cpu", "--quiet"]
    assert "Saved in ?model" in dnc("refit", "Ω.db", name, "-o", "Ωmodel", *train)
    assert "± " in dnc("test", "Ωmodel", "Ω.npz").replace("?", "±")
    np.save("Ω.npy", x)
    assert "120 predictions written to ?.csv" in dnc("predict", "Ωmodel", "Ω.npy", "-o", "Ω.csv", "--force")
    for command in (*"search sweep transfer show plot export refit test predict store datasets".split(),):
        assert f"usage: dnc {command}" in dnc(command, "--help")
    for argv in (["--list"], ["--help"]):
        assert "igure" in shown(reproduce.main, argv, encoding, monkeypatch)
    records = str(Path(reproduce.__file__).parent / "figures")
    assert "igure 7" in shown(reproduce.main, ["--claims", "--records", records], encoding, monkeypatch)
