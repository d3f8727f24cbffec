"""The command line: `dnc search | sweep | transfer | show | plot | export | refit | test | predict | store | datasets`.

Exit status: 0 done, 1 failed, 2 wrong usage, 130 interrupted (finished trials are kept).
An error is one line on stderr.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

from dnc import __version__, commands, commands_model, commands_record
from dnc.cli_options import (
    DEFAULT_WC,
    add_budget_options,
    add_data_options,
    add_device_option,
    add_method_options,
    add_output_options,
    add_rescore_options,
    add_root_option,
    add_search_arguments,
    add_space_options,
)
from dnc.terminal import Once, Parser, run_program

SEARCH_EXAMPLES = """examples:
  dnc search digits --epochs 20 --n1 5 --n2 5
  dnc search fmnist --wc 0.1 --penalty n_params --n-train 10000 --estimate
  dnc search cifar10 --family cnn --conv-layers 4 8 --augment --max-hours 6
  dnc search mine.npz --image-shape 1 28 28 --family cnn

After an interruption, run the same command again: it continues where it stopped."""
SWEEP_EXAMPLE = """example:
  dnc sweep digits --wcs 0 0.1 1 --epochs 20 --n1 5 --n2 5"""
TRANSFER_EXAMPLE = """example:
  dnc transfer 3a2f68e22e2b fmnist"""
SHOW_EXAMPLES = """examples:
  dnc show
  dnc show 3a2f
  dnc show other.db 3a2f --wc 1 --penalty n_params"""
PLOT_EXAMPLES = """examples:
  dnc plot 3a2f -o tradeoff.html
  dnc plot other.db 3a2f -o tradeoff.pdf --wc 1"""
EXPORT_EXAMPLES = """examples:
  dnc export 3a2f --csv trials.csv
  dnc export other.db 3a2f --json -"""
REFIT_EXAMPLES = """examples:
  dnc refit 3a2f -o model
  dnc refit 3a2f -o second --rank 2 --epochs 50
  dnc refit 3a2f -o cheap --wc 1 --data mine.npz

The data options that the search had, apart from --n-train and --n-val, are to be given again."""
TEST_EXAMPLES = """examples:
  dnc test model digits
  dnc test model mine.npz"""
PREDICT_EXAMPLES = """examples:
  dnc predict model new.csv -o predictions.csv
  dnc predict model images.npz -o -"""
STORE_EXAMPLES = """examples:
  dnc store check trials.db
  dnc store export trials.db backup.db
  dnc store export trials.db trials.sql"""
DATASETS_EXAMPLE = """example:
  dnc datasets --root ~/data"""

MODEL_HELP = "folder of a model that dnc refit wrote"
DATA_HELP = "name of a data set (see dnc datasets) or path of a .npz file"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    return run_program("dnc", _run_command, argv)


def _run_command(arguments: list[str]) -> None:
    options = parser().parse_args(arguments)
    print(options.run(options), flush=True)


def parser() -> Parser:
    """The command line's grammar."""
    top = Parser(prog="dnc", description="Search for neural networks that are accurate and cheap to train.")
    top.add_argument("--version", action="version", version=f"dnc {__version__}")
    subparsers = top.add_subparsers(metavar="COMMAND", required=True)

    def command(name: str, run: Callable[[argparse.Namespace], str], text: str, examples: str | None = None) -> Parser:
        sub = subparsers.add_parser(
            name,
            help=text,
            description=f"{text[0].upper()}{text[1:]}.",
            epilog=examples,
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,  # keeps the lines of the examples
        )
        sub.set_defaults(run=run)
        sub.add_argument("--debug", action="store_true", help="show the traceback of an error")
        return sub

    search = command(
        "search", commands.search, "search for an architecture and its training hyperparameters", SEARCH_EXAMPLES
    )
    search.add_argument("data", metavar="DATA", help=DATA_HELP)
    add_data_options(search)
    add_space_options(search)
    search.add_argument(
        "--wc", type=float, default=DEFAULT_WC, help=f"penalty coefficient w_c (default: {DEFAULT_WC:g})"
    )
    add_budget_options(search)
    add_method_options(search)
    search.add_argument("--max-hours", type=float, help="reduce --n1 and --n2 to what fits into this time")

    sweep = command("sweep", commands.sweep, "search at several w_c, sharing trials", SWEEP_EXAMPLE)
    sweep.add_argument("data", metavar="DATA", help=DATA_HELP)
    add_data_options(sweep)
    add_space_options(sweep)
    sweep.add_argument(
        "--wcs",
        type=float,
        nargs="+",
        action=Once,
        metavar="WC",
        help="penalty coefficients (default: 0 0.01 0.1 1 10)",
    )
    sweep.add_argument(
        "--share-history", action="store_true", help="let each search know the trials of those before it"
    )
    add_budget_options(sweep)
    add_method_options(sweep)

    transfer = command(
        "transfer",
        commands.transfer,
        "repeat stage 3 on other data, for the architecture that a search found",
        TRANSFER_EXAMPLE,
    )
    add_search_arguments(transfer, "source")
    transfer.add_argument("data", metavar="DATA", help=f"the other data: {DATA_HELP}")
    add_data_options(transfer)
    transfer.add_argument("--wc", type=float, help="penalty coefficient w_c (default: the search's)")
    add_budget_options(transfer, from_search=True)

    show = command(
        "show", commands_record.show, "list the searches of a trial store, or show one of them", SHOW_EXAMPLES
    )
    add_search_arguments(show, optional=True)
    show.add_argument("--top", type=int, default=10, metavar="N", help="number of trials to list (default: 10)")
    add_rescore_options(show)

    plot = command("plot", commands_record.plot, "draw the trade-off of a search into a file", PLOT_EXAMPLES)
    add_search_arguments(plot)
    add_output_options(plot, "FILE", "the picture: .html can be hovered over and zoomed, .png and .pdf are for papers")
    add_rescore_options(plot)

    export = command("export", commands_record.export, "write the trials of a search to a file", EXPORT_EXAMPLES)
    add_search_arguments(export)
    file_format = export.add_mutually_exclusive_group(required=True)
    file_format.add_argument("--csv", metavar="FILE", help="one row per trial; - writes to the terminal")
    file_format.add_argument(
        "--json", metavar="FILE", help="everything, with learning curves; - writes to the terminal"
    )
    export.add_argument("--force", action="store_true", help="overwrite the file if it exists")
    add_rescore_options(export)

    refit = command(
        "refit",
        commands_model.refit,
        "train the winner of a search on train + validation data, test it and save it",
        REFIT_EXAMPLES,
    )
    add_search_arguments(refit)
    add_output_options(refit, "FOLDER", "folder for the model")
    add_rescore_options(refit)
    refit.add_argument("--rank", type=int, metavar="N", help="train the N-th best instead of the winner")
    refit.add_argument("--epochs", type=int, metavar="N", help="epochs of the training (default: mlp 180, cnn 300)")
    refit.add_argument("--seed", type=int, metavar="N", help="seed of the training (default: the search's)")
    add_device_option(refit)
    refit.add_argument("--quiet", action="store_true", help="show no progress bar")
    refit.add_argument("--data", metavar="DATA", help=f"the search's data, if it is in a file: {DATA_HELP}")
    add_data_options(refit)

    test = command("test", commands_model.test, "test a model on the test split of data", TEST_EXAMPLES)
    test.add_argument("model", metavar="MODEL", help=MODEL_HELP)
    test.add_argument("data", metavar="DATA", help=DATA_HELP)
    add_device_option(test)
    add_data_options(test)

    predict = command(
        "predict", commands_model.predict, "predict labels and their probabilities with a model", PREDICT_EXAMPLES
    )
    predict.add_argument("model", metavar="MODEL", help=MODEL_HELP)
    predict.add_argument(
        "samples",
        metavar="X",
        help="the samples: an .npy file, an .npz file with an array x (or xte, or with one array), or a .csv file with "
        "one sample per line",
    )
    add_output_options(
        predict, "FILE", "the .csv file to write: columns label and p(name) of each class; - writes to the terminal"
    )
    add_device_option(predict)

    store = command(
        "store",
        commands.store,
        "check a whole trial store or copy it, even while a search writes to it",
        STORE_EXAMPLES,
    )
    store.add_argument("what", metavar="check|export", choices=("check", "export"), help="what to do")
    store.add_argument("store", metavar="STORE", help="the trial store")
    store.add_argument(
        "file", metavar="FILE", nargs="?", help="the copy: a name ending in .sql makes it text, any other a trial store"
    )
    store.add_argument("--force", action="store_true", help="overwrite the file if it exists")

    datasets = command(
        "datasets", commands.datasets, "list the data sets and whether their files are present", DATASETS_EXAMPLE
    )
    add_root_option(datasets)
    return top


if __name__ == "__main__":
    sys.exit(main())
