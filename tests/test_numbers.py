"""Numbers that no argument takes, and numbers of other libraries that every argument takes."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import dnc
from dnc import CNN, MLP, CNNSpace, Dataset, MLPSpace, Objective, Problem, Training, TrainingSpace
from dnc.errors import ArgumentError, DncError, check_float, check_int, short_repr
from dnc.searches.result import SearchResult
from dnc.searches.stages import StageResult

NEVER = [
    10**400,  # beyond the floats
    -(10**400),
    10**5000,  # beyond what Python prints
    Fraction(10**400, 3),
    math.nan,
    math.inf,
    np.float32("nan"),
    Decimal("1e999"),
    Decimal("sNaN"),
    1j,
    np.array([0.5, math.nan]),
]
X, Y = np.random.default_rng(0).random((40, 6), dtype=np.float32), np.arange(40) % 4
DATA, SPACE = Dataset.from_arrays(X, Y), MLPSpace(hidden_layers=(0, 1), nodes=(2, 3))
SEARCH = (
    "wc epochs n1 n2 n3 seed train_seed reference xi noise batch trial_timeout workers"  # every function that searches
).split()
SHORT = {"penalty": "n_params", "epochs": 1, "n1": 1, "n2": 0, "workers": 0}


@pytest.fixture(scope="module")
def result() -> SearchResult:
    return dnc.search(DATA, SPACE, progress=False, **SHORT)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def stage() -> StageResult:
    return dnc.stage1(Problem(DATA, penalty="n_params", epochs=1), SPACE, 1, 0)


def making(kind: Callable[..., Any], names: str, pairs: str = "", **given: Any) -> dict[str, Callable[[Any], Any]]:
    """A call for each argument, with the number in its place; for `pairs`, with the number twice."""
    calls = {f"{name}": lambda number, name=name: kind(**{**given, name: number}) for name in names.split()}
    twice = {
        f"{name}[0]": lambda number, name=name: kind(**{**given, name: (number, number)}) for name in pairs.split()
    }
    return {f"{getattr(kind, '__qualname__', kind)}({name}=)": call for name, call in {**calls, **twice}.items()}


CALLS: dict[str, Callable[[Any], Any]] = {
    **making(CNN, "channels strides pools batchnorm dropout shortcuts", "channels dropout"),
    **making(CNN, "strides pools batchnorm dropout shortcuts", "strides dropout", channels=(4, 4)),
    **making(MLP, "hidden drop", "hidden"),
    **making(Training, "lr weight_decay batch_size"),
    **making(dnc.Augment, "pad mean std", "mean std"),
    **making(MLPSpace, "hidden_layers nodes drop default_epochs omega r weights", "hidden_layers nodes grid_drop r"),
    **making(CNNSpace, "conv_layers first_channels max_channels growth drop input_drop omega weight_decay_from r"),
    **making(TrainingSpace, "lr batch_size preset_lr preset_batch_size omega weights", "lr weight_decay batch_size"),
    **making(Dataset.from_arrays, "val_fraction split_seed n_train n_val n_test image_shape", x=X, y=Y),
    **making(Dataset.from_arrays, "image_size", x=np.zeros((40, 1, 4, 4), np.uint8), y=Y),
    **making(dnc.load_data, "n_train n_val n_test image_size split_seed", name_or_path="digits"),
    **making(Objective, "wc reference", wc=0.1, penalty="t_tr", reference=1.0),
    **making(dnc.BayesianOptimizer, "n1 n3 seed xi noise floor", domain=SPACE.stage1()),
    **making(dnc.SobolSearch, "seed", domain=SPACE.stage1()),
    **making(dnc.count_params, "n_classes input_shape", "input_shape", arch=MLP(), input_shape=(6,), n_classes=4),
    **making(dnc.GaussianProcess, "noise mean", kernel=SPACE.kernel()),
    **making(dnc.Workers, "count timeout"),
    **making(Problem, " ".join(name for name in SEARCH if name not in ("n1", "n2", "n3", "workers")), data=DATA),
    **making(dnc.stage1, "n1 n2 n3", problem=Problem(DATA), space=SPACE),
    **making(dnc.search, " ".join((*SEARCH, "max_hours")), data=DATA, space=SPACE, progress=False),
    **making(dnc.start, " ".join(SEARCH[:-1]), data=DATA, space=SPACE),
    **making(dnc.sweep, " ".join(("wcs", *SEARCH[1:])), "wcs", data=DATA, space=SPACE, progress=False),
    **making(dnc.estimate, " ".join(SEARCH), data=DATA, space=SPACE),
}


def refused(call: Callable[[Any], Any], number: Any) -> None:
    with pytest.raises(DncError) as caught:
        call(number)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 400


@pytest.mark.parametrize("name", CALLS)
def test_a_number_that_cannot_be_is_one_line(name: str) -> None:
    for number in NEVER:
        refused(CALLS[name], number)


@pytest.mark.parametrize("name", ["rescore(wc)", "rescore(reference)", "plot", "top", "refit", "seed", "n", "transfer"])
def test_a_number_that_cannot_be_is_one_line_for_a_result(result: SearchResult, name: str) -> None:
    calls: dict[str, Callable[[Any], Any]] = {
        "rescore(wc)": lambda number: result.rescore(wc=number),
        "rescore(reference)": lambda number: result.rescore(reference=number),
        "plot": lambda number: result.plot(wc=number),
        "top": lambda number: result.top(number),
        "refit": lambda number: result.refit(number, progress=False),
        "seed": lambda number: result.refit(1, seed=number, progress=False),
        "n": lambda number: result.ensemble(number, epochs=1, progress=False),
        "transfer": lambda number: dnc.transfer(result, DATA, n1=number, progress=False),
    }
    for number in NEVER:
        refused(calls[name], number)


def test_the_best_of_a_stage_are_counted(stage: StageResult) -> None:
    assert len(stage.top(np.int64(1))) == 1  # type: ignore[arg-type]
    for number in (0, -1, *NEVER):
        refused(stage.top, number)


def test_a_stage_of_a_result_is_one_of_three(result: SearchResult) -> None:
    assert result.top(1, stage=np.int64(1))  # type: ignore[arg-type]
    for number in (0, 4, *NEVER):
        refused(lambda stage: result.top(1, stage), number)


@pytest.mark.parametrize("number", [3, 3.0, np.int64(3), np.uint8(3), np.float32(3), Fraction(3), Fraction(6, 2)])
def test_whole_numbers_of_every_kind(number: Any) -> None:
    assert (check_int("n", number, 0), type(check_int("n", number, 0))) == (3, int)
    assert (check_float("x", number), type(check_float("x", number))) == (3.0, float)


def test_whole_numbers_are_taken_exactly() -> None:
    assert check_int("n", 2**62 + 1, 0) == 2**62 + 1
    with pytest.raises(ArgumentError):  # it rounds to a whole number as a float
        check_int("n", Fraction(3 * 2**60 + 1, 3), 0)
    with pytest.raises(ArgumentError, match=f"from 1 to {2**63 - 1}"):  # what a store and an array can hold
        check_int("n", 2**63, 1)


def test_what_cannot_be_printed_has_a_text() -> None:
    assert short_repr(10**5000) == "<int that cannot be printed>"
    assert short_repr([10**5000]) == "<list that cannot be printed>"
