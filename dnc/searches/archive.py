"""A trial store whose searches can be read as results, e.g. after a kernel restart, without their data."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dnc.config import Config
from dnc.errors import StoreError, short_repr
from dnc.evaluation.evaluator import completed_trial
from dnc.files import nan_if_none
from dnc.objective import METRICS, Objective
from dnc.searches.result import SearchResult
from dnc.space import space_from_dict
from dnc.store.rows import TrialStore
from dnc.trial import Reading, SearchStatus, Trial, TrialStatus, Visit


class Store(TrialStore):
    """Open (or create) the trial store at `path`; `None` keeps it in memory.

    Args:
        path: the file. Its folder must exist.
        must_exist: refuse to create it.

    Raises:
        StoreError: not a trial store, a newer version's, damaged, or not writable.

    >>> with Store() as store:
    ...     len(store.searches())
    0
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

    >>> open_store("no such file.db")
    Traceback (most recent call last):
    dnc.errors.StoreError: store='no such file.db' does not exist: give the path of a trial store
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
    facts = {**facts, "timing_seconds": store.timing_seconds(search, *facts.get("timings", ()))}
    if spec["penalty"] not in METRICS:
        raise StoreError(f"search {search!r} has the penalty {spec['penalty']!r}: dnc.register_metric(…) it first")
    if spec["penalty"] not in facts.get("references", {}):
        raise StoreError(f"search {search!r} was stopped before its first trial: run it again")
    visits = tuple(_visit_from_row(r) for r in store.visits(search))
    objective = Objective(spec["wc"], spec["penalty"], facts["references"][spec["penalty"]])
    return SearchResult(
        search, spec, facts, space_from_dict(spec["space"]), objective, visits, SearchStatus(row["status"]), store=store
    )


def _visit_from_row(row: Mapping[str, Any]) -> Visit:
    planned = Trial(
        Config.from_json(row["config"]),
        math.nan,
        nan_if_none(row["t_tr"]),
        row["n_params"],
        status=TrialStatus.PLANNED,
        metrics=json.loads(row["metrics"]),
        key=row["training"],
        cached=True,
        t_tr_se=nan_if_none(row["t_tr"]) * nan_if_none(row["t_tr_error"]),
        reading=Reading(row["reading"]),
    )
    trial = completed_trial(planned, row["training"], row)
    mu, sigma, ei = (nan_if_none(row[name]) for name in ("mu", "sigma", "ei"))
    return Visit(row["stage"], row["substage"], row["step"], trial, mu, sigma, ei)
