"""Who may use a GPU: any number of trainings at once, or a single measurement of time."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import torch

from dnc.training.engine import Engine

try:
    import fcntl
except ImportError:  # Windows: no lock, so measure there with one worker
    fcntl = None  # type: ignore[assignment]


@contextmanager
def device_lock(engine: Engine, *, exclusive: bool) -> Iterator[None]:
    """Hold the engine's GPU, shared or exclusively, among all processes of this user. A CPU is not locked."""
    if engine.device == "cpu":
        yield
        return
    user = os.getuid() if hasattr(os, "getuid") else 0
    name = f"dnc-{user}-{torch.cuda.get_device_properties().uuid}"
    with file_lock(Path(tempfile.gettempdir()) / name, exclusive=exclusive):
        yield


@contextmanager
def file_lock(path: Path, *, exclusive: bool) -> Iterator[None]:
    """A readers-writer lock on `path`; the system releases it when the process ends, however it ends.

    Readers and writers pass a gate first, and a writer holds it while it waits, so that a stream of readers cannot
    starve it.
    """
    if fcntl is None:
        yield
        return
    with ExitStack() as held:
        with _locked(path.with_suffix(".gate"), fcntl.LOCK_EX):
            held.enter_context(_locked(path.with_suffix(".lock"), fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH))
        yield


@contextmanager
def _locked(path: Path, mode: int) -> Iterator[None]:
    assert fcntl is not None  # file_lock has checked it
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
    try:
        fcntl.flock(descriptor, mode)
        yield
    finally:
        os.close(descriptor)  # closing releases the lock
