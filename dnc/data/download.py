"""Download of the named image sets, from the addresses and with the checksums that torchvision knows."""

from __future__ import annotations

import http.client
import shutil
import socket
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dnc.files import replacing

TIMEOUT = 20.0  # seconds without an answer after which a network counts as absent

FAILURES = (  # what a download raises without a network, with a broken one, or with a file that is not the right one
    OSError,
    EOFError,
    RuntimeError,
    ImportError,
    MemoryError,
    tarfile.TarError,
    http.client.HTTPException,
)


def fetch_idx(source: str, folder: Path) -> None:
    """Put the four `.gz` files of the torchvision set `source` ("MNIST", "FashionMNIST") into `folder`, as they are.

    Files that already exist stay. Nothing is written before a file is complete and its checksum is right.

    Raises:
        Exception: one of `FAILURES`.
    """
    kind = _torchvision(source)
    with tempfile.TemporaryDirectory() as scratch:
        for filename, md5 in kind.resources:
            if not (folder / filename).exists() and not (folder / filename).with_suffix("").exists():
                _fetch([mirror + filename for mirror in kind.mirrors], filename, md5, scratch)
                with open(Path(scratch, filename), "rb") as file:
                    _place(file, folder / filename)


def fetch_batches(source: str, folder: Path) -> None:
    """Put the Python batches of the torchvision set `source` ("CIFAR10", "CIFAR100") into `folder`.

    Only the files that the set is made of are taken out of the archive, by name; nothing in it is unpickled.

    Raises:
        Exception: one of `FAILURES`.
    """
    kind = _torchvision(source)
    wanted = [name for name, _ in (*kind.train_list, *kind.test_list)] + [kind.meta["filename"]]
    with tempfile.TemporaryDirectory() as scratch:
        _fetch([kind.url], kind.filename, kind.tgz_md5, scratch)
        with tarfile.open(Path(scratch, kind.filename)) as archive:
            for name in wanted:
                try:
                    file = archive.extractfile(f"{kind.base_folder}/{name}")
                except KeyError:
                    file = None
                if file is None:
                    raise tarfile.TarError(f"{kind.filename} has no file {name}")
                _place(file, folder / name)


def _torchvision(source: str) -> Any:
    """The class of torchvision that describes the set."""
    from torchvision import datasets

    return getattr(datasets, source)


def _fetch(urls: list[str], filename: str, md5: str, folder: str) -> None:
    """Download from the first of `urls` that serves the file with the right checksum."""
    from torchvision.datasets.utils import download_url

    for i, url in enumerate(urls):
        try:
            with timeout(TIMEOUT):
                download_url(url, folder, filename, md5)
            return
        except FAILURES:
            if i == len(urls) - 1:
                raise


@contextmanager
def timeout(seconds: float) -> Iterator[None]:
    """Within it, a connection that stays silent for `seconds` is an OSError."""
    before = socket.getdefaulttimeout()  # torchvision sets none, and a silent network would hang for ever
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _place(source: Any, target: Path) -> None:
    """Write a stream to `target` in one step: a reader sees the whole file or none."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with replacing(target) as part, open(part, "wb") as file:
        shutil.copyfileobj(source, file)
