"""The command line from a recorded search to a tested model: refit, test, predict, plot, show."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from test_cli import ALONE, SMALL, run, searches

import dnc
from dnc import cli
from dnc.card import accuracy
from dnc.models import final_training
from dnc.searches.archive import Store
from dnc.training import clock, paired_timing

DIGITS = ["--n-test", "20"]  # what SMALL has besides the sizes that are on record
TRAIN = [*DIGITS, "--epochs", "2", "--device", "cpu", "--quiet"]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module", autouse=True)
def _quick_clock() -> Iterator[None]:
    """t_tr need not be exact here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paired_timing, "MIN_BLOCK", 0.001)
        for limits in ("SCREENING", "PRECISE"):
            patch.setattr(clock, limits, (3, 3, 0.0, 0.0))
        yield


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trial store with a small sweep of digits, and beside it a model of its first search."""
    path = tmp_path_factory.mktemp("store") / "kept.db"
    sweep = ["sweep", "digits", *SMALL, *ALONE, "--wcs", "0", "10", "--penalty", "n_params", "--store", str(path)]
    assert cli.main(sweep) == 0
    assert cli.main(["refit", str(path), searches(path)[0], "-o", str(path.parent / "model"), *TRAIN]) == 0
    return path


@pytest.fixture
def model(store: Path) -> str:
    return str(store.parent / "model")


def digits() -> dnc.Dataset:
    return dnc.load_data("digits", n_train=60, n_val=30, n_test=20)


# ---- refit ---------------------------------------------------------------------------------------------


def test_refit_trains_the_winner_as_the_result_does(store: Path, model: str) -> None:
    with dnc.open_store(store) as opened:
        result = opened.result(searches(store)[0])
    expected = result.refit(2, data=digits(), device="cpu", progress=False)
    saved = dnc.load_model(model)
    assert saved.config == expected.config == result.best.config
    assert (saved.test_acc, saved.classes, len(saved.curve)) == (expected.test_acc, digits().classes, 2)
    assert (saved.predict_proba(digits().x_test) == expected.predict_proba(digits().x_test)).all()


def test_refit_says_how_good_the_model_is(capsys: pytest.CaptureFixture[str], store: Path) -> None:
    name = searches(store)[0]
    code, out, err = run(capsys, "refit", str(store), name[:6], "-o", "again", *TRAIN)
    assert (code, err) == (0, "")
    saved = dnc.load_model("again")
    assert f"test accuracy {accuracy(saved.test_acc, 20)} of 20 samples" in out
    assert "dnc predict again FILE" in out
    assert run(capsys, "test", "again", "digits", *DIGITS)[0] == 0


def test_refit_of_another_rank_or_wc(capsys: pytest.CaptureFixture[str], store: Path) -> None:
    name = searches(store)[0]
    with dnc.open_store(store) as opened:
        ranked = opened.result(name).rescore(wc=1).top(3)
    assert run(capsys, "refit", str(store), name, "-o", "third", "--rank", "3", "--wc", "1", *TRAIN)[0] == 0
    assert dnc.load_model("third").config == ranked[2].config


def test_the_store_is_by_default_that_of_a_search(capsys: pytest.CaptureFixture[str], store: Path) -> None:
    Path("trials.db").write_bytes(store.read_bytes())
    name = searches(store)[0]
    assert run(capsys, "refit", name, "-o", "model", *TRAIN)[0] == 0
    assert run(capsys, "plot", name[:8], "-o", "x.pdf")[0] == 0
    assert run(capsys, "export", name, "--csv", "x.csv")[0] == 0
    assert name in run(capsys, "show", name[:8])[1]


def test_a_file_is_named_again(capsys: pytest.CaptureFixture[str]) -> None:
    data = digits()
    np.savez("mine.npz", xtr=data.x_train, ytr=data.y_train, xte=data.x_test, yte=data.y_test)
    assert run(capsys, "search", "mine.npz", *SMALL[6:], *ALONE, "--penalty", "n_params")[0] == 0
    (name,) = searches(Path("trials.db"))
    code, _, err = run(capsys, "refit", name, "-o", "model")
    assert (code, err.count("\n")) == (2, 1)
    assert "give its file by --data" in err
    assert run(capsys, "refit", name, "-o", "model", "--data", "mine.npz", *TRAIN[2:])[0] == 0
    assert run(capsys, "test", "model", "mine.npz")[0] == 0


def test_ctrl_c_during_refit_writes_nothing_and_says_so(
    capsys: pytest.CaptureFixture[str], store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(final_training, "train", interrupted)
    code, out, err = run(capsys, "refit", str(store), searches(store)[0], "-o", "model", *TRAIN)
    assert (code, out, err) == (130, "", "dnc: interrupted; no model was written: run the same command again\n")
    assert not Path("model").exists()


# ---- test and predict ----------------------------------------------------------------------------------


def test_test_gives_the_accuracy_with_its_error(capsys: pytest.CaptureFixture[str], model: str) -> None:
    code, out, err = run(capsys, "test", model, "digits")  # on all of the test split
    data = dnc.load_data("digits")
    found = dnc.load_model(model).score(data.x_test, data.y_test)
    assert (code, err) == (0, "")
    assert out == f"test accuracy {accuracy(found, 400)} of 400 samples of digits\n"


@pytest.mark.parametrize("kind", ["x.npy", "x.npz", "xte.npz", "one.npz", "named.csv", "plain.csv"])
def test_predict_takes_what_people_have(capsys: pytest.CaptureFixture[str], model: str, kind: str) -> None:
    x = digits().x_test
    flat = x.reshape(len(x), -1)
    if kind == "x.npy":
        np.save(kind, x)
    elif kind.endswith("npz"):
        arrays = {"x": {"x": x, "z": x[:1]}, "xte": {"xtr": x[:1], "xte": x}, "one": {"images": flat}}
        np.savez(kind, **arrays[kind.removesuffix(".npz")])
    else:
        header = ",".join(f"pixel {i}" for i in range(64)) if kind == "named.csv" else ""
        np.savetxt(kind, flat, delimiter=",", header=header, comments="")
    code, out, err = run(capsys, "predict", model, kind, "-o", "out.csv")
    assert (code, out, err) == (0, "20 predictions written to out.csv\n", "")
    rows = list(csv.DictReader(io.StringIO(Path("out.csv").read_text())))
    saved = dnc.load_model(model)
    assert list(rows[0]) == ["label", *(f"p({name})" for name in saved.classes)]
    assert [row["label"] for row in rows] == [saved.classes[k] for k in saved.predict(x)]
    found = np.array([[float(row[f"p({name})"]) for name in saved.classes] for row in rows])
    assert found == pytest.approx(saved.predict_proba(x), abs=1e-6)


def test_predictions_may_go_to_the_terminal(capsys: pytest.CaptureFixture[str], model: str) -> None:
    np.save("x.npy", digits().x_test)
    code, out, _ = run(capsys, "predict", model, "x.npy", "-o", "-")
    assert code == 0
    assert len(list(csv.DictReader(io.StringIO(out)))) == 20


# ---- plot ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "start"), [("x.html", b"<!doctype html>"), ("x.png", b"\x89PNG"), ("x.PDF", b"%PDF")])
def test_plot_draws_into_a_file(capsys: pytest.CaptureFixture[str], store: Path, name: str, start: bytes) -> None:
    arguments = ["plot", str(store), searches(store)[0], "-o", name]
    assert run(capsys, *arguments)[0] == 0
    picture = Path(name).read_bytes()
    assert picture.startswith(start)
    assert run(capsys, *arguments)[0] == 2  # it exists
    assert run(capsys, *arguments, "--force")[0] == 0
    assert Path(name).read_bytes() == picture
    assert run(capsys, *arguments, "--force", "--wc", "7", "--penalty", "n_params")[0] == 0
    assert Path(name).read_bytes() != picture
    assert [p.name for p in Path().iterdir()] == [name]


# ---- show ----------------------------------------------------------------------------------------------


def test_show_says_where_a_search_was_aimed_and_what_it_found(capsys: pytest.CaptureFixture[str], store: Path) -> None:
    first, second = searches(store)
    with dnc.open_store(store) as opened:
        best = opened.result(first).best
    code, out, _ = run(capsys, "show", str(store), first, "--wc", "3")
    assert code == 0
    about = {line[:11].strip(): line[11:] for line in out.splitlines()}
    assert about["aimed at"] == "w_c = 0, penalty n_params"
    assert about["other w_c"] == f"the same search at 10 ({second})"  # members of a sweep know each other
    assert about["data"] == "digits, 60 train / 30 val"
    assert "w_c = 3" in about["winner"]
    assert f"accuracy = {accuracy(best.val_acc, 30)}; " in run(capsys, "show", str(store), first)[1]


# ---- what is refused -----------------------------------------------------------------------------------

USAGE = [
    (["refit"], "ID"),
    (["refit", "kept.db", "ID"], "--output"),
    (["refit", "kept.db", "ID", "-o", "m", *DIGITS, "--split-seed", "1"], "is not the data of search"),
    (["refit", "kept.db", "ID", "-o", "m", *DIGITS, "--data", "mnists"], "did you mean 'mnist'?"),
    (["refit", "kept.db", "ID", "-o", "m", *DIGITS, "--rank", "0"], "--rank=0"),
    (["refit", "kept.db", "ID", "-o", "m", *DIGITS, "--epochs", "0"], "epochs=0"),
    (["refit", "kept.db", "ID", "-o", "m", *DIGITS, "--wc", "-1"], "wc=-1"),
    (["refit", "kept.db", "ID", "-o", "m", *DIGITS, "--device", "tpu"], "device='tpu'"),
    (["refit", "kept.db", "ID", "-o", "kept.db"], "kept.db is a file"),
    (["refit", "kept.db", "ID", "-o", "model"], "--force"),
    (["refit", "kept.db", "ID", "-o", "no/such/m"], "create it first"),
    (["plot", "kept.db", "ID", "-o", "x.jpg"], ".html, .png, .pdf"),
    (["plot", "kept.db", "ID", "-o", "x"], ".html, .png, .pdf"),
    (["plot", "kept.db", "ID", "-o", "model", "--force"], "is a folder"),
    (["plot", "kept.db", "ID", "-o", "no/such/x.png"], "create it first"),
    (["plot", "kept.db", "ID", "-o", "x.png", "--penalty", "flops"], "penalty='flops'"),
    (["test", "model", "digitz"], "did you mean 'digits'?"),
    (["test", "model", "two.npz"], "has the classes 0, 1, the model has 0, 1, 2, 3, 4 … (10 in all)"),
    (["predict", "model", "few.npy", "-o", "kept.db"], "--force"),
    (["predict", "model", "few.txt", "-o", "out.csv"], ".npz, .npy or .csv"),
]
FAILED = [
    (["test", "model", "few.npz"], "the training samples (N, 1, 8, 8)"),
    (["predict", "model", "few.npy", "-o", "out.csv"], "the training samples (N, 1, 8, 8)"),
    (["refit", "ID", "-o", "m"], "'trials.db' does not exist"),
    (["refit", "kept.db", "zzz", "-o", "m"], "search 'zzz' is not in"),
    (["refit", "kept.db", "", "-o", "m"], "is ambiguous"),
    (["refit", "unfinished.db", "abc", "-o", "m", *DIGITS], "is running, not finished: run it again"),
    (["refit", "unfinished.db", "abc", "-o", "m", *DIGITS, "--rank", "1"], "has 0 finished trials"),
    (["refit", "kept.db", "ID", "-o", "m", *DIGITS, "--rank", "999"], "finished trials"),
    (["plot", "kept.db", "zzz", "-o", "x.png"], "search 'zzz' is not in"),
    (["plot", "unfinished.db", "abc", "-o", "x.png"], "no finished trial"),
    (["show", "unfinished.db", "abc"], "no finished trial"),
    (["show", "abc"], "'trials.db' does not exist"),
    (["test", "absent", "digits"], "no saved model in 'absent'"),
    (["test", "kept.db", "digits"], "the model in 'kept.db' cannot be read"),
    (["test", "model", "untested.npz"], "has no test samples"),
    (["predict", "kept.db", "few.npy", "-o", "out.csv"], "the model in 'kept.db' cannot be read"),
    (["predict", "model", "absent.npy", "-o", "out.csv"], "does not exist"),
    (["predict", "model", "kept.csv", "-o", "out.csv"], "kept.csv"),
    (["predict", "model", "several.npz", "-o", "out.csv"], "has no x or xte but 'a', 'b'"),
    (["predict", "model", "flat.npy", "-o", "out.csv"], "one row for each sample"),
]


@pytest.mark.parametrize(
    ("argv", "part", "code"),
    [(*case, 2) for case in USAGE] + [(*case, 1) for case in FAILED],
    ids=lambda v: str(v)[:70],
)
def test_bad_input_of_models_is_one_line_and_writes_nothing(
    capsys: pytest.CaptureFixture[str], store: Path, model: str, argv: list[str], part: str, code: int
) -> None:
    Path("kept.db").write_bytes(store.read_bytes())
    Path("kept.csv").write_bytes(store.read_bytes())
    Path("model").mkdir()
    for file in Path(model).iterdir():
        (Path("model") / file.name).write_bytes(file.read_bytes())
    with dnc.open_store(store) as opened:
        found = opened.search(searches(store)[0])
    with Store("unfinished.db") as unfinished:
        unfinished.begin_search("abc", found["spec"], found["facts"])
    few, labels = np.zeros((20, 8), np.float32), np.arange(20)
    np.save("few.npy", few)
    np.save("flat.npy", few[0])
    Path("few.txt").write_text("0,0")
    np.savez("several.npz", a=few, b=few)
    np.savez("few.npz", xtr=few, ytr=labels % 10, xte=few, yte=labels % 10)
    np.savez("two.npz", xtr=np.zeros((20, 64)), ytr=labels % 2, xte=np.zeros((20, 64)), yte=labels % 2)
    np.savez("untested.npz", xtr=np.zeros((20, 64)), ytr=labels % 10)
    before = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    given = [found["id"] if a == "ID" else a for a in argv]
    status, out, err = run(capsys, *given)
    assert (status, out, err.count("\n")) == (code, "", 1), err
    assert err.startswith("dnc: ")
    assert part in err
    assert "unexpected" not in err
    assert {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()} == before
