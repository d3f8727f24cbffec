"""The whole search on real data: results, replay from the store, families, transfer, final networks."""

from __future__ import annotations

import math
import time
from pathlib import Path

import numpy as np
import pytest
from small_search import SPACE, numbers, tiny

import dnc
from dnc.config import CNN, MLP
from dnc.errors import ArgumentError, DncError, SearchError
from dnc.objective import METRICS
from dnc.searches.result import SearchResult

pytestmark = pytest.mark.usefixtures("counted_clock")


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> SearchResult:
    return tiny(store=tmp_path_factory.mktemp("store") / "t.db")


def test_result(found: SearchResult) -> None:
    best, frame = found.best, found.trials
    assert len(found.visits) >= 10
    assert isinstance(best.config.arch, MLP)
    assert 0.1 < best.val_acc <= 1
    assert best.t_tr > 0
    assert best.n_params == dnc.count_params(best.config.arch, (64,), 10)
    expected = 1 - best.val_acc + 0.1 * best.t_tr / found.objective.reference
    assert best.f == pytest.approx(expected, abs=1e-15)
    assert best.f_selected == frame.f.min()
    assert frame.key.is_unique
    assert len(found.steps) == len(found.visits)
    trainings, timings = found.trials.seconds.sum(), found.facts["timing_seconds"].values()
    assert found.search_cost == pytest.approx(trainings + sum(timings))
    assert min(timings) > 0
    assert (frame.epochs == 2).all()
    assert "search" in str(found)


def test_reference_is_the_spaces_largest_network(found: SearchResult) -> None:
    assert found.facts["references"]["n_params"] == dnc.count_params(MLP((32, 32)), (64,), 10)
    assert found.facts["references"]["t_tr"] == found.objective.reference > 0


def test_running_again_trains_nothing_and_gives_the_same(found: SearchResult) -> None:
    assert found.store is not None
    before = found.store.counts()
    again = tiny(store=found.store)
    assert numbers(again) == numbers(found)
    assert again.best.f == found.best.f
    assert found.store.counts() == before
    assert all(v.trial.cached for v in again.visits)


def test_another_wc_uses_what_is_there(found: SearchResult) -> None:
    assert found.store is not None
    other = tiny(store=found.store, wc=5.0)
    assert other.id != found.id
    assert sum(v.trial.cached for v in other.visits) >= 3  # the Sobol points at least
    assert [v.trial.config for v in other.visits[:3]] == [v.trial.config for v in found.visits[:3]]


def test_a_reopened_store_gives_results_without_the_data(found: SearchResult) -> None:
    assert found.store is not None
    assert found.store.path is not None
    with dnc.open_store(found.store.path) as store:
        listed = store.searches()
        assert found.id in set(listed.id)
        assert set(listed.status) == {"finished"}
        again = store.result(found.id)
    assert numbers(again) == numbers(found)
    assert again.best == found.best
    assert again.objective == found.objective
    assert again.space == found.space
    with pytest.raises(ArgumentError, match="give data="):
        again.refit(epochs=1)


def test_rescore_is_the_objective_over_the_same_trials(found: SearchResult) -> None:
    for wc in (0, 0.01, 1, 100):
        other = found.rescore(wc=wc)
        t = other.table
        f = 1 - t.val_acc + wc * t.complexity("t_tr") / found.objective.reference
        assert other.best.f_selected == pytest.approx(np.nanmin(f), rel=1e-12)
        assert len(other.trials) == len(found.trials)
    by_count = found.rescore(wc=1, penalty="n_params")
    assert by_count.objective.reference == found.facts["references"]["n_params"]
    cheapest = found.rescore(wc=1e9, penalty="n_params")
    assert cheapest.best.n_params == found.trials.n_params.min()
    with pytest.raises(ArgumentError, match="did you mean 'n_params'"):
        found.rescore(penalty="n_param")


def test_breakpoints_agree_with_rescore(found: SearchResult) -> None:
    table = found.breakpoints()
    assert table.wc_from.iloc[0] == 0
    assert math.isinf(table.wc_to.iloc[-1])
    for _, row in table.iterrows():
        wc = row.wc_from + 1 if math.isinf(row.wc_to) else (row.wc_from + row.wc_to) / 2
        assert found.rescore(wc=wc).best.trial.key == row.key
    assert set(table.key) <= set(found.pareto().key)


def test_parameters_as_penalty_and_sobol_and_random() -> None:
    result = tiny(penalty="n_params", wc=1.0, optimizer="sobol")
    assert result.objective.penalty == "n_params"
    assert result.best.f == pytest.approx(1 - result.best.val_acc + result.best.n_params / result.objective.reference)
    assert tiny(optimizer="random").visits[0].trial.config != result.visits[0].trial.config


def test_a_registered_metric_can_be_the_penalty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dnc.objective.METRICS", METRICS)  # restored by the pop below
    dnc.register_metric(
        "weights", lambda s: sum(p.numel() for p in s.build().parameters() if p.ndim > 1), unit="weights"
    )
    try:
        result = tiny(penalty="weights", wc=1.0)
        trial = result.best.trial
        assert isinstance(trial.config.arch, MLP)
        sizes = (64, *trial.config.arch.hidden, 10)
        assert trial.metrics["weights"] == sum(a * b for a, b in zip(sizes, sizes[1:], strict=False))
        assert "weights" in result.trials
    finally:
        METRICS.pop("weights")


def test_worker_processes_change_nothing() -> None:
    alone, spread = tiny(penalty="n_params"), tiny(penalty="n_params", workers=2)

    def measured(result: SearchResult) -> list:
        return [
            (v.stage, v.step, v.trial.config, v.trial.val_acc, v.mu if v.mu == v.mu else None) for v in result.visits
        ]

    assert measured(alone) == measured(spread)


def test_sweep_shares_trials_and_higher_wc_is_no_more_complex(found: SearchResult) -> None:
    data = dnc.load_data("digits", n_train=300, n_val=150)
    family = dnc.sweep(data, SPACE, wcs=(0, 0.1, 100), penalty="n_params", epochs=2, n1=3, n2=2, n3=50, workers=0,
                       progress=False)  # fmt: skip
    best = family.best
    assert best.wc.tolist() == [0, 0.1, 100]
    assert best.n_params.iloc[2] < best.n_params.iloc[0]
    assert len(family.trials) < sum(len(r.visits) for r in family.results.values())
    assert family[0.1].objective.wc == 0.1
    assert family.pooled.rescore(wc=100).best.f <= family[100].best.f
    assert set(family.pareto().key) <= set(family.trials.key)
    shared = dnc.sweep(data, SPACE, wcs=(0, 0.1), penalty="n_params", epochs=2, n1=3, n2=2, n3=50, workers=0,
                       share_history=True, progress=False)  # fmt: skip
    assert shared[0].spec["history"] == ""
    assert shared[0.1].spec["history"] != ""


def test_transfer_keeps_the_architecture_and_searches_stage_3(found: SearchResult) -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (200, 8, 8), dtype=np.uint8)
    y = (x[:, :4].mean((1, 2)) > x[:, 4:].mean((1, 2))).astype(int)
    other = dnc.Dataset.from_arrays(x, y, name="halves")
    moved = dnc.transfer(found, other, epochs=1, n1=2, n2=1, n3=20, workers=0, progress=False)
    assert {v.trial.config.arch for v in moved.visits} == {found.best.config.arch}
    assert [v.stage for v in moved.visits] == [2, 3, 3, 3]
    assert moved.best.n_params == dnc.count_params(found.best.config.arch, (64,), 2)
    assert moved.spec["data"]["name"] == "halves"


def test_refit_predict_save_load(found: SearchResult, tmp_path: Path) -> None:
    data = dnc.load_data("digits", n_train=300, n_val=150)
    model = found.refit(epochs=3, progress=False)
    assert len(model.curve) == 3
    assert model.test_acc == model.curve[-1].val_acc <= model.best_test_acc
    probabilities = model.predict_proba(data.x_test)
    assert probabilities.shape == (data.n_test, 10)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    assert model.score(data.x_test, data.y_test) == pytest.approx(model.test_acc, abs=1e-12)
    again = dnc.load_model(model.save(tmp_path / "model"))
    np.testing.assert_array_equal(again.predict_proba(data.x_test), probabilities)
    assert (again.config, again.classes, again.test_acc, again.curve) == (
        model.config,
        model.classes,
        model.test_acc,
        model.curve,
    )
    with pytest.raises(DncError):
        dnc.load_model(tmp_path / "nothing")


def test_ensemble_votes(found: SearchResult) -> None:
    data = dnc.load_data("digits", n_train=300, n_val=150)
    voters = found.ensemble(n=3, epochs=2, progress=False)
    assert len(voters.members) == 3
    assert voters.n_params == 3 * voters.members[0].n_params
    assert voters.t_tr == pytest.approx(sum(m.t_tr for m in voters.members))
    votes = np.stack([m.predict(data.x_test) for m in voters.members], axis=1)
    mean = voters.predict_proba(data.x_test)
    for vote, p, chosen in zip(votes, mean, voters.predict(data.x_test), strict=True):
        counts = np.bincount(vote, minlength=10)
        tied = np.flatnonzero(counts == counts.max())
        assert chosen == tied[p[tied].argmax()]
    with pytest.raises(SearchError, match="n=99"):
        found.ensemble(n=99)


def test_cnn_search_on_images() -> None:
    space = dnc.CNNSpace(conv_layers=(1, 3), first_channels=(4, 6), max_channels=12, downsample_above=(5, 8))
    data = dnc.load_data("digits", n_train=200, n_val=100)
    result = dnc.search(data, space, wc=0.1, epochs=1, n1=2, n2=1, n3=50, workers=0, progress=False)
    assert isinstance(result.best.config.arch, CNN)
    assert {v.substage for v in result.visits if v.stage == 2} >= {"batchnorm", "dropout"}
    assert result.best.n_params == dnc.count_params(result.best.config.arch, (1, 8, 8), 10)


def test_start_runs_in_the_background_and_can_be_stopped(tmp_path: Path) -> None:
    data = dnc.load_data("digits", n_train=300, n_val=150)
    handle = dnc.start(data, SPACE, epochs=2, n1=3, n2=2, n3=50, workers=0, store=tmp_path / "t.db")
    result = handle.result(timeout=120)
    assert handle.done
    assert handle.progress is not None
    assert handle.progress.done == len(result.visits)
    stopped = dnc.start(data, SPACE, epochs=50, n1=15, n2=15, workers=0, seed=7, store=tmp_path / "t.db")
    while stopped.progress is None and not stopped.done:
        time.sleep(0.01)  # leaves the interpreter to the search
    stopped.stop()
    partial = stopped.result(timeout=120)
    assert partial.status == "stopped"
    assert 0 < len(partial.visits) < 65
    with dnc.open_store(tmp_path / "t.db") as store:
        assert store.result(partial.id).status == "stopped"


def test_estimate_counts_trainings() -> None:
    data = dnc.load_data("digits", n_train=300, n_val=150)
    guess = dnc.estimate(data, SPACE, epochs=2, n1=3, n2=2, workers=0)
    assert guess.trainings == 2 * 5 + 5
    assert 0 < guess.low <= guess.seconds <= guess.high
    with pytest.raises(ArgumentError, match="too short: the smallest search"):
        tiny(max_hours=1e-9)
    assert len(tiny(max_hours=5.0).visits) >= 10


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"space": "mlp"}, "give a dnc.CNNSpace or a dnc.MLPSpace"),
        ({"data": np.zeros((3, 3))}, "not a dnc.Dataset"),
        ({"n1": 0}, "n1=0"),
        ({"workers": -1}, "workers=-1"),
        ({"workers": "all"}, "workers='all'"),
        ({"stage2_order": ("dropot",)}, "dropout"),
        ({"store": "no/such/folder/t.db"}, "create it first"),
        ({"wc": math.nan}, "wc=nan"),
    ],
)
def test_bad_arguments_are_one_line(changes: dict, message: str) -> None:
    with pytest.raises(DncError, match=message) as caught:
        tiny(**changes)
    assert "\n" not in str(caught.value)


def test_a_cnn_space_on_flat_data_names_image_shape() -> None:
    rng = np.random.default_rng(0)
    flat = dnc.Dataset.from_arrays(rng.random((60, 64)), np.arange(60) % 3, name="flat")
    with pytest.raises(ArgumentError, match="image_shape="):
        dnc.search(flat, dnc.CNNSpace(), workers=0, progress=False)
