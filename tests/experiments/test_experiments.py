"""Experiments: the plan of Fig. 7, the registry, running side by side."""

from __future__ import annotations

import threading

import pytest

from dnc.errors import ArgumentError
from dnc.experiments import registry
from dnc.experiments.fig7_plan import FIG7_SCALES, arms, planned_searches
from dnc.experiments.protocol import Experiment, Options
from dnc.experiments.scale import SCALES
from dnc.searches.parallel import MultiProgress, run_all
from dnc.space import CNNSpace, MLPSpace

# ---- the plan of Fig. 7 -----------------------------------------------------------------------------


def test_scales_are_the_papers_where_they_say_so() -> None:
    small, paper = FIG7_SCALES["small"], FIG7_SCALES["paper"]
    assert set(FIG7_SCALES) == set(SCALES)
    assert (small.n1, small.n2, small.n3) == (paper.n1, paper.n2, paper.n3) == (15, 15, 1000)
    assert (small.data, small.space, small.wcs) == ("fmnist", MLPSpace(), (0.0, 0.1, 10.0))
    assert small.n_seeds >= 5  # as few as can tell anything of 12 comparisons
    assert paper.n_seeds == 1
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
    assert len({planned.key for planned in plan}) == len(plan) == 60
    assert {planned.seed for planned in plan} == {5, 6, 7, 8, 9}
    # stage 1 of a seed: 30 random and 30 Sobol points once; 15 steps (balanced) and 29 (extreme) for each w_c
    stage1 = 30 + 30 + 3 * 15 + 3 * 29
    assert sum(planned.n_new for planned in plan) == 5 * stage1 + 60 * (5 + 30)
    assert [planned.arm.name for planned in plan[:15]] == ["extreme"] * 15  # those that keep one worker busy come first


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
    ready = ["Figure 2", "Figure 3", "Figure 4", "Figure 7", "Appendix kernel"]
    assert [e.name for e in registry.ready()] == ready
    for entry in registry.ready():
        assert entry.load().name == (f"fig{entry.key}" if entry.kind == "figure" else entry.key)
        assert set(entry.time) == set(SCALES)
        assert [name for name in vars(Experiment) if name[0] != "_" and not hasattr(entry.load(), name)] == []


def test_what_is_not_there_says_so() -> None:
    with pytest.raises(ArgumentError, match=r"^Figure 5 comes with a later release; ready are Figure 2, Figure 3"):
        registry.find("figure", "5").load()
    with pytest.raises(ArgumentError, match="is a diagram"):
        registry.find("figure", "1").load()
    with pytest.raises(ArgumentError, match="figure='9' is unknown"):
        registry.find("figure", "9")


def test_scale_follows_the_device() -> None:
    assert Options(device="cpu").scale_name() == "small"
    assert Options("smoke", device="cpu").scale_name() == "smoke"
    with pytest.raises(ArgumentError, match="scale='big' is unknown"):
        Options("big").scale_name()
