"""The searches of a store as a table."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dnc.card import Card
from dnc.errors import StoreError, short_repr

if TYPE_CHECKING:
    import pandas as pd

SELECT = (
    "SELECT id, spec, status, created, finished, (SELECT count(*) FROM visits WHERE search = id)"
    " FROM searches ORDER BY created, id"
)
COLUMNS = (
    "id",
    "data",
    "family",
    "penalty",
    "wc",
    "seed",
    "epochs",
    "optimizer",
    "visits",
    "status",
    "created",
    "finished",
)


def searches_frame(rows: Sequence[tuple[Any, ...]], name: str) -> pd.DataFrame:
    """One row per search, from what `SELECT` gives.

    Raises:
        StoreError: a search's row is damaged.
    """
    import pandas as pd

    table = []
    for search, text, status, created, finished, visits in rows:
        try:
            spec = json.loads(text)
            facts = (
                spec["data"]["name"],
                spec["space"]["family"],
                spec["penalty"],
                spec["wc"],
                spec["seed"],
                spec["epochs"],
                spec["optimizer"],
            )
        except (KeyError, TypeError, IndexError, ValueError, RecursionError):
            raise StoreError(f"search {short_repr(search)} in {name} is damaged: restore a copy") from None
        table.append((search, *facts, visits, status, created, finished))
    return pd.DataFrame(table, columns=pd.Index(COLUMNS))


def store_card(name: str, counts: Mapping[str, int], searches: pd.DataFrame) -> Card:
    """What a store holds, its latest searches first."""
    facts = tuple((table, f"{counts[table]:,}") for table in ("searches", "trainings", "timings"))
    rows = [
        (r["id"], str(r["data"]), r["family"], r["penalty"], f"{r['wc']:g}", f"{r['visits']:,}", r["status"])
        for r in reversed(searches.to_dict(orient="records"))
    ]
    head = ("search", "data", "family", "penalty", "w_c", "steps", "status")
    return Card(f"trial store {name}", facts=facts, head=head if rows else (), rows=tuple(rows))
