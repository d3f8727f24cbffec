"""What the commands of `dnc.cli` do that search, or are about whole stores and data: from options to the text shown.

Torch and pandas are imported inside the commands, so that `dnc --help` and wrong usage answer at once.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import TYPE_CHECKING

from dnc.cli_options import build_space, load_dataset, search_resources, search_settings
from dnc.cli_records import BEST_COLUMNS, best_row, open_store, recorded, text_table
from dnc.errors import ArgumentError
from dnc.files import user_path

if TYPE_CHECKING:
    from dnc.searches.result import SearchResult
    from dnc.searches.settings import Resources


def search(options: argparse.Namespace) -> str:
    """Run a search, or estimate its time."""
    from dnc.searches.estimate import estimate_search
    from dnc.searches.search import run_search

    data, space = load_dataset(options), build_space(options)
    settings, resources = search_settings(options), search_resources(options)
    if options.estimate:
        return str(estimate_search(data, space, settings, _readable(resources), progress=not options.quiet))
    result = run_search(data, space, settings, resources, max_hours=options.max_hours, progress=not options.quiet)
    return _report(result, options.store)


def sweep(options: argparse.Namespace) -> str:
    """Run one search for each w_c, or estimate the time of all."""
    from dnc.searches.estimate import estimate_sweep
    from dnc.searches.settings import distinct_wcs
    from dnc.searches.sweep import WCS, run_sweep

    wcs = distinct_wcs(options.wcs or WCS)
    data, space = load_dataset(options), build_space(options)
    settings, resources = search_settings(options), search_resources(options)
    history, progress = options.share_history, not options.quiet
    if options.estimate:
        resources = _readable(resources)
        return str(estimate_sweep(data, space, len(wcs), settings, resources, share_history=history, progress=progress))
    finished = run_sweep(
        data,
        space,
        wcs,
        settings,
        resources,
        share_history=history,
        progress=progress,
    )
    rows = [(f"{wc:g}", *best_row(result.best), result.id) for wc, result in finished.results.items()]
    table = text_table(("w_c", *BEST_COLUMNS, "search"), rows)
    return f"{table}\n\nKept in {options.store}; for more: dnc show {options.store} ID"


def transfer(options: argparse.Namespace) -> str:
    """Repeat stage 3 on other data."""
    from dnc.searches.transfer import transfer as repeat_stage3

    with recorded(options.source, options.id) as result:
        pass  # its data is not needed, nor its store
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


def store(options: argparse.Namespace) -> str:
    """Check a whole store, or copy it."""
    if (options.what == "export") != (options.file is not None):
        raise ArgumentError("give a FILE to write to with export, and none with check")
    with open_store(options.store) as opened:
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
    table = text_table(("name", "files", "shape", "classes", "train / val / test", "description"), rows)
    return f"{table}\n\nData root: {data_root(options.root)} (--root or $DNC_DATA changes it)"


def _readable(resources: Resources) -> Resources:
    """What an estimate may use: the timings of an existing store; a new one would be a file that it must not make."""
    exists = user_path("store", resources.store).is_file()
    return resources if exists else replace(resources, store=None)


def _report(result: SearchResult, store: str) -> str:
    return f"{result}\n\nKept in {store}; for more: dnc show {store} {result.id}"
