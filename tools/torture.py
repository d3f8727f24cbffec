"""Kills searches with SIGKILL at random moments, goes on each time, and checks that nothing was lost or done twice.

    usage: python tools/torture.py [--kills N] [--worker-kills N] [--seed N] [--json]

After every kill: the store is sound; every trial and step that was reported is there, as it was reported; no row has
changed, so nothing was trained again; no worker process is left. After every search: run again over its store it
trains nothing and gives the same result, and an uninterrupted search over the same timings alone gives it too, bit
for bit. Last, two processes search over one store at once while a third reads it.

Half of the kills come at a random time, half within a few milliseconds of the beginning of a random write. Needs
os.fork: the searches are forked from this process, which has loaded torch but not used it.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from forked import WAIT, Broken, Forked, data, finish, rows, runs, timings_only

from dnc.searches.archive import Store

ORPHAN_SECONDS = 30.0


class Torture:
    """Searches that are killed over and over.

    Args:
        folder: for the stores.
        seed: of the random moments.
        say: called with a line of text after every search.
    """

    def __init__(self, folder: Path, seed: int, say: Callable[[str], None]) -> None:
        self._folder, self._random, self._say = folder, random.Random(seed), say
        self.kills, self.write_kills, self.searches, self.trainings = 0, 0, 0, 0

    def run(self, kills: int, workers: int) -> None:
        """Kill `kills` times more; every search that was started is brought to its end."""
        target = self.kills + kills
        while self.kills < target:
            penalty = ("n_params", "t_tr")[self.searches % 2]
            self._one(target, workers, penalty, seed=self.searches)
            self.searches += 1

    def _one(self, target: int, workers: int, penalty: str, seed: int) -> None:
        path = self._folder / f"{self.searches}.db"
        before: dict[str, dict[str, tuple[Any, ...]]] = {"trainings": {}, "visits": {}}
        deaths = 0
        while self.kills < target:
            search = Forked(path, workers, penalty, seed)
            reported = self._kill(search, workers)
            if search.wait() != -signal.SIGKILL:
                if not any(line.startswith("F") for line in reported):
                    raise Broken("a search failed by itself")
                break  # it finished before it could be killed
            self.kills, deaths = self.kills + 1, deaths + 1
            before = self._compare(path, before, reported)
        finished = finish(path, workers, penalty, seed)
        after = self._compare(path, before, [])
        self.trainings += len(after["trainings"])
        replayed = finish(path, 0, penalty, seed)
        if replayed != {**finished, "trained": 0}:
            raise Broken("run again over its store, a search gives another result")
        fresh = finish(timings_only(path), 0, penalty, seed)
        if {**fresh, "trained": 0} != replayed:
            raise Broken("an uninterrupted search gives another result")
        steps = len(after["visits"])
        self._say(f"search {self.searches} ({penalty}, {workers} workers): {deaths} kills, {steps} steps, all the same")

    def _kill(self, search: Forked, workers: int) -> list[str]:
        """Kill it at a random moment; returns the lines that it had printed."""
        said: list[str] = []
        now, at_write = time.monotonic(), self._random.random() < 0.5
        if at_write:
            target, moment = self._random.randint(1, 6), now + WAIT
        else:
            target, moment = 0, now + self._random.uniform(0, 6.0 if workers else 1.0)
        writes = 0
        for line in search.lines(moment):
            said.append(line)
            writes += line == "W"
            if at_write and writes == target:
                time.sleep(self._random.uniform(0, 0.004))  # it writes meanwhile
                break
        else:
            if search.ended:
                return said
            if at_write:
                search.kill()
                raise Broken(f"a search hangs: nothing for {WAIT:.0f} s")
        children = search.kill()
        said += search.lines(time.monotonic() + WAIT)  # what it had said and was not read yet
        self.write_kills += at_write
        end = time.monotonic() + ORPHAN_SECONDS
        while left := [pid for pid in children if runs(pid)]:
            if time.monotonic() > end:
                raise Broken(f"{len(left)} workers outlive their parent")
            time.sleep(0.05)
        return said

    def _compare(
        self, path: Path, before: dict[str, dict[str, tuple[Any, ...]]], said: list[str]
    ) -> dict[str, dict[str, tuple[Any, ...]]]:
        after = rows(path) if path.exists() else before
        for table, earlier in before.items():
            if not earlier.items() <= after[table].items():
                raise Broken(f"a row of {table} was lost or written anew")
        visits = {key.split("-", 1)[1]: row[3] for key, row in after["visits"].items()}
        for line in said:
            if line.startswith("T"):
                key, val_acc, curve = json.loads(line[2:])
                row = after["trainings"].get(key, ())
                if val_acc not in row or curve not in row:
                    raise Broken("a trial that was reported is not there")
            elif line.startswith("V"):
                stage, step, key = json.loads(line[2:])
                if visits.get(f"{stage}-{step}") != key:
                    raise Broken("a step that was reported is not there")
        return after


def at_once(folder: Path) -> int:
    """Two processes search over one store while this one reads; returns the number of reads."""
    path = folder / "shared.db"
    pair = [Forked(path, 0, "n_params", seed) for seed in (0, 1)]
    results: list[Any] = [None, None]
    reads, end = 0, time.monotonic() + WAIT
    while not all(search.ended for search in pair) and time.monotonic() < end:
        for i, search in enumerate(pair):
            if not search.ended:
                for line in search.lines(time.monotonic() + 0.01):
                    results[i] = json.loads(line[2:]) if line.startswith("F") else results[i]
        if path.exists() and path.stat().st_size:
            with closing(Store(path)) as store:
                for name in store.searches()["id"]:
                    reads += bool(store.visits(name))
    if [search.wait() for search in pair] != [0, 0]:
        raise Broken("of two searches on one store, one failed")
    rows(path)
    alone = [finish(timings_only(path), 0, "n_params", seed) for seed in (0, 1)]

    def same(result: dict[str, Any]) -> Any:
        return result["steps"], result["best"], result["f"]

    if [same(r) for r in results] != [same(r) for r in alone]:
        raise Broken("two searches on one store disturb each other")
    return reads


def main(arguments: list[str]) -> int:
    p = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0], allow_abbrev=False)
    p.add_argument("--kills", type=int, default=80, help="kills of searches in one process (80)")
    p.add_argument("--worker-kills", type=int, default=40, help="kills of searches with two workers (40)")
    p.add_argument("--seed", type=int, default=0, help="of the random moments (0)")
    p.add_argument("--json", action="store_true", help="print the figures only, as JSON")
    options = p.parse_args(arguments)
    if not hasattr(os, "fork") or not Path("/proc/self/task").is_dir():
        print("torture.py needs os.fork and /proc, e.g. Linux", file=sys.stderr)
        return 1
    data()

    def say(text: str) -> None:
        if not options.json:
            print(text, flush=True)

    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        torture = Torture(Path(folder), options.seed, say)
        try:
            torture.run(options.kills, workers=0)
            torture.run(options.worker_kills, workers=2)
            reads = at_once(Path(folder))
        except Broken as error:
            print(f"BROKEN after {torture.kills} kills: {error}", file=sys.stderr)
            return 1
    figures = {
        "kills": torture.kills, "at_writes": torture.write_kills, "with_workers": options.worker_kills,
        "searches": torture.searches, "trainings": torture.trainings, "reads_while_two_write": reads,
        "seconds": round(time.monotonic() - started),
    }  # fmt: skip
    print(json.dumps(figures) if options.json else f"nothing lost, nothing twice, nothing left: {figures}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
