"""What the commands of `dnc.cli` do with recorded searches: show them, draw them, write their trials to files."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dnc import __version__
from dnc.card import accuracy, per_epoch
from dnc.cli_options import DEFAULT_STORE
from dnc.cli_records import (
    BEST_COLUMNS,
    best_row,
    names_a_search,
    new_file,
    open_store,
    recorded,
    search_id,
    text_table,
    write,
)
from dnc.errors import ArgumentError, check_int
from dnc.files import json_ready, replacing

if TYPE_CHECKING:
    from dnc.searches.archive import Store
    from dnc.searches.result import SearchResult

WINNER_COLUMNS = ("from", "to", "accuracy", "t_tr", "N_p", "architecture", "training")
SEARCH_COLUMNS = (
    "search",
    "data",
    "family",
    "penalty",
    "w_c",
    "seed",
    "epochs",
    "optimizer",
    "steps",
    "status",
    "started (UTC)",
)
PICTURES = (".html", ".png", ".pdf")


def show(options: argparse.Namespace) -> str:
    """The searches of a store, or one of them."""
    n_top = check_int("--top", options.top, 1)
    path, prefix = options.store, options.id
    if prefix is None and names_a_search(path):
        path, prefix = DEFAULT_STORE, path
    if prefix is None and not (options.wc is None and options.penalty is None):
        raise ArgumentError("--wc and --penalty rank the trials of one search: give its ID too")
    with open_store(path) as store:
        if prefix is None:
            return _search_table(store)
        result = store.result(search_id(store, prefix)).rescore(wc=options.wc, penalty=options.penalty)
        about = "\n".join(f"{name:11}{text}" for name, text in _about(result, store))
    best = text_table(BEST_COLUMNS, [best_row(best) for best in result.top(n_top)])
    return f"{result}\n\n{about}\n\nBest trials\n{best}\n\nWinner by w_c\n{_winner_table(result)}"


def plot(options: argparse.Namespace) -> str:
    """Draw the trade-off of a search into a file."""
    from dnc.plots import tradeoff

    path = new_file("--output", options.output, options.force)
    kind = path.suffix.lower()
    if kind not in PICTURES:
        raise ArgumentError(
            f"--output={options.output!r} is no picture: give a name that ends in {', '.join(PICTURES)}"
        )
    with recorded(options.store, options.id) as result:
        if kind == ".html":
            figure = tradeoff(result, wc=options.wc, penalty=options.penalty, backend="plotly")
            write(path, figure.to_html(div_id="tradeoff"))  # with plotly.js in it: it opens without a network
        else:
            from dnc.plots.style_matplotlib import save_as

            picture = tradeoff(result, wc=options.wc, penalty=options.penalty)
            with replacing(path) as part:
                save_as(picture, part, kind[1:])
    return f"trade-off of search {result.id} drawn to {options.output}"


def export(options: argparse.Namespace) -> str:
    """Write a search's trials to a file; to the terminal where it is named "-"."""
    flag, target = ("--json", options.json) if options.csv is None else ("--csv", options.csv)
    path = None if target == "-" else new_file(flag, target, options.force)
    with recorded(options.store, options.id) as stored:
        result = stored.rescore(wc=options.wc, penalty=options.penalty)
        if flag == "--csv":
            text = result.trials.to_csv(index=False)
        else:
            text = json.dumps(json_ready(_all_of(result)), indent=1)
    if path is None:
        return text.rstrip("\n")  # the caller's print ends the last line
    write(path, text)
    return f"{len(result.table)} trials of search {result.id} written to {target}"


# ---- text ----------------------------------------------------------------------------------------------


def _about(result: SearchResult, store: Store) -> list[tuple[str, str]]:
    """What was searched and what for, whatever the trials are ranked by now."""
    from dnc.searches.cards import trial_facts
    from dnc.searches.estimate import duration

    spec, row = result.spec, store.search(result.id)
    best = result.best
    winner = dict(trial_facts(best.trial, best.objective, best.n_val))
    others = ", ".join(f"{wc:g} ({name})" for wc, name in _other_wcs(result, store))
    seconds = result.facts.get("wall_seconds")
    return [
        ("winner", "; ".join(f"{name} = {value}" for name, value in winner.items())),
        ("aimed at", f"w_c = {spec['wc']:g}, penalty {spec['penalty']}"),
        *([("other w_c", f"the same search at {others}")] if others else []),
        ("data", f"{spec['data']['name']}, {spec['data']['n_train']:,} train / {spec['data']['n_val']:,} val"),
        ("effort", f"n1 {spec['n1']}, n2 {spec['n2']}, n3 {spec['n3']}, {spec['epochs']} epochs, seed {spec['seed']}"),
        ("started", f"{str(row['created'])[:16].replace('T', ' ')} UTC on {result.facts.get('machine', 'not known')}"),
        *([("took", duration(seconds))] if isinstance(seconds, float) else []),
    ]


def _other_wcs(result: SearchResult, store: Store) -> list[tuple[float, str]]:
    """(w_c, ID) of the searches that differ from this one in w_c alone, as the members of a sweep do."""

    def without_wc(spec: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in spec.items() if name not in ("wc", "history")}

    own, found = without_wc(result.spec), []
    for name in store.searches()["id"]:
        spec = store.search(name)["spec"]
        if name != result.id and without_wc(spec) == own:
            found.append((spec["wc"], name))
    return sorted(found)


def _winner_table(result: SearchResult) -> str:
    from dnc.searches.cards import validation_size

    rows = [
        (
            f"{r['wc_from']:.3g}",
            f"{r['wc_to']:.3g}",
            accuracy(r["val_acc"], validation_size(result.spec)),
            per_epoch(r["t_tr"], r.get("t_tr_se", math.nan)),
            f"{r['n_params']:,}",
            r["architecture"],
            f"lr {r['lr']:.3g}, weight decay {r['weight_decay']:.3g}, batch {r['batch_size']}",
        )
        for r in result.breakpoints().to_dict(orient="records")
    ]
    return text_table(WINNER_COLUMNS, rows)


def _search_table(store: Store) -> str:
    rows = [
        (
            r["id"],
            r["data"],
            r["family"],
            r["penalty"],
            f"{r['wc']:g}",
            str(r["seed"]),
            str(r["epochs"]),
            r["optimizer"],
            str(r["visits"]),
            r["status"],
            str(r["created"])[:16].replace("T", " "),  # to the minute
        )
        for r in store.searches().to_dict(orient="records")
    ]
    return text_table(SEARCH_COLUMNS, rows)


def _all_of(result: SearchResult) -> dict[str, Any]:
    """Everything that is known of a search, as nested data."""
    objective, rows = result.objective, result.trials.to_dict(orient="records")
    curves = [[vars(epoch) for epoch in visit.trial.curve] for visit in result.table.visits]
    return {
        "dnc": __version__,
        "id": result.id,
        "status": result.status,
        "spec": result.spec,
        "facts": result.facts,
        "objective": {"wc": objective.wc, "penalty": objective.penalty, "reference": objective.reference},
        "trials": [
            {**row, "config": json.loads(row["config"]), "curve": curve}
            for row, curve in zip(rows, curves, strict=True)
        ],
    }
