"""Settings and resources: one place for every default and check, and what follows from them."""

from __future__ import annotations

import math
from dataclasses import FrozenInstanceError, replace

import pytest
from small_search import SPACE, tiny

import dnc
from dnc.config import MLP, Config, Training
from dnc.errors import ArgumentError
from dnc.evaluation.injected import unmeasured
from dnc.searches.settings import Resources, SearchSettings
from dnc.searches.visiting import visit_all

pytestmark = pytest.mark.usefixtures("counted_clock")


def injected(**changes) -> dnc.Problem:
    return dnc.Problem(None, reference=1.0, evaluate=lambda c: dnc.Trial(c, 0.5, 1.0, 1), **changes)


def test_settings_are_frozen_and_survive_their_description() -> None:
    settings = SearchSettings(wc=0.5, n1=3, stage2_order=["dropout"], early_stop=True, seed=7)
    with pytest.raises(FrozenInstanceError):
        settings.wc = 1.0  # type: ignore[misc]
    again = SearchSettings.from_dict(settings.to_dict())
    assert again == replace(settings, train_seed=7)
    assert "early_stop" not in SearchSettings().to_dict()  # searches from before it keep their names


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"wc": math.inf}, "wc=inf"),
        ({"n1": 0}, "n1=0"),
        ({"n2": 1.5}, "n2=1.5"),
        ({"n3": 10**8}, "n3=100000000"),
        ({"n1": 100_000, "n3": 10_000_000}, "give a smaller n3"),
        ({"xi": -1}, "xi=-1"),
        ({"noise": math.nan}, "noise=nan"),
        ({"early_stop": 1}, "early_stop=1 is not allowed: give True or False"),
        ({"train_seed": 2**32}, "train_seed="),
        ({"stage2_order": "dropout"}, "stage2_order='dropout'"),
        ({"penalty": "n_param"}, "did you mean 'n_params'"),
    ],
)
def test_a_bad_setting_is_one_line(changes: dict, message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        SearchSettings(**changes)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_bad_resource_is_one_line() -> None:
    for changes in ({"device": "tpu"}, {"trial_timeout": 0}, {"retry_failed": "yes"}):
        with pytest.raises(ArgumentError, match=next(iter(changes))):
            Resources(**changes)  # type: ignore[arg-type]


def test_xi_and_noise_are_arguments_of_a_search() -> None:
    plain, greedy = tiny(penalty="n_params"), tiny(penalty="n_params", xi=0.5, noise=0.1)
    assert (greedy.spec["xi"], greedy.spec["noise"]) == (0.5, 0.1)
    assert greedy.id != plain.id
    ei = [v.ei for v in greedy.visits if not math.isnan(v.ei)]
    assert ei != [v.ei for v in plain.visits if not math.isnan(v.ei)]


@pytest.mark.parametrize("changes", [{"wc": 1.0}, {"penalty": "n_params"}, {"reference": 2.0}])
def test_a_stage_refuses_the_result_of_another_objective(changes: dict) -> None:
    space = dnc.MLPSpace()
    first = dnc.stage1(injected(wc=0.1), space, n1=2, n2=0)
    other = dnc.Problem(None, evaluate=lambda c: dnc.Trial(c, 0.5, 1.0, 1), **{"wc": 0.1, "reference": 1.0, **changes})  # type: ignore[arg-type]
    for stage in (dnc.stage2, dnc.stage3):
        with pytest.raises(ArgumentError, match="give the problem of the stage before"):
            stage(other, space, first)
    assert dnc.stage2(injected(wc=0.1), space, first).best.trial.ok


def test_an_injected_trial_must_be_of_its_config() -> None:
    wrong = dnc.Trial(Config(MLP((3,)), Training()), 0.5, 1.0, 1)
    problem = dnc.Problem(None, reference=1.0, evaluate=lambda c: wrong)
    with pytest.raises(ArgumentError, match="it must be one of"):
        dnc.stage1(problem, dnc.MLPSpace(hidden_layers=(1, 1), nodes=(20, 30)), n1=2, n2=0)
    problem = dnc.Problem(
        None, reference=1.0, method="fast", evaluate=lambda c: dnc.Trial(c, 0.5, 1.0, 1), measure=lambda c: wrong
    )
    with pytest.raises(ArgumentError, match=r"measure\(config\) gave a trial of"):
        dnc.stage1(problem, dnc.MLPSpace(hidden_layers=(1, 1), nodes=(20, 30)), n1=2, n2=0)


def test_transfer_keeps_the_settings_of_the_result() -> None:
    result = tiny(optimizer="random", transform="none", seed=3, train_seed=4, xi=0.01, batch=2, n1=2, n2=1)
    other = dnc.load_data("digits", n_train=250, n_val=150, split_seed=1)
    moved = dnc.transfer(result, other, workers=0, progress=False)
    names = ("optimizer", "transform", "seed", "train_seed", "xi", "batch", "n1", "n2", "n3", "epochs", "wc")
    assert {n: moved.spec[n] for n in names} == {n: result.spec[n] for n in names}
    assert moved.spec["reference"] is None
    changed = dnc.transfer(result, other, seed=9, optimizer="sobol", workers=0, progress=False)
    assert (changed.spec["seed"], changed.spec["train_seed"], changed.spec["optimizer"]) == (9, 9, "sobol")


def test_a_history_can_be_given_to_a_search_in_the_background() -> None:
    data = dnc.load_data("digits", n_train=300, n_val=150)
    history = [v.trial for v in tiny(wc=0.0).visits]
    handle = dnc.start(data, SPACE, wc=1.0, epochs=2, n1=2, n2=1, n3=50, workers=0, history=history)
    assert handle.result(timeout=120).spec["history"] != ""


def test_many_repeats_are_decided_at_once() -> None:
    """2,000 steps of 50 configs: each config is measured and trained once, and its trial finds its steps by itself."""
    calls: list[Config] = []

    def evaluate(config: Config) -> dnc.Trial:
        calls.append(config)
        return dnc.Trial(config, 0.5, 1.0, 1)

    seen: list[dnc.Visit] = []
    problem = dnc.Problem(None, reference=1.0, evaluate=evaluate, measure=evaluate, method="fast", observer=seen.append)
    study = problem.study(dnc.MLPSpace())
    configs = [Config(MLP((20 + i % 50,))) for i in range(2000)]
    steps = [dnc.Visit(1, "", i, unmeasured(config)) for i, config in enumerate(configs)]
    visits = visit_all(study, steps, math.inf)
    assert [v.trial.config for v in visits] == configs
    assert [v.step for v in visits] == list(range(2000))
    assert len(calls) == 2 * 50
    assert sorted(v.step for v in seen) == list(range(2000))
