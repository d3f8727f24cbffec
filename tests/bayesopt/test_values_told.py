"""Values that an optimizer is told: those without a logarithm, those beyond the floats, and those of a search."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import dnc
from dnc.bayesopt import BayesianOptimizer, RandomSearch, SobolSearch
from dnc.config import MLP
from dnc.errors import ArgumentError
from dnc.space import MLPSpace

MLPS = MLPSpace().stage1()


@pytest.mark.parametrize("value", [-3.0, 0.0, 1e-9, np.float32(-1), -(10**30)])
def test_a_value_without_a_logarithm_is_warned_of_once(value: Any) -> None:
    bo = BayesianOptimizer(MLPS, n1=0, n3=20)
    bo.tell(MLP((20,)), 0.5)
    with pytest.warns(UserWarning, match='transform="none"') as caught:
        bo.tell(MLP((21,)), value)
    bo.tell(MLP((22,)), value)  # a second warning would be an error here
    assert caught[0].filename == __file__  # it points at the call, not into the library
    assert "\n" not in str(caught[0].message)
    assert bo.ask() is not None


def test_what_is_floored_on_purpose_is_not_warned_of() -> None:
    """Warnings are errors here: none comes without a logarithm, nor where a floor was given, nor for failures."""
    for optimizer in (
        BayesianOptimizer(MLPS, n1=0, transform="none"),
        BayesianOptimizer(MLPS, n1=0, floor=1e-6),
        SobolSearch(MLPS),
        RandomSearch(MLPS),
    ):
        for i, value in enumerate((0.0, -2.0, 1e-12)):
            optimizer.tell(MLP((20 + i,)), value)
    for i, failed in enumerate((math.nan, math.inf, -math.inf)):
        BayesianOptimizer(MLPS, n1=0).tell(MLP((20 + i,)), failed)


@pytest.mark.parametrize("n_val", [None, 10], ids=["no data", "data"])
def test_a_search_whose_f_is_0_does_not_warn(n_val: int | None) -> None:
    data = None if n_val is None else dnc.load_data("digits", n_train=20, n_val=n_val)
    problem = dnc.Problem(data, wc=0, reference=1.0, evaluate=lambda c: dnc.Trial(c, 1.0, t_tr=1.0, n_params=1))
    result = dnc.stage1(problem, MLPSpace(), n1=1, n2=2, n3=20)
    assert [result.objective.of(visit.trial) for visit in result.visits] == [0, 0, 0]


@pytest.mark.parametrize("value", [10**400, -(10**5000)], ids=["400 digits", "5000 digits"])
def test_whole_numbers_beyond_the_floats_are_one_line(value: int) -> None:
    with pytest.raises(ArgumentError, match=r"give a number up to 1\.8e308"):
        RandomSearch(MLPS).tell(MLP((20,)), value)
