"""The three stages on analytic functions: what is evaluated, in which order, and what wins."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from dnc.config import CNN, MLP, Config, Training
from dnc.errors import ArgumentError, SearchError
from dnc.searches.problem import Problem
from dnc.searches.stages import stage1, stage2, stage3
from dnc.space import CNNSpace, MLPSpace
from dnc.trial import Trial, Visit


def analytic(accuracy: Callable[[Config], float], cost: Callable[[Config], float] = lambda c: 1.0) -> Callable:
    return lambda config: Trial(config, accuracy(config), cost(config), n_params=100)


def mlp(config: Config) -> MLP:
    assert isinstance(config.arch, MLP)
    return config.arch


def cnn(config: Config) -> CNN:
    assert isinstance(config.arch, CNN)
    return config.arch


def mlp_accuracy(config: Config) -> float:
    """Best near 180 nodes in all, a drop of 0.3, lr 10^-2.5 and batch 100."""
    arch = mlp(config)
    loss = abs(sum(arch.hidden) - 180) / 2000 + (arch.drop - 0.3) ** 2
    loss += (math.log10(config.training.lr) + 2.5) ** 2 / 50 + abs(config.training.batch_size - 100) / 5000
    return 1 - min(loss, 0.9)


def problem(evaluate: Callable, **changes) -> Problem:
    return Problem(None, wc=changes.pop("wc", 0.0), reference=1.0, evaluate=evaluate, **changes)


def test_all_stages_of_an_mlp_find_the_optimum() -> None:
    seen: list[Visit] = []
    p = problem(analytic(mlp_accuracy), observer=seen.append)
    space = MLPSpace()
    s1 = stage1(p, space)
    s2 = stage2(p, space, s1)
    s3 = stage3(p, space, s2)
    assert (len(s1.visits), len(s2.visits), len(s3.visits)) == (30, 5, 30)
    # a config that a round proposes twice is evaluated once, and both of its steps are told then
    assert sorted(seen, key=lambda v: (v.stage, v.step)) == [*s1.visits, *s2.visits, *s3.visits]
    assert [v.stage for v in seen] == [1] * 30 + [2] * 5 + [3] * 30
    assert [v.step for v in s3.visits] == list(range(30))
    assert abs(sum(mlp(s1.best.trial.config).hidden) - 180) < 40
    assert mlp(s2.best.trial.config).drop == 0.3
    assert s3.f <= s2.f <= s1.f
    assert s3.f < 0.02
    assert all(math.isnan(v.ei) for v in s1.visits[:15])  # Sobol points: no model was asked
    assert all(v.ei > 0 and v.sigma > 0 for v in s1.visits[15:])


def test_steps_are_a_function_of_seed_and_history() -> None:
    runs = [stage1(problem(analytic(mlp_accuracy), seed=s), MLPSpace()) for s in (3, 3, 4)]
    configs = [[v.trial.config for v in run.visits] for run in runs]
    assert configs[0] == configs[1]
    assert configs[0] != configs[2]


def test_bo_beats_random_on_an_analytic_function() -> None:
    def final(optimizer: str, seed: int) -> float:
        return stage1(problem(analytic(mlp_accuracy), seed=seed, optimizer=optimizer), MLPSpace()).f

    assert sum(final("bayesian", s) for s in range(5)) < sum(final("random", s) for s in range(5))


def test_the_penalty_moves_the_winner_to_cheaper_networks() -> None:
    cost = analytic(mlp_accuracy, lambda c: 0.1 + sum(mlp(c).hidden) / 800)
    nodes = [sum(mlp(stage1(problem(cost, wc=wc), MLPSpace()).best.trial.config).hidden) for wc in (0, 0.5, 10)]
    assert nodes[0] > nodes[1] > nodes[2] == 0


def test_initial_points_are_shared_by_every_wc_and_prefixes_nest() -> None:
    space = MLPSpace()
    few = stage1(problem(analytic(mlp_accuracy), wc=10.0), space, n1=4, n2=0)
    many = stage1(problem(analytic(mlp_accuracy), optimizer="sobol"), space, n1=15, n2=15)
    assert [v.trial.config for v in few.visits] == [v.trial.config for v in many.visits[:4]]


def test_stage_2_of_a_cnn_freezes_each_choice_before_the_next() -> None:
    def accuracy(config: Config) -> float:
        arch = cnn(config)
        good = 0.1 * (len(arch.strides) == 1) + 0.2 * (len(arch.batchnorm) == 5)
        return 0.3 + good + 0.1 * (max(arch.dropout) == 0.15) + 0.05 * (len(arch.shortcuts) > 0)

    space = CNNSpace()
    start = Config(space.preset((40, 70, 90, 140, 160, 300, 310, 320, 330)))
    p = problem(analytic(accuracy))
    s1 = stage1(p, space, n1=1, n2=0)
    s1 = type(s1)(1, (), Visit(1, "", 0, analytic(accuracy)(start)), s1.objective, 0.0)
    s2 = stage2(p, space, s1)
    best = cnn(s2.best.trial.config)
    assert len(best.strides) == 1
    assert len(best.pools) == 2
    assert len(best.batchnorm) == 5  # 1/2 of 9 layers
    assert max(best.dropout) == 0.15
    assert best.shortcuts
    names = list(dict.fromkeys(v.substage for v in s2.visits))
    assert names == [n for n in ("downsample", "batchnorm", "dropout", "shortcuts") if n in names]
    after = [v for v in s2.visits if v.substage != "downsample"]
    assert all(len(cnn(v.trial.config).strides) == 1 for v in after)  # the choice is frozen
    reverse = stage2(p, space, s1, order=("batchnorm", "downsample"))
    assert list(dict.fromkeys(v.substage for v in reverse.visits)) == ["batchnorm", "downsample"]


def test_an_incumbent_stays_unless_it_is_beaten() -> None:
    p = problem(analytic(lambda config: 0.5))
    s1 = stage1(p, MLPSpace(hidden_layers=(1, 2)), n1=3, n2=0)
    s2 = stage2(p, MLPSpace(hidden_layers=(1, 2)), s1)
    assert s2.best == s1.best
    assert stage3(p, MLPSpace(), s2, n1=2, n2=1).best == s1.best


def test_one_trial_less_where_there_is_no_hidden_layer() -> None:
    p = problem(analytic(lambda config: 0.5))
    space = MLPSpace(hidden_layers=(0, 0))
    s1 = stage1(p, space)
    assert [v.trial.config.arch for v in s1.visits] == [MLP()]
    assert "no further config" in s1.note
    s2 = stage2(p, space, s1)
    assert s2.visits == ()
    assert s2.note == "nothing to vary"


def test_failed_trials_are_rows_and_never_win() -> None:
    def evaluate(config: Config) -> Trial:
        if sum(mlp(config).hidden) > 100:
            return Trial(config, math.nan, math.nan, 1, status="failed", reason="out of memory")
        return Trial(config, 0.5, 1.0, 1)

    s1 = stage1(problem(evaluate), MLPSpace())
    assert any(not v.trial.ok for v in s1.visits)
    assert s1.best.trial.ok


def test_when_everything_fails_the_error_counts_the_reasons() -> None:
    p = problem(lambda c: Trial(c, math.nan, math.nan, 1, status="failed", reason="out of memory"))
    with pytest.raises(SearchError, match=r"all 3 trials failed \(3 × out of memory\)"):
        stage1(p, MLPSpace(), n1=2, n2=1)


def test_history_informs_the_model_and_its_best_trial_is_a_contender() -> None:
    space = MLPSpace()
    before = stage1(problem(analytic(mlp_accuracy)), space)
    history = tuple(v.trial for v in before.visits)
    told = stage1(problem(analytic(mlp_accuracy), seed=1, history=history), space, n1=1, n2=3)
    alone = stage1(problem(analytic(mlp_accuracy), seed=1), space, n1=1, n2=3)
    assert [v.substage for v in told.visits] == ["history", "", "", "", ""]
    assert told.visits[0].trial.config == before.best.trial.config
    assert told.f <= before.f  # what is known is not lost
    assert [v.trial.config for v in told.visits[1:]] != [v.trial.config for v in alone.visits]
    known = {t.config for t in history}
    assert all(v.trial.config not in known for v in told.visits[2:])  # BO never proposes what it knows


def test_in_stage_3_the_best_hyperparameters_of_the_history_contend() -> None:
    space = MLPSpace()
    previous = stage1(problem(analytic(mlp_accuracy)), space)
    arch = previous.best.trial.config.arch

    def contenders(told: MLP | CNN, lr: float, val_acc: float) -> list[Config]:
        preset = problem(analytic(mlp_accuracy)).study(space).preset(arch).training
        training = preset if lr == preset.lr else Training(lr=lr)
        trial = Trial(Config(told, training), val_acc, previous.best.trial.t_tr, 10)
        s3 = stage3(problem(analytic(mlp_accuracy), history=(trial,)), space, previous, n1=2, n2=1)
        return [v.trial.config for v in s3.visits if v.substage == "history"]

    worse, better = previous.best.trial.val_acc - 0.2, 1.0
    # better or worse, it is tuned; the preset itself is not
    assert contenders(arch, 2e-3, better) == [Config(arch, Training(lr=2e-3))]
    assert contenders(arch, 1e-3, previous.best.trial.val_acc) == []
    assert contenders(MLP((33,)), 2e-3, worse) == [Config(arch, Training(lr=2e-3))]
    assert contenders(CNN((16,)), 2e-3, better) == []


def test_batches_of_proposals_do_not_repeat() -> None:
    s1 = stage1(problem(analytic(mlp_accuracy), batch=5), MLPSpace(), n1=5, n2=15)
    later = [v.trial.config for v in s1.visits[5:]]
    assert len(set(later)) == 15


def test_top_lists_distinct_configs_best_first() -> None:
    s1 = stage1(problem(analytic(mlp_accuracy)), MLPSpace())
    top = s1.top(5)
    assert top[0] == s1.best
    assert [s1.objective.of(v.trial) for v in top] == sorted(s1.objective.of(v.trial) for v in top)
    assert len({v.trial.config for v in top}) == 5


def test_stop_ends_a_stage_between_trials() -> None:
    count = 0

    def evaluate(config: Config) -> Trial:
        nonlocal count
        count += 1
        if count == 3:
            p.stop.set()
        return Trial(config, 0.5, 1.0, 1)

    p = problem(evaluate)
    with pytest.raises(KeyboardInterrupt):
        stage1(p, MLPSpace())
    assert count == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"wc": -1.0}, "wc=-1.0"),
        ({"penalty": "time"}, "penalty='time' is unknown"),
        ({"optimizer": "bayes"}, "did you mean 'bayesian'"),
        ({"method": "quick"}, "choose one of 'paper', 'fast'"),
        ({"method": "fast"}, "measure=None"),
        ({"seed": -1}, "seed=-1"),
        ({"batch": 0}, "batch=0"),
        ({"transform": "log"}, "transform='log'"),
        ({"device": "tpu"}, "device='tpu'"),
        ({"epochs": 0}, "epochs=0"),
    ],
)
def test_bad_problems(changes: dict, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        problem(analytic(mlp_accuracy), **changes)


def test_a_problem_needs_data_or_an_evaluation_with_its_reference() -> None:
    with pytest.raises(ArgumentError, match="data=None"):
        Problem(None)
    with pytest.raises(ArgumentError, match="reference=None"):
        Problem(None, evaluate=analytic(mlp_accuracy))
    with pytest.raises(ArgumentError, match="n1=0"):
        stage1(problem(analytic(mlp_accuracy)), MLPSpace(), n1=0)


def test_stage_3_keeps_the_architecture_and_its_bounds() -> None:
    p = problem(analytic(mlp_accuracy))
    space = MLPSpace()
    s1 = stage1(p, space, n1=2, n2=0)
    s3 = stage3(p, space, s1)
    assert {v.trial.config.arch for v in s3.visits} == {s1.best.trial.config.arch}
    for visit in s3.visits:
        t = visit.trial.config.training
        assert 1e-5 <= t.lr <= 1e-1
        assert t.weight_decay == 0 or 1e-5 <= t.weight_decay <= 1e-3
        assert 32 <= t.batch_size <= 512
    assert Training() not in {v.trial.config.training for v in s3.visits}


def test_stage_1_is_not_told_variants_that_stage_2_tried() -> None:
    space = MLPSpace()
    own = Config(space.preset((100,)))
    variant = Config(MLP((100,), drop=0.5))
    other_family = Config(CNN((8, 8)))
    trials = tuple(Trial(c, accuracy, 1.0, 1) for c, accuracy in ((own, 0.9), (variant, 0.1), (other_family, 0.2)))

    def proposals(history: tuple[Trial, ...]) -> list[Config]:
        p = problem(analytic(mlp_accuracy), history=history)
        return [v.trial.config for v in stage1(p, space, n1=1, n2=3).visits]

    assert proposals(trials) == proposals(trials[:1]) != proposals(())


def test_stage_3_is_told_the_trials_of_its_architecture_only() -> None:
    p = problem(analytic(mlp_accuracy))
    space = MLPSpace()
    s1 = stage1(p, space, n1=2, n2=0)
    arch = s1.best.trial.config.arch
    same, other = (Trial(Config(a, Training(lr=0.01)), 0.9, 1.0, 1) for a in (arch, MLP((77,))))

    def proposals(*history: Trial) -> list[Config]:
        told = problem(analytic(mlp_accuracy), history=history)
        return [v.trial.config for v in stage3(told, space, s1, n1=1, n2=3).visits]

    assert proposals(same, other) == proposals(same) != proposals()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p, s1: stage1("data", MLPSpace()), "give a dnc.Problem"),  # type: ignore[arg-type]
        (lambda p, s1: stage1(p, "space"), "give a dnc.CNNSpace or a dnc.MLPSpace"),  # type: ignore[arg-type]
        (lambda p, s1: stage2(p, MLPSpace(), p), "give what dnc.stage1"),  # type: ignore[arg-type]
        (lambda p, s1: stage2(p, CNNSpace(), s1), "not a network of this space"),
        (lambda p, s1: stage3(p, MLPSpace(), None), "give what dnc.stage1"),  # type: ignore[arg-type]
        (lambda p, s1: stage1(problem(lambda c: 0.5), MLPSpace()), "must return a dnc.Trial"),
        (lambda p, s1: stage1(problem(analytic(lambda c: 50)), MLPSpace()), "a fraction from 0 to 1"),
    ],
)
def test_arguments_in_the_wrong_place_are_one_clear_line(call: Callable, message: str) -> None:
    p = problem(analytic(mlp_accuracy))
    s1 = stage1(p, MLPSpace(), n1=1, n2=0)
    with pytest.raises(ArgumentError, match=message):
        call(p, s1)
