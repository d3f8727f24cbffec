"""The command line, in process: what each command does. What it refuses is in test_cli_errors.py."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import dnc
from dnc import cli
from dnc.cli_options import build_space
from dnc.searches.stages import N1, N2, N3

SMALL = "--n-train 60 --n-val 30 --n-test 20 --epochs 2 --n1 2 --n2 1 --nodes 4 9 --hidden-layers 0 1".split()
ALONE = ["--workers", "0", "--device", "cpu", "--quiet"]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trial store with one small search of digits."""
    path = tmp_path_factory.mktemp("store") / "kept.db"
    assert cli.main(["search", "digits", *SMALL, *ALONE, "--store", str(path)]) == 0
    return path


def searches(path: Path) -> list[str]:
    with dnc.open_store(path) as opened:
        return list(opened.searches()["id"])


def run(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    code = cli.main(list(argv))
    out, err = capsys.readouterr()
    return code, out, err


# ---- what it does --------------------------------------------------------------------------------------


def test_search_prints_the_best_and_where_it_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "search", "digits", *SMALL, *ALONE, "--wc", "0.3", "--penalty", "n_params")
    assert (code, err) == (0, "")
    (name,) = searches(Path("trials.db"))
    assert f"search {name} (finished)" in out
    assert "w_c = 0.3, penalty n_params" in out
    assert out.splitlines()[-1] == f"Kept in trials.db; for more: dnc show trials.db {name}"
    with dnc.open_store("trials.db") as opened:
        result = opened.result(name)
    assert str(result.best) in out
    spec = result.spec
    assert (spec["epochs"], spec["n1"], spec["n2"], spec["n3"]) == (2, 2, 1, N3)
    assert spec["space"]["nodes"] == [4, 9]
    assert (spec["data"]["n_train"], spec["data"]["n_val"]) == (60, 30)


def test_a_second_run_trains_nothing(capsys: pytest.CaptureFixture[str], store: Path) -> None:
    with dnc.open_store(store) as opened:
        before = opened.counts()
    code, out, _ = run(capsys, "search", "digits", *SMALL, *ALONE, "--store", str(store))
    with dnc.open_store(store) as opened:
        assert opened.counts() == before
    assert code == 0
    assert searches(store)[0] in out


def test_sweep_prints_one_line_for_each_wc(capsys: pytest.CaptureFixture[str], store: Path) -> None:
    code, out, _ = run(capsys, "sweep", "digits", *SMALL, *ALONE, "--wcs", "0", "10", "--store", "sweep.db")
    assert code == 0
    lines = out.splitlines()
    assert lines[0].split()[:3] == ["w_c", "f", "accuracy"]
    assert [line.split()[0] for line in lines[1:3]] == ["0", "10"]
    assert {line.split()[-1] for line in lines[1:3]} == set(searches(Path("sweep.db")))


def test_transfer_repeats_stage_three_on_other_data(capsys: pytest.CaptureFixture[str], store: Path) -> None:
    rng = np.random.default_rng(0)
    np.savez("other.npz", xtr=rng.random((80, 12), dtype=np.float32), ytr=np.arange(80) % 3,
             xte=rng.random((9, 12), dtype=np.float32), yte=np.arange(9) % 3)  # fmt: skip
    name = searches(store)[0]
    budget = "--epochs 1 --n1 1 --n2 1 --store moved.db".split()
    code, out, err = run(capsys, "transfer", str(store), name[:6], "other.npz", *budget, *ALONE)
    assert (code, err) == (0, "")
    with dnc.open_store(store) as a, dnc.open_store("moved.db") as b:
        moved = b.result(searches(Path("moved.db"))[0])
        assert moved.best.config.arch == a.result(name).best.config.arch
    assert moved.spec["data"]["name"] == "other"
    assert str(moved.best) in out


def test_estimate_trains_nothing_and_makes_no_file(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "search", "digits", *SMALL, *ALONE, "--estimate")
    assert (code, err) == (0, "")
    assert "trainings of about" in out
    assert list(Path().iterdir()) == []


def test_show_lists_the_searches(capsys: pytest.CaptureFixture[str], store: Path) -> None:
    code, out, _ = run(capsys, "show", str(store))
    assert code == 0
    head, row, *rest = out.splitlines()
    assert head.startswith("search ")
    assert row.split()[:5] == [searches(store)[0], "digits", "mlp", "t_tr", "0.1"]
    assert rest == []


def test_show_of_one_search_can_rank_it_anew(capsys: pytest.CaptureFixture[str], store: Path) -> None:
    name = searches(store)[0]
    with dnc.open_store(store) as opened:
        result = opened.result(name)
    code, out, _ = run(capsys, "show", str(store), name[:5], "--wc", "100", "--penalty", "n_params", "--top", "2")
    assert code == 0
    assert str(result.rescore(100, "n_params").best) in out
    assert out.count("stage") >= 2
    best = out[out.index("Best trials") : out.index("Winner by w_c")].strip().splitlines()
    assert len(best) == 4
    assert [line.split()[0] for line in best[2:]] == [f"{b.f:.4f}" for b in result.rescore(100, "n_params").top(2)]
    assert len(out[out.index("Winner by w_c") :].strip().splitlines()) == 2 + len(
        result.rescore(penalty="n_params").breakpoints()
    )


def test_export_csv(capsys: pytest.CaptureFixture[str], store: Path) -> None:
    name = searches(store)[0]
    assert run(capsys, "export", str(store), name, "--csv", "t.csv")[0] == 0
    with dnc.open_store(store) as opened:
        trials = opened.result(name).trials
    rows = list(csv.DictReader(io.StringIO(Path("t.csv").read_text())))
    assert [float(row["f"]) for row in rows] == pytest.approx(trials["f"].tolist(), rel=1e-12)
    assert [row["architecture"] for row in rows] == trials["architecture"].tolist()
    code, out, _ = run(capsys, "export", str(store), name, "--csv", "-")
    assert code == 0
    assert out == Path("t.csv").read_text()


def test_export_json_is_strict_and_has_the_curves(capsys: pytest.CaptureFixture[str], store: Path) -> None:
    name = searches(store)[0]
    code, out, _ = run(capsys, "export", str(store), name, "--json", "-", "--wc", "2")

    def refuse(text: str) -> None:
        raise AssertionError(f"{text} is no JSON")

    found = json.loads(out, parse_constant=refuse)
    with dnc.open_store(store) as opened:
        result = opened.result(name).rescore(2)
    assert code == 0
    assert (found["id"], found["objective"]["wc"], found["status"]) == (name, 2.0, "finished")
    assert len(found["trials"]) == len(result.trials)
    for row, visit in zip(found["trials"], result.table.visits, strict=True):
        assert dnc.Config.from_dict(row["config"]) == visit.trial.config
        assert [e["val_acc"] for e in row["curve"]] == [e.val_acc for e in visit.trial.curve]


def test_an_existing_file_is_kept_unless_forced(capsys: pytest.CaptureFixture[str], store: Path) -> None:
    name = searches(store)[0]
    Path("t.csv").write_text("mine")
    code, _, err = run(capsys, "export", str(store), name, "--csv", "t.csv")
    assert (code, Path("t.csv").read_text()) == (2, "mine")
    assert "--force" in err
    assert run(capsys, "export", str(store), name, "--csv", "t.csv", "--force")[0] == 0
    assert Path("t.csv").read_text().startswith("stage,")
    assert [p.name for p in Path().iterdir()] == ["t.csv"]


def test_datasets_says_what_is_there(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, out, _ = run(capsys, "datasets", "--root", str(tmp_path))
    assert code == 0
    state = {line.split()[0]: line.split()[1] for line in out.splitlines()[1:-2]}
    assert state.pop("digits") == "embedded"
    assert set(state.values()) == {"absent"}
    assert f"Data root: {tmp_path}" in out


def test_the_family_follows_from_the_bounds() -> None:
    def space(*argv: str) -> object:
        return build_space(cli.parser().parse_args(["search", "digits", *argv]))

    assert space() == dnc.MLPSpace()
    assert space("--conv-layers", "2", "3") == dnc.CNNSpace(conv_layers=(2, 3))
    assert space("--family", "cnn") == dnc.CNNSpace()
    training = dnc.TrainingSpace(lr=(1e-4, 1e-2), batch_size=(16, 64))
    assert space("--lr", "1e-4", "1e-2", "--batch-size", "16", "64") == dnc.MLPSpace(training=training)
    options = cli.parser().parse_args(["search", "reuters"])
    assert build_space(options) == dnc.MLPSpace.rcv1()


def test_defaults_are_the_papers() -> None:
    options = cli.parser().parse_args(["search", "digits"])
    assert (options.n1, options.n2, options.n3) == (N1, N2, N3)
    assert (options.wc, options.store, options.penalty or "t_tr") == (0.1, "trials.db", "t_tr")


def test_estimate_of_a_sweep_counts_what_is_shared_once(capsys: pytest.CaptureFixture[str]) -> None:
    def trainings(*argv: str) -> int:
        code, out, err = run(capsys, argv[0], "digits", *argv[1:], *SMALL, *ALONE, "--estimate")
        assert (code, err) == (0, "")
        return int(out.split(" for ")[1].split()[0])

    assert trainings("sweep", "--wcs", "0", "1", "10", "1") == 3 * trainings("search") - 2 * 2  # n1 is 2
    assert list(Path().iterdir()) == []


def test_estimate_says_what_it_is_timing(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "search", "digits", *SMALL, "--workers", "0", "--estimate")
    assert (code, out.count("\n")) == (0, 1)
    assert "timing" in err
    assert "MLP" in err


@pytest.mark.parametrize("command", ["search", "sweep", "transfer", "show", "export", "datasets"])
def test_every_command_explains_itself(capsys: pytest.CaptureFixture[str], command: str) -> None:
    code, out, _ = run(capsys, command, "--help")
    assert code == 0
    assert f"usage: dnc {command}" in out
    assert command == "datasets" or "example" in out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "--version")[:2] == (0, f"dnc {dnc.__version__}\n")


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT")
def test_ctrl_c_keeps_what_is_finished_and_says_so() -> None:
    command = [sys.executable, "-m", "dnc", "search", "digits", "--n-train", "60", "--n-val", "30", "--epochs", "3000",
               "--n1", "3", "--n2", "0", "--nodes", "4", "9", *ALONE]  # fmt: skip
    root = str(Path(dnc.__file__).parents[1])
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": root})
    try:
        for _ in range(1200):  # until the search has started
            if process.poll() is not None or (Path("trials.db").is_file() and trainings() > 0):
                break
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 130, err
    assert "finished trials are kept in trials.db" in err
    assert "Traceback" not in err
    with dnc.open_store("trials.db") as opened:
        assert opened.searches()["status"].tolist() == ["stopped"]


def trainings() -> int:
    try:
        with dnc.open_store("trials.db") as opened:
            return opened.counts()["trainings"]
    except dnc.StoreError:  # just being made
        return 0
