"""Figures 3 and 4 end to end, small enough to be searched for real in seconds: run, resume, replot."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dnc.config import Config
from dnc.experiments import family_plan, fig3, fig4
from dnc.experiments.family import FamilyFigure
from dnc.experiments.family_plan import FamilyScale, Setting
from dnc.experiments.fig3 import FIG3_SCALES
from dnc.experiments.fig4 import FIG4_SCALES
from dnc.experiments.scale import SCALES
from dnc.models.final_training import train_final
from dnc.searches import parallel
from dnc.searches.archive import open_store
from dnc.searches.sweep import WCS
from dnc.space import CNNSpace, MLPSpace, TrainingSpace
from dnc.terminal import INTERRUPTED, OK
from dnc.training import paired_timing

sys.path.insert(0, str(Path(__file__).parents[2]))
import reproduce

BATCHES = TrainingSpace(batch_size=(50, 51))  # timings cost more than trainings here: few batch sizes share them
MLPS = MLPSpace((0, 1), nodes=(4, 5), grid_drop=(0.0, 0.2), training=BATCHES)
CNNS = CNNSpace(
    (1, 2),
    first_channels=(2, 3),
    max_channels=4,
    downsample_above=(3,),
    grid_downsample=("pool",),
    grid_batchnorm=(0.0, 1.0),
    grid_dropout=(1.0,),
    grid_drop=(0.3,),
    grid_input_drop=(0.1,),
    grid_shortcuts=(0,),
    training=BATCHES,
)
TINY_MLP = Setting("Digits", "digits", MLPS, 2, 3, n_train=100, n_val=100, wcs=(0.0, 10.0))
TINY_CNN = replace(TINY_MLP, title="Digits, augmented", space=CNNS, augment=True, wcs=(10.0,))
FLAGS = ["--scale", "smoke", "--workers", "0", "--device", "cpu"]


def make_tiny(patch: pytest.MonkeyPatch) -> None:
    for module, setting in ((fig3, TINY_CNN), (fig4, TINY_MLP)):
        penalties = module.EXPERIMENT.scales["smoke"].penalties
        scale = FamilyScale("smoke", (setting,), penalties, n1=1, n2=1, n3=20, n_seeds=1)
        patch.setattr(module, "EXPERIMENT", replace(module.EXPERIMENT, scales={"smoke": scale}))
    patch.setattr(paired_timing, "MIN_BLOCK", 0.001)  # t_tr need not be exact here


@pytest.fixture(autouse=True)
def _tiny_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    make_tiny(monkeypatch)


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    capsys.readouterr()
    status = reproduce.main(list(arguments))
    captured = capsys.readouterr()
    return status, captured.out, captured.err


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a Figure 4 that was interrupted in its first search and then finished."""
    folder = tmp_path_factory.mktemp("figure 4")
    with pytest.MonkeyPatch.context() as patch:
        make_tiny(patch)
        with pytest.MonkeyPatch.context() as interruption:
            update = parallel.MultiProgress.update

            def interrupted(board: parallel.MultiProgress, index: int, *state: int) -> None:
                update(board, index, *state)
                if state[0] == 2:
                    raise KeyboardInterrupt

            interruption.setattr(parallel.MultiProgress, "update", interrupted)
            assert reproduce.main(["--figure", "4", *FLAGS, "--out", str(folder)]) == INTERRUPTED
        with open_store(folder / ".store" / "fig4-smoke.db") as store:
            assert store.searches()["status"].tolist() == ["stopped"]
        assert reproduce.main(["--figure", "4", *FLAGS, "--out", str(folder)]) == OK
    return folder


# ---- the plan -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scales", [FIG3_SCALES, FIG4_SCALES])
def test_small_and_paper_have_the_papers_budget_and_wc(scales: Any) -> None:
    assert set(scales) == set(SCALES)
    for name in ("small", "paper"):
        assert (scales[name].n1, scales[name].n2, scales[name].n3) == (15, 15, 1000)
        for setting in scales[name].settings:
            assert setting.wcs == ((0.0, 0.01, 0.03, 0.1, 1.0) if setting.data == "rcv1" else WCS)
            assert setting.refit_epochs == 3 * setting.epochs
    assert all(setting.data == "digits" for setting in scales["smoke"].settings)  # embedded


def test_scales_are_the_papers_where_they_say_so() -> None:
    cnn, mlp = FIG3_SCALES["paper"].settings, FIG4_SCALES["paper"].settings
    assert [(s.data, s.augment) for s in cnn] == [
        ("cifar10", True), ("cifar10", False), ("cifar100", True), ("fmnist", True)
    ]  # fmt: skip
    assert all((s.space, s.epochs, s.refit_epochs, s.n_train) == (CNNSpace(), 100, 300, None) for s in cnn)
    assert [(s.data, s.space) for s in mlp] == [
        ("mnist", MLPSpace()), ("fmnist", MLPSpace()), ("rcv1", MLPSpace.rcv1())
    ]  # fmt: skip
    assert all((s.epochs, s.refit_epochs, s.n_train) == (60, 180, None) for s in mlp)
    assert (FIG3_SCALES["small"].n_seeds, FIG4_SCALES["small"].n_seeds) == (3, 5)
    assert FIG4_SCALES["small"].settings[2].space == MLPSpace.rcv1()


def test_every_seed_has_a_clock_of_its_own_and_whole_seeds_come_one_after_another() -> None:
    runs = FIG4_SCALES["small"].runs(7)
    assert len(runs) == 3 * 2 * 5 * 5
    assert all(run.settings.clock == run.settings.seed for run in runs)
    assert [run.settings.seed for run in runs] == sorted(run.settings.seed for run in runs)
    assert {run.settings.seed for run in runs} == {7, 8, 9, 10, 11}
    assert all((run.n_new == 0) == (run.settings.wc == 0 and run.settings.penalty == "n_params") for run in runs)


def test_a_data_set_stands_in_for_one_that_cannot_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    load, wanted = family_plan.load_data, []

    def offline(name: str, *arguments: Any, **sizes: Any) -> Any:
        wanted.append(name)
        if name == "rcv1":
            raise family_plan.DataError("rcv1 is not there")
        return load("digits", n_train=100)

    monkeypatch.setattr(family_plan, "load_data", offline)
    setting = FIG4_SCALES["small"].settings[2]
    assert setting.load(None).n_train == 100
    assert wanted == ["rcv1", "reuters"]
    with pytest.raises(family_plan.DataError):
        replace(setting, stand_in="").load(None)


# ---- Figure 4 -------------------------------------------------------------------------------------------


def test_one_row_per_search_with_what_was_measured(recorded: Path) -> None:
    table: Any = pd.read_csv(recorded / "fig4.csv")
    assert table[["column", "penalty", "wc", "seed"]].to_numpy().tolist() == [
        ["Digits", penalty, wc, 0] for penalty in ("t_tr", "n_params") for wc in (0.0, 10.0)
    ]
    assert (table["t_tr"] > 0).all()
    assert (table["search_cost"] > 0).all()
    complexity = table["t_tr_search"].where(table["penalty"] == "t_tr", table["n_params"])
    f = 1 - table["val_acc"] + table["wc"] * complexity / table["reference"]
    assert table["f"].to_numpy() == pytest.approx(f.to_numpy())
    p = table["test_acc"]
    assert table["test_acc_se"].to_numpy() == pytest.approx(np.sqrt(p * (1 - p) / 400).to_numpy())


def test_search_cost_is_by_the_clock_and_not_what_a_busy_machine_took(recorded: Path) -> None:
    table: Any = pd.read_csv(recorded / "fig4.csv").set_index(["penalty", "wc"])
    with open_store(recorded / ".store" / "fig4-smoke.db") as store:
        for search in store.searches()["id"]:
            result = store.result(search)
            row = table.loc[(result.objective.penalty, result.objective.wc)]
            assert row["search_cost"] == pytest.approx(sum(2 * v.trial.t_tr for v in result.visits))  # 2 epochs
            assert row["search_seconds"] == pytest.approx(result.search_cost)


def test_the_test_accuracy_is_that_of_the_final_network(recorded: Path) -> None:
    table: Any = pd.read_csv(recorded / "fig4.csv")
    data = TINY_MLP.load(None)
    for _, row in table.iterrows():
        model = train_final(Config.from_json(row["config"]), data, epochs=3, seed=0, device="cpu", progress=False)
        assert (row["test_acc"], row["best_test_acc"]) == (model.test_acc, model.best_test_acc)
        assert row["n_params"] == model.n_params


def test_running_again_trains_nothing_and_gives_the_same(recorded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [recorded / f"fig4.{kind}" for kind in ("csv", "json", "png", "pdf")]
    contents = [file.read_bytes() for file in files]
    with open_store(recorded / ".store" / "fig4-smoke.db") as store:
        before = store.counts()
    status, out, _ = call(capsys, "--figure", "4", *FLAGS, "--out", str(recorded))
    assert status == 0
    assert "nothing is trained" in out
    assert "NOT TESTABLE AT THIS SCALE: “higher w_c gives networks of lower t_tr”" in out
    assert [file.read_bytes() for file in files] == contents  # also the time it took when it was trained
    with open_store(recorded / ".store" / "fig4-smoke.db") as store:
        assert store.counts() == before


def test_the_record_says_how_it_came_about(recorded: Path) -> None:
    facts = json.loads((recorded / "fig4.json").read_text())
    assert (facts["figure"], facts["scale"], facts["seeds"], facts["searches"]) == ("4", "smoke", [0], 4)
    (setting,) = facts["settings"]
    assert (setting["shown"], setting["n_train"], setting["n_test"], setting["input_shape"]) == (
        "Digits", 100, 400, [64]
    )  # fmt: skip
    assert setting["space"] == json.loads(json.dumps(MLPS.to_dict()))
    assert 0 < facts["trained_in_this_run"] < facts["trainings"]  # the rest was kept from the interrupted run
    assert len(facts["claims"]) == len(facts["rules"]) == 12


def test_replot_needs_the_record_alone(
    recorded: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Setting, "load", lambda *_: pytest.fail("data was loaded"))
    status, out, _ = call(
        capsys, "--figure", "4", "--replot", "--records", str(recorded), "--out", str(tmp_path / "new")
    )
    assert status == 0
    assert "search cost (s)" in out
    assert (tmp_path / "new" / "fig4.png").read_bytes() == (recorded / "fig4.png").read_bytes()


def test_estimate_writes_nothing(recorded: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    flags = ["--figure", "4", *FLAGS, "--estimate"]
    status, out, err = call(capsys, *flags, "--out", str(tmp_path / "new"))
    assert (status, err) == (0, "")
    assert "4 searches, each followed by the final training of its winner" in out
    assert list(tmp_path.iterdir()) == []
    assert "nothing is trained" in call(capsys, *flags, "--out", str(recorded))[1]


# ---- Figure 3 -------------------------------------------------------------------------------------------


def test_figure_3_end_to_end(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    status, _, _ = call(capsys, "--figure", "3", *FLAGS, "--out", str(tmp_path))
    assert status == 0
    table: Any = pd.read_csv(tmp_path / "fig3.csv")
    assert table[["column", "augmented", "penalty", "wc"]].to_numpy().tolist() == [
        ["Digits, augmented", True, "t_tr", 10.0]
    ]
    facts = json.loads((tmp_path / "fig3.json").read_text())
    assert facts["settings"][0]["input_shape"] == [1, 8, 8]
    assert [claim["verdict"] for claim in facts["claims"]] == ["not testable at this scale"] * 6


def test_both_figures_are_of_the_same_kind() -> None:
    assert isinstance(fig3.EXPERIMENT, FamilyFigure)
    assert isinstance(fig4.EXPERIMENT, FamilyFigure)
    assert [p.column for p in fig3.PRINTED] == ["CIFAR-10, augmented"] * 3  # Table 2
    assert {(p.column, p.penalty) for p in fig4.PRINTED} == {
        (column, penalty) for column in ("FMNIST", "RCV1") for penalty in ("t_tr", "n_params")
    }
