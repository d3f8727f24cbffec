"""Worker processes within what a machine gives: the quota of a container, and a process that is a worker itself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import dnc
from dnc.workers import cores
from dnc.workers.cores import count_workers

# One search with the default of workers, one that asks for a process of its own, in a worker of joblib's.
IN_A_WORKER = """
import sys
import joblib

def search(options):
    import dnc
    data = dnc.load_data("digits", n_train=60, n_val=40)
    space = dnc.MLPSpace(hidden_layers=(0, 1), nodes=(4, 5), grid_drop=(0.0, 0.2))
    try:
        return dnc.search(data, space, wc=0.1, penalty="n_params", epochs=1, n1=1, n2=0, progress=False,
                          **options).best.f
    except dnc.DncError as error:
        return str(error)

if __name__ == "__main__":
    pool = joblib.Parallel(n_jobs=2, backend=sys.argv[1])
    default, own = pool([joblib.delayed(search)({}), joblib.delayed(search)({"workers": 1})])
    print(default == search({"workers": 0}), own if isinstance(own, str) else own == default)
"""


@pytest.mark.parametrize(
    ("backend", "own"),
    [
        ("loky", "True"),
        ("multiprocessing", 'workers=1 is not possible in a daemonic process, e.g. a worker of multiprocessing.Pool: '
         'give workers=0 or "auto"'),
    ],
)  # fmt: skip
@pytest.mark.skipif(sys.platform == "win32", reason="joblib's second back end needs to fork")
def test_a_search_in_a_worker_of_another_pool(tmp_path: Path, backend: str, own: str) -> None:
    script = tmp_path / "script.py"
    script.write_text(IN_A_WORKER)
    root = str(Path(dnc.__file__).parents[1])
    answer = subprocess.run(
        [sys.executable, str(script), backend],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "PYTHONPATH": root},
        check=False,
    )
    assert answer.stdout == f"True {own}\n", answer.stderr[-2000:]


CGROUP_2 = "0::/\n"
CGROUP_1 = "5:memory:/docker/ab\n4:cpu,cpuacct:/docker/ab\n"


@pytest.mark.parametrize(
    ("membership", "files", "usable"),
    [
        (CGROUP_2, {"cpu.max": "200000 100000\n"}, 2),  # docker run --cpus=2
        (CGROUP_2, {"cpu.max": "150000 100000\n"}, 2),
        (CGROUP_2, {"cpu.max": "50000 100000\n"}, 1),
        (CGROUP_2, {"cpu.max": "6400000 100000\n"}, 8),  # more than there are
        (CGROUP_2, {"cpu.max": "max 100000\n"}, 8),
        (CGROUP_2, {"cpu.max": "nonsense\n"}, 8),
        (CGROUP_2, {"cpu.max": ""}, 8),
        (CGROUP_2, {}, 8),
        ("0::/a/b\n", {"a/cpu.max": "300000 100000\n", "a/b/cpu.max": "max 100000\n"}, 3),  # of the group around
        ("0::/a/b\n", {"a/cpu.max": "300000 100000\n", "a/b/cpu.max": "400000 100000\n"}, 3),
        ("0::/outside/ab\n", {"cpu.max": "200000 100000\n"}, 2),  # the path outside, the folder of the container
        (CGROUP_1, {"cpu,cpuacct/cpu.cfs_quota_us": "200000\n", "cpu,cpuacct/cpu.cfs_period_us": "100000\n"}, 2),
        (CGROUP_1, {"cpu/docker/ab/cpu.cfs_quota_us": "300000", "cpu/docker/ab/cpu.cfs_period_us": "100000"}, 3),
        (CGROUP_1, {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 8),
        (CGROUP_1, {"cpu/cpu.cfs_quota_us": "200000\n", "cpu/cpu.cfs_period_us": "0\n"}, 8),
        ("nonsense", {}, 8),
        (None, {}, 8),  # not Linux
    ],
)
def test_a_containers_quota_limits_the_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, membership: str | None, files: dict[str, str], usable: int
) -> None:
    for name, text in files.items():
        (tmp_path / "fs" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "fs" / name).write_text(text)
    if membership is not None:
        (tmp_path / "cgroup").write_text(membership)
    monkeypatch.setattr(cores, "MEMBERSHIP", tmp_path / "cgroup")
    monkeypatch.setattr(cores, "CGROUPS", tmp_path / "fs")
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    assert cores.usable_cores() == usable
    assert count_workers("auto", "cpu") == (usable if usable > 1 else 0)
    assert count_workers(16, "cpu") == 16  # what was asked for
