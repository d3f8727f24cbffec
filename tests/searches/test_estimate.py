"""How long a search or a sweep will take: what is counted, what is shared, what is said meanwhile."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from small_search import SPACE

import dnc
from dnc.searches.estimate import Probes, duration, estimate_search, estimate_sweep
from dnc.searches.settings import Resources, SearchSettings

PROBES = Probes(np.array([2.0]), np.array([1.0]), grid=3, workers=0, at_a_time=1)
SETTINGS = SearchSettings(penalty="n_params", epochs=1, n1=3, n2=2, n3=20)


def test_a_sweep_counts_the_initial_points_of_stage_1_once() -> None:
    search, sweep = PROBES.estimate(4, 2), PROBES.estimate(4, 2, 3)
    assert (search.trainings, search.seconds) == (2 * 6 + 3, 2 * (6 + 3) + 6)
    assert (sweep.trainings, sweep.seconds) == (3 * 15 - 2 * 4, 3 * 24 - 2 * 8)
    assert PROBES.estimate(4, 2, 3, one_by_one=True).seconds == sweep.seconds


def test_searches_side_by_side_keep_all_workers_busy() -> None:
    two = replace(PROBES, workers=2)
    alone = two.estimate(4, 2).seconds
    assert alone == (2 * 7 + 4) / 2 + 2 * 3  # BO steps follow one another
    assert two.estimate(4, 2, 3).seconds == (3 * 24 - 2 * 8) / 2
    assert two.estimate(4, 2, 3, one_by_one=True).seconds == 3 * alone - 2 * 8 / 2
    assert replace(PROBES, workers=99).estimate(4, 2, 3).seconds == pytest.approx(18 / 99 + 6)  # the longest chain


def test_random_and_sobol_search_share_all_of_stage_1() -> None:
    random = replace(PROBES, at_a_time=0)
    assert random.estimate(4, 2).seconds == 24
    assert (random.estimate(4, 2, 3).trainings, random.estimate(4, 2, 3).seconds) == (3 * 15 - 2 * 6, 3 * 24 - 2 * 12)
    assert replace(random, workers=3).estimate(4, 2).seconds == 8  # no step waits for another


@pytest.mark.usefixtures("counted_clock")
@pytest.mark.parametrize("optimizer", ["bayesian", "random"])
def test_a_sweep_trains_no_more_than_was_estimated(optimizer: str) -> None:
    data, settings = dnc.load_data("digits", n_train=100, n_val=50), replace(SETTINGS, optimizer=optimizer)
    guess = estimate_sweep(data, SPACE, 2, settings, Resources(workers=0))
    assert guess.searches == 2
    assert guess.trainings < 2 * estimate_search(data, SPACE, settings, Resources(workers=0)).trainings
    with dnc.Store() as store:
        dnc.sweep(
            data, SPACE, wcs=(0, 10), penalty="n_params", epochs=1, n1=3, n2=2, n3=20, workers=0,
            optimizer=settings.optimizer, store=store, progress=False,
        )  # fmt: skip
        assert store.counts()["trainings"] <= guess.trainings


@pytest.mark.usefixtures("counted_clock")
def test_the_config_that_is_timed_is_named_while_it_is_timed(capsys: pytest.CaptureFixture[str]) -> None:
    data = dnc.load_data("digits", n_train=100, n_val=50)
    estimate_search(data, SPACE, SETTINGS, Resources(workers=0), progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    first = err.split("1/8")[0]  # what is seen before the first timing has ended
    assert "timing" in first
    assert "MLP" in first
    assert "8/8" in err
    estimate_search(data, SPACE, SETTINGS, Resources(workers=0))
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("hours", "text"),
    [(1.5, "1 h 30 min"), (47.99, "47 h 59 min"), (48, "2 days 0 h"), (71.9, "3 days 0 h"), (1000, "41 days 16 h")],
)
def test_long_times_are_days(hours: float, text: str) -> None:
    assert duration(3600 * hours) == text
