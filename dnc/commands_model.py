"""What the commands of `dnc.cli` do with trained networks: train a search's winner, test it, predict with it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from dnc.card import accuracy, per_epoch
from dnc.cli_options import load_dataset
from dnc.cli_records import new_file, recorded, write
from dnc.errors import ArgumentError, DataError, SearchError, check_int
from dnc.files import user_path

if TYPE_CHECKING:
    from dnc.data.dataset import Dataset
    from dnc.searches.result import SearchResult


def refit(options: argparse.Namespace) -> str:
    """Train the winner of a search on train + validation data, test it and save it."""
    folder = _new_folder(options.output, options.force)
    rank = 1 if options.rank is None else check_int("--rank", options.rank, 1)
    with recorded(options.store, options.id) as stored:
        result = stored.rescore(wc=options.wc, penalty=options.penalty)
        if result.status != "finished" and options.rank is None:
            raise SearchError(
                f"search {result.id} is {result.status}, not finished: run it again to finish it, or give --rank 1 to "
                "train the best that it has"
            )
        ranked = result.top(rank)
        if len(ranked) < rank:
            raise SearchError(f"--rank={rank} is not possible: search {result.id} has {len(ranked)} finished trials")
        data = _data_of(result, options)
        try:
            model = result.refit(
                options.epochs,
                data=data,
                seed=options.seed,
                device=options.device,
                config=ranked[-1].config,
                progress=not options.quiet,
            )
        except KeyboardInterrupt:
            raise KeyboardInterrupt("interrupted; no model was written: run the same command again") from None
    model.save(folder)
    tested = f"{accuracy(model.test_acc, data.n_test)} of {data.n_test:,} samples" if data.n_test else "no test samples"
    return (
        f"{model.config}\n  test accuracy {tested}, t_tr {per_epoch(model.t_tr)} per epoch, "
        f"{model.n_params:,} parameters, {len(model.curve):,} epochs\n\n"
        f"Saved in {options.output}; to use it: dnc predict {options.output} FILE -o predictions.csv"
    )


def test(options: argparse.Namespace) -> str:
    """The accuracy of a saved model on the test split of data."""
    from dnc import load_model

    model, data = load_model(options.model, options.device), load_dataset(options)
    if not data.n_test:
        raise DataError(f"{data.name} has no test samples: give data that has some, e.g. xte and yte in an .npz file")
    if data.classes != model.classes:
        raise ArgumentError(
            f"{data.name} has the classes {_few(data.classes)}, the model has {_few(model.classes)}: give data like "
            "that which it was trained on"
        )
    found = model.score(data.x_test, data.y_test)
    return f"test accuracy {accuracy(found, data.n_test)} of {data.n_test:,} samples of {data.name}"


def predict(options: argparse.Namespace) -> str:
    """Write the predicted label and the probabilities of each sample in a file."""
    import pandas as pd

    from dnc import load_model
    from dnc.data import read_samples

    path = None if options.output == "-" else new_file("--output", options.output, options.force)
    model = load_model(options.model, options.device)
    probabilities = model.predict_proba(read_samples(options.samples))
    labels = [model.classes[k] for k in probabilities.argmax(axis=1)]
    columns = {f"p({name})": probabilities[:, k] for k, name in enumerate(model.classes)}
    text = pd.DataFrame({"label": labels, **columns}).to_csv(index=False)
    if path is None:
        return text.rstrip("\n")  # the caller's print ends the last line
    write(path, text)
    return f"{len(labels):,} predictions written to {options.output}"


# ---- parts ---------------------------------------------------------------------------------------------


def _new_folder(target: str, force: bool) -> Path:
    """The folder of a model that can be written; called before the training, which may take hours.

    Raises:
        ArgumentError: it exists, is not empty, and `force` is False; or it cannot be made.
    """
    path = user_path("--output", target)
    if path.is_file():
        raise ArgumentError(f"{path} is a file: give the name of a folder for the model")
    if path.is_dir() and any(path.iterdir()) and not force:
        raise ArgumentError(f"{path} exists: give another folder, or --force to overwrite the model in it")
    if not path.parent.is_dir():
        raise ArgumentError(f"{path}: the folder {path.parent} does not exist: create it first")
    return path


def _data_of(result: SearchResult, options: argparse.Namespace) -> Dataset:
    """The data of a search: by its name, or from the file that was given.

    Raises:
        ArgumentError: other data, or no named data set and no file was given.
    """
    from dnc.data import DATASETS
    from dnc.searches.opening import family_view

    recorded = result.spec["data"]
    if options.data is None:
        if recorded["name"] not in DATASETS:
            raise ArgumentError(
                f"search {result.id} is on {recorded['name']!r}, which is no named data set: give its file by --data"
            )
        options.data = recorded["name"]
    # of the options that a search may have had, these two are on record
    options.n_train = recorded["n_train"] if options.n_train is None else options.n_train
    options.n_val = recorded["n_val"] if options.n_val is None else options.n_val
    data = load_dataset(options)
    if family_view(data, result.space).fingerprint != recorded["fingerprint"]:
        raise ArgumentError(
            f"{data.name} as loaded here is not the data of search {result.id}: give --data and the data options that "
            "the search had, e.g. --n-test, --split-seed or --augment"
        )
    return data


def _few(names: tuple[str, ...]) -> str:
    shown = ", ".join(names[:5])
    return f"{shown} … ({len(names)} in all)" if len(names) > 5 else shown
