"""Ctrl-C, in a terminal and in a notebook: the search ends soon, says what is kept, and leaves no process behind."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import dnc

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}
pytestmark = pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs SIGINT and /proc")

SEARCH = """
import dnc
data = dnc.load_data("digits", n_train=60, n_val=30)
space = dnc.MLPSpace(hidden_layers=(0, 1), nodes=(4, 9), training=dnc.TrainingSpace(batch_size=(32, 32)))
dnc.search(data, space, penalty="n_params", epochs=2000, n1=40, n2=0, n3=50, store="t.db", workers={workers},
           device="cpu", progress=lambda p: print("trial", p.done, flush=True))
"""


def children(pid: int) -> list[int]:
    pids: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        pids += [int(child) for child in path.read_text().split()]
    return pids


def alive(pids: list[int]) -> list[int]:
    end = time.monotonic() + 60  # not a speed limit: they must end at all
    while (left := [p for p in pids if Path(f"/proc/{p}").exists()]) and time.monotonic() < end:
        time.sleep(0.05)
    return left


@pytest.mark.parametrize("workers", [0, 2])
def test_ctrl_c_ends_a_search_and_says_how_to_go_on(tmp_path: Path, workers: int) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SEARCH.format(workers=workers)], cwd=tmp_path, env=ENVIRONMENT, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("trial")
        mine = children(process.pid)
        assert len(mine) >= workers
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the workers too
        _, err = process.communicate(timeout=120)
    finally:
        process.kill()
        process.wait()
    assert err.count("Traceback (most recent call last)") <= 2  # Python's own of the exception and its cause
    assert "dnc.searches.search.SearchStopped: search " in err.splitlines()[-1]
    assert "finished trials are kept in t.db; run the same call again to go on" in err
    assert alive(mine) == []
    with dnc.open_store(tmp_path / "t.db") as store:
        (name,) = store.searches()["id"]
        assert store.search(name)["status"] == "stopped"
        assert store.result(name).visits
        store.check()


def test_interrupting_a_notebook_ends_the_search_and_keeps_the_kernel(tmp_path: Path) -> None:
    from jupyter_client.manager import start_new_kernel

    manager, client = start_new_kernel(cwd=str(tmp_path), env=ENVIRONMENT)
    try:
        client.execute(SEARCH.format(workers=2), stop_on_error=False)  # the next cell is to run all the same
        wait_for(client, lambda m: m["msg_type"] == "stream" and "trial" in m["content"]["text"])
        manager.interrupt_kernel()
        error = wait_for(client, lambda m: m["msg_type"] == "error")["content"]
        assert error["ename"] == "SearchStopped"
        assert "finished trials are kept in t.db; run the same call again to go on" in error["evalue"]
        client.execute("print('children', __import__('multiprocessing').active_children())")
        text = wait_for(client, lambda m: m["msg_type"] == "stream" and "children" in m["content"]["text"])
        assert text["content"]["text"].strip() == "children []"
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def wait_for(client: Any, wanted: Any) -> Any:
    end = time.monotonic() + 180
    while time.monotonic() < end:
        try:
            message = client.get_iopub_msg(timeout=1)
        except queue.Empty:
            continue
        if wanted(message):
            return message
    raise AssertionError("the kernel says nothing")


def test_an_interrupt_while_workers_talk_leaves_them_usable() -> None:
    """Whatever is cut short, the next job is done, and its answer is its own."""
    from dnc.config import MLP, Config, Training
    from dnc.training.engine import Engine
    from dnc.training.loop import Outcome
    from dnc.workers import pool as module
    from dnc.workers.jobs import TrainJob

    data = dnc.load_data("digits", n_train=60, n_val=30)
    jobs = [TrainJob(Config(MLP((n,)), Training(batch_size=32)), Engine(), 1, 0) for n in range(4, 10)]
    with dnc.Workers(1) as workers:
        before = dict(workers.run(jobs, data))
        receive = module.WorkerProcess.receive

        def interrupted(self: Any) -> Any:
            receive(self)  # the answer is lost
            raise KeyboardInterrupt

        module.WorkerProcess.receive = interrupted  # type: ignore[method-assign]
        try:
            with pytest.raises(KeyboardInterrupt):
                dict(workers.run(jobs, data))
        finally:
            module.WorkerProcess.receive = receive  # type: ignore[method-assign]
        after = dict(workers.run(jobs, data))
    accuracies = [{job: o.val_acc for job, o in run.items() if isinstance(o, Outcome)} for run in (before, after)]
    assert set(accuracies[0]) == set(jobs)
    assert accuracies[0] == accuracies[1]
