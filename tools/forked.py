"""Searches in forked processes that tell what they write and report: what tools/torture.py kills.

They are forked from a process that has loaded torch but not used it, so that each starts at once.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")  # before numpy and torch: a process with threads must not fork
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import pandas  # noqa: E402, F401  this and the next are loaded before forking, as a search would load them
import scipy.stats  # noqa: E402, F401

import dnc  # noqa: E402
from dnc.searches.archive import Store  # noqa: E402
from dnc.searches.search import search as run_search  # noqa: E402

WAIT = 600.0  # seconds without a sign of life after which a search counts as hanging


class Broken(Exception):
    """Something was lost, done twice, left behind or different."""


class Forked:
    """A search in a process of its own that tells what it writes and reports, line by line.

    "W" comes before a write, "T [key, accuracy, curve]" and "V [stage, step, key]" after a trial or a visit was
    recorded, "F {…}" with the result at the end.
    """

    def __init__(self, store: Path, workers: int, penalty: str, seed: int) -> None:
        reader, writer = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(reader)
            code = 1
            try:
                _search(store, workers, penalty, seed, writer)
                code = 0
            except BaseException as error:
                os.write(2, f"the search failed: {type(error).__name__}: {error}\n".encode())
            finally:
                os._exit(code)
        os.close(writer)
        self._reader, self._text, self.ended = reader, b"", False

    def lines(self, until: float) -> Iterator[str]:
        """Its lines as they come, until that moment (`time.monotonic()`) or its end."""
        while True:
            while b"\n" in self._text:
                line, self._text = self._text.split(b"\n", 1)
                yield line.decode()
            left = until - time.monotonic()
            if left <= 0 or not select.select([self._reader], [], [], left)[0]:
                return
            more = os.read(self._reader, 1 << 16)
            if not more:
                self.ended = True
                return
            self._text += more

    def workers(self) -> list[int]:
        """Its child processes."""
        pids: list[int] = []
        for path in Path(f"/proc/{self.pid}/task").glob("*/children"):
            pids += [int(pid) for pid in path.read_text().split()]
        return pids

    def kill(self) -> list[int]:
        """End it at once; returns the workers that it had."""
        children = self.workers()
        os.kill(self.pid, signal.SIGKILL)
        return children

    def wait(self) -> int:
        """Its exit status."""
        os.close(self._reader)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def _search(path: Path, workers: int, penalty: str, seed: int, pipe: int) -> None:
    """In the forked process."""

    def say(kind: str, what: Any = None) -> None:
        os.write(pipe, f"{kind} {json.dumps(what)}\n".encode() if what is not None else f"{kind}\n".encode())

    class Telling(Store):
        def _write(self, sql: str, *args: object) -> int:
            say("W")
            return super()._write(sql, *args)

        def add_training(self, key: str, *args: Any, **options: Any) -> dict[str, Any]:
            record = super().add_training(key, *args, **options)
            say("T", [key, record["val_acc"], record["curve"]])
            return record

        def add_visit(self, search: str, row: Any, later_timing: str = "") -> None:
            super().add_visit(search, row, later_timing)
            say("V", [row["stage"], row["step"], row["training"]])

    space = dnc.MLPSpace(hidden_layers=(0, 1), nodes=(4, 9), training=dnc.TrainingSpace(batch_size=(16, 32)))
    with Telling(path) as store:
        result = run_search(
            data(),
            space,
            wc=0.1,
            penalty=penalty,
            epochs=3,
            n1=3,
            n2=3,
            n3=50,
            seed=seed,
            store=store,
            workers=workers,
            device="cpu",
            progress=False,
        )
        say("F", described(result))


@cache
def data() -> dnc.Dataset:
    """What is searched on."""
    return dnc.load_data("digits", n_train=60, n_val=30)


def described(result: Any) -> dict[str, Any]:
    """All that a search decided and measured, bit for bit, except seconds."""
    steps = [
        [
            v.stage,
            v.substage,
            v.step,
            v.trial.config.to_json(),
            v.trial.status,
            v.trial.val_acc,
            v.trial.t_tr,
            v.trial.n_params,
            [[e.train_loss, e.val_loss, e.val_acc] for e in v.trial.curve],
            repr(v.mu),
            repr(v.sigma),
            repr(v.ei),
        ]
        for v in result.visits
    ]
    return {
        "steps": steps,
        "best": result.best.config.to_json(),
        "f": result.best.f,
        "trained": sum(not v.trial.cached for v in result.visits),
    }


def rows(path: Path) -> dict[str, dict[str, tuple[Any, ...]]]:
    """All trainings and visits of a store by their keys; the store must be sound."""
    with closing(Store(path)) as store:
        store.check()
        trainings = {r[0]: r for r in store._all("SELECT * FROM trainings")}
        visits = {f"{r[0]}-{r[1]}-{r[2]}": r for r in store._all("SELECT search, stage, step, training FROM visits")}
    return {"trainings": trainings, "visits": visits}


def finish(path: Path, workers: int, penalty: str, seed: int) -> dict[str, Any]:
    """Let a search run to its end; its result, as `described` gives it."""
    search = Forked(path, workers, penalty, seed)
    result = None
    for line in search.lines(time.monotonic() + WAIT):
        if line.startswith("F"):
            result = json.loads(line[2:])
    if not search.ended:
        search.kill()
    if search.wait() != 0 or result is None:
        raise Broken("a search did not end well" if search.ended else f"a search hangs: nothing for {WAIT:.0f} s")
    return result


def timings_only(path: Path) -> Path:
    """A copy of a store that has lost all but its timings."""
    copy = path.with_suffix(".fresh.db")
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(copy)) as db:
        source.backup(db)
        for table in ("visits", "searches", "trainings"):
            db.execute(f"DELETE FROM {table}")
        db.commit()
    return copy


def runs(pid: int) -> bool:
    """Whether a process is alive."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
