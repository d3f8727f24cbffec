"""From the inputs that a user or a file gives to clean arrays: layout, dtype, values, image size."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from dnc.data.foreign import as_array, first_object, is_missing
from dnc.errors import ArgumentError, DataError, check_choice, check_int, short_repr

LAYOUTS = ("NCHW", "NHWC")
CHANNELS = (1, 2, 3, 4)  # an axis of one of these lengths beside longer ones is taken for the channels
CHUNK = 4096  # images turned into floats at a time


class RawData(NamedTuple):
    """What a reader found: train and test arrays (None without a test set) as in the files, and class names or ().

    The train arrays hold the validation samples, too: splitting comes later.
    """

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray | None
    y_test: np.ndarray | None
    classes: tuple[str, ...] = ()


class Inputs(NamedTuple):
    """Samples that have been read.

    Attributes:
        x: flat [N, F] or images [N, C, H, W], uint8 or float32.
        layout: "NCHW" or "NHWC", the order of the axes in which images were given; None for flat samples.
        rows: whether images were given as flat rows.
    """

    x: np.ndarray
    layout: str | None
    rows: bool


def read_inputs(
    name: str,
    x: ArrayLike,
    image_shape: tuple[int, ...] | None = None,
    layout: str | None = None,
    *,
    may_be_empty: bool = False,
) -> Inputs:
    """Inputs as uint8 or float32: flat [N, F], or images [N, C, H, W].

    uint8 stays, every other type becomes float32. Gray images [N, H, W] get a channel axis. Of four axes, the one with
    1 to 4 entries holds the channels.

    Args:
        name: what to call the array in an error.
        x: [N, F], [N, H, W], [N, C, H, W] or [N, H, W, C].
        image_shape: (C, H, W) of the images that flat rows hold, or that images should have.
        layout: "NCHW" or "NHWC" where the shape does not tell.
        may_be_empty: whether there may be no samples.

    Raises:
        ArgumentError: a bad image_shape or layout.
        DataError: not numbers, NaN or infinity, no samples, or a shape that is none of these.
    """
    shape = check_image_shape(image_shape)
    if layout is not None:
        check_choice("layout", layout, LAYOUTS)
    array = as_array(name, x)
    if array.dtype.kind not in "biuf":
        raise DataError(f"{name} holds {_what_is_held(array, x)}: give an array of numbers (uint8 or float)")
    if array.ndim < 2 or (array.size == 0 and not (may_be_empty and len(array) == 0)):
        raise DataError(f"{name} has shape {array.shape}: give samples as (N, features), (N, H, W) or (N, C, H, W)")
    rows = array.ndim == 2
    array, layout = _arrange(name, array, shape, layout)
    if array.dtype != np.uint8:
        with np.errstate(over="ignore", invalid="ignore"):
            array = array.astype(np.float32)
        finite = np.isfinite(array)
        if not finite.all():
            row = int(np.argmin(finite.reshape(len(array), -1).all(axis=1)))
            raise DataError(
                f"{name} has NaN or infinite values (as float32), the first in row {row} (rows count from 0): "
                f"clean or scale the inputs first"
            )
    return Inputs(np.ascontiguousarray(array), layout, rows and layout is not None)


def _what_is_held(array: np.ndarray, given: object) -> str:
    """What an array holds that is no numbers; of objects the first one, and where."""
    dtype = short_repr(str(array.dtype))
    if array.dtype.kind != "O" or array.size == 0 or array.ndim == 0:
        return dtype
    place, value = first_object(array)
    row, *others = place
    missing = is_missing(value)
    what = short_repr(value) if missing or isinstance(value, str) else f"a {type(value).__name__}"
    names = getattr(given, "columns", None)  # of a table
    column = f", column {others[0] if names is None else short_repr(names[others[0]])}" if others else ""
    more = " (a missing value: fill it in, or leave the row out)" if missing else ""
    return f"{dtype}, first {what} in row {row}{column}{more}"


def check_image_shape(image_shape: object) -> tuple[int, int, int] | None:
    """`image_shape` as three whole numbers (C, H, W), or None.

    Raises:
        ArgumentError: it is anything else.
    """
    if image_shape is None:
        return None
    if not isinstance(image_shape, (tuple, list)) or len(image_shape) != 3:
        raise ArgumentError(f"image_shape={short_repr(image_shape)} is not allowed: give (channels, height, width)")
    c, h, w = (check_int(f"image_shape[{i}]", v, 1, 100_000) for i, v in enumerate(image_shape))
    return c, h, w


def _arrange(
    name: str, x: np.ndarray, shape: tuple[int, int, int] | None, layout: str | None
) -> tuple[np.ndarray, str | None]:
    """`x` as [N, F] or [N, C, H, W], perhaps a view, and its layout; `shape` is the wanted (C, H, W)."""
    n = len(x)
    if x.ndim == 2 and shape is None:
        return x, None
    if x.ndim == 2 and shape is not None and x.shape[1] == math.prod(shape):
        c, h, w = shape
        if layout == "NHWC":
            return x.reshape(n, h, w, c).transpose(0, 3, 1, 2), "NHWC"
        return x.reshape(n, c, h, w), "NCHW"
    if x.ndim == 3 and shape in (None, (1, *x.shape[1:])):
        return x[:, None], "NCHW"
    if x.ndim == 4:
        c_first, c_last = x.shape[1:], (x.shape[3], *x.shape[1:3])  # (C, H, W) under either reading
        plausible = [s == shape if shape else s[0] in CHANNELS for s in (c_first, c_last)]
        if layout is None and plausible[0] == plausible[1] and (shape is None or plausible[0]):
            raise DataError(
                f"{name} has shape {x.shape}, which may be (N, C, H, W) or (N, H, W, C): say layout='NCHW' or 'NHWC'"
            )
        channels_last = layout == "NHWC" if layout else plausible[1]
        if shape is None or plausible[channels_last]:
            return (x.transpose(0, 3, 1, 2), "NHWC") if channels_last else (x, "NCHW")
    wanted = f"image_shape={shape}" if shape else "(N, features), (N, H, W), (N, C, H, W) or (N, H, W, C)"
    raise DataError(f"{name} has shape {x.shape}, which does not fit {wanted}: reshape it or correct image_shape=")


def downsize(x: np.ndarray, image_size: int | tuple[int, int]) -> np.ndarray:
    """Images [N, C, H, W] averaged down to `image_size` (a side, or height and width), in their own dtype.

    Each new pixel is the mean over the area that it covers; uint8 is rounded to nearest.

    Raises:
        ArgumentError: `x` does not hold images, or only smaller ones.
    """
    if x.ndim != 4:
        raise ArgumentError(
            f"image_size={short_repr(image_size)} needs images: give image_shape=(channels, height, width)"
        )
    pair = image_size if isinstance(image_size, (tuple, list)) else (image_size, image_size)
    if len(pair) != 2:
        raise ArgumentError(f"image_size={short_repr(image_size)} is not allowed: give one side, or (height, width)")
    h, w = (check_int("image_size", v, 1, limit) for v, limit in zip(pair, x.shape[2:], strict=True))
    rows, cols = area_weights(x.shape[2], h), area_weights(x.shape[3], w).T
    out = np.empty((*x.shape[:2], h, w), dtype=x.dtype)
    for i in range(0, len(x), CHUNK):
        small = rows @ x[i : i + CHUNK].astype(np.float32) @ cols
        out[i : i + CHUNK] = np.rint(small) if x.dtype == np.uint8 else small
    return out


def area_weights(n: int, m: int) -> np.ndarray:
    """The matrix [m, n] that averages n pixels into m: entry (i, j) is the share of new pixel i that j covers.

    >>> area_weights(4, 2).tolist()
    [[0.5, 0.5, 0.0, 0.0], [0.0, 0.0, 0.5, 0.5]]
    """
    edges = np.arange(m + 1) * (n / m)
    pixel = np.arange(n)
    overlap = np.minimum(edges[1:, None], pixel + 1) - np.maximum(edges[:-1, None], pixel)
    return (np.maximum(overlap, 0) * (m / n)).astype(np.float32)
