"""What the commands of `dnc.cli` do: from parsed options to the text that is shown."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dnc import __version__
from dnc.errors import ArgumentError, StoreError, check_int
from dnc.files import json_ready, replacing

if TYPE_CHECKING:
    from dnc.data.dataset import Dataset
    from dnc.searches.archive import Store
    from dnc.searches.result import Best, SearchResult
    from dnc.space import CNNSpace, MLPSpace

CNN_FLAGS = ("conv_layers", "first_channels", "max_channels")
MLP_FLAGS = ("hidden_layers", "nodes")
TRAINING_FLAGS = ("lr", "weight_decay", "batch_size")
BEST_COLUMNS = ("f", "accuracy", "t_tr", "N_p", "stage", "architecture", "training")


def search(o: argparse.Namespace) -> str:
    """Run a search, or estimate its time."""
    from dnc.searches.search import search as run

    data, space = _load(o), _space(o)
    if o.estimate:
        return _estimate(o, data, space)
    return _report(run(data, space, wc=o.wc, max_hours=o.max_hours, **_common(o), **_method(o)), o.store)


def sweep(o: argparse.Namespace) -> str:
    """Run a family of searches, or estimate the time of one."""
    from dnc.searches.sweep import WCS
    from dnc.searches.sweep import sweep as run

    data, space = _load(o), _space(o)
    if o.estimate:
        return _estimate(o, data, space)
    family = run(data, space, wcs=o.wcs or WCS, share_history=o.share_history, **_common(o), **_method(o))
    rows = [(f"{wc:g}", *_row(result.best), result.id) for wc, result in family.results.items()]
    return f"{_table(('w_c', *BEST_COLUMNS, 'search'), rows)}\n\nKept in {o.store}; for more: dnc show {o.store} ID"


def transfer(o: argparse.Namespace) -> str:
    """Repeat stage 3 on other data."""
    from dnc.searches.sweep import transfer as run

    with _open(o.source) as source:
        result = source.result(_full_id(source, o.id))
    given = {**_common(o), "penalty": o.penalty, "seed": o.seed}
    return _report(run(result, _load(o), wc=o.wc, **given), o.store)


def show(o: argparse.Namespace) -> str:
    """The searches of a store, or one of them."""
    top = check_int("--top", o.top, 1)
    if o.id is None and not (o.wc is None and o.penalty is None):
        raise ArgumentError("--wc and --penalty rank the trials of one search: give its ID too")
    with _open(o.store) as store:
        if o.id is None:
            return _listing(store)
        result = store.result(_full_id(store, o.id)).rescore(wc=o.wc, penalty=o.penalty)
    best = [_row(best) for best in result.top(top)]
    changes = [
        (f"{r['wc_from']:.3g}", f"{r['wc_to']:.3g}", f"{r['val_acc']:.2%}", f"{r['t_tr']:.3g}", f"{r['n_params']:,}",
         r["architecture"], f"lr {r['lr']:.3g}, weight decay {r['weight_decay']:.3g}, batch {r['batch_size']}")
        for r in result.breakpoints().to_dict(orient="records")
    ]  # fmt: skip
    winners = _table(("from", "to", "accuracy", "t_tr", "N_p", "architecture", "training"), changes)
    return f"{result}\n\nBest trials\n{_table(BEST_COLUMNS, best)}\n\nWinner by w_c\n{winners}"


def export(o: argparse.Namespace) -> str:
    """Write a search's trials to a file; to the terminal where it is named "-"."""
    with _open(o.store) as store:
        result = store.result(_full_id(store, o.id)).rescore(wc=o.wc, penalty=o.penalty)
    text = result.trials.to_csv(index=False) if o.csv else json.dumps(json_ready(_described(result)), indent=1)
    target = o.csv or o.json
    if target == "-":
        return text.rstrip("\n")
    _write(Path(target).expanduser(), text, o.force)
    return f"{len(result.table)} trials of search {result.id} written to {target}"


def store(o: argparse.Namespace) -> str:
    """Check a whole store, or copy it."""
    if (o.what == "export") != (o.file is not None):
        raise ArgumentError("give a FILE to write to with export, and none with check")
    with _open(o.store) as opened:
        if o.what == "check":
            counts = opened.check()
            return f"{o.store} is sound: {', '.join(f'{n:,} {table}' for table, n in counts.items())}"
        opened.export(Path(o.file).expanduser(), force=o.force)
    return f"{o.store} copied to {o.file}"


def datasets(o: argparse.Namespace) -> str:
    """The named data sets, and whether they are there."""
    from dnc.data import data_root
    from dnc.data import datasets as known

    rows = []
    for info in known(o.root):
        where = "embedded" if info.path is None else "there" if info.present else "absent"
        sizes = " / ".join(f"{n:,}" for n in info.sizes)
        shape = "x".join(map(str, info.shape))
        rows.append((info.name, where, shape, str(info.n_classes), sizes, info.description))
    table = _table(("name", "files", "shape", "classes", "train / val / test", "what"), rows)
    return f"{table}\n\nData root: {data_root(o.root)} (--root or $DNC_DATA changes it)"


# ---- from options to arguments -------------------------------------------------------------------------


def _load(o: argparse.Namespace) -> Dataset:
    from dnc.data import load_data

    shape = None if o.image_shape is None else tuple(o.image_shape)
    return load_data(
        o.data, root=o.root, n_train=o.n_train, n_val=o.n_val, n_test=o.n_test, augment=o.augment,
        image_size=o.image_size, image_shape=shape, split_seed=o.split_seed, val_fraction=o.val_fraction,
        download=not o.no_download,
    )  # fmt: skip


def _space(o: argparse.Namespace) -> CNNSpace | MLPSpace:
    from dnc.space import CNNSpace, MLPSpace

    given = {name: getattr(o, name) for name in (*CNN_FLAGS, *MLP_FLAGS) if getattr(o, name) is not None}
    family = o.family or ("cnn" if set(given) & set(CNN_FLAGS) else "mlp")
    foreign = [name for name in given if name in (MLP_FLAGS if family == "cnn" else CNN_FLAGS)]
    if foreign:
        raise ArgumentError(
            f"--{foreign[0].replace('_', '-')} does not belong to the family {family}: leave it out, or choose the "
            f"other --family"
        )
    base = CNNSpace() if family == "cnn" else MLPSpace.rcv1() if o.data in ("rcv1", "reuters") else MLPSpace()
    bounds = {name: getattr(o, name) for name in TRAINING_FLAGS if getattr(o, name) is not None}
    training = replace(base.training, **{name: tuple(value) for name, value in bounds.items()})
    fields = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
    return replace(base, training=training, **fields)


def _workers(text: str) -> int | str:
    return int(text) if text.lstrip("+-").isdecimal() else text


def _common(o: argparse.Namespace) -> dict[str, Any]:
    return {
        "penalty": o.penalty or "t_tr", "epochs": o.epochs, "n1": o.n1, "n2": o.n2, "n3": o.n3,
        "seed": o.seed or 0, "train_seed": o.train_seed, "reference": o.reference, "store": o.store,
        "workers": _workers(o.workers), "device": o.device, "trial_timeout": o.trial_timeout,
        "retry_failed": o.retry_failed, "progress": not o.quiet,
    }  # fmt: skip


def _method(o: argparse.Namespace) -> dict[str, Any]:
    order = None if o.stage2_order is None else [name.strip() for name in o.stage2_order.split(",")]
    return {
        "method": o.method, "optimizer": o.optimizer, "transform": o.transform, "batch": o.batch,
        "early_stop": o.early_stop, "stage2_order": order,
    }  # fmt: skip


def _estimate(o: argparse.Namespace, data: Dataset, space: CNNSpace | MLPSpace) -> str:
    from dnc.searches.estimate import estimate

    store = o.store if Path(o.store).is_file() else None  # timings that are known help; no file is made
    found = estimate(
        data, space, epochs=o.epochs, n1=o.n1, n2=o.n2, seed=o.seed or 0, store=store,
        workers=_workers(o.workers), device=o.device, batch=o.batch,
    )  # fmt: skip
    return str(found)


# ---- output --------------------------------------------------------------------------------------------


def _row(best: Best) -> tuple[str, ...]:
    training = str(best.config.training)
    return (f"{best.f:.4f}", f"{best.val_acc:.2%}", f"{best.t_tr:.3g}", f"{best.n_params:,}", str(best.stage),
            str(best.config.arch), training)  # fmt: skip


def _report(result: SearchResult, store: str) -> str:
    return f"{result}\n\nKept in {store}; for more: dnc show {store} {result.id}"


def _listing(store: Store) -> str:
    rows = [
        (r["id"], r["data"], r["family"], r["penalty"], f"{r['wc']:g}", str(r["seed"]), str(r["epochs"]),
         r["optimizer"], str(r["visits"]), r["status"], str(r["created"])[:16].replace("T", " "))
        for r in store.searches().to_dict(orient="records")
    ]  # fmt: skip
    head = (
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
    return _table(head, rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    table = [head, *rows]
    widths = [max(len(row[i]) for row in table) for i in range(len(head))]
    lines = ("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in table)
    return "\n".join(lines)


def _open(path: str) -> Store:
    from dnc.searches.archive import open_store

    return open_store(path)


def _full_id(store: Store, start: str) -> str:
    """The one search whose name begins with `start`."""
    found = [name for name in store.searches()["id"] if name.startswith(start)]
    if len(found) > 1 and start not in found:
        raise StoreError(f"search {start!r} is not clear: {', '.join(found)} begin so; give more of the name")
    return found[0] if len(found) == 1 else str(store.search(start)["id"])


def _described(result: SearchResult) -> dict[str, Any]:
    o, trials = result.objective, result.trials.to_dict(orient="records")
    curves = [[vars(e) for e in v.trial.curve] for v in result.table.visits]
    return {
        "dnc": __version__, "id": result.id, "status": result.status, "spec": result.spec, "facts": result.facts,
        "objective": {"wc": o.wc, "penalty": o.penalty, "reference": o.reference},
        "trials": [{**row, "config": json.loads(row["config"]), "curve": curve}
                   for row, curve in zip(trials, curves, strict=True)],
    }  # fmt: skip


def _write(path: Path, text: str, force: bool) -> None:
    """Write the whole file or nothing."""
    if path.exists() and not force:
        raise ArgumentError(f"{path} exists: give another file, or --force to overwrite it")
    if not path.parent.is_dir():
        raise ArgumentError(f"{path}: the folder {path.parent} does not exist: create it first")
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8", newline="")
