"""What the commands of `dnc.cli` do: from parsed options to the text that is shown.

Torch and pandas are imported inside the commands, so that `dnc --help` and wrong usage answer at once.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dnc import __version__
from dnc.cli_options import build_space, load_dataset, search_resources, search_settings
from dnc.errors import ArgumentError, StoreError, check_int
from dnc.files import json_ready, replacing, user_path

if TYPE_CHECKING:
    from dnc.data.dataset import Dataset
    from dnc.searches.archive import Store
    from dnc.searches.best import Best
    from dnc.searches.result import SearchResult
    from dnc.searches.settings import Resources, SearchSettings
    from dnc.space import CNNSpace, MLPSpace

BEST_COLUMNS = ("f", "accuracy", "t_tr", "N_p", "stage", "architecture", "training")
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


def search(options: argparse.Namespace) -> str:
    """Run a search, or estimate its time."""
    from dnc.searches.search import run_search

    data, space = load_dataset(options), build_space(options)
    settings, resources = search_settings(options), search_resources(options)
    if options.estimate:
        return _estimate(data, space, settings, resources)
    result = run_search(data, space, settings, resources, max_hours=options.max_hours, progress=not options.quiet)
    return _report(result, options.store)


def sweep(options: argparse.Namespace) -> str:
    """Run one search for each w_c, or estimate the time of one."""
    from dnc.searches.sweep import WCS, run_sweep

    data, space = load_dataset(options), build_space(options)
    settings, resources = search_settings(options), search_resources(options)
    if options.estimate:
        return _estimate(data, space, settings, resources)
    finished = run_sweep(
        data,
        space,
        options.wcs or WCS,
        settings,
        resources,
        share_history=options.share_history,
        progress=not options.quiet,
    )
    rows = [(f"{wc:g}", *_best_row(result.best), result.id) for wc, result in finished.results.items()]
    table = _text_table(("w_c", *BEST_COLUMNS, "search"), rows)
    return f"{table}\n\nKept in {options.store}; for more: dnc show {options.store} ID"


def transfer(options: argparse.Namespace) -> str:
    """Repeat stage 3 on other data."""
    from dnc.searches.transfer import transfer as repeat_stage3

    with _open_store(options.source) as source:
        result = source.result(_search_id(source, options.id))
    resources = search_resources(options)
    moved = repeat_stage3(  # what was not given is None, and as in the search
        result,
        load_dataset(options),
        wc=options.wc,
        penalty=options.penalty,
        epochs=options.epochs,
        n1=options.n1,
        n2=options.n2,
        n3=options.n3,
        seed=options.seed,
        train_seed=options.train_seed,
        reference=options.reference,
        store=resources.store,
        workers=resources.workers,
        device=resources.device,
        trial_timeout=resources.trial_timeout,
        retry_failed=resources.retry_failed,
        progress=not options.quiet,
    )
    return _report(moved, options.store)


def show(options: argparse.Namespace) -> str:
    """The searches of a store, or one of them."""
    n_top = check_int("--top", options.top, 1)
    if options.id is None and not (options.wc is None and options.penalty is None):
        raise ArgumentError("--wc and --penalty rank the trials of one search: give its ID too")
    with _open_store(options.store) as store:
        if options.id is None:
            return _search_table(store)
        result = store.result(_search_id(store, options.id)).rescore(wc=options.wc, penalty=options.penalty)
    best = _text_table(BEST_COLUMNS, [_best_row(best) for best in result.top(n_top)])
    return f"{result}\n\nBest trials\n{best}\n\nWinner by w_c\n{_winner_table(result)}"


def export(options: argparse.Namespace) -> str:
    """Write a search's trials to a file; to the terminal where it is named "-"."""
    flag, target = ("--json", options.json) if options.csv is None else ("--csv", options.csv)
    path = user_path(flag, target)
    with _open_store(options.store) as store:
        result = store.result(_search_id(store, options.id)).rescore(wc=options.wc, penalty=options.penalty)
    if flag == "--csv":
        text = result.trials.to_csv(index=False)
    else:
        text = json.dumps(json_ready(_all_of(result)), indent=1)
    if target == "-":
        return text.rstrip("\n")  # the caller's print ends the last line
    _write(path, text, options.force)
    return f"{len(result.table)} trials of search {result.id} written to {target}"


def store(options: argparse.Namespace) -> str:
    """Check a whole store, or copy it."""
    if (options.what == "export") != (options.file is not None):
        raise ArgumentError("give a FILE to write to with export, and none with check")
    with _open_store(options.store) as opened:
        if options.what == "check":
            counts = opened.check()
            return f"{options.store} is sound: {', '.join(f'{n:,} {table}' for table, n in counts.items())}"
        opened.export(options.file, force=options.force)
    return f"{options.store} copied to {options.file}"


def datasets(options: argparse.Namespace) -> str:
    """The named data sets, and whether their files are present."""
    from dnc.data import data_root
    from dnc.data import datasets as named_datasets

    rows = []
    for info in named_datasets(options.root):
        files = "embedded" if info.path is None else "present" if info.present else "absent"
        sizes = " / ".join(f"{n:,}" for n in info.sizes)
        shape = "x".join(map(str, info.shape))
        rows.append((info.name, files, shape, str(info.n_classes), sizes, info.description))
    table = _text_table(("name", "files", "shape", "classes", "train / val / test", "description"), rows)
    return f"{table}\n\nData root: {data_root(options.root)} (--root or $DNC_DATA changes it)"


def _estimate(data: Dataset, space: CNNSpace | MLPSpace, settings: SearchSettings, resources: Resources) -> str:
    from dnc.searches.estimate import estimate_search

    # the timings of an existing store are used; a new store would be a file that an estimate must not make
    exists = user_path("store", resources.store).is_file()
    return str(estimate_search(data, space, settings, resources if exists else replace(resources, store=None)))


# ---- stores --------------------------------------------------------------------------------------------


def _open_store(path: str) -> Store:
    from dnc.searches.archive import open_store

    return open_store(path)


def _search_id(store: Store, prefix: str) -> str:
    """The ID of the one search that begins with `prefix`."""
    matches = [name for name in store.searches()["id"] if name.startswith(prefix)]
    if len(matches) > 1 and prefix not in matches:
        raise StoreError(f"search {prefix!r} is ambiguous: it may be {' or '.join(matches)}; give more of the ID")
    # the store itself says so if there is no such search
    return matches[0] if len(matches) == 1 else str(store.search(prefix)["id"])


# ---- output --------------------------------------------------------------------------------------------


def _report(result: SearchResult, store: str) -> str:
    return f"{result}\n\nKept in {store}; for more: dnc show {store} {result.id}"


def _best_row(best: Best) -> tuple[str, ...]:
    return (
        f"{best.f:.4f}",
        f"{best.val_acc:.2%}",
        f"{best.t_tr:.3g}",
        f"{best.n_params:,}",
        str(best.stage),
        str(best.config.arch),
        str(best.config.training),
    )


def _winner_table(result: SearchResult) -> str:
    rows = [
        (
            f"{r['wc_from']:.3g}",
            f"{r['wc_to']:.3g}",
            f"{r['val_acc']:.2%}",
            f"{r['t_tr']:.3g}",
            f"{r['n_params']:,}",
            r["architecture"],
            f"lr {r['lr']:.3g}, weight decay {r['weight_decay']:.3g}, batch {r['batch_size']}",
        )
        for r in result.breakpoints().to_dict(orient="records")
    ]
    return _text_table(WINNER_COLUMNS, rows)


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
    return _text_table(SEARCH_COLUMNS, rows)


def _text_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns of text, each as wide as its widest cell."""
    table = [head, *rows]
    widths = [max(len(row[i]) for row in table) for i in range(len(head))]
    lines = ("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in table)
    return "\n".join(lines)


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


def _write(path: Path, text: str, force: bool) -> None:
    """Write the whole file or nothing.

    Raises:
        ArgumentError: the file exists and `force` is False, or its folder does not.
    """
    if path.exists() and not force:
        raise ArgumentError(f"{path} exists: give another file, or --force to overwrite it")
    if not path.parent.is_dir():
        raise ArgumentError(f"{path}: the folder {path.parent} does not exist: create it first")
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8", newline="")  # CSV brings its own line ends
