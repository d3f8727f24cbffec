"""The trial store: a SQLite file that remembers what was measured, and what searches did with it.

Three measurements with three identities, joined when they are read (N_p is computed):

- a *training* belongs to (data fingerprint, config, epochs, train_seed, engine) and keeps its learning curve;
- a *timing* belongs to (architecture, batch size, input shape, classes, n_train, augmentation, engine, machine);
- a *clock* is the calibration network's step time t_ref of (machine, engine), a *metric* a registered complexity
  metric.

A *search* row keeps what defines a search, its *visits* the steps it took. The store is a cache only: what lies in
it never changes a search's decisions. Rows are never changed once written: a row that is there already stands, and
is what the writer gets, so that two searches on one store use the same record.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dnc.card import Card, HasCard
from dnc.errors import StoreError
from dnc.files import user_path
from dnc.store.database import Database, as_real
from dnc.store.integrity import TABLES, copy_store, damage
from dnc.store.schema import now
from dnc.store.search_table import SELECT, searches_frame, store_card
from dnc.trial import TrialStatus

if TYPE_CHECKING:
    import pandas as pd

TRAINING_COLUMNS = ("key", "config", "epochs", "status", "reason", "val_acc", "seconds", "curve", "machine", "created")
VISIT_COLUMNS = (
    "stage",
    "step",
    "substage",
    "config",
    "status",
    "reason",
    "training",
    "timing",
    "n_params",
    "metrics",
    "mu",
    "sigma",
    "ei",
)


class TrialStore(Database, HasCard):
    """Open (or create) the trial store at `path`; `None` keeps it in memory.

    >>> store = TrialStore()
    >>> store.add_metric("key", "flops", {"nodes": 20}, 1280.0)
    1280.0
    >>> store.add_metric("key", "flops", {"nodes": 20}, 9.0)  # the first row stands
    1280.0
    >>> store.counts()["metrics"]
    1
    >>> store.close()

    Args:
        path: the file. Its folder must exist.
        must_exist: refuse to create it.

    Raises:
        StoreError: not a trial store, a newer version's, damaged, or not writable.
    """

    # ---- measurements ---------------------------------------------------------------------------

    def training(self, *keys: str) -> dict[str, Any] | None:
        """The record of the first of the keys under which a training is recorded, or None.

        One look-up for all of them: a training may be recorded as whole, as ended early, or as failed on this machine.

        Returns:
            key, config, epochs, status, reason, val_acc, seconds, curve, machine, created.
        """
        marks = ",".join("?" * len(keys))
        rows = self._all(f"SELECT {','.join(TRAINING_COLUMNS)} FROM trainings WHERE key IN ({marks})", *keys)
        row_of = {row[0]: row for row in rows}
        first = next((row_of[key] for key in keys if key in row_of), None)
        return None if first is None else dict(zip(TRAINING_COLUMNS, first, strict=True))

    def add_training(
        self, key: str, identity: Mapping[str, Any], record: Mapping[str, Any], *, replace_failed: bool = False
    ) -> dict[str, Any]:
        """Record a training unless its key is there already; returns the record that now stands, as `training` does.

        Only a failed one is ever replaced, and only if that is asked for.

        Raises:
            StoreError: it could not be recorded.
        """
        if replace_failed:
            self._write("DELETE FROM trainings WHERE key=? AND status='failed'", key)
        row = {
            "key": key,
            "data": identity["data"],
            "config": json.dumps(identity["config"], sort_keys=True),
            "epochs": identity["epochs"],
            "train_seed": identity["train_seed"],
            "engine": identity["engine"],
            "status": str(record["status"]),
            "reason": record["reason"],
            "val_acc": as_real(record["val_acc"]),
            "seconds": as_real(record["seconds"]),
            "curve": record["curve"],
            "machine": record["machine"],
            "created": now(),
        }
        if self._insert("trainings", *row.values()):
            return {name: row[name] for name in TRAINING_COLUMNS}
        standing = self.training(key)
        if standing is None:
            raise StoreError(f"{self._name} neither took a row nor has it: check the disk")
        return standing

    def timing(self, key: str) -> dict[str, Any] | None:
        """The timing's fields as `Timing` names them, or None."""
        row = self._one("SELECT timing FROM timings WHERE key=?", key)
        return None if row is None else self._from_json(row[0])

    def timing_or_failure(self, key: str, *trainings: str) -> tuple[dict[str, Any] | None, str | None]:
        """The timing under `key`, and the key of its training's failure: one look-up before a config is timed.

        Args:
            key: of the timing.
            trainings: keys of a training, as for `training`.

        Returns:
            The timing's fields, or None; and if the first of the trainings that is recorded has failed, its key, else
            None.
        """
        marks = ",".join("?" * len(trainings))
        rows = self._all(
            "SELECT key, timing FROM timings WHERE key=? "
            f"UNION ALL SELECT key, status FROM trainings WHERE key IN ({marks})",
            key,
            *trainings,
        )
        value_of = dict(rows)
        timing = value_of.pop(key, None)
        first = next((training for training in trainings if training in value_of), None)
        failed = first is not None and value_of[first] == TrialStatus.FAILED
        return None if timing is None else self._from_json(timing), first if failed else None

    def add_timing(self, key: str, subject: Mapping[str, Any], timing: Mapping[str, Any]) -> dict[str, Any]:
        """Record a timing unless its key is there already; returns the one that now stands."""
        text = json.dumps(timing)
        described = json.dumps(subject, sort_keys=True)
        if self._insert("timings", key, described, timing["machine"], timing["engine"], timing["t_tr"], text, now()):
            return self._from_json(text)  # what a later reader will see, e.g. lists instead of tuples
        return self.timing(key) or dict(timing)

    def timing_seconds(self, search: str, *more: str) -> dict[str, float]:
        """By key, the seconds that timings took: those that a search's visits name, and those of the keys `more`."""
        marks = ",".join("?" * len(more))
        rows = self._all(
            "SELECT key, timing FROM timings WHERE key IN (SELECT timing FROM visits WHERE search=?)"
            f" OR key IN ({marks}) ORDER BY key",
            search,
            *more,
        )
        return {key: sum(map(_seconds, self._from_json(text)["blocks"])) for key, text in rows}

    def clock(self, machine: str, engine: str) -> dict[str, Any] | None:
        """The calibration of a machine and engine, as `Calibration` names its fields, or None."""
        row = self._one("SELECT clock FROM clocks WHERE machine=? AND engine=?", machine, engine)
        return None if row is None else self._from_json(row[0])

    def add_clock(self, machine: str, engine: str, clock: Mapping[str, Any]) -> dict[str, Any]:
        """Record a calibration unless there is one; returns the one that now stands."""
        text = json.dumps(clock)
        if self._insert("clocks", machine, engine, text, now()):
            return self._from_json(text)
        return self.clock(machine, engine) or dict(clock)

    def metric(self, key: str) -> float | None:
        """A registered metric's value, or None."""
        row = self._one("SELECT value FROM metrics WHERE key=?", key)
        return None if row is None else float(row[0])

    def add_metric(self, key: str, name: str, subject: Mapping[str, Any], value: float) -> float:
        """Record a metric's value unless there is one; returns the one that now stands."""
        inserted = self._insert("metrics", key, name, json.dumps(subject, sort_keys=True), value, now())
        standing = as_real(value) if inserted else self.metric(key)
        return value if standing is None else standing

    # ---- searches ------------------------------------------------------------------------------

    def begin_search(self, search: str, spec: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
        """Record that a search runs; running it again keeps its row, and its steps replace those it took before."""
        with self._transaction():
            self._db.execute(
                "INSERT OR IGNORE INTO searches VALUES (?,?,?,'running',?,NULL)",
                (search, json.dumps(spec, sort_keys=True), json.dumps(facts), now()),
            )
            self._db.execute(
                "UPDATE searches SET status='running', facts=? WHERE id=? AND status<>'finished'",
                (json.dumps(facts), search),
            )

    def end_search(self, search: str, status: str, facts: Mapping[str, Any], steps: Mapping[int, int]) -> None:
        """Record how a search ended: "finished", "stopped" or "failed".

        One that had finished before stays finished when it is run again and stopped. One that finishes now has taken
        `steps[stage]` steps; those beyond, of an earlier run that took others, are dropped.
        """
        row = (str(status), json.dumps(facts), now(), search)
        with self._transaction():
            if status != "finished":
                self._db.execute(
                    "UPDATE searches SET status=?, facts=?, finished=? WHERE id=? AND status<>'finished'", row
                )
                return
            self._db.execute("UPDATE searches SET status=?, facts=?, finished=? WHERE id=?", row)
            for stage in (1, 2, 3):
                self._db.execute(
                    "DELETE FROM visits WHERE search=? AND stage=? AND step>=?", (search, stage, steps.get(stage, 0))
                )

    def add_visit(self, search: str, row: Mapping[str, Any], later_timing: str = "") -> None:
        """Record a step of a search; the same step of a search that is run again takes its place.

        Where the standing row differs only by having the key `later_timing` as its timing, it stays: the search that is
        run again will come to that timing too.
        """
        row = {**row, "status": str(row["status"])}
        values = tuple(row[name] for name in VISIT_COLUMNS)
        columns, place = ",".join(VISIT_COLUMNS), (search, row["stage"], row["step"])
        # A search that is run again writes nothing. An upsert that changes nothing would not wait for the disk either,
        # but for whoever else writes to the store; a reader waits for neither.
        standing = self._one(f"SELECT {columns} FROM visits WHERE search=? AND stage=? AND step=?", *place)
        if standing in (values, tuple({**row, "timing": later_timing}[name] for name in VISIT_COLUMNS)):
            return
        marks = ",?" * len(VISIT_COLUMNS)
        self._write(f"INSERT OR REPLACE INTO visits (search,{columns}) VALUES (?{marks})", search, *values)

    def visits(self, search: str) -> list[dict[str, Any]]:
        """A search's steps in order, each joined with its training's record and its timing.

        Of the timing there are t_tr in seconds, its error as a fraction (None if not measured), and the reading.
        """
        columns = {
            "stage": "v.stage",
            "step": "v.step",
            "substage": "v.substage",
            "training": "v.training",
            "n_params": "v.n_params",
            "metrics": "v.metrics",
            "mu": "v.mu",
            "sigma": "v.sigma",
            "ei": "v.ei",
            "config": "v.config",
            "status": "v.status",
            "reason": "v.reason",
            "val_acc": "t.val_acc",
            "seconds": "coalesce(t.seconds, 0.0)",
            "curve": "coalesce(t.curve, '[]')",
            "t_tr": "c.t_tr",
            "t_tr_error": "json_extract(c.timing, '$.error')",
            "reading": "coalesce(json_extract(c.subject, '$.reading'), 'screened')",
        }
        rows = self._all(
            f"SELECT {','.join(columns.values())} FROM visits v"
            " LEFT JOIN trainings t ON t.key = v.training AND t.status = v.status"
            " LEFT JOIN timings c ON c.key = v.timing WHERE v.search=? ORDER BY v.stage, v.step",
            search,
        )
        return [dict(zip(columns, row, strict=True)) for row in rows]

    def search(self, search: str) -> dict[str, Any]:
        """A search's row: id, spec, facts, status, created, finished.

        Raises:
            StoreError: no such search.
        """
        row = self._one("SELECT id, spec, facts, status, created, finished FROM searches WHERE id=?", search)
        if row is None:
            ids = [r[0] for r in self._all("SELECT id FROM searches ORDER BY created")]
            names = ", ".join(ids[:8]) + (" …" if len(ids) > 8 else "") if ids else "none"
            raise StoreError(f"search {search!r} is not in {self._name}: it holds {names}")
        fields = dict(zip(("id", "spec", "facts", "status", "created", "finished"), row, strict=True))
        return {**fields, "spec": self._from_json(row[1]), "facts": self._from_json(row[2])}

    def searches(self) -> pd.DataFrame:
        """All searches, oldest first: id, data, family, penalty, wc, seed, epochs, visits, status, created."""
        return searches_frame(self._all(SELECT), self._name)

    def counts(self) -> dict[str, int]:
        """Rows of each table."""
        return {table: int((self._one(f"SELECT count(*) FROM {table}") or (0,))[0]) for table in TABLES}

    def _card(self) -> Card:
        name = "in memory" if self.path is None else str(self.path)
        try:
            return store_card(name, self.counts(), self.searches())
        except StoreError as error:
            return Card(f"trial store {name}", notes=(str(error),))

    def __repr__(self) -> str:
        return self._card()._replace(head=(), rows=()).text()

    def check(self) -> dict[str, int]:
        """Read the whole file: its structure, and whether its rows are what they say. Returns the rows of each table.

        Raises:
            StoreError: it is damaged.
        """
        with self._lock, self._errors():
            problems = list(islice(damage(self._db), 4))  # one more than is shown, to know whether there are more
        if problems:
            raise StoreError(
                f"{self._name} is damaged ({'; '.join(problems[:3])}{' …' if problems[3:] else ''}): restore a copy, "
                "or give another path"
            )
        return self.counts()

    def export(self, path: str | Path, *, force: bool = False) -> None:
        """Copy the store as it is now, also while searches write to it; a path that ends in .sql gets SQL text.

        Raises:
            ArgumentError: the file exists (unless `force`), or its folder does not.
            StoreError: it cannot be written.
        """
        target = user_path("path", path)
        with self._lock, self._errors():
            copy_store(self._db, self._name, target, force=force)


def _seconds(sample: Mapping[str, Any]) -> float:
    """Of a block, or of both blocks of a pair."""
    return sample["seconds"] if "seconds" in sample else sum(block["seconds"] for block in sample.values())
