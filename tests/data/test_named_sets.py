"""Named sets and `.npz` files: found, checked, split as in the paper, or one line that says what is missing."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dnc.data import DATASETS, Augment, Dataset, data_root, datasets, load_data, loading
from dnc.errors import ArgumentError, DataError

X = np.random.default_rng(0).integers(0, 256, (60, 3, 8, 6), dtype=np.uint8)
Y = np.arange(60) % 3


def test_digits() -> None:
    data = load_data("digits")
    assert (data.n_train, data.n_val, data.n_test, data.n_classes) == (1000, 397, 400, 10)
    assert (data.input_shape, data.x_train.dtype) == ((1, 8, 8), np.float32)
    assert (data.x_train.min(), data.x_train.max()) == (0, 1)
    assert np.bincount(np.concatenate([data.y_train, data.y_val, data.y_test])).tolist() == [
        178, 182, 177, 183, 181, 182, 181, 179, 174, 180]  # fmt: skip
    assert min(np.bincount(data.y_test)) >= 38
    other = load_data("digits", split_seed=5)
    np.testing.assert_array_equal(other.x_test, data.x_test)  # the test set is not part of any split
    assert other.fingerprint != data.fingerprint == load_data("digits").fingerprint
    assert load_data("digits", augment=True).augmentation_id == "crop1+norm"
    small = load_data("digits", n_train=300, n_val=100, n_test=50, image_size=4)
    assert (small.x_train.shape, small.n_val, small.n_test) == ((300, 1, 4, 4), 100, 50)
    with pytest.raises(ArgumentError, match="never flipped"):
        load_data("digits", augment=Augment())


def save(path: Path, **arrays: Any) -> Path:
    np.savez(path, **{"xtr": X, "ytr": Y, "xte": X[:9], "yte": Y[:9], **arrays})
    return path


def test_npz_files(tmp_path: Path) -> None:
    path = save(tmp_path / "mine.npz")
    data = load_data(path, n_train=30)
    assert (data.name, data.n_train, data.n_val, data.n_test) == ("mine", 30, 12, 9)
    assert load_data(str(path), val_fraction=0.5).n_val == 30
    assert data.fingerprint == Dataset.from_arrays(X, Y, X[:9], Y[:9], n_train=30).fingerprint
    flat = save(tmp_path / "flat.npz", xtr=X.reshape(60, -1), xte=X[:9].reshape(9, -1))
    assert load_data(flat).input_shape == (144,)
    assert load_data(flat, image_shape=(3, 8, 6)).fingerprint == load_data(path).fingerprint
    last = save(tmp_path / "LAST.NPZ".lower(), xtr=X.transpose(0, 2, 3, 1), xte=X[:9].transpose(0, 2, 3, 1))
    assert load_data(last).fingerprint == load_data(path).fingerprint
    with pytest.raises(DataError, match="NaN"):
        load_data(save(tmp_path / "nan.npz", xtr=np.full((60, 2), np.nan)))
    with pytest.raises(DataError, match="does not exist"):
        load_data(tmp_path / "none.npz")


@pytest.mark.parametrize(
    ("given", "words"),
    [("cifr10", "did you mean 'cifar10'"), ("data.csv", "ends in .npz"), ("", "name or a path"), (5, "name or a path"),
     ("a\0.npz", "name or a path")],
)  # fmt: skip
def test_unknown_names(given: Any, words: str) -> None:
    with pytest.raises(ArgumentError) as error:
        load_data(given)
    assert words in str(error.value)


def test_data_root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DNC_DATA", str(tmp_path / "variable"))
    assert data_root(tmp_path) == tmp_path
    assert data_root() == tmp_path / "variable"
    monkeypatch.setenv("DNC_DATA", "")
    for platform, variable, expected in (
        ("linux", "XDG_CACHE_HOME", tmp_path / "dnc"),
        ("win32", "LOCALAPPDATA", tmp_path / "dnc" / "Cache"),
        ("darwin", "HOME", Path.home() / "Library" / "Caches" / "dnc"),
    ):
        monkeypatch.setattr(loading.sys, "platform", platform)
        monkeypatch.setenv(variable, str(tmp_path) if variable != "HOME" else str(Path.home()))
        assert data_root() == expected
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ArgumentError, match="root=5"):
        data_root(5)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", [n for n in DATASETS if n != "digits"])
def test_missing_files_are_named_in_one_line(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError) as error:
        load_data(name, tmp_path / "nowhere", download=False)
    message = str(error.value)
    assert "\n" not in message
    assert all(file in message for file in DATASETS[name].files)
    assert all(word in message for word in (name, "nowhere", "$DNC_DATA", "--scale smoke"))
    assert not (tmp_path / "nowhere").exists()


def test_only_what_is_missing_is_asked_for(tmp_path: Path) -> None:
    folder = tmp_path / "MNIST" / "raw"
    folder.mkdir(parents=True)
    (folder / "train-images-idx3-ubyte.gz").touch()
    with pytest.raises(DataError, match="put MNIST/raw/train-labels-idx1-ubyte, MNIST/raw/t10k-images-idx3-ubyte"):
        load_data("mnist", tmp_path, download=False)


def test_listing(tmp_path: Path) -> None:
    (tmp_path / "rcv1.npz").touch()
    found = {info.name: info for info in datasets(tmp_path)}
    assert [n for n, info in found.items() if info.present] == ["digits", "rcv1"]
    assert found["digits"].path is None
    assert found["mnist"].path == tmp_path / "MNIST" / "raw"
    assert (found["cifar10"].shape, found["cifar10"].sizes) == ((3, 32, 32), (40_000, 10_000, 10_000))


def test_part_of_cifar100_serves_under_a_name_that_says_so(tmp_path: Path) -> None:
    y, y_test = np.arange(10_000) % 100, np.arange(2000) % 100
    arrays = {"xtr": np.zeros((10_000, 3, 32, 32), np.uint8), "ytr": y, "yte": y_test}
    save(tmp_path / "cifar100_subset.npz", xte=np.zeros((2000, 3, 32, 32), np.uint8), **arrays)
    data = load_data("cifar100", tmp_path, n_train=100)
    assert (data.name, data.n_train, data.n_val, data.n_test) == ("cifar100-subset", 100, 2000, 2000)
    save(tmp_path / "cifar100_subset.npz", xte=np.zeros((9, 3, 32, 32), np.uint8), **arrays)
    with pytest.raises(DataError, match=r"samples of shape \(9, 3, 32, 32\) instead of \(2000, 3, 32, 32\)"):
        load_data("cifar100", tmp_path)


def test_prepared_rcv1_need_not_have_our_sizes(tmp_path: Path) -> None:
    x = np.random.default_rng(0).random((80, 2000)).astype(np.float32)
    save(tmp_path / "rcv1.npz", xtr=x[:60], xte=x[:9])
    data = load_data("rcv1", tmp_path, n_train=20)
    assert (data.name, data.n_train, data.n_val) == ("rcv1", 20, round(60 * 50 / 228))
    save(tmp_path / "rcv1.npz", xtr=x[:60, :5], xte=x[:9, :5])
    with pytest.raises(DataError, match="instead of"):
        load_data("rcv1", tmp_path)


def test_importing_loads_nothing_heavy() -> None:
    heavy = ("torch", "torchvision", "sklearn", "scipy", "pandas")
    code = f"import sys, dnc.data; dnc.data.datasets(); print(*(m for m in {heavy} if m in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "\n"


# the real sets

MD5 = {
    "FashionMNIST/raw/train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
    "MNIST/raw/train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "cifar-10-batches-py/data_batch_1": "c99cafc152244af753f735de768cd75f",
    "cifar-10-batches-py/test_batch": "40351d587109b95175f43aff81a1287e",
}


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "sizes", "shape", "n_classes", "mean"),
    [
        ("mnist", (50_000, 10_000, 10_000), (1, 28, 28), 10, (0.1307,)),
        ("fmnist", (50_000, 10_000, 10_000), (1, 28, 28), 10, (0.2860,)),
        ("cifar10", (40_000, 10_000, 10_000), (3, 32, 32), 10, (0.4914, 0.4822, 0.4465)),
        ("cifar100", (8_000, 2_000, 2_000), (3, 32, 32), 100, (0.5071, 0.4865, 0.4409)),
        ("reuters", (5_226, 1_306, 2_568), (2000,), 52, ()),
    ],
)
def test_real_sets(
    data_root: Path, name: str, sizes: tuple[int, ...], shape: tuple[int, ...], n_classes: int, mean: tuple[float, ...]
) -> None:
    if not {info.name: info.present for info in datasets()}[name]:
        pytest.skip(f"{name} is not under $DNC_DATA")
    data = load_data(name, augment=bool(mean), download=False)
    if data.name == "cifar100":
        sizes = (40_000, 10_000, 10_000)
    assert ((data.n_train, data.n_val, data.n_test), data.input_shape, data.n_classes) == (sizes, shape, n_classes)
    histogram = np.bincount(np.concatenate([data.y_train, data.y_val]))
    if name == "mnist":
        assert histogram.tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    elif name == "reuters":
        np.testing.assert_allclose(np.linalg.norm(data.x_test, axis=1).max(), 1, rtol=1e-5)
        assert histogram.max() / histogram.sum() == pytest.approx(0.435, abs=0.005)  # "earn"
    else:
        assert set(histogram) == {sum(sizes[:2]) // n_classes}
        assert set(np.bincount(data.y_val)) == {sizes[1] // n_classes}  # stratified
    if data.augment is not None:
        np.testing.assert_allclose(data.augment.mean, mean, atol=2e-3)
        assert data.augment.flip == (name != "mnist")


@pytest.mark.real_data
@pytest.mark.parametrize("file", sorted(MD5))
def test_real_files_are_the_official_ones(data_root: Path, file: str) -> None:
    path = data_root / file
    if not path.exists():
        pytest.skip(f"{file} is not under $DNC_DATA")
    assert hashlib.md5(path.read_bytes()).hexdigest() == MD5[file]
