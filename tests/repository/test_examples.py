"""Every public function and class shows in its docstring how it is used; `--doctest-modules` runs what it shows."""

from __future__ import annotations

import doctest
import inspect

import pytest

import dnc


def is_entry_point(thing: object) -> bool:
    """Whether users call it: a function, or a class that is neither raised nor only inherited from."""
    if inspect.isclass(thing):
        return not issubclass(thing, BaseException) and not getattr(thing, "_is_protocol", False)
    return inspect.isfunction(thing)


def has_example(thing: object) -> bool:
    """Whether its own docstring has an example, not only that of a method."""
    name = getattr(thing, "__name__", "")
    return any(found.examples for found in doctest.DocTestFinder().find(thing, name) if found.name == name)


ENTRY_POINTS = [name for name in dnc.__all__ if is_entry_point(getattr(dnc, name))]


@pytest.mark.parametrize("name", ENTRY_POINTS)
def test_every_entry_point_has_an_example(name: str) -> None:
    assert has_example(getattr(dnc, name)), f"dnc.{name} needs an example (>>>) in its docstring"


def test_the_entry_points_are_the_public_functions_and_classes() -> None:
    assert {"search", "stage1", "Problem", "CNN", "GaussianProcess", "load_data"} <= set(ENTRY_POINTS)
    assert {"DncError", "SearchStopped", "METRICS", "__version__"} & set(ENTRY_POINTS) == set()


def test_a_missing_example_is_found() -> None:
    def without() -> None:
        """Does nothing."""

    def with_one() -> None:
        """Does nothing.

        >>> 1 + 1
        2
        """

    class OnlyInAMethod:
        """Holds nothing."""

        method = with_one

    assert [has_example(thing) for thing in (without, with_one, OnlyInAMethod)] == [False, True, False]
