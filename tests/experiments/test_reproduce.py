"""The command line of reproduce.py, with a Figure 7 that is small enough to be searched for real in a few seconds."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from dnc.experiments import fig7
from dnc.experiments.fig7 import Figure7
from dnc.experiments.scale import Scale
from dnc.searches import parallel
from dnc.searches.archive import Store, open_store
from dnc.space import MLPSpace, TrainingSpace
from dnc.terminal import FAILED, INTERRUPTED, OK, USAGE
from dnc.training import clock, paired_timing
from dnc.training.engine import select_engine

sys.path.insert(0, str(Path(__file__).parents[2]))
import reproduce

# One stage-2 candidate, few batch sizes: timings, which cost more than trainings here, are mostly shared.
SPACE = MLPSpace((0, 1), nodes=(4, 5), grid_drop=(0.0, 0.2), training=TrainingSpace(batch_size=(50, 51)))
TINY = Scale(
    "smoke", "digits", n_train=100, n_val=100, space=SPACE, epochs=1, n1=1, n2=1, n3=20, wcs=(0.0, 10.0), n_seeds=1
)
FLAGS = ["--figure", "7", "--scale", "smoke", "--workers", "0", "--device", "cpu"]


def make_tiny(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(fig7, "EXPERIMENT", Figure7({"smoke": TINY}))
    patch.setattr(paired_timing, "MIN_BLOCK", 0.001)  # t_tr need not be exact here
    for limits in ("SCREENING", "PRECISE"):
        patch.setattr(clock, limits, (3, 3, 0.0, 0.0))


@pytest.fixture(autouse=True)
def _tiny_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    make_tiny(monkeypatch)


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    capsys.readouterr()
    status = reproduce.main(list(arguments))
    captured = capsys.readouterr()
    return status, captured.out, captured.err


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a Figure 7 that was interrupted once and then finished."""
    folder = tmp_path_factory.mktemp("figure 7")
    with pytest.MonkeyPatch.context() as patch:
        make_tiny(patch)
        with pytest.MonkeyPatch.context() as interruption:
            update, calls = parallel.MultiProgress.update, []

            def interrupted(board: parallel.MultiProgress, *state: int) -> None:
                update(board, *state)
                calls.append(state)
                if len(calls) == 4:
                    raise KeyboardInterrupt

            interruption.setattr(parallel.MultiProgress, "update", interrupted)
            assert reproduce.main([*FLAGS, "--out", str(folder)]) == INTERRUPTED
        with open_store(folder / ".store" / "fig7-smoke.db") as store:
            assert store.counts()["visits"] == 4
        assert not (folder / "fig7.csv").exists()
        assert reproduce.main([*FLAGS, "--out", str(folder)]) == OK
    return folder


# ---- usage ------------------------------------------------------------------------------------------


def test_list_shows_everything_with_status_and_time(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = call(capsys, "--list")
    assert (status, err) == (0, "")
    assert any(
        line.startswith("Figure 7") and "ready" in line and "20 min, predicted" in line for line in out.splitlines()
    )
    assert any(line.startswith("Table 3") and "planned" in line for line in out.splitlines())


def test_list_needs_no_packages() -> None:
    code = (
        "import sys;"
        "sys.modules.update(dict.fromkeys(('torch', 'pandas', 'matplotlib', 'plotly', 'scipy')));"  # cannot be imported
        "import reproduce; sys.exit(reproduce.main(['--list']))"
    )
    root = Path(reproduce.__file__).parent
    listing = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=False)
    assert (listing.returncode, listing.stderr) == (0, "")
    assert "Figure 7" in listing.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "nothing to do: give --figure N"),
        (["--figure", "9"], "figure='9' is unknown: choose one of '1', '2'"),
        (["--figure", "5"], "Figure 5 comes with a later release"),
        (["--table", "2"], "Table 2 comes with a later release"),
        (["--appendix", "kernels"], "did you mean 'kernel'?"),
        (["--figure", "7", "--table", "1"], "not allowed with argument"),
        (["--figure", "7", "--scale", "big"], "scale='big' is unknown: choose one of 'smoke', 'small', 'paper'"),
        (["--figure", "7", "--seed", "-1"], "seed=-1 is not allowed"),
        (["--figure", "7", "--seed", "one"], "seed='one' is not allowed"),
        (["--figure", "7", "--scale", "smoke", "--seed", "4294967295"], "seed=4294967295 is not allowed"),
        (["--figure", "7", "--workers", "many"], "workers='many' is not allowed"),
        (["--figure", "7", "--device", "tpu"], "device='tpu' is unknown"),
        (["--figure", "7", "--data-root", "nowhere"], "data-root='nowhere' is not a folder"),
        (["--figure", "2", "--figure", "7"], "--figure is given twice: give one at a time"),
        (["--table", "2", "--table", "2"], "--table is given twice: give one at a time"),
        (["--figure", "9"], "--figure='9' is unknown"),
        (["--figure", "7", "--seed", "-1"], "--seed=-1 is not allowed"),
        (["--figure", "7", "--device", "tpu"], "--device='tpu' is unknown"),
        (["--figure", "7", "--data-root", "nowhere"], ": --data-root='nowhere' is not a folder"),
        (["--figure", "7", "--estimate", "--replot"], "exclude each other"),
        (["--figure", "7", "--wrong"], "unrecognized arguments: --wrong"),
        (["--fig", "7"], "unrecognized arguments"),
    ],
)
def test_wrong_usage_is_one_line_and_writes_nothing(
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    status, out, err = call(capsys, *arguments)
    assert status == USAGE
    assert out == ""
    assert err.startswith("reproduce.py: ")
    assert message in err
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_folders_and_stores_that_cannot_be(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text that is long enough to be no database")
    for flag, message in (("--out", "is a file; give a folder"), ("--store", "is not a trial store")):
        status, out, err = call(capsys, *FLAGS, flag, str(tmp_path / "file"))
        assert (status, out, err.count("\n")) == (USAGE if flag == "--out" else FAILED, "", 1)
        assert message in err
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_data_that_is_not_there(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dnc.data import download

    def offline(*_: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(download, "_fetch", offline)
    monkeypatch.setattr(fig7, "EXPERIMENT", Figure7())
    root, out = tmp_path / "root", tmp_path / "out"
    root.mkdir()
    status, _, err = call(capsys, "--figure", "7", "--scale", "small", "--data-root", str(root), "--out", str(out))
    assert status == FAILED
    assert "fmnist is not under" in err
    assert "or set --data-root or $DNC_DATA" in err
    assert " root=" not in err  # of the library
    assert "--scale smoke" in err
    assert err.count("\n") == 1
    assert not out.exists()


def test_debug_shows_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = call(capsys, "--figure", "5", "--debug")
    assert status == USAGE
    assert "Traceback (most recent call last)" in err
    assert err.splitlines()[-1].startswith("reproduce.py: Figure 5")


def test_an_unexpected_error_is_one_line_too(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("two\nlines")

    monkeypatch.setattr(Figure7, "run", broken)
    status, _, err = call(capsys, *FLAGS, "--out", str(tmp_path))
    assert (status, err) == (FAILED, "reproduce.py: unexpected RuntimeError: two lines (try --debug)\n")


# ---- Figure 2 ---------------------------------------------------------------------------------------


def test_figure_2_end_to_end(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    status, out, err = call(capsys, "--figure", "2", "--scale", "smoke", "--out", str(tmp_path / "new"))
    assert (status, err) == (0, "")
    assert "HOLDS: “σ1 = 0.682" in out
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == ["fig2.csv", "fig2.json", "fig2.pdf", "fig2.png"]
    table: Any = pd.read_csv(tmp_path / "new" / "fig2.csv")
    assert table["kernel"].round(3).tolist() == [0.682, 0.466, 0.011]
    assert table["part"].sum().round(3) == 0.386
    picture = (tmp_path / "new" / "fig2.png").read_bytes()
    (tmp_path / "new" / "fig2.png").unlink()
    assert call(capsys, "--figure", "2", "--replot", "--out", str(tmp_path / "new"))[0] == 0
    assert (tmp_path / "new" / "fig2.png").read_bytes() == picture


# ---- Figure 7 ---------------------------------------------------------------------------------------


def test_figure_7_writes_a_record(recorded: Path) -> None:
    assert sorted(p.name for p in recorded.iterdir()) == [".store", "fig7.csv", "fig7.json", "fig7.pdf", "fig7.png"]
    table: Any = pd.read_csv(recorded / "fig7.csv")
    assert {tuple(k) for k in table[["wc", "arm", "seed"]].drop_duplicates().to_numpy()} == {
        (wc, arm, 0) for wc in (0.0, 10.0) for arm in ("random", "sobol", "balanced", "extreme")
    }
    assert table[table["stage"] != 2].groupby(["wc", "arm", "stage"]).size().eq(2).all()
    c0 = json.loads((recorded / "fig7.json").read_text())["c_0"]["t_tr"]
    f = (1 - table["val_acc"]) + table["wc"] * table["t_tr"] / c0
    assert table["f"].to_numpy() == pytest.approx(f.to_numpy())
    best = table.groupby(["wc", "arm", "seed"], sort=False)["f"].cummin()
    assert table["best_so_far"].to_numpy() == pytest.approx(best.to_numpy())
    assert table["reference"].eq(c0).all()
    for _, search in table.groupby(["wc", "arm", "seed"]):
        configs = search["config"].tolist()
        assert search["distinct_so_far"].tolist() == [len(set(configs[: i + 1])) for i in range(len(configs))]


def test_arms_share_their_trials(recorded: Path) -> None:
    table: Any = pd.read_csv(recorded / "fig7.csv")
    first = table[(table["stage"] == 1) & (table["step"] == 0) & table["arm"].isin(["sobol", "balanced", "extreme"])]
    assert first["config"].nunique() == 1
    random = table[(table["stage"] == 1) & (table["arm"] == "random")]
    assert random.groupby("step")["config"].nunique().eq(1).all()
    facts = json.loads((recorded / "fig7.json").read_text())
    assert facts["trainings"] == table["config"].nunique()
    assert facts["trials"] == len(table) > facts["trainings"]


def test_seeds_share_no_timing_and_no_c_0(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    two = replace(TINY, wcs=(10.0,), n_seeds=2)
    monkeypatch.setattr(fig7, "EXPERIMENT", Figure7({"smoke": two}))
    assert reproduce.main([*FLAGS, "--out", str(tmp_path)]) == OK
    table: Any = pd.read_csv(tmp_path / "fig7.csv")
    by_seed = [part for _, part in table.groupby("seed")]
    assert not set(by_seed[0]["t_tr"]) & set(by_seed[1]["t_tr"])
    assert [part["reference"].nunique() for part in by_seed] == [1, 1]  # common to the arms of a seed: they are pairs
    assert by_seed[0]["reference"].iloc[0] != by_seed[1]["reference"].iloc[0]
    f = (1 - table["val_acc"]) + table["wc"] * table["t_tr"] / table["reference"]
    assert table["f"].to_numpy() == pytest.approx(f.to_numpy())
    with open_store(tmp_path / ".store" / "fig7-smoke.db") as store:
        assert {search["spec"].get("clock", 0) for search in searches(store)} == {0, 1}
        assert store.counts()["clocks"] == 1  # one calibration: t_ref cancels in c / c_0


def searches(store: Store) -> list[Any]:
    ids: Any = store.searches()["id"]
    return [store.search(name) for name in ids]


def test_record_says_how_it_came_about(recorded: Path) -> None:
    facts = json.loads((recorded / "fig7.json").read_text())
    assert (facts["scale"], facts["seeds"], facts["searches"]) == ("smoke", [0], 8)
    assert facts["setting"]["space"] == json.loads(json.dumps(TINY.space.to_dict()))
    assert facts["hardware"]["engine"] == select_engine("cpu", family="mlp").id
    assert {"dnc", "torch", "numpy", "python"} <= set(facts["versions"])
    assert facts["seconds"] > 0
    assert 0 < facts["trained_in_this_run"] < facts["trainings"]  # the rest was kept from the interrupted run
    assert [c["verdict"] for c in facts["claims"]] == ["not testable at this scale"] * 3  # one seed
    assert facts["clocks"] == facts["seeds"]
    assert list(facts["rules"]) == ["each occasion", "low complexity", "high performing"]


def test_running_again_trains_nothing_and_gives_the_same(recorded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [recorded / f"fig7.{kind}" for kind in ("csv", "json", "png", "pdf")]
    contents = [file.read_bytes() for file in files]
    with open_store(recorded / ".store" / "fig7-smoke.db") as store:
        before = store.counts()
    status, out, _ = call(capsys, *FLAGS, "--out", str(recorded))
    assert status == 0
    assert "nothing is trained" in out
    assert "NOT TESTABLE AT THIS SCALE: “BO outperforms random and grid search on each occasion”" in out
    assert [file.read_bytes() for file in files] == contents  # also the time it took when it was trained
    with open_store(recorded / ".store" / "fig7-smoke.db") as store:
        assert store.counts() == before


def test_estimate_writes_nothing(recorded: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    status, out, err = call(capsys, *FLAGS, "--estimate", "--out", str(tmp_path / "new"))
    assert (status, err) == (0, "")
    assert "Figure 7, scale smoke: at most about" in out
    assert "8 searches" in out
    assert list(tmp_path.iterdir()) == []
    assert "nothing is trained" in call(capsys, *FLAGS, "--estimate", "--out", str(recorded))[1]


def test_replot_needs_the_record_alone(
    recorded: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Scale, "load", lambda *_: pytest.fail("data was loaded"))
    status, out, _ = call(
        capsys, "--figure", "7", "--replot", "--records", str(recorded), "--out", str(tmp_path / "new")
    )
    assert status == 0
    assert "NOT TESTABLE" in out
    assert "distinct configs in stage 1" in out
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == ["fig7.pdf", "fig7.png"]
    assert (tmp_path / "new" / "fig7.png").read_bytes() == (recorded / "fig7.png").read_bytes()


def test_replot_without_a_record(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    status, _, err = call(capsys, "--figure", "7", "--replot", "--out", str(tmp_path))
    assert (status, err.count("\n")) == (FAILED, 1)
    assert "has no fig7.csv and no fig7.json: run it first" in err
    (tmp_path / "fig7.csv").write_text("wc\n1\n")
    (tmp_path / "fig7.json").write_text("{")
    status, _, err = call(capsys, "--figure", "7", "--replot", "--out", str(tmp_path))
    assert (status, err.count("\n")) == (FAILED, 1)
    assert "cannot be read" in err


def test_claims_of_all_records(recorded: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    status, out, _ = call(capsys, "--claims", "--records", str(recorded))
    assert status == 0
    assert "Figure 2: no record" in out
    assert "Figure 7: Bayesian optimization against random and grid search (scale smoke" in out
    assert out.count("NOT TESTABLE") == 3
    status, _, err = call(capsys, "--claims", "--records", str(tmp_path))
    assert (status, err.count("\n")) == (FAILED, 1)
    assert "run e.g. --figure 7 --scale smoke first" in err
