"""Experiments: verdicts by closed-form numbers, the plan of Fig. 7, the registry, running side by side."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from dnc.errors import ArgumentError
from dnc.experiments import registry
from dnc.experiments.fig7_claims import MARGIN, final_f, judge
from dnc.experiments.fig7_plan import FIG7_SCALES, arms, planned_searches
from dnc.experiments.protocol import Options
from dnc.experiments.scale import SCALES
from dnc.experiments.statistics import Interval, Verdict, everywhere, exceeds, paired, stays_below
from dnc.searches.parallel import MultiProgress, run_all
from dnc.space import CNNSpace, MLPSpace

# ---- statistics -------------------------------------------------------------------------------------


def test_paired_interval_in_closed_form() -> None:
    # mean 2, standard deviation 1, t_{0.975}(2) = 4.302653 from tables
    interval = paired([1.0, 2.0, 3.0])
    half = 4.302652729749462 / math.sqrt(3)
    assert (interval.mean, interval.n) == (2.0, 3)
    assert interval.low == pytest.approx(2 - half, abs=1e-9)
    assert interval.high == pytest.approx(2 + half, abs=1e-9)


@pytest.mark.parametrize("level", [0.5, 0.95])
def test_paired_agrees_with_scipy(level: float) -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, 7))
    expected = stats.ttest_rel(a, b).confidence_interval(level)
    interval = paired((a - b).tolist(), level)
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_one_pair_has_no_interval() -> None:
    interval = paired([0.3])
    assert (interval.mean, interval.low, interval.high) == (0.3, -math.inf, math.inf)
    assert exceeds(interval) == stays_below(interval, 1.0) == "undecided"
    assert "no interval" in str(interval)


def test_equal_differences_are_certain() -> None:
    assert paired([0.5, 0.5]) == Interval(0.5, 0.5, 0.5, 2)


@pytest.mark.parametrize("bad", [[], [math.nan], [math.inf, 1.0]])
def test_paired_refuses_what_it_cannot_use(bad: list[float]) -> None:
    with pytest.raises(ArgumentError, match="finite number"):
        paired(bad)


@pytest.mark.parametrize(
    ("low", "high", "above", "below"),
    [(0.1, 0.3, "holds", "fails"), (-0.3, -0.1, "fails", "holds"), (-0.1, 0.1, "undecided", "undecided")],
)
def test_verdicts_follow_from_the_interval(low: float, high: float, above: str, below: str) -> None:
    interval = Interval((low + high) / 2, low, high, 3)
    assert exceeds(interval) == above
    assert stays_below(interval, 0.0) == below


@pytest.mark.parametrize(
    ("parts", "whole"),
    [
        (["holds", "holds"], "holds"),
        (["holds", "undecided"], "undecided"),
        (["undecided", "fails"], "fails"),
        (["holds", "fails"], "fails"),
        ([], "undecided"),
    ],
)
def test_a_claim_about_each_case(parts: list[str], whole: str) -> None:
    assert everywhere(parts) == whole


def test_verdict_as_plain_data_and_text() -> None:
    verdict = Verdict("it is so", "holds", Interval(0.1, 0.05, 0.15, 3), "a minus b", "paired", (("x", paired([1.0])),))
    assert verdict.to_dict()["difference"] == {"mean": 0.1, "low": 0.05, "high": 0.15, "n": 3}
    assert verdict.to_dict()["details"] == {"x": {"mean": 1.0, "low": None, "high": None, "n": 1}}
    assert str(verdict).startswith(
        "HOLDS: “it is so”\n  a minus b\n  difference +0.1000 [+0.0500, +0.1500]\n    x: +1.0000"
    )


# ---- the claims of Fig. 7 ---------------------------------------------------------------------------

Table = Mapping[tuple[float, str], list[float]]


def rows(finals: Table) -> pd.DataFrame:
    """Tidy rows of searches that end at these f, one a seed; each found it in its second step."""
    table = [
        {"wc": wc, "arm": arm, "seed": seed, "stage": stage, "step": 0, "best_so_far": best}
        for (wc, arm), values in finals.items()
        for seed, f in enumerate(values)
        for stage, best in ((1, f + 1.0), (3, f))
    ]
    return pd.DataFrame(table).sample(frac=1, random_state=1)


def finals(
    gap: Mapping[float, float], extreme: float = 0.0, noise: float = 0.001
) -> dict[tuple[float, str], list[float]]:
    """f by w_c and arm: BO is `gap` better than both baselines, extreme BO yet 2 · `extreme` better than balanced."""
    wobble = [-noise, 0.0, noise]
    found = {}
    for wc, better in gap.items():
        found[wc, "random"] = [0.5 + better + w for w in wobble]
        found[wc, "sobol"] = [0.5 + better - 2 * w for w in wobble]
        found[wc, "balanced"] = [0.5 + extreme + w for w in wobble]
        found[wc, "extreme"] = [0.5 - extreme] * 3
    return found


def test_final_f_is_the_last_best() -> None:
    table = final_f(rows(finals({0.0: 0.1})))
    assert table.loc[(0.0, 1), "random"] == pytest.approx(0.6)  # type: ignore[index]
    assert sorted(table.columns) == ["balanced", "extreme", "random", "sobol"]


def test_claims_that_hold() -> None:
    gap = {0.0: 0.002, 0.1: 0.05, 10.0: 0.2}
    first, second, third = judge(rows(finals(gap, extreme=0.03, noise=1e-5)))
    assert [v.verdict for v in (first, second, third)] == ["holds", "holds", "holds"]
    assert first.difference.mean == pytest.approx(0.002)  # the least certain w_c stands for all
    assert dict(first.details)["mean over all w_c"].mean == pytest.approx(0.252 / 3)
    assert "9 of 9" in first.reading
    assert second.difference.mean == pytest.approx(0.06)
    assert third.difference.high < MARGIN


def test_claims_that_fail() -> None:
    gap = {0.0: 0.05, 0.1: -0.05, 10.0: 0.2}
    first, second, third = judge(rows(finals(gap, extreme=-0.03)))
    assert [v.verdict for v in (first, second, third)] == ["fails", "fails", "fails"]
    assert first.difference.mean == pytest.approx(-0.05)
    assert "6 of 9" in first.reading


def test_claims_that_noise_leaves_open() -> None:
    assert [v.verdict for v in judge(rows(finals({0.0: 0.0, 0.1: 0.0, 10.0: 0.0}, noise=0.1)))] == ["undecided"] * 3


def test_one_seed_decides_nothing() -> None:
    verdicts = judge(rows({key: values[:1] for key, values in finals({0.0: 0.1, 10.0: 0.1}).items()}))
    assert [v.verdict for v in verdicts] == ["undecided"] * 3
    assert "one search" in verdicts[0].method


def test_interval_of_a_claim_in_closed_form() -> None:
    # differences by seed: 0.1 ∓ noise/2 and so on; here (0.09, 0.1, 0.11) exactly
    table = {(10.0, "random"): [0.59, 0.6, 0.61], (10.0, "sobol"): [0.59, 0.6, 0.61]}
    table |= {(10.0, "balanced"): [0.5] * 3, (10.0, "extreme"): [0.5] * 3}
    table |= {(0.0, arm): values for (_, arm), values in dict(table).items()}
    interval = judge(rows(table))[2].difference
    half = 4.302652729749462 * 0.01 / math.sqrt(3)
    assert (interval.low, interval.high) == pytest.approx((0.1 - half, 0.1 + half))


# ---- the plan of Fig. 7 -----------------------------------------------------------------------------


def test_scales_are_the_papers_where_they_say_so() -> None:
    small, paper = FIG7_SCALES["small"], FIG7_SCALES["paper"]
    assert set(FIG7_SCALES) == set(SCALES)
    assert (small.n1, small.n2, small.n3) == (paper.n1, paper.n2, paper.n3) == (15, 15, 1000)
    assert (small.data, small.space, small.wcs, small.n_seeds) == ("fmnist", MLPSpace(), (0.0, 0.1, 10.0), 3)
    assert (paper.data, paper.n_train, paper.space, paper.epochs) == ("cifar10", None, CNNSpace(), 100)
    assert paper.wcs == (0.0, 0.01, 0.1, 1.0, 10.0)
    assert FIG7_SCALES["smoke"].data == "digits"


@pytest.mark.parametrize("name", SCALES)
def test_arms_have_equal_budgets_in_the_papers_proportions(name: str) -> None:
    scale = FIG7_SCALES[name]
    by_name = {arm.name: arm for arm in arms(scale)}
    assert {arm.n1 + arm.n2 for arm in by_name.values()} == {scale.n1 + scale.n2}
    assert [by_name[a].n2 for a in ("random", "sobol")] == [0, 0]
    assert by_name["balanced"].n1 == by_name["balanced"].n2
    assert by_name["extreme"].n1 == 1


def test_the_plan_counts_what_no_other_search_shares() -> None:
    scale = FIG7_SCALES["small"]
    plan = planned_searches(scale, first_seed=5)
    assert len({planned.key for planned in plan}) == len(plan) == 36
    assert {planned.seed for planned in plan} == {5, 6, 7}
    # stage 1 of a seed: 30 random and 30 Sobol points once; 15 steps (balanced) and 29 (extreme) for each w_c
    stage1 = 30 + 30 + 3 * 15 + 3 * 29
    assert sum(planned.n_new for planned in plan) == 3 * stage1 + 36 * (5 + 30)
    assert [planned.arm.name for planned in plan[:9]] == ["extreme"] * 9  # those that keep one worker busy come first


# ---- side by side -----------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [0, 1, 3])
def test_results_come_in_order(threads: int) -> None:
    assert run_all(lambda i, stop: i * i, 8, threads) == [i * i for i in range(8)]


def test_threads_really_run_side_by_side() -> None:
    barrier = threading.Barrier(2, timeout=60)  # passes only if two are in it at once
    assert len(run_all(lambda i, stop: barrier.wait(), 2, 2)) == 2


def test_a_failure_stops_the_others_and_is_what_is_raised() -> None:
    def one(index: int, stop: threading.Event) -> int:
        if index == 0:
            raise ArgumentError("the reason")
        assert stop.wait(60)
        raise KeyboardInterrupt

    with pytest.raises(ArgumentError, match="the reason"):
        run_all(one, 6, 2)


def test_an_interrupted_search_interrupts_all() -> None:
    def one(index: int, stop: threading.Event) -> int:
        if index == 1:
            raise KeyboardInterrupt
        assert stop.wait(60)
        return index

    with pytest.raises(KeyboardInterrupt):
        run_all(one, 3, 2)


def test_board_counts_trainings_left() -> None:
    with MultiProgress([10, 20], show=False) as board:
        assert (board.left, board.trained, board.remaining) == (30, 0, None)
        board.update(0, done=5, total=10, cached=2)
        assert (board.left, board.trained) == (25, 3)
        assert board.remaining is not None
        board.update(0, done=10, total=10, cached=4)
        board.update(1, done=4, total=4, cached=4)
        assert (board.left, board.trained) == (0, 6)
        assert board.remaining == 0


# ---- the registry -----------------------------------------------------------------------------------


def test_every_figure_and_table_of_the_paper_is_listed() -> None:
    keys = {kind: [e.key for e in registry.ENTRIES if e.kind == kind] for kind in registry.KINDS}
    assert keys["figure"] == [str(n) for n in range(1, 9)]
    assert keys["table"] == ["1", "2", "3"]
    assert keys["appendix"] == ["kernel", "bo-hyperparameters", "platforms", "ensembling"]
    text = registry.listing()
    assert all(entry.name in text and entry.title in text for entry in registry.ENTRIES)


def test_ready_entries_load_and_know_their_times() -> None:
    assert [e.name for e in registry.ready()] == ["Figure 2", "Figure 7", "Appendix kernel"]
    for entry in registry.ready():
        assert entry.load().name == (f"fig{entry.key}" if entry.kind == "figure" else entry.key)
        assert set(entry.time) == set(SCALES)


def test_what_is_not_there_says_so() -> None:
    with pytest.raises(ArgumentError, match=r"^Figure 3 comes with a later release; ready are Figure 2, Figure 7"):
        registry.find("figure", "3").load()
    with pytest.raises(ArgumentError, match="is a diagram"):
        registry.find("figure", "1").load()
    with pytest.raises(ArgumentError, match="figure='9' is unknown"):
        registry.find("figure", "9")


def test_scale_follows_the_device() -> None:
    assert Options(device="cpu").scale_name() == "small"
    assert Options("smoke", device="cpu").scale_name() == "smoke"
    with pytest.raises(ArgumentError, match="scale='big' is unknown"):
        Options("big").scale_name()
