"""The errors that `dnc` raises on purpose, and the checks of arguments that raise them.

Every message says what was given, what is allowed and what to do, in one line.
"""

from __future__ import annotations

import difflib
import math
import numbers
from collections.abc import Iterable

MAX_INT = 2**63 - 1  # what stores, arrays and tensors can hold


class DncError(Exception):
    """Base of every error that `dnc` raises on purpose; its text is one line for the user.

    >>> import dnc
    >>> try:
    ...     dnc.MLP(hidden=(-5,))
    ... except dnc.DncError as error:
    ...     print(f"{type(error).__name__}: {error}")
    ArgumentError: hidden[0]=-5 is not allowed: give a whole number from 1 to 100000
    """


class ArgumentError(DncError, ValueError):
    """A bad argument: wrong type, outside its range, or an unknown name. It is a ValueError, too.

    >>> import dnc
    >>> dnc.Objective(wc=0.1, penalty="t_trr", reference=1.0)
    Traceback (most recent call last):
    dnc.errors.ArgumentError: penalty='t_trr' is unknown: choose one of 't_tr', 'n_params'; did you mean 't_tr'?
    """


class DataError(DncError):
    """A data set that is missing, unreadable or not usable for classification.

    >>> import dnc
    >>> dnc.load_data("missing.npz")
    Traceback (most recent call last):
    dnc.errors.DataError: 'missing.npz' does not exist: give the path of an .npz file
    """


class StoreError(DncError):
    """A trial store that cannot be opened, read or written.

    >>> import dnc
    >>> try:
    ...     dnc.open_store("missing.db")
    ... except dnc.StoreError as error:
    ...     print("missing.db" in str(error))
    True
    """


class SearchError(DncError):
    """A search that cannot go on, e.g. because every trial of a stage failed."""


def short_repr(value: object, limit: int = 60) -> str:
    """`value` as short one-line text for an error message.

    >>> short_repr(list(range(100)), limit=20)
    '[0, 1, 2, 3, 4, 5, …'
    """
    try:
        text = " ".join(repr(value).split())
    except (
        Exception
    ):  # Python does not print whole numbers of thousands of digits; others' classes may fail at anything
        text = f"<{type(value).__name__} that cannot be printed>"
    return text if len(text) <= limit else text[: limit - 1] + "…"


def check_choice(name: str, value: object, allowed: Iterable[str]) -> str:
    """Return `value` if it is one of `allowed`; otherwise name the nearest one.

    Raises:
        ArgumentError: `value` is not one of `allowed`.
    """
    choices = list(allowed)
    if isinstance(value, str) and value in choices:
        return value
    near = difflib.get_close_matches(value, choices, n=1) if isinstance(value, str) else []
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise ArgumentError(f"{name}={short_repr(value)} is unknown: choose one of {', '.join(map(repr, choices))}{hint}")


def check_int(name: str, value: object, low: int, high: int | None = None) -> int:
    """Return `value` as an int in [low, high]; bools and fractions are refused.

    Raises:
        ArgumentError: `value` is not a whole number, or outside the range.
    """
    number = _whole_number(value)
    most = MAX_INT if high is None else high
    if number is not None and low <= number <= most:
        return number
    open_ended = high is None and (number is None or number < low)
    allowed = f"a whole number of at least {low}" if open_ended else f"a whole number from {low} to {most}"
    raise ArgumentError(f"{name}={short_repr(value)} is not allowed: give {allowed}")


def _whole_number(value: object) -> int | None:
    """The whole number that a value is, exactly; None if it is none."""
    if not isinstance(value, numbers.Real) or isinstance(value, bool):
        return None
    try:
        number = int(value)  # type: ignore[call-overload]
    except (ValueError, OverflowError):  # NaN, infinity
        return None
    return number if number == value else None


def check_float(
    name: str,
    value: object,
    low: float = -math.inf,
    high: float = math.inf,
    *,
    open_low: bool = False,
    open_high: bool = False,
) -> float:
    """Return `value` as a finite float within the bounds.

    Raises:
        ArgumentError: `value` is not a finite number, or outside the bounds.
    """
    left, right = "(" if open_low else "[", ")" if open_high or math.isinf(high) else "]"
    number = _finite_number(value)
    excluded = [bound for bound, is_open in ((low, open_low), (high, open_high)) if is_open]
    if number is not None and low <= number <= high and number not in excluded:
        return number
    allowed = (
        "a finite number" if math.isinf(low) and math.isinf(high) else f"a number in {left}{low:g}, {high:g}{right}"
    )
    raise ArgumentError(f"{name}={short_repr(value)} is not allowed: give {allowed}")


def _finite_number(value: object) -> float | None:
    """The finite float that a value is; None if it is none, or beyond the floats."""
    if not isinstance(value, numbers.Real) or isinstance(value, bool):
        return None
    try:
        number = float(value) + 0.0  # -0.0 becomes 0.0: equal numbers have one JSON text
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def check_bounds(name: str, value: object, low: int, high: int | None = None) -> tuple[int, int]:
    """Return a pair of whole numbers (lower, upper) with low <= lower <= upper <= high.

    Raises:
        ArgumentError: `value` is not a pair, out of range, or the wrong way round.
    """
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise ArgumentError(f"{name}={short_repr(value)} is not allowed: give two whole numbers (lower, upper)")
    lower, upper = check_int(f"{name}[0]", value[0], low, high), check_int(f"{name}[1]", value[1], low, high)
    if lower > upper:
        raise ArgumentError(
            f"{name}={short_repr(value)} is the wrong way round: give (lower, upper) with lower <= upper"
        )
    return lower, upper
