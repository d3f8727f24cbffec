"""The command line refuses every bad input with one line, the right exit status, and no file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from test_cli import ALONE, SMALL, run, searches

import dnc
from dnc import cli
from dnc.searches.archive import Store


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trial store with one small search of digits."""
    path = tmp_path_factory.mktemp("store") / "kept.db"
    assert cli.main(["search", "digits", *SMALL, *ALONE, "--store", str(path)]) == 0
    return path


USAGE = [
    ([], "COMMAND"),
    (["serach"], "'search'"),
    (["search"], "DATA"),
    (["search", "digitz"], "did you mean 'digits'?"),
    (["search", ""], "give a name or a path"),
    (["search", "digits", "--wc", "-1"], "wc=-1.0"),
    (["search", "digits", "--wc", "nan"], "wc=nan"),
    (["search", "digits", "--wc", "much"], "--wc"),
    (["search", "digits", "--penalty", "tt"], "did you mean 't_tr'?"),
    (["search", "digits", "--epochs", "0"], "epochs=0"),
    (["search", "digits", "--epochs", "1.5"], "--epochs"),
    (["search", "digits", "--n1", "0"], "n1=0"),
    (["search", "digits", "--n2", "-1"], "n2=-1"),
    (["search", "digits", "--n3", "0"], "n3=0"),
    (["search", "digits", "--seed", "-3"], "seed=-3"),
    (["search", "digits", "--reference", "0"], "reference=0"),
    (["search", "digits", "--workers", "many"], "workers='many'"),
    (["search", "digits", "--workers", "-2"], "workers=-2"),
    (["search", "digits", "--device", "tpu"], "device='tpu'"),
    (["search", "digits", "--optimizer", "grid"], "optimizer='grid'"),
    (["search", "digits", "--transform", "ln"], "transform='ln'"),
    (["search", "digits", "--batch", "0"], "batch=0"),
    (["search", "digits", "--stage2-order", "drop"], "drop"),
    (["search", "digits", "--max-hours", "0"], "max_hours=0"),
    (["search", "digits", "--trial-timeout", "0"], "trial_timeout=0"),
    (["search", "digits", "--hidden-layers", "0", "99", "--nodes", "4", "100000"], "GB of memory"),
    (["store", "check", "kept.db", "x.db"], "none with check"),
    (["store", "export", "kept.db"], "give a FILE"),
    (["search", "digits", "--nodes", "9", "4"], "wrong way round"),
    (["search", "digits", "--nodes", "9"], "--nodes"),
    (["search", "digits", "--hidden-layers", "-1", "2"], "hidden_layers[0]=-1"),
    (["search", "digits", "--conv-layers", "1", "2", "--nodes", "4", "9"], "--nodes does not belong"),
    (["search", "digits", "--family", "mlp", "--max-channels", "9"], "--max-channels does not belong"),
    (["search", "digits", "--family", "rnn"], "--family"),
    (["search", "digits", "--lr", "0", "1"], "lr"),
    (["search", "digits", "--n-train", "0"], "n_train=0"),
    (["search", "digits", "--n-train", "99999"], "n_train=99999"),
    (["search", "digits", "--val-fraction", "2"], "val_fraction=2"),
    (["search", "digits", "--image-size", "0"], "image_size=0"),
    (["search", "flat.npz", "--family", "cnn"], "image_shape="),
    (["search", "flat.npz", "--augment"], "image_shape="),
    (["search", "digits", "--unknown"], "--unknown"),
    (["sweep", "digits", "--wcs", "0", "-1"], "wcs[1]=-1"),
    (["sweep", "digits", "--wc", "1"], "--wc"),
    (["sweep", "digits", "--wcs", "0", "--wcs", "1"], "--wcs is given twice"),
    (["sweep", "digits", "--wcs", "-1", "--estimate"], "wcs[0]=-1"),
    (["show", "kept.db", "--top", "0"], "--top"),
    (["show", "kept.db", "--wc", "1"], "give its ID"),
    (["show", "kept.db", "", "--wc", "-1"], "wc=-1"),
    (["show", "kept.db", "", "--penalty", "flops"], "penalty='flops'"),
    (["export", "kept.db", ""], "--csv"),
    (["export", "kept.db", "", "--csv", "a", "--json", "b"], "--json"),
    (["export", "kept.db", "", "--csv", "no/such/t.csv"], "create it first"),
    (["transfer", "kept.db", "", "digits", "--n1", "0"], "n1=0"),
    (["datasets", "--root", ""], "root=''"),
]
FAILED = [
    (["search", "mnist", "--no-download", "--root", "."], "mnist is not under"),
    (["search", "absent.npz"], "absent.npz"),
    (["search", "text.npz"], "text.npz"),
    (["search", "digits", "--store", "no/such/t.db"], "create it first"),
    (["search", "digits", "--store", "text.npz"], "not a trial store"),
    (["search", "digits", "--store", "."], "is a folder"),
    (["show"], "'trials.db' does not exist"),
    (["show", "text.npz"], "not a trial store"),
    (["store", "check", "text.npz"], "not a trial store"),
    (["show", "kept.db", "zzz"], "'zzz'"),
    (["export", "kept.db", "zzz", "--csv", "t.csv"], "'zzz'"),
    (["transfer", "kept.db", "zzz", "digits"], "'zzz'"),
]


@pytest.mark.parametrize(
    ("argv", "part", "code"),
    [(*case, 2) for case in USAGE] + [(*case, 1) for case in FAILED],
    ids=lambda v: str(v)[:70],
)
def test_bad_input_is_one_line_and_writes_nothing(
    capsys: pytest.CaptureFixture[str], store: Path, argv: list[str], part: str, code: int
) -> None:
    Path("kept.db").write_bytes(store.read_bytes())
    Path("text.npz").write_text("this is no archive")
    np.savez("flat.npz", xtr=np.zeros((20, 8), np.float32), ytr=np.arange(20) % 2, xte=np.zeros((4, 8), np.float32),
             yte=np.arange(4) % 2)  # fmt: skip
    before = {path.name: path.read_bytes() for path in Path().iterdir()}
    given = [searches(store)[0] if a == "" and argv[0] in ("show", "export", "transfer") else a for a in argv]
    found, out, err = run(capsys, *given)
    assert (found, out) == (code, "")
    assert err.startswith("dnc: ")
    assert err.count("\n") == 1
    assert part in err
    assert "Traceback" not in err
    assert {path.name: path.read_bytes() for path in Path().iterdir()} == before


def test_debug_shows_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "show", "absent.db", "--debug")
    assert code == 1
    assert err.startswith("Traceback")
    assert err.splitlines()[-1].startswith("dnc: store='absent.db' does not exist")


def test_an_unexpected_error_is_one_line_too(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli.commands, "datasets", lambda options: 1 // 0)
    code, _, err = run(capsys, "datasets")
    assert (code, err.count("\n")) == (1, 1)
    assert err.startswith("dnc: unexpected ZeroDivisionError")


def test_a_name_that_is_not_clear_is_refused(capsys: pytest.CaptureFixture[str], store: Path) -> None:
    with dnc.open_store(store) as opened:
        spec, facts = opened.search(searches(store)[0])["spec"], {}
    with Store("two.db") as two:
        for name in ("abc1", "abc2"):
            two.begin_search(name, spec, facts)
    code, _, err = run(capsys, "show", "two.db", "abc")
    assert (code, err) == (1, "dnc: search 'abc' is ambiguous: it may be abc1 or abc2; give more of the ID\n")
