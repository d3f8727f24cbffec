"""The command line: `dnc search | sweep | transfer | show | export | store | datasets`.

Exit status: 0 done, 1 failed, 2 wrong usage, 130 interrupted (finished trials are kept).
An error is one line on stderr.
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import NoReturn

from dnc import __version__, commands
from dnc.errors import ArgumentError, DncError
from dnc.objective import METRICS

OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130
STORE = "trials.db"
SEARCH_EXAMPLES = """examples:
  dnc search digits --epochs 20 --n1 5 --n2 5
  dnc search fmnist --wc 0.1 --penalty n_params --n-train 10000 --estimate
  dnc search cifar10 --family cnn --conv-layers 4 8 --augment --max-hours 6
  dnc search mine.npz --image-shape 1 28 28 --family cnn

Run the same command again after an interruption: it goes on where it was."""


class Parser(argparse.ArgumentParser):
    """Raises instead of leaving, so that every error is reported in one way."""

    def error(self, message: str) -> NoReturn:
        raise ArgumentError(f"{' '.join(message.split())} (see {self.prog} --help)")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        options = parser().parse_args(arguments)
        print(options.run(options), flush=True)
        return OK
    except SystemExit as error:  # --help and --version
        return int(error.code or 0)
    except BrokenPipeError:  # the reader (head, less) has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except (KeyboardInterrupt, Exception) as error:
        if "--debug" in arguments:
            traceback.print_exception(error)
        text, status = _described(error)
        print(f"dnc: {' '.join(text.split())}", file=sys.stderr)
        return status


def _described(error: BaseException) -> tuple[str, int]:
    """What to say about an error, and the exit status."""
    if isinstance(error, KeyboardInterrupt):
        return str(error) or "stopped; trials that had finished are kept", INTERRUPTED
    if isinstance(error, DncError):
        return str(error), USAGE if isinstance(error, ArgumentError) else FAILED
    if isinstance(error, OSError):
        return f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}", FAILED
    first = (str(error).splitlines() or [""])[0]
    return f"unexpected {type(error).__name__}: {first}; --debug shows where", FAILED


# ---- options -------------------------------------------------------------------------------------------


def parser() -> Parser:
    """The command line's grammar."""
    top = Parser(prog="dnc", description="Search for neural networks that are accurate and cheap to train.")
    top.add_argument("--version", action="version", version=f"dnc {__version__}")
    added = top.add_subparsers(metavar="COMMAND", required=True)

    def command(name: str, run: Callable[[argparse.Namespace], str], text: str, examples: str = "") -> Parser:
        sub = added.add_parser(
            name, help=text, description=f"{text[0].upper()}{text[1:]}.", epilog=examples or None, allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )  # fmt: skip
        sub.set_defaults(run=run)
        sub.add_argument("--debug", action="store_true", help="show the traceback of an error")
        return sub

    search = command("search", commands.search, "search architecture and training hyperparameters", SEARCH_EXAMPLES)
    search.add_argument("data", metavar="DATA", help="name of a data set (see dnc datasets), or a .npz file")
    _data_options(search)
    _space_options(search)
    search.add_argument("--wc", type=float, default=0.1, help="penalty coefficient w_c (0.1)")
    _budget_options(search)
    _method_options(search)
    search.add_argument("--max-hours", type=float, help="shrink --n1 and --n2 to what fits into this time")

    sweep = command(
        "sweep", commands.sweep, "search a family of w_c that shares its trials",
        "example:\n  dnc sweep digits --wcs 0 0.1 1 --epochs 20 --n1 5 --n2 5",
    )  # fmt: skip
    sweep.add_argument("data", metavar="DATA", help="name of a data set, or a .npz file")
    _data_options(sweep)
    _space_options(sweep)
    sweep.add_argument("--wcs", type=float, nargs="+", metavar="WC", help="the coefficients (0 0.01 0.1 1 10)")
    sweep.add_argument("--share-history", action="store_true", help="tell each search the trials of those before it")
    _budget_options(sweep)
    _method_options(sweep)

    transfer = command(
        "transfer", commands.transfer, "repeat stage 3 for the architecture that a search found, on other data",
        "example:\n  dnc transfer trials.db 3a2f68e22e2b fmnist",
    )  # fmt: skip
    transfer.add_argument("source", metavar="STORE", help="the trial store of the search")
    transfer.add_argument("id", metavar="ID", help="the search, or how its name begins")
    transfer.add_argument("data", metavar="DATA", help="name of the other data set, or a .npz file")
    _data_options(transfer)
    transfer.add_argument("--wc", type=float, help="penalty coefficient w_c (that of the search)")
    _budget_options(transfer)

    show = command("show", commands.show, "list the searches of a trial store, or show one",
                   "examples:\n  dnc show trials.db\n  dnc show trials.db 3a2f --wc 1 --penalty n_params")  # fmt: skip
    show.add_argument("store", metavar="STORE", nargs="?", default=STORE, help=f"the trial store ({STORE})")
    show.add_argument("id", metavar="ID", nargs="?", help="one search, or how its name begins")
    show.add_argument("--top", type=int, default=10, metavar="N", help="trials to list (10)")
    _rescore_options(show)

    export = command(
        "export", commands.export, "write the trials of a search to a file",
        "examples:\n  dnc export trials.db 3a2f --csv trials.csv\n  dnc export trials.db 3a2f --json -",
    )  # fmt: skip
    export.add_argument("store", metavar="STORE", help="the trial store")
    export.add_argument("id", metavar="ID", help="the search, or how its name begins")
    form = export.add_mutually_exclusive_group(required=True)
    form.add_argument("--csv", metavar="FILE", help="one row a trial; - writes to the terminal")
    form.add_argument("--json", metavar="FILE", help="everything, with learning curves; - writes to the terminal")
    export.add_argument("--force", action="store_true", help="overwrite the file")
    _rescore_options(export)

    store = command(
        "store", commands.store, "check a whole trial store, or copy it, also while a search writes to it",
        "examples:\n  dnc store check trials.db\n  dnc store export trials.db backup.db\n"
        "  dnc store export trials.db trials.sql",
    )  # fmt: skip
    store.add_argument("what", metavar="check|export", choices=("check", "export"), help="what to do")
    store.add_argument("store", metavar="STORE", help="the trial store")
    store.add_argument("file", metavar="FILE", nargs="?", help="where to: .sql is text, anything else a trial store")
    store.add_argument("--force", action="store_true", help="overwrite the file")

    sets = command("datasets", commands.datasets, "list the data sets, and whether they are there")
    sets.add_argument("--root", help="folder of the data sets ($DNC_DATA, else the user's cache)")
    return top


def _data_options(sub: Parser) -> None:
    group = sub.add_argument_group("data")
    group.add_argument("--root", help="folder of the data sets ($DNC_DATA, else the user's cache)")
    for part in ("train", "val", "test"):
        group.add_argument(f"--n-{part}", type=int, metavar="N", help=f"use only N {part} samples")
    group.add_argument("--augment", action="store_true", help="random crops and flips, normalised")
    group.add_argument("--image-size", type=int, metavar="N", help="average images down to N pixels")
    group.add_argument("--image-shape", type=int, nargs=3, metavar=("C", "H", "W"), help="make images of flat rows")
    group.add_argument("--split-seed", type=int, default=0, metavar="N", help="which validation set is drawn (0)")
    group.add_argument("--val-fraction", type=float, metavar="X", help="share of the samples to validate on")
    group.add_argument("--no-download", action="store_true", help="do not fetch files that are absent")


def _space_options(sub: Parser) -> None:
    group = sub.add_argument_group("search space (the paper's unless given)")
    group.add_argument(
        "--family", choices=("mlp", "cnn"), help="kind of network (mlp; cnn if one of its bounds is given)"
    )
    for flag, kind, text in (
        ("--conv-layers", int, "CNN: number of conv layers (4 16)"),
        ("--first-channels", int, "CNN: channels of the first layer (16 64)"),
        ("--hidden-layers", int, "MLP: number of hidden layers (0 2)"),
        ("--nodes", int, "MLP: nodes of a layer (20 400)"),
        ("--lr", float, "learning rate (1e-5 1e-1)"),
        ("--weight-decay", float, "weight decay (1e-6 1e-3)"),
        ("--batch-size", int, "batch size (32 512)"),
    ):
        group.add_argument(flag, type=kind, nargs=2, metavar=("LOW", "HIGH"), help=text)
    group.add_argument("--max-channels", type=int, metavar="N", help="CNN: most channels of a layer (512)")


def _budget_options(sub: Parser) -> None:
    group = sub.add_argument_group("search")
    group.add_argument("--penalty", help=f"complexity metric: {', '.join(METRICS)} (t_tr)")
    group.add_argument("--epochs", type=int, metavar="N", help="epochs of a training (mlp 60, cnn 100)")
    group.add_argument("--n1", type=int, default=15, metavar="N", help="first points of stages 1 and 3 (15)")
    group.add_argument("--n2", type=int, default=15, metavar="N", help="optimization steps of stages 1 and 3 (15)")
    group.add_argument("--n3", type=int, default=1000, metavar="N", help="candidates of a step (1000)")
    group.add_argument("--seed", type=int, metavar="N", help="seed of the proposals (0)")
    group.add_argument("--train-seed", type=int, metavar="N", help="seed of the trainings (that of the proposals)")
    group.add_argument("--reference", type=float, metavar="C0", help="c_0 (that of the space's largest network)")
    group.add_argument("--store", default=STORE, metavar="FILE", help=f"where trials are kept ({STORE})")
    group.add_argument("--workers", default="auto", metavar="N", help="worker processes, 0 for none (one a core)")
    group.add_argument("--device", default="auto", help="auto, cpu or cuda")
    group.add_argument("--trial-timeout", type=float, metavar="S", help="seconds a training may take (no limit)")
    group.add_argument("--retry-failed", action="store_true", help="train again what has failed before")
    group.add_argument("--quiet", action="store_true", help="no progress bar")


def _method_options(sub: Parser) -> None:
    group = sub.add_argument_group("method")
    group.add_argument("--optimizer", default="bayesian", help="bayesian, sobol or random")
    group.add_argument("--transform", default="log10", help="what the model sees: log10 (of f) or none (f)")
    group.add_argument("--batch", type=int, default=1, metavar="N", help="proposals evaluated at a time (1)")
    group.add_argument("--method", default="paper", help="paper, or fast: do not train what cannot win (paper)")
    group.add_argument("--early-stop", action="store_true", help="end trainings that will hardly win by their curves")
    group.add_argument("--stage2-order", metavar="A,B,…", help="grids of stage 2 in another order, or some of them")
    group.add_argument("--estimate", action="store_true", help="say how long one search would take, and stop")


def _rescore_options(sub: Parser) -> None:
    sub.add_argument("--wc", type=float, help="rank by another w_c (that of the search)")
    sub.add_argument("--penalty", help="rank by another complexity metric (that of the search)")


if __name__ == "__main__":
    sys.exit(main())
