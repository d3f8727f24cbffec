"""Paths: ~ is the home folder everywhere, and what can be no path is one line, whoever is given it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_cli import ALONE, SMALL, searches

import dnc
from dnc import cli
from dnc.experiments.protocol import Options
from dnc.files import user_path
from dnc.models.final_training import train_final
from dnc.searches.archive import Store

sys.path.insert(0, str(Path(__file__).parents[1]))
import reproduce

DATA = dnc.load_data("digits", n_train=40, n_val=20, n_test=20)
SPACE = dnc.MLPSpace(nodes=(4, 9))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The test's home folder, with a folder beside it as the current one."""
    for name in ("home", "here"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "home"


@pytest.fixture(scope="module")
def model() -> dnc.Model:
    return train_final(dnc.Config(dnc.MLP((4,))), DATA, epochs=1, progress=False)


# ---- what can be no path --------------------------------------------------------------------------------

BAD = {
    "URL": ("https://example.org/x.npz", "is a URL"),
    "URL of a store": ("sqlite:///trials.db", "is a URL"),
    "URL as Path": (Path("https://example.org/x.npz"), "is a URL"),
    "device": ("/dev/zero", "is a device"),
    "pipe": ("pipe.npz", "is a device, a pipe"),
    "too long": ("x" * 300 + ".npz", "cannot be used (File name too long)"),
    "far too long": ("x/" * 5000 + "x.npz", "cannot be used (File name too long)"),
    "null byte": ("a\0b.npz", "has characters that no path has"),
    "lone surrogate": ("\ud800.npz", "has characters that no path has"),
    "unknown user": ("~nobody-of-that-name/x.npz", "no such home folder"),
    "link to itself": ("loop.npz", "cannot be used"),
    "empty": ("", "is not allowed: give"),
}
PUBLIC: dict[str, Callable[[Any], Any]] = {
    "load_data": lambda path: dnc.load_data(path),
    "load_data root": lambda path: dnc.load_data("mnist", root=path, download=False),
    "data_root": lambda path: dnc.data_root(path),
    "datasets": lambda path: dnc.datasets(path),
    "open_store": lambda path: dnc.open_store(path),
    "Store": lambda path: dnc.Store(path),
    "Store.export": lambda path: Store().export(path, force=True),
    "search": lambda path: dnc.search(DATA, SPACE, wc=0.1, store=path, workers=0, progress=False),
    "sweep": lambda path: dnc.sweep(DATA, SPACE, store=path, workers=0, progress=False),
    "start": lambda path: dnc.start(DATA, SPACE, wc=0.1, store=path, workers=0).result(),
    "estimate": lambda path: dnc.estimate(DATA, SPACE, store=path, workers=0),
    "Problem": lambda path: dnc.stage1(dnc.Problem(DATA, store=path), SPACE, n1=1, n2=0),
    "load_model": lambda path: dnc.load_model(path),
    "out": lambda path: Options(out=path),
    "data-root": lambda path: Options(data_root=path),
    "store": lambda path: Options(store=path),
}


@pytest.fixture
def here() -> None:
    os.mkfifo("pipe.npz")
    os.symlink("loop.npz", "loop.npz")


@pytest.mark.skipif(sys.platform == "win32", reason="needs pipes and links of POSIX")
@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("bad", BAD)
def test_what_can_be_no_path_is_one_line(bad: str, model: dnc.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    value, part = BAD[bad]
    calls = {**PUBLIC, "Model.save": model.save}
    for name, call in calls.items():
        with pytest.raises(dnc.DncError) as error:
            call(value)
        assert part in str(error.value), name
        assert "\n" not in str(error.value), name
        assert len(str(error.value)) < 250, name
    if value and "\0" not in str(value) and "\ud800" not in str(value):
        monkeypatch.setenv("DNC_DATA", str(value))
        with pytest.raises(dnc.DncError, match="DNC_DATA"):
            dnc.load_data("mnist", download=False)
    assert sorted(os.listdir()) == ["loop.npz", "pipe.npz"]


@pytest.mark.parametrize("value", [None, 3, 1.5, b"a.db", ["a"]])
def test_what_is_no_path_at_all(value: object) -> None:
    with pytest.raises(dnc.ArgumentError, match="name="):
        user_path("name", value)


@pytest.mark.skipif(sys.platform == "win32", reason="needs pipes and links of POSIX")
@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("bad", [name for name in BAD if name != "empty"])
def test_commands_refuse_what_can_be_no_path(bad: str, capsys: pytest.CaptureFixture[str]) -> None:
    value, part = str(BAD[bad][0]), BAD[bad][1]
    store = "kept.db"
    with Store(store) as opened:
        spec = {"data": {"name": "d"}, "penalty": "n_params", "wc": 0.1, "space": SPACE.to_dict(), "train_seed": 0}
        opened.begin_search("abc", spec, {"references": {"n_params": 1.0}})
    files = sorted(os.listdir())
    calls = [
        (cli.main, ["search", value]),
        (cli.main, ["search", "mnist", "--no-download", "--root", value]),
        (cli.main, ["search", "digits", *SMALL, *ALONE, "--store", value]),
        (cli.main, ["search", "digits", *SMALL, *ALONE, "--store", value, "--estimate"]),
        (cli.main, ["sweep", "digits", *SMALL, *ALONE, "--store", value]),
        (cli.main, ["transfer", value, "abc", "digits"]),
        (cli.main, ["show", value]),
        (cli.main, ["export", store, "abc", "--csv", value, "--force"]),
        (cli.main, ["export", store, "abc", "--json", value, "--force"]),
        (cli.main, ["refit", value, "abc", "-o", "new"]),
        (cli.main, ["refit", store, "abc", "-o", value]),
        (cli.main, ["plot", store, "abc", "-o", value, "--force"]),
        (cli.main, ["test", value, "digits"]),
        (cli.main, ["predict", value, "x.npy", "-o", "new.csv"]),
        (cli.main, ["store", "check", value]),
        (cli.main, ["store", "export", store, value, "--force"]),
        (cli.main, ["datasets", "--root", value]),
        (reproduce.main, ["--figure", "2", "--out", value]),
        (reproduce.main, ["--figure", "7", "--scale", "smoke", "--store", value]),
        (reproduce.main, ["--figure", "7", "--scale", "smoke", "--data-root", value]),
        (reproduce.main, ["--figure", "2", "--replot", "--records", value]),
        (reproduce.main, ["--claims", "--records", value]),
    ]
    for main, argv in calls:
        assert main(argv) in (1, 2), argv
        out, err = capsys.readouterr()
        assert (out, err.count("\n")) == ("", 1), argv
        assert part in err, argv
        assert "unexpected" not in err, argv
    assert sorted(os.listdir()) == files


@pytest.mark.skipif(sys.platform == "win32", reason="needs links of POSIX")
def test_a_saved_models_files_are_no_devices(tmp_path: Path, model: dnc.Model) -> None:
    for name in ("config.json", "weights.pt"):
        folder = model.save(tmp_path / name)
        (folder / name).unlink()
        (folder / name).symlink_to("/dev/zero")  # reading it would never end
        with pytest.raises(dnc.DncError, match=f"{name}=.* is a device"):
            dnc.load_model(folder)


def test_a_folder_that_may_not_be_entered(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, **options: object) -> os.stat_result:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "stat", refuse)
    for call in (dnc.Store, dnc.load_data, dnc.load_model, lambda path: dnc.data_root(path)):
        with pytest.raises(dnc.DncError, match=r"x\.npz' cannot be used \(Permission denied\)"):
            call("x.npz")


# ---- the home folder ------------------------------------------------------------------------------------


@pytest.mark.usefixtures("counted_clock")
def test_the_home_folder_stands_for_itself_everywhere(
    home: Path, model: dnc.Model, capsys: pytest.CaptureFixture[str]
) -> None:
    x, y = np.random.default_rng(0).random((120, 6), np.float32), np.arange(120) % 2
    np.savez(home / "mine.npz", xtr=x[:100], ytr=y[:100], xte=x[100:], yte=y[100:])
    assert dnc.load_data("~/mine.npz").name == "mine"
    assert dnc.data_root("~/sets") == home / "sets"
    assert model.save("~/model") == home / "model"
    assert dnc.load_model(Path("~/model")).n_params == model.n_params
    small = [*SMALL[4:], *ALONE, "--penalty", "n_params", "--store", "~/t.db"]
    assert cli.main(["search", "~/mine.npz", "--root", "~", *small]) == 0
    name = searches(home / "t.db")[0]
    with dnc.open_store("~/t.db") as opened:
        opened.export("~/copy.db")
    np.save(home / "x.npy", x)
    for argv in (
        ["show", "~/t.db", name],
        ["transfer", "~/t.db", name, "~/mine.npz", "--n1", "1", "--n2", "0", *ALONE, "--store", "~/t.db"],
        [
            "refit",
            "~/t.db",
            name,
            "-o",
            "~/new",
            "--data",
            "~/mine.npz",
            "--epochs",
            "1",
            "--device",
            "cpu",
            "--quiet",
            *SMALL[4:6],
        ],
        ["test", "~/new", "~/mine.npz"],
        ["predict", "~/new", "~/x.npy", "-o", "~/p.csv"],
        ["plot", "~/t.db", name, "-o", "~/p.png"],
        ["export", "~/t.db", name, "--csv", "~/t.csv"],
        ["export", "~/t.db", name, "--json", "~/t.json"],
        ["store", "check", "~/t.db"],
        ["store", "export", "~/t.db", "~/t.sql"],
        ["search", "~/mine.npz", *small, "--estimate"],
    ):
        assert cli.main(argv) == 0, argv
    for argv in (
        ["--figure", "2", "--out", "~/out"],
        ["--figure", "2", "--out", "~/replotted", "--replot", "--records", "~/out"],
    ):
        assert reproduce.main(argv) == 0, argv
    capsys.readouterr()
    found = {path.name for path in home.iterdir()}
    assert found == {
        "mine.npz", "x.npy", "model", "new", "t.db", "copy.db", "t.csv", "p.csv", "p.png", "t.json", "t.sql", "out",
        "replotted",
    }  # fmt: skip
    assert not os.listdir()


@pytest.mark.skipif(sys.platform == "win32", reason="needs users of POSIX")
def test_without_a_home_folder_data_is_looked_for_among_temporary_files(monkeypatch: pytest.MonkeyPatch) -> None:
    import pwd
    import tempfile

    def unknown(uid: int) -> None:
        raise KeyError(uid)

    for name in ("HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name)
    monkeypatch.setattr(pwd, "getpwuid", unknown)  # a container that runs under any user's number
    assert dnc.data_root().parent == Path(tempfile.gettempdir())
    assert dnc.load_data("digits", n_train=40, n_val=20).n_train == 40
    assert len(dnc.datasets()) > 3
    with pytest.raises(dnc.DataError, match="mnist is not under"):
        dnc.load_data("mnist", download=False)
    with pytest.raises(dnc.StoreError, match="give a path without ~"):
        dnc.Store("~/t.db")
