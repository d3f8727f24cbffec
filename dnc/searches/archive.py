"""A trial store whose searches can be read as results, e.g. after a kernel restart, without their data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dnc.config import Config
from dnc.errors import StoreError, short_repr
from dnc.evaluation.evaluator import trial_from_record
from dnc.objective import METRICS, Objective
from dnc.searches.result import SearchResult
from dnc.space import space_from_dict
from dnc.store.rows import TrialStore
from dnc.trial import Visit


class Store(TrialStore):
    """Open (or create) the trial store at `path`; `None` keeps it in memory.

    Args:
        path: the file. Its folder must exist.
        must_exist: refuse to create it.

    Raises:
        StoreError: not a trial store, a newer version's, damaged, or not writable.
    """

    def result(self, search: str) -> SearchResult:
        """The result of a search (also an unfinished one: what it has so far), without its data.

        Raises:
            StoreError: no such search.
        """
        return result_from_store(self, search)


def open_store(path: str | Path) -> Store:
    """Open an existing trial store, e.g. after a kernel restart; the data is not needed.

    Raises:
        StoreError: no such file, or not a trial store.
    """
    return Store(path, must_exist=True)


def result_from_store(store: TrialStore, search: str) -> SearchResult:
    """Rebuild a result from its rows.

    Raises:
        StoreError: no such search, or it has not got as far as its reference c_0.
    """
    row = store.search(search)
    try:
        return _rebuilt(store, search, row)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise StoreError(
            f"search {short_repr(search)} in its store is damaged ({short_repr(error)}): restore a copy"
        ) from error


def _rebuilt(store: TrialStore, search: str, row: Mapping[str, Any]) -> SearchResult:
    spec, facts = row["spec"], row["facts"]
    if spec["penalty"] not in METRICS:
        raise StoreError(f"search {search!r} has the penalty {spec['penalty']!r}: dnc.register_metric(…) it first")
    if spec["penalty"] not in facts.get("references", {}):
        raise StoreError(f"search {search!r} was stopped before its first trial: run it again")
    visits = tuple(_visit_from_row(r) for r in store.visits(search))
    objective = Objective(spec["wc"], spec["penalty"], facts["references"][spec["penalty"]])
    return SearchResult(search, spec, facts, space_from_dict(spec["space"]), objective, visits, row["status"],
                        store=store)  # fmt: skip


def _visit_from_row(row: Mapping[str, Any]) -> Visit:
    config = Config.from_json(row["config"])
    metrics: dict[str, float] = json.loads(row["metrics"])
    trial = trial_from_record(config, row["training"], dict(row), row["t_tr"], row["n_params"], metrics)
    model = {k: float("nan") if row[k] is None else float(row[k]) for k in ("mu", "sigma", "ei")}
    return Visit(row["stage"], row["substage"], row["step"], trial, model["mu"], model["sigma"], model["ei"])
