"""The command line: `dnc search | sweep | transfer | show | export | store | datasets`.

Exit status: 0 done, 1 failed, 2 wrong usage, 130 interrupted (finished trials are kept).
An error is one line on stderr.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

from dnc import __version__, commands
from dnc.cli_options import (
    DEFAULT_STORE,
    DEFAULT_WC,
    add_budget_options,
    add_data_options,
    add_method_options,
    add_rescore_options,
    add_root_option,
    add_space_options,
)
from dnc.terminal import Parser, run_program

SEARCH_EXAMPLES = """examples:
  dnc search digits --epochs 20 --n1 5 --n2 5
  dnc search fmnist --wc 0.1 --penalty n_params --n-train 10000 --estimate
  dnc search cifar10 --family cnn --conv-layers 4 8 --augment --max-hours 6
  dnc search mine.npz --image-shape 1 28 28 --family cnn

After an interruption, run the same command again: it continues where it stopped."""
SWEEP_EXAMPLE = """example:
  dnc sweep digits --wcs 0 0.1 1 --epochs 20 --n1 5 --n2 5"""
TRANSFER_EXAMPLE = """example:
  dnc transfer trials.db 3a2f68e22e2b fmnist"""
SHOW_EXAMPLES = """examples:
  dnc show trials.db
  dnc show trials.db 3a2f --wc 1 --penalty n_params"""
EXPORT_EXAMPLES = """examples:
  dnc export trials.db 3a2f --csv trials.csv
  dnc export trials.db 3a2f --json -"""
STORE_EXAMPLES = """examples:
  dnc store check trials.db
  dnc store export trials.db backup.db
  dnc store export trials.db trials.sql"""

ID_HELP = "the search's ID, or its first characters"
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
        "--wcs", type=float, nargs="+", metavar="WC", help="penalty coefficients (default: 0 0.01 0.1 1 10)"
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
    transfer.add_argument("source", metavar="STORE", help="the trial store that holds the search")
    transfer.add_argument("id", metavar="ID", help=ID_HELP)
    transfer.add_argument("data", metavar="DATA", help=f"the other data: {DATA_HELP}")
    add_data_options(transfer)
    transfer.add_argument("--wc", type=float, help="penalty coefficient w_c (default: the search's)")
    add_budget_options(transfer, from_search=True)

    show = command("show", commands.show, "list the searches of a trial store, or show one of them", SHOW_EXAMPLES)
    show.add_argument(
        "store", metavar="STORE", nargs="?", default=DEFAULT_STORE, help=f"the trial store (default: {DEFAULT_STORE})"
    )
    show.add_argument("id", metavar="ID", nargs="?", help=ID_HELP)
    show.add_argument("--top", type=int, default=10, metavar="N", help="number of trials to list (default: 10)")
    add_rescore_options(show)

    export = command("export", commands.export, "write the trials of a search to a file", EXPORT_EXAMPLES)
    export.add_argument("store", metavar="STORE", help="the trial store")
    export.add_argument("id", metavar="ID", help=ID_HELP)
    file_format = export.add_mutually_exclusive_group(required=True)
    file_format.add_argument("--csv", metavar="FILE", help="one row per trial; - writes to the terminal")
    file_format.add_argument(
        "--json", metavar="FILE", help="everything, with learning curves; - writes to the terminal"
    )
    export.add_argument("--force", action="store_true", help="overwrite the file if it exists")
    add_rescore_options(export)

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

    datasets = command("datasets", commands.datasets, "list the data sets and whether their files are present")
    add_root_option(datasets)
    return top


if __name__ == "__main__":
    sys.exit(main())
