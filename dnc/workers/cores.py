"""How many worker processes may run here: the cores of this process, within the quota of its container."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from multiprocessing import current_process
from pathlib import Path

from dnc.errors import ArgumentError, check_int, short_repr

MAX_WORKERS = 1024
MEMBERSHIP, CGROUPS = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")  # how Linux tells the groups of a process


def count_workers(workers: int | str, device: str) -> int:
    """Number of worker processes: an int is taken as it is; "auto" is one per core on a CPU, none on a GPU.

    "auto" is none in a worker of another pool, too, and at most a container's CPU quota.

    Raises:
        ArgumentError: neither a whole number >= 0 nor "auto".
    """
    if isinstance(workers, str) and workers == "auto":
        if device != "cpu":
            return 0  # one GPU trains one network at a time
        cores = 1 if is_pool_member() else usable_cores()
        return cores if cores > 1 else 0
    if isinstance(workers, str):
        raise ArgumentError(f'workers={short_repr(workers)} is not allowed: give a whole number >= 0 or "auto"')
    return check_int("workers", workers, 0, MAX_WORKERS)


def usable_cores() -> int:
    """Cores that this process may keep busy: those it is bound to, but no more than a container's CPU quota pays for.

    `docker run --cpus=2` and Kubernetes' CPU limits leave all cores visible and slow a process down that uses more than
    its share, so that 64 workers on a quota of 2 would only take memory and wait for each other.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([cores, *(math.ceil(quota) for quota in _quotas(MEMBERSHIP, CGROUPS))]))


def is_pool_member() -> bool:
    """Whether this process is one of a pool's: a daemonic one, which may start no processes, or a worker of joblib's.

    Its siblings already keep the cores busy.
    """
    process = current_process()
    return process.daemon or "loky" in type(process).__module__


def _quotas(membership: Path, cgroups: Path) -> Iterator[float]:
    """The CPU quotas, in cores, of the control groups that this process is in, and of the groups around those."""
    try:
        lines = membership.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # not Linux
        return
    for line in lines:
        _, controllers, group = ([*line.split(":", 2), "", ""])[:3]
        if not controllers:  # version 2
            top = cgroups
        elif "cpu" in controllers.split(","):  # version 1, which has a folder for each set of controllers
            top = next((path for path in (cgroups / controllers, cgroups / "cpu") if path.is_dir()), cgroups)
        else:
            continue
        # A container often sees its own group as the top of the tree, while its path still says where it lies outside:
        # folders that are not there are passed by.
        folder = top / group.lstrip("/")
        while True:
            quota = _quota_of(folder)
            if quota is not None:
                yield quota
            if folder in (top, folder.parent):
                break
            folder = folder.parent


def _quota_of(folder: Path) -> float | None:
    """The quota that a control group's files state; None where it is not limited, or they cannot be read."""
    try:
        if (folder / "cpu.max").is_file():
            numbers = (folder / "cpu.max").read_text().split()  # "200000 100000", or "max 100000"
        else:
            numbers = [(folder / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period")]  # -1: no limit
        quota, period = map(int, numbers)
    except (OSError, ValueError):
        return None
    return quota / period if quota > 0 and period > 0 else None
