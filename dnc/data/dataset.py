"""A data set: arrays split into train, validation and test, with the augmentation to train with."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from dnc.card import fitted
from dnc.config import canonical_json
from dnc.data import arrays, labels, splits
from dnc.data.augment import Augment, complete
from dnc.data.preprocessing import SCALES, Preprocessing, fit
from dnc.errors import ArgumentError, DataError, check_choice, check_int, short_repr


@dataclass(frozen=True, eq=False)
class Dataset:
    """Arrays to search, train and test on. Treat them as read-only: the fingerprint is computed once.

    Inputs are uint8 (divided by 255 on use) or float32, C-contiguous, shape [N, *input_shape] with input_shape
    (C, H, W) or (features,). Their values are those that were given; `prepared` has them as networks see them. Labels
    are int64 [N] in [0, n_classes). The test set may be empty.

    `load_data` and `Dataset.from_arrays` make them.

    Attributes:
        name: what it is called.
        x_train, y_train, x_val, y_val, x_test, y_test: the three splits.
        n_classes: number of classes.
        augment: what to do to the train split's images in each epoch; None for nothing.
        classes: names of the classes; by default their numbers.
        split_seed: what the splits were drawn with.
        preprocessing: how samples become what networks see; a model keeps it, and treats what it predicts alike.

    Raises:
        DataError: arrays that do not belong together.

    >>> import dnc
    >>> data = dnc.load_data("digits", n_train=300)
    >>> data.x_train.shape, data.n_val, data.is_image, data.n_features
    ((300, 1, 8, 8), 397, True, 64)
    """

    name: str
    x_train: np.ndarray
    y_train: np.ndarray
    x_val: np.ndarray
    y_val: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    n_classes: int
    augment: Augment | None = None
    classes: tuple[str, ...] = ()
    split_seed: int = 0
    preprocessing: Preprocessing = None  # type: ignore[assignment]  # of samples that are as they should be

    def __post_init__(self) -> None:
        for split, x, y in self._splits():
            if x.dtype not in (np.uint8, np.float32) or x.dtype != self.x_train.dtype or not x.flags.c_contiguous:
                raise DataError(f"x_{split} is {x.dtype}: all inputs must be C-contiguous uint8, or all float32")
            if x.shape[1:] != self.input_shape or x.ndim not in (2, 4):
                raise DataError(f"x_{split} has samples of shape {x.shape[1:]}, x_train {self.input_shape}")
            if y.dtype != np.int64 or y.shape != (len(x),):
                raise DataError(f"y_{split} is {y.dtype} {y.shape} for {len(x)} samples: give int64 labels (N,)")
            if y.min(initial=0) < 0 or y.max(initial=0) >= self.n_classes:
                raise DataError(f"y_{split} has labels outside 0 to {self.n_classes - 1}")
        if self.augment is not None and (not self.is_image or len(self.augment.mean) != self.input_shape[0]):
            raise DataError(f"augment={short_repr(self.augment)} does not fit samples of shape {self.input_shape}")
        if not self.classes:
            object.__setattr__(self, "classes", tuple(map(str, range(self.n_classes))))
        preprocessing = self.preprocessing or self._as_it_is()
        object.__setattr__(self, "preprocessing", replace(preprocessing, classes=self.classes))

    @classmethod
    def from_arrays(
        cls,
        x: ArrayLike,
        y: ArrayLike,
        x_test: ArrayLike | None = None,
        y_test: ArrayLike | None = None,
        x_val: ArrayLike | None = None,
        y_val: ArrayLike | None = None,
        val_fraction: float = 0.2,
        name: str = "arrays",
        image_shape: tuple[int, int, int] | None = None,
        stratify: bool = True,
        split_seed: int = 0,
        augment: bool | Augment = False,
        *,
        flip: bool = True,
        layout: str | None = None,
        image_size: int | tuple[int, int] | None = None,
        n_train: int | None = None,
        n_val: int | None = None,
        n_test: int | None = None,
        classes: Sequence[str] = (),
        scale: str = "auto",
    ) -> Dataset:
        """A data set from arrays in memory, which are copied.

        What is done to the samples depends on their values, not on their type or container, is decided on the training
        split alone, and is in `preprocessing`, which models keep: `predict` and `score` take the same arrays.

        Args:
            x, y: samples and labels to train on, and to take the validation set from where x_val is not given.
                x is (N, features), (N, H, W), (N, C, H, W) or (N, H, W, C); y holds 0 … K-1, or text.
                Tables of pandas, tensors of torch and sparse matrices of scipy become arrays.
            x_test, y_test: samples and labels to test on. Without them there is no test set.
            x_val, y_val: samples and labels to validate on.
            val_fraction: share of x to validate on where x_val is not given.
            name: what to call the data.
            image_shape: (C, H, W), to turn flat rows into images.
            stratify: keep the proportions of the classes in every split and subset.
            split_seed: which validation set and subsets are drawn.
            augment: True for the paper's augmentation (images only), or an `Augment`. True pads by 4 pixels, and by
                an eighth of the side for images smaller than 28.
            flip: whether augment=True mirrors half of the images.
            layout: "NCHW" or "NHWC", where the shape of the images does not tell.
            image_size: average the images down to this side, or (height, width).
            n_train, n_val, n_test: use only so many samples; smaller subsets are part of larger ones.
            classes: names of the classes 0 … K-1. Where y is text, it is numbered in this order.
            scale: "auto" divides pixels (whole numbers 0 … 255 of images, or of rows that look like them) by 255,
                leaves 0 and 1 as they are, and standardizes what else needs it: tables with a feature that exceeds 10,
                is offset from 0 by more than 3 standard deviations, or stays below 0.1, and images on such scales.
                "standardize" does so to every feature of a table, and to every channel of images. "none" divides uint8
                by 255, whatever it holds, and uses all other numbers as they are.

        Raises:
            ArgumentError: a bad argument.
            DataError: arrays that are not data to classify; the message says why.

        >>> import dnc
        >>> import numpy as np
        >>> x = np.random.default_rng(0).random((100, 64))
        >>> dnc.Dataset.from_arrays(x, np.arange(100) % 4, image_shape=(1, 8, 8), val_fraction=0.3, name="mine")
        <Dataset mine: 70 train / 30 val / 0 test, 1x8x8 float32, 4 classes>
        """
        if not isinstance(name, str) or not name:
            raise ArgumentError(f"name={short_repr(name)} is not allowed: give a text")
        seed = check_int("split_seed", split_seed, 0)
        check_choice("scale", scale, SCALES)
        for part, a, b in (("test", x_test, y_test), ("val", x_val, y_val)):
            if (a is None) != (b is None):
                raise ArgumentError(f"x_{part} and y_{part} belong together: give both or neither")

        read = arrays.read_inputs("x", x, image_shape, layout)
        y_pool, class_names = labels.training_labels("y", y, len(read.x), labels.check_class_names(classes))
        val: np.ndarray | slice = slice(0)
        if x_val is None:
            order = splits.sample_order(y_pool, seed, stratify)
            train, val = splits.split(order, splits.validation_size(len(order), val_fraction), n_train, n_val)
        else:
            train = splits.subset(y_pool, "n_train", n_train, seed, stratify)
        prepare = fit(
            read, train, scale, image_size, own_statistics=isinstance(augment, Augment) and augment.mean != ()
        )

        def inputs_and_labels(part: str, a: ArrayLike | None, b: ArrayLike | None) -> tuple[np.ndarray, np.ndarray]:
            if a is None or b is None:
                return pool[:0].copy(), y_pool[:0].copy()
            values = prepare.inputs(f"x_{part}", a)
            if not len(values):
                raise DataError(f"x_{part} has shape {values.shape}, no sample: give some, or leave it out")
            return values, labels.known_labels(f"y_{part}", b, len(values), class_names)

        # a validation sample may well exceed the training samples: the pool is on one scale, whatever its numbers are
        pool = prepare.shrunk(replace(prepare, high=math.inf).encoded("x", read.x))
        tests, y_tests = inputs_and_labels("test", x_test, y_test)
        vals, y_vals = (pool, y_pool) if x_val is None else inputs_and_labels("val", x_val, y_val)
        if x_val is not None:
            val = splits.subset(y_vals, "n_val", n_val, seed, stratify)
        test = splits.subset(y_tests, "n_test", n_test, seed, stratify)
        x_train = np.array(pool[train])  # copies, so that the caller's arrays may change
        return cls(
            name=name,
            x_train=x_train,
            y_train=np.array(y_pool[train]),
            x_val=np.array(vals[val]),
            y_val=np.array(y_vals[val]),
            x_test=np.array(tests[test]),
            y_test=np.array(y_tests[test]),
            n_classes=len(class_names),
            augment=complete(augment, flip, prepare.scaled(x_train)),
            classes=class_names,
            split_seed=seed,
            preprocessing=prepare,
        )

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one sample: (C, H, W), or (features,)."""
        return self.x_train.shape[1:]

    @property
    def n_train(self) -> int:
        """Number of samples to train on."""
        return len(self.x_train)

    @property
    def n_val(self) -> int:
        """Number of samples to validate on."""
        return len(self.x_val)

    @property
    def n_test(self) -> int:
        """Number of samples to test on, 0 if there are none."""
        return len(self.x_test)

    @property
    def n_features(self) -> int:
        """Numbers in one sample."""
        return math.prod(self.input_shape)

    @property
    def is_image(self) -> bool:
        """Whether the samples are images (C, H, W)."""
        return len(self.input_shape) == 3

    @property
    def augmentation_id(self) -> str:
        """What augmentation does, in short; "" if there is none. A timing's identity holds it: it costs time."""
        return "" if self.augment is None else f"crop{self.augment.pad}{'+flip' if self.augment.flip else ''}+norm"

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of what a training sees: shapes, dtypes and bytes of the train and validation split, scaling,
        number of classes, augmentation. Other test samples are the same data to train on.
        """
        augment = None if self.augment is None else asdict(self.augment)
        no_test = self.x_test[:0], self.y_test[:0]  # data without test samples keeps the fingerprint that it always had
        seen = (*self._splits()[:2], ("test", *no_test))
        form = [[split, x.shape, x.dtype.str, y.dtype.str] for split, x, y in seen]
        scaling = [[self.preprocessing.mean, self.preprocessing.std]] if self.preprocessing.mean else []
        digest = hashlib.sha256(canonical_json([form, self.n_classes, augment, *scaling]).encode())
        for _, x, y in seen:
            digest.update(x.data if x.size else b"")
            digest.update(y.data if y.size else b"")
        return digest.hexdigest()

    def prepared(self) -> Dataset:
        """The same samples as networks see them: scaled as `preprocessing` says.

        >>> import dnc
        >>> import numpy as np
        >>> x = np.array([[1.0, 7000.0], [2.0, 9000.0]] * 5)
        >>> data = dnc.Dataset.from_arrays(x, [0, 1] * 5)
        >>> data.x_train.max(), data.prepared().x_train.max()
        (np.float32(9000.0), np.float32(1.0))
        """
        return self._prepared

    @cached_property
    def _prepared(self) -> Dataset:
        if not self.preprocessing.mean:
            return self
        scaled = {f"x_{split}": self.preprocessing.scaled(x) for split, x, _ in self._splits()}
        return replace(self, preprocessing=None, **scaled)

    def _as_it_is(self) -> Preprocessing:
        encoding = "pixels" if self.x_train.dtype == np.uint8 else "numbers"
        return Preprocessing(self.input_shape, "NCHW" if self.is_image else None, encoding=encoding)

    def flatten(self) -> Dataset:
        """The same samples as flat rows (N, features) without augmentation, as an MLP sees them.

        >>> import dnc
        >>> dnc.load_data("digits", n_train=300).flatten().input_shape
        (64,)
        """
        return self._flat

    @cached_property
    def _flat(self) -> Dataset:
        if not self.is_image and self.augment is None:
            return self
        rows = {f"x_{split}": x.reshape(len(x), self.n_features) for split, x, _ in self._splits()}
        return replace(self, augment=None, **rows)

    def __getstate__(self) -> dict[str, object]:
        # a view and what can be computed again here, second copies in a worker
        return {k: v for k, v in self.__dict__.items() if k not in ("_flat", "_prepared")}

    def final(self) -> Dataset:
        """For the final training: train on the train and validation splits, "validate" on the test split.

        Without test samples, the validation split of the result is empty. Augmentation keeps its mean and std.

        >>> import dnc
        >>> dnc.load_data("digits").final()
        <Dataset digits: 1,397 train / 400 val / 400 test, 1x8x8 float32, 10 classes>
        """
        return replace(
            self,
            x_train=np.concatenate([self.x_train, self.x_val]),
            y_train=np.concatenate([self.y_train, self.y_val]),
            x_val=self.x_test,
            y_val=self.y_test,
        )

    def describe(self) -> str:
        """One line: name, sizes, shape, classes, scaling, augmentation."""
        kind = f"{'x'.join(map(str, self.input_shape))} {self.x_train.dtype}"
        scaling = self.preprocessing.scaling()
        extra = (f", {scaling}" if scaling else "") + (f", augmented ({self.augmentation_id})" if self.augment else "")
        sizes = f"{self.n_train:,} train / {self.n_val:,} val / {self.n_test:,} test"
        return f"{self.name}: {sizes}, {kind}, {self.n_classes} classes{extra}"

    def __repr__(self) -> str:
        return fitted([f"<Dataset {self.describe()}>"])

    def _splits(self) -> tuple[tuple[str, np.ndarray, np.ndarray], ...]:
        return (
            ("train", self.x_train, self.y_train),
            ("val", self.x_val, self.y_val),
            ("test", self.x_test, self.y_test),
        )
