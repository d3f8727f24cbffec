"""The five public functions that search take the same settings: none of them drifts."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
from collections.abc import Callable
from inspect import Parameter
from typing import Any

import pytest

import dnc

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "search": dnc.search,
    "sweep": dnc.sweep,
    "start": dnc.start,
    "transfer": dnc.transfer,
    "estimate": dnc.estimate,
}
AS_IN_RESULT = {
    "wc",
    "penalty",
    "epochs",
    "seed",
    "method",
    "optimizer",
    "transform",
}  # transfer's None at least for them
IN_FOREGROUND = {"progress", "stop"}  # a handle has both


def parameters(function: str) -> dict[str, Parameter]:
    return dict(inspect.signature(FUNCTIONS[function]).parameters)


def fields(name: str) -> dict[str, Any]:
    """The fields of a dataclass of `dnc.searches.settings` with their defaults."""
    settings = importlib.import_module("dnc.searches.settings")
    return {field.name: field.default for field in dataclasses.fields(getattr(settings, name))}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_everything_but_data_and_space_is_given_by_keyword(function: str) -> None:
    kinds = {name: parameter.kind for name, parameter in parameters(function).items()}
    leading = {"result", "data"} if function == "transfer" else {"data", "space"}
    assert {name for name, kind in kinds.items() if kind is Parameter.POSITIONAL_OR_KEYWORD} == leading
    assert {kind for name, kind in kinds.items() if name not in leading} == {Parameter.KEYWORD_ONLY}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_setting_is_a_keyword_with_its_default(function: str) -> None:
    given = {name: parameter.default for name, parameter in parameters(function).items()}
    settings, resources = fields("SearchSettings"), fields("Resources")
    if function == "sweep":
        assert "wc" not in given
        assert "wcs" in given
        del settings["wc"]
    if function == "transfer":
        assert {name for name in AS_IN_RESULT if given[name] is not None} == set()
        settings = {name: None if given.get(name, ...) is None else default for name, default in settings.items()}
    expected = settings | resources
    assert {name: given.get(name, "missing") for name in expected} == expected


def test_parameters_of_one_name_have_one_default_and_one_annotation() -> None:
    first: dict[str, Parameter] = {}
    for function in FUNCTIONS:
        for name, parameter in parameters(function).items():
            other = first.setdefault(name, parameter)
            inherits = function == "transfer" and parameter.default is None  # from the result that is transferred
            annotations = {other.annotation, f"{other.annotation} | None"} if inherits else {other.annotation}
            assert parameter.annotation in annotations, f"{function}({name}=)"
            assert inherits or parameter.default == other.default, f"{function}({name}=)"


def test_a_problem_takes_every_setting_but_the_sizes_of_stages() -> None:
    given = {name: p.default for name, p in inspect.signature(dnc.Problem).parameters.items()}
    expected = fields("SearchSettings") | fields("Resources")
    sizes = {"n1", "n2", "n3", "stage2_order"}  # arguments of the stages
    own = {"wc": 0.0, "workers": 0}  # for a function in place of training: accuracy alone, in this process
    assert {name: given.get(name, "missing") for name in expected if name not in sizes} == {
        name: default for name, default in (expected | own).items() if name not in sizes
    }


def test_start_takes_all_that_search_takes() -> None:
    assert list(parameters("start")) == [name for name in parameters("search") if name not in IN_FOREGROUND]


def test_what_search_does_not_take_is_documented_here() -> None:
    common = set(parameters("search"))
    extra = {function: set(parameters(function)) - common for function in FUNCTIONS}
    assert {function: names for function, names in extra.items() if names} == {
        "sweep": {"wcs", "share_history"},
        "transfer": {"result"},
    }
