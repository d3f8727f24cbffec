"""How samples as people have them become what networks see: decided on training samples, kept with a model."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from dnc.data.arrays import LAYOUTS, Inputs, downsize, read_inputs
from dnc.data.foreign import as_array
from dnc.errors import ArgumentError, DataError, check_choice, check_float

SCALES = ("auto", "standardize", "none")
ENCODINGS = ("pixels", "numbers")
WHITE = 255
BRIGHT = 128  # pixels reach the upper half of 0 … 255; smaller whole numbers are counts, grades, classes
PICTURE = 64  # rows of fewer numbers are not taken for pictures
LARGE, FAINT = 10.0, 0.1  # a table is on the scale of a network's weights if its entries are between these
FAR = 3.0  # standard deviations between the mean and 0 that make an offset
ROUNDING = 1e-6  # relative: what differs by less is constant, as float32 holds it
FINITE = -float(np.finfo(np.float32).max), float(np.finfo(np.float32).max)
CHUNK = 2**22  # numbers turned into float64 at a time
SAME = "give the same shape, type and scale"


@dataclass(frozen=True, repr=False)
class Preprocessing:
    """What is done to samples before a network sees them; the same for training and for prediction.

    It goes by values, not by types: bytes, integers, bools and floats of the same values are the same samples.

    Attributes:
        shape: of a sample as a data set holds it, before `image_size`: (features,), or (C, H, W).
        layout: "NCHW" or "NHWC", as the images were given; None for tables.
        rows: whether the images were given as flat rows.
        image_size: height and width that images are averaged down to; None for their own.
        encoding: "pixels" are whole numbers 0 … 255, held as uint8 and divided by 255 on use; "numbers" are float32.
        high: largest absolute value of the training samples.
        mean, std: of each feature, or of each channel of images, over the training samples: what is subtracted and
            divided by. () leaves the samples as they are; features of 0 and 1 have mean 0 and std 1.
        classes: names of the classes.

    >>> import numpy as np
    >>> import dnc
    >>> x = np.random.default_rng(0).normal(1000, 20, size=(50, 3))
    >>> data = dnc.Dataset.from_arrays(x, np.arange(50) % 2)
    >>> data.preprocessing
    <Preprocessing table: 3 of 3 features standardized by the training samples>
    >>> abs(float(data.prepared().x_train.mean())) < 1e-3
    True
    """

    shape: tuple[int, ...]
    layout: str | None = None
    rows: bool = False
    image_size: tuple[int, int] | None = None
    encoding: str = "numbers"
    high: float = math.inf
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    classes: tuple[str, ...] = ()

    @property
    def image_shape(self) -> tuple[int, ...] | None:
        """(C, H, W) of the images that networks see; None for tables."""
        if self.layout is None:
            return None
        return self.shape if self.image_size is None else (self.shape[0], *self.image_size)

    def apply(self, name: str, x: ArrayLike) -> np.ndarray:
        """Samples as they are predicted: uint8 or float32, (N, features) or (N, C, H, W).

        Args:
            name: what to call them in an error.
            x: whatever `Dataset.from_arrays` took, or samples as the data set holds them.

        Raises:
            DataError: samples of another shape or scale, or no numbers.
        """
        return self.scaled(self.inputs(name, x))

    def inputs(self, name: str, x: ArrayLike) -> np.ndarray:
        """Samples as a data set holds them: `apply` without scaling.

        Raises:
            DataError: samples of another shape or scale, or no numbers.
        """
        array = as_array(name, x)
        given, shape = array.shape[1:], self.shape
        if self.image_size is not None and given == self.image_shape != shape:  # as the data set holds them
            return self.encoded(name, read_inputs(name, array, self.image_shape, "NCHW", may_be_empty=True).x)
        if array.ndim > 1 and not self._fits(given):
            wanted = f"(N, {', '.join(map(str, shape))})"
            raise DataError(f"{name} has shape {array.shape}, the training samples {wanted}: {SAME}")
        if self.layout is None:
            flat = array.reshape(len(array), -1) if array.ndim > 2 else array if array.dtype.kind in "biuf" else x
            return self.encoded(name, read_inputs(name, flat, may_be_empty=True).x)
        layout = self.layout
        if array.ndim == 4 and not given == shape == (*given[1:], given[0]):  # a cube looks alike in both
            layout = "NCHW" if given == shape else "NHWC"
        values = array if array.dtype.kind in "biuf" else x  # what is no number is named by its column
        return self.shrunk(self.encoded(name, read_inputs(name, values, shape, layout, may_be_empty=True).x))

    def _fits(self, given: tuple[int, ...]) -> bool:
        """Whether samples of this shape can be read, and in one way only."""
        if self.layout is None:  # pictures without colors are rows, too
            return math.prod(given) == self.shape[0] and (len(given) < 3 or 1 in (given[0], given[-1]))
        c, h, w = self.shape
        if len(given) == 1:  # rows of what was given with the channels last might be in either order
            one_order = self.rows or self.layout == "NCHW" or c == 1 or h * w == 1
            return one_order and given == (c * h * w,)
        return given in ((c, h, w), (h, w, c)) or (c == 1 and given == (h, w))

    def encoded(self, name: str, x: np.ndarray) -> np.ndarray:
        """Pixels as uint8, numbers as float32.

        Raises:
            DataError: samples on another scale than the training samples.
        """
        if self.encoding == "pixels":
            if x.dtype == np.uint8:
                return x
            for start, part in _chunks(x):
                wrong = ~_are_bytes(part)
                if wrong.any():
                    place = np.unravel_index(int(np.argmax(wrong)), wrong.shape)
                    raise DataError(
                        f"{name} has {part[place]:g} in row {start + int(place[0])} (rows count from 0), "
                        f"the training samples are pixels, whole numbers from 0 to {WHITE}: {SAME}"
                    )
            return x.astype(np.uint8)
        if self.high <= 1 and x.max(initial=0) >= BRIGHT and all(_are_bytes(part).all() for _, part in _chunks(x)):
            raise DataError(
                f"{name} has whole numbers up to {x.max():g}, the training samples go to {self.high:g}: {SAME}"
            )
        return x.astype(np.float32, copy=False)

    def shrunk(self, x: np.ndarray) -> np.ndarray:
        """Images averaged down to `image_size`."""
        return x if self.image_size is None else downsize(x, self.image_size)

    def scaled(self, x: np.ndarray) -> np.ndarray:
        """Samples, or flat rows of them, less the mean and over the standard deviation, as float32."""
        if not self.mean:
            return x
        mean, std = (np.array(values)[:, None] for values in (self.mean, self.std))
        out = np.empty(x.shape, np.float32)
        for start, part in _chunks(x):
            groups = part.reshape(len(part), len(mean), -1)
            with np.errstate(over="ignore"):
                out[start : start + len(part)] = ((groups - mean) / std).reshape(part.shape)
        # what lies beyond float32 after the division is as far out as there are numbers, and not infinite
        return np.clip(out, *FINITE, out=out)

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Preprocessing:
        """What `to_dict` gave.

        Raises:
            ArgumentError, KeyError, TypeError, ValueError: it is damaged.
        """
        size, high = value["image_size"], value["high"]
        mean, std = (tuple(check_float(key, v) for v in value[key]) for key in ("mean", "std"))
        shape = tuple(map(int, value["shape"]))
        layout = None if value["layout"] is None else check_choice("layout", value["layout"], LAYOUTS)
        if len(shape) != (1 if layout is None else 3) or len(mean) != len(std) or len(mean) not in (0, shape[0]):
            raise ArgumentError(f"shape={shape} does not fit layout {layout} and {len(mean)} means")
        if not all(s > 0 for s in std):
            raise ArgumentError("std must be positive")
        return cls(
            shape,
            layout,
            bool(value["rows"]),
            None if size is None else (int(size[0]), int(size[1])),
            check_choice("encoding", value["encoding"], ENCODINGS),
            math.inf if high is None else float(high),
            mean,
            std,
            tuple(map(str, value["classes"])),
        )

    def scaling(self) -> str:
        """What scaling does, in short; "" if there is none."""
        scaled = sum((m, s) != (0, 1) for m, s in zip(self.mean, self.std, strict=True))
        if not scaled:
            return ""
        unit = "features" if self.layout is None else "channels"
        return f"{scaled} of {len(self.mean)} {unit} standardized"

    def __str__(self) -> str:
        what = "table" if self.layout is None else f"images {'x'.join(map(str, self.shape))}"
        size = "" if self.image_size is None else f", averaged down to {'x'.join(map(str, self.image_size))}"
        scaling = self.scaling()
        if scaling:
            done = f"{scaling} by the training samples"
        else:
            done = "pixels, divided by 255" if self.encoding == "pixels" else "numbers as they are"
        return f"{what}{size}: {done}"

    def __repr__(self) -> str:
        return f"<Preprocessing {self}>"


def fit(
    read: Inputs, rows: Any, scale: str, image_size: int | tuple[int, int] | None, *, own_statistics: bool = False
) -> Preprocessing:
    """The preprocessing for samples, decided on those to train on.

    Args:
        read: all samples, and how they were laid out.
        rows: index of those to train on.
        scale: "none" divides uint8 by 255 and leaves other numbers as they are. "standardize" gives each feature (each
            channel of images) mean 0 and standard deviation 1. "auto" takes pixels for pixels, whatever their type;
            other samples are standardized if a feature needs it, without those of 0 and 1.
        image_size: see `Dataset.from_arrays`.
        own_statistics: whether the augmentation was given the mean and std to normalize by, which know the scale.

    Raises:
        ArgumentError: to be standardized in two ways.
    """
    if own_statistics and scale == "standardize":
        raise ArgumentError("scale='standardize' and an Augment with mean and std are not allowed together: give one")
    train = read.x[rows]
    pixels = train.dtype == np.uint8 if scale == "none" else scale == "auto" and _are_pixels(train)
    pixels = pixels and _all_bytes(read.x)  # one number beyond them, in whatever split, and they are counts
    plain = Preprocessing(train.shape[1:], read.layout, read.rows, encoding="pixels" if pixels else "numbers")
    train = plain.encoded("x", train)
    if image_size is not None:
        train = downsize(train, image_size)
        plain = replace(plain, image_size=train.shape[2:])
    high = max(float(train.max()), -float(train.min()))
    mean, std = ((), ()) if pixels or scale == "none" or own_statistics else _scaling(train, auto=scale == "auto")
    return replace(plain, high=high, mean=mean, std=std)


class _Columns(NamedTuple):
    """Of each feature (N, features), or of each channel of images (N, C, H, W)."""

    mean: np.ndarray
    std: np.ndarray
    high: np.ndarray  # largest absolute value
    varies: np.ndarray
    binary: np.ndarray  # holds nothing but 0 and 1
    filled: np.ndarray  # fraction of entries that are not 0


def _are_pixels(x: np.ndarray) -> bool:
    """Whether samples are pictures of whole numbers 0 … 255."""
    if x.max(initial=0) < BRIGHT or not _all_bytes(x):
        return False
    if x.ndim == 4:
        return True
    columns = _columns(x)
    like_a_table = columns.binary | (np.abs(columns.mean) > FAR * columns.std)
    return len(columns.mean) >= PICTURE and 2 * like_a_table[columns.varies].sum() <= columns.varies.sum()


def _all_bytes(x: np.ndarray) -> bool:
    """Whether there are whole numbers 0 … 255 only."""
    return x.dtype == np.uint8 or all(_are_bytes(part).all() for _, part in _chunks(x))


def _scaling(x: np.ndarray, *, auto: bool) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation to scale by; () for none. What is constant has a standard deviation of 1."""
    c = _columns(x)
    if auto:
        offset = np.abs(c.mean) > FAR * c.std if x.ndim == 2 else False  # pictures may be bright all over
        unfit = (c.high > LARGE) | (c.high < FAINT) & (c.filled > 0.5) | offset
        if not (unfit & c.varies & ~c.binary).any():
            return (), ()
    kept = c.binary if auto else np.zeros_like(c.binary)
    mean, std = np.where(kept, 0.0, c.mean), np.where(kept | ~c.varies, 1.0, c.std)
    return tuple(mean.tolist()), tuple(std.tolist())


def _columns(x: np.ndarray) -> _Columns:
    k, n = x.shape[1], x.size // x.shape[1]

    def groups() -> Iterator[np.ndarray]:
        return (part.reshape(len(part), k, -1).astype(np.float64) for _, part in _chunks(x))

    total, filled, binary = np.zeros(k), np.zeros(k), np.ones(k, dtype=bool)
    low, top = np.full(k, np.inf), np.full(k, -np.inf)
    for part in groups():
        total += part.sum(axis=(0, 2))
        filled += (part != 0).sum(axis=(0, 2))
        binary &= ((part == 0) | (part == 1)).all(axis=(0, 2))
        low, top = np.minimum(low, part.min(axis=(0, 2))), np.maximum(top, part.max(axis=(0, 2)))
    mean = total / n
    square = sum((np.square(part - mean[:, None]).sum(axis=(0, 2)) for part in groups()), np.zeros(k))
    std, high = np.sqrt(square / n), np.maximum(np.abs(low), np.abs(top))
    return _Columns(mean, std, high, std > ROUNDING * np.abs(mean), binary, filled / n)


def _are_bytes(x: np.ndarray) -> np.ndarray:
    return (x >= 0) & (x <= WHITE) & (x == np.floor(x))


def _chunks(x: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Parts of the samples, each with the number of its first."""
    step = max(1, CHUNK // max(1, math.prod(x.shape[1:])))
    return ((start, x[start : start + step]) for start in range(0, len(x), step))
