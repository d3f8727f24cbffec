"""Readers of CIFAR's official Python batches, which are pickles, without unpickling.

A pickle is a program for a stack machine that may call anything. Here the few instructions that CIFAR's files use are
interpreted on plain data: dicts, lists, tuples, text, bytes, whole numbers and one kind of array. A name of a
class or function is only ever compared with the three that an array needs; nothing is imported or called.
"""

from __future__ import annotations

import pickletools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from dnc.data.arrays import RawData
from dnc.data.readers import check_memory, reading
from dnc.errors import DataError, short_repr

KIND = "one of CIFAR's Python batches"
PIXELS = (3, 32, 32)


@dataclass(frozen=True)
class _Name:
    """A global that the file names; it stays a text."""

    text: str


@dataclass
class _Dtype:
    code: str


@dataclass
class _Array:
    """An array under construction; `value` once its content has come."""

    value: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.uint8))


_RECONSTRUCT = tuple(_Name(f"{module} _reconstruct") for module in ("numpy.core.multiarray", "numpy._core.multiarray"))
_NDARRAY, _DTYPE = _Name("numpy ndarray"), _Name("numpy dtype")
_CONSTANTS = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple, "NONE": lambda: None,
              "NEWTRUE": lambda: True, "NEWFALSE": lambda: False}  # fmt: skip
_VALUES = {"SHORT_BINSTRING", "BINSTRING", "BINUNICODE", "SHORT_BINUNICODE", "SHORT_BINBYTES", "BINBYTES",
           "BININT", "BININT1", "BININT2", "LONG1"}  # fmt: skip


def parse_plain_pickle(data: bytes) -> Any:
    """The plain data that a pickle describes; nothing in it is executed.

    Python 2's byte strings come as text (latin-1). Arrays must be uint8.

    Raises:
        ValueError: an instruction or a name that plain data do not need; or what the damage leads to
            (`dnc.data.readers.reading` turns all of it into a DataError).
    """
    stack: list[Any] = []
    marks: list[int] = []
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
            case name if name in _VALUES:
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
                _fill(stack[-1], [key, value])
            case "SETITEMS":
                items = since_mark()
                _fill(stack[-1], items)
            case "GLOBAL":
                stack.append(_known(_Name(str(arg))))
            case "STACK_GLOBAL":
                name, module = stack.pop(), stack.pop()
                stack.append(_known(_Name(f"{module} {name}")))
            case "REDUCE":
                args, function = stack.pop(), stack.pop()
                stack.append(_start(function, args))
            case "BUILD":
                state = stack.pop()
                _complete(stack[-1], state)
            case name:
                raise ValueError(f"its instruction {name} is not one of plain data")
    raise ValueError("it has no end")


def _known(name: _Name) -> _Name:
    if name not in (*_RECONSTRUCT, _NDARRAY, _DTYPE):
        raise ValueError(f"it refers to {short_repr(name.text)}, which plain data do not need")
    return name


def _start(function: Any, args: Any) -> _Array | _Dtype:
    if isinstance(function, _Name) and isinstance(args, tuple):
        if function in _RECONSTRUCT and args[:1] == (_NDARRAY,):
            return _Array()
        if function == _DTYPE and isinstance(args[0], str):
            return _Dtype(args[0])
    raise ValueError("it calls what is not an array")


def _complete(target: Any, state: Any) -> None:
    """The state of an array is (version, shape, dtype, column-major, bytes)."""
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


def _fill(target: Any, items: list[Any]) -> None:
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


def read_batch(path: Path, label_key: str, n_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 [N, 3, 32, 32] and labels int64 [N] of one batch file.

    Raises:
        DataError: not such a file, or its images and labels do not fit.
    """
    content = _read(path)
    x, labels = content.get("data"), content.get(label_key)
    with reading(path, KIND):
        if not isinstance(x, np.ndarray) or x.ndim != 2 or x.shape[1] != 3072 or type(labels) is not list:
            raise ValueError(f"it has no 'data' of 3,072 bytes an image or no {label_key!r}")
        if len(x) != len(labels) or not all(type(v) is int and 0 <= v < n_classes for v in labels):
            raise ValueError(f"it has {len(labels)} labels for {len(x)} images, or labels outside 0 to {n_classes - 1}")
        return x.reshape(-1, *PIXELS), np.array(labels, dtype=np.int64)


def read_names(path: Path, key: str, n_classes: int) -> tuple[str, ...]:
    """The class names in a `meta` file, () where there is no such file: they are for show only.

    Raises:
        DataError: the file is damaged.
    """
    if not path.exists():
        return ()
    names = _read(path).get(key)
    if type(names) is not list or len(names) != n_classes:
        raise DataError(
            f"{short_repr(str(path), 200)} has no {n_classes} names in {key!r}: it may be damaged, get it again"
        )
    return tuple(n.decode("utf-8", "replace") if isinstance(n, bytes) else str(n) for n in names)


def read_cifar10(files: tuple[Path, ...], meta: Path) -> RawData:
    """CIFAR-10 from its five training batches and its test batch, in this order.

    Raises:
        DataError: a damaged file.
    """
    parts = [read_batch(path, "labels", 10) for path in files]
    return _joined(parts[:-1], parts[-1], read_names(meta, "label_names", 10))


def read_cifar100(files: tuple[Path, ...], meta: Path) -> RawData:
    """CIFAR-100 (fine labels) from its files `train` and `test`, in this order.

    Raises:
        DataError: a damaged file.
    """
    parts = [read_batch(path, "fine_labels", 100) for path in files]
    return _joined(parts[:-1], parts[-1], read_names(meta, "fine_label_names", 100))


def _joined(
    train: list[tuple[np.ndarray, np.ndarray]], test: tuple[np.ndarray, np.ndarray], classes: tuple[str, ...]
) -> RawData:
    return RawData(np.concatenate([x for x, _ in train]), np.concatenate([y for _, y in train]), *test, classes)


def _read(path: Path) -> dict[Any, Any]:
    with reading(path, KIND):
        check_memory(path, 4 * path.stat().st_size)
        return parse_plain_pickle(path.read_bytes())
