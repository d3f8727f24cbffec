"""Downloads, from a server in this process; and RCV1 built from what scikit-learn would fetch."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import io
import pickle
import socket
import struct
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn.datasets
import torchvision.datasets.utils
from scipy.sparse import csr_matrix
from torchvision.datasets import CIFAR10, MNIST

from dnc.data import download, load_data, named_sets, rcv1
from dnc.errors import DataError

RNG = np.random.default_rng(0)


class _Handler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Path]]:
    folder = tmp_path / "served"
    folder.mkdir()
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, directory=str(folder))) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}/", folder
        http.shutdown()
        thread.join()


def serve(folder: Path, name: str, content: bytes) -> str:
    (folder / name).write_bytes(content)
    return hashlib.md5(content).hexdigest()


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def test_download_of_idx_files(server: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url, folder = server
    entry = dataclasses.replace(named_sets.DATASETS["mnist"], sizes=(30, 10, 5))
    monkeypatch.setitem(named_sets.DATASETS, "mnist", entry)
    images, labels = RNG.integers(0, 256, (45, 28, 28), dtype=np.uint8), (np.arange(45) % 10).astype(np.uint8)
    contents = [images[:40], labels[:40], images[40:], labels[40:]]
    resources = [
        (f"{Path(file).name}.gz", serve(folder, f"{Path(file).name}.gz", gzip.compress(idx(content))))
        for file, content in zip(entry.files, contents, strict=True)
    ]
    monkeypatch.setattr(MNIST, "resources", resources)
    monkeypatch.setattr(MNIST, "mirrors", [url + "absent/", url])  # the second one serves
    root = tmp_path / "root"
    data = load_data("mnist", root)
    assert (data.n_train, data.n_val, data.n_test) == (30, 10, 5)
    np.testing.assert_array_equal(data.x_test[:, 0], images[40:])
    assert sorted(p.name for p in (root / "MNIST" / "raw").iterdir()) == sorted(n for n, _ in resources)
    monkeypatch.setattr(MNIST, "mirrors", [])
    assert load_data("mnist", root).fingerprint == data.fingerprint  # nothing is fetched twice


def test_corrupt_download_leaves_nothing(
    server: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, folder = server
    serve(folder, "train-images-idx3-ubyte.gz", b"something else")
    monkeypatch.setattr(MNIST, "mirrors", [url])
    with pytest.raises(DataError, match=r"download failed: RuntimeError File not found or corrupted.*put MNIST/raw"):
        load_data("mnist", tmp_path / "root")
    assert not (tmp_path / "root").exists()


def test_download_of_batches(server: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url, folder = server
    entry = dataclasses.replace(named_sets.DATASETS["cifar10"], sizes=(15, 5, 4))
    monkeypatch.setitem(named_sets.DATASETS, "cifar10", entry)
    marker, archive = tmp_path / "evil", io.BytesIO()
    names = [*named_sets.CIFAR10_FILES, "batches.meta"]
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for i, name in enumerate((*names, "../../evil", "/evil")):
            x = RNG.integers(0, 256, (4, 3072), dtype=np.uint8)
            content: dict[str, Any] = {"data": x, "labels": [(4 * i + k) % 10 for k in range(4)]}
            if name == "batches.meta":
                content = {"label_names": list("abcdefghij")}
            raw = pickle.dumps(content, 4)
            info = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            info.size = len(raw)
            tar.addfile(info, io.BytesIO(raw))
    md5 = serve(folder, "cifar.tar.gz", archive.getvalue())
    for attribute, value in (("url", url + "cifar.tar.gz"), ("filename", "cifar.tar.gz"), ("tgz_md5", md5)):
        monkeypatch.setattr(CIFAR10, attribute, value)
    root = tmp_path / "root"
    data = load_data("cifar10", root)
    assert (data.n_train, data.n_val, data.n_test, data.classes) == (15, 5, 4, tuple("abcdefghij"))
    assert sorted(p.name for p in (root / "cifar-10-batches-py").iterdir()) == sorted(names)
    assert not marker.exists()  # only files asked for by name leave the archive


def test_without_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(*args: object, **options: object) -> None:
        raise OSError("Network is unreachable")

    monkeypatch.setattr(torchvision.datasets.utils, "download_url", no_network)
    monkeypatch.setattr(sklearn.datasets._base, "urlretrieve", no_network)
    monkeypatch.setattr(sklearn.datasets._base.time, "sleep", lambda seconds: None)
    for name in ("mnist", "fmnist", "cifar10", "cifar100", "rcv1"):
        with pytest.raises(DataError, match="download failed: OSError Network is unreachable"):
            load_data(name, tmp_path / "root")
    assert not (tmp_path / "root").exists()


def test_a_silent_network_is_given_up() -> None:
    with download.timeout(7):
        assert socket.getdefaulttimeout() == 7
    assert socket.getdefaulttimeout() is None


def test_rcv1_is_made_of_documents_with_one_topic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["C15", "C151", "CCAT", "G15", "GCAT", "GPOL", "M11"]
    topics = np.array([
        [1, 1, 1, 0, 0, 0, 0],  # C15 (its own child and parent do not count)
        [1, 0, 1, 0, 0, 0, 0],  # C15
        [0, 0, 0, 1, 1, 1, 0],  # two topics: dropped
        [0, 0, 0, 0, 1, 1, 0],  # GPOL
        [0, 0, 0, 0, 1, 1, 0],  # GPOL
        [0, 0, 0, 0, 0, 0, 1],  # M11, the smallest topic: dropped
        [0, 0, 1, 0, 0, 0, 0],  # no topic of the second level: dropped
    ])  # fmt: skip
    x = np.zeros((7, 4))
    x[:, 0] = np.arange(1, 8)
    x[:2, 3] = 0.5
    x[3, 1] = 0.25
    dense, y, classes = rcv1.single_label(csr_matrix(x), csr_matrix(topics), names, n_tokens=2, n_topics=2)
    assert classes == ("C15", "GPOL")
    assert {(*row, label) for row, label in zip(dense.tolist(), y.tolist(), strict=True)} == {
        (1, 0.5, 0), (2, 0.5, 0), (4, 0, 1), (5, 0, 1)}  # fmt: skip

    def fetched(**options: Any) -> dict[str, Any]:
        return {"data": csr_matrix(x), "target": csr_matrix(topics), "target_names": np.array(names)}

    monkeypatch.setattr(sklearn.datasets, "fetch_rcv1", fetched)
    monkeypatch.setattr(rcv1, "N_TEST", 2)
    rcv1.build(tmp_path / "new" / "rcv1.npz")
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["rcv1.npz"]
    with np.load(tmp_path / "new" / "rcv1.npz", allow_pickle=False) as saved:
        assert {key: saved[key].shape for key in saved.files} == {
            "xtr": (3, 4), "ytr": (3,), "xte": (2, 4), "yte": (2,), "classes": (3,)}  # fmt: skip
