"""The plain data in a pickle, without unpickling it.

A pickle is a program for a stack machine that may call anything. Here the few instructions that CIFAR's files use are
interpreted on plain data: dicts, lists, tuples, text, bytes, whole numbers and one kind of array. A name of a
class or function is only ever compared with the three that an array needs; nothing is imported or called.
"""

from __future__ import annotations

import pickletools
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dnc.errors import short_repr


@dataclass(frozen=True)
class _Name:
    """A class or function that the file names; it stays a text."""

    text: str


@dataclass
class _Dtype:
    """The type of an array's elements, as the file writes it, e.g. "u1"."""

    code: str


@dataclass
class _Array:
    """An array under construction: the file first creates it, then says what is in it."""

    value: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.uint8))


_RECONSTRUCT = tuple(_Name(f"{module} _reconstruct") for module in ("numpy.core.multiarray", "numpy._core.multiarray"))
_NDARRAY, _DTYPE = _Name("numpy ndarray"), _Name("numpy dtype")
_CONSTANTS = {
    "EMPTY_DICT": dict,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
}
_TEXTS = {"SHORT_BINSTRING", "BINSTRING", "BINUNICODE", "SHORT_BINUNICODE", "SHORT_BINBYTES", "BINBYTES"}
_NUMBERS = {"BININT", "BININT1", "BININT2", "LONG1"}


def parse_plain_pickle(data: bytes) -> Any:
    """The plain data that a pickle describes; nothing in it is executed.

    Python 2's byte strings come as text (latin-1). Arrays must be uint8.

    Raises:
        Exception: a ValueError for an instruction or a name that plain data do not need; in a damaged file also what
            the damage leads to, e.g. an IndexError. `dnc.data.readers.reading` turns all of them into a DataError.

    >>> import pickle
    >>> parse_plain_pickle(pickle.dumps({"labels": [3, 5]}, protocol=2))
    {'labels': [3, 5]}
    """
    stack: list[Any] = []
    marks: list[int] = []  # heights of the stack at which a tuple, list or dict began
    memo: dict[int, Any] = {}

    def since_mark() -> list[Any]:
        start = marks.pop()
        items = stack[start:]
        del stack[start:]
        return items

    for opcode, arg, _ in pickletools.genops(data):
        match opcode.name:
            case "PROTO" | "FRAME":
                pass
            case "STOP":
                return _finished(stack.pop())
            case "MARK":
                marks.append(len(stack))
            case name if name in _CONSTANTS:
                stack.append(_CONSTANTS[name]())
            case name if name in _TEXTS | _NUMBERS:
                stack.append(arg)
            case "BINPUT" | "LONG_BINPUT":
                memo[arg] = stack[-1]  # type: ignore[index]
            case "MEMOIZE":
                memo[len(memo)] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(memo[arg])  # type: ignore[index]
            case "TUPLE":
                stack.append(tuple(since_mark()))
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                n = int(opcode.name[-1])
                stack[-n:] = [tuple(stack[-n:])]
            case "APPEND":
                item = stack.pop()
                _list(stack[-1]).append(item)
            case "APPENDS":
                items = since_mark()
                _list(stack[-1]).extend(items)
            case "SETITEM":
                value, key = stack.pop(), stack.pop()
                _fill_dict(stack[-1], [key, value])
            case "SETITEMS":
                items = since_mark()
                _fill_dict(stack[-1], items)
            case "GLOBAL":
                stack.append(_allowed(_Name(str(arg))))
            case "STACK_GLOBAL":
                name, module = stack.pop(), stack.pop()
                stack.append(_allowed(_Name(f"{module} {name}")))
            case "REDUCE":
                args, function = stack.pop(), stack.pop()
                stack.append(_called(function, args))
            case "BUILD":
                state = stack.pop()
                _fill_array(stack[-1], state)
            case name:
                raise ValueError(f"its instruction {name} is not one of plain data")
    raise ValueError("it has no end")


def _allowed(name: _Name) -> _Name:
    if name not in (*_RECONSTRUCT, _NDARRAY, _DTYPE):
        raise ValueError(f"it refers to {short_repr(name.text)}, which plain data do not need")
    return name


def _called(function: Any, args: Any) -> _Array | _Dtype:
    """What stands for the result of a call: an array or a dtype under construction. Nothing is called."""
    if isinstance(function, _Name) and isinstance(args, tuple):
        if function in _RECONSTRUCT and args[:1] == (_NDARRAY,):
            return _Array()
        if function == _DTYPE and isinstance(args[0], str):
            return _Dtype(args[0])
    raise ValueError("it calls what is not an array")


def _fill_array(target: Any, state: Any) -> None:
    """Give an array its state: (version, shape, dtype, column-major, bytes)."""
    if isinstance(target, _Dtype):  # byte order and the like: one byte has none
        return
    if not isinstance(target, _Array) or not isinstance(state, tuple) or len(state) != 5:
        raise ValueError("it builds what is not an array")
    _, shape, dtype, fortran, raw = state
    content = raw.encode("latin-1") if isinstance(raw, str) else raw
    if not isinstance(dtype, _Dtype) or dtype.code not in ("u1", "uint8") or not isinstance(content, bytes):
        raise ValueError("its array is not uint8")
    if not isinstance(shape, tuple) or not all(type(n) is int and n >= 0 for n in shape):
        raise ValueError(f"its array has the shape {short_repr(shape)}")
    target.value = np.frombuffer(content, dtype=np.uint8).reshape(shape, order="F" if fortran else "C")


def _list(value: Any) -> list[Any]:
    if type(value) is not list:
        raise ValueError("it appends to what is not a list")
    return value


def _fill_dict(target: Any, items: list[Any]) -> None:
    if type(target) is not dict or len(items) % 2:
        raise ValueError("it sets items of what is not a dict")
    for key, value in zip(items[::2], items[1::2], strict=True):
        if type(key) not in (str, bytes, int):
            raise ValueError("its dict has a key that is neither text nor number")
        target[key.decode("latin-1") if isinstance(key, bytes) else key] = value


def _finished(value: Any) -> dict[Any, Any]:
    if type(value) is not dict:
        raise ValueError("it does not hold a dict")
    return {k: v.value if isinstance(v, _Array) else v for k, v in value.items()}
