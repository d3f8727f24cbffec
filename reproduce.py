"""Reproduce a figure, a table or the claims of the paper: `python reproduce.py --figure 7 --scale smoke`.

`--list` shows what there is. Trials are kept in a store, so a run that was interrupted goes on where it was, and a
finished one is drawn again at once. Exit status: 0 done, 1 failed, 2 wrong usage, 130 interrupted.
"""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from dnc.errors import ArgumentError, DataError, DncError, check_int

if TYPE_CHECKING:
    from dnc.experiments.registry import Entry
    from dnc.experiments.scale import Experiment, Options

OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130


class Parser(argparse.ArgumentParser):
    """Raises instead of leaving, so that every error is reported in one way."""

    def error(self, message: str) -> NoReturn:
        raise ArgumentError(f"{message} (see --help)")


def parser() -> Parser:
    """The command line."""
    p = Parser(prog="reproduce.py", description=(__doc__ or "").split("\n\n")[0], allow_abbrev=False)
    what = p.add_mutually_exclusive_group()
    what.add_argument("--figure", metavar="N", help="a figure of the paper, 2 to 8")
    what.add_argument("--table", metavar="N", help="a table of the paper, 1 to 3")
    what.add_argument("--appendix", metavar="NAME", help="kernel, bo-hyperparameters, platforms or ensembling")
    what.add_argument("--claims", action="store_true", help="the paper's claims, judged on the records there are")
    what.add_argument("--all", action="store_true", help="everything that is ready")
    what.add_argument("--list", action="store_true", help="all figures and tables with status and time")
    p.add_argument("--scale", help="smoke, small or paper; default: paper on a CUDA device, else small")
    p.add_argument("--seed", default="0", help="the first seed (default 0)")
    p.add_argument("--workers", default="auto", help="worker processes, 0 for none; default: one a core")
    p.add_argument("--device", default="auto", help="auto, cpu or cuda")
    p.add_argument("--data-root", type=Path, help="folder of the data sets; default: $DNC_DATA, else the user's cache")
    p.add_argument("--store", type=Path, help="file of the trial store; default: OUT/.store/<figure>-<scale>.db")
    p.add_argument(
        "--out", type=Path, default=Path("figures"), help="folder for pictures and records (default figures)"
    )
    p.add_argument("--records", type=Path, help="folder that --replot and --claims read (default OUT)")
    p.add_argument("--estimate", action="store_true", help="say how long it would take, and stop")
    p.add_argument("--replot", action="store_true", help="draw again from the records: no data, no training")
    p.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        return run(parser().parse_args(arguments))
    except KeyboardInterrupt as stopped:
        if "--debug" in arguments:
            traceback.print_exc()
        print(f"\n{stopped or 'interrupted'}", file=sys.stderr)
        return INTERRUPTED
    except Exception as error:
        if "--debug" in arguments:
            traceback.print_exc()
        text = (
            str(error) if isinstance(error, DncError) else f"unexpected {type(error).__name__}: {error} (try --debug)"
        )
        print(f"reproduce.py: {' '.join(text.split())}", file=sys.stderr)
        return USAGE if isinstance(error, ArgumentError) else FAILED


def run(args: argparse.Namespace) -> int:
    """Do what the arguments say.

    Raises:
        DncError: it is not possible.
        KeyboardInterrupt: stopped; its text says what is kept and how to go on.
    """
    from dnc.experiments import registry

    if args.list:
        print(registry.listing())
        return OK
    asked = [(kind, key) for kind in registry.KINDS if (key := getattr(args, kind)) is not None]
    if not (asked or args.claims or args.all):
        raise ArgumentError("nothing to do: give --figure N, --table N, --appendix NAME, --claims, --all or --list")
    if args.estimate and args.replot:
        raise ArgumentError("--estimate and --replot exclude each other: give one of them")
    entries = [registry.find(*asked[0])] if asked else list(registry.ready())
    experiments = [(entry, entry.load()) for entry in entries]

    from dnc.experiments.scale import Options

    options = Options(
        args.scale, check_int("seed", _number(args.seed), 0), _number(args.workers), args.device, args.data_root,
        args.store, args.out,
    )  # fmt: skip
    for _, experiment in experiments:  # whatever is wrong is said before anything begins
        experiment.check(options)
    if args.claims:
        return claims(args)
    for entry, experiment in experiments:
        if args.estimate:
            print(f"{entry.name}, scale {options.scale_name()}: {experiment.estimate(options)}")
        elif args.replot:
            replot(experiment, args.records or args.out, args.out)
        else:
            reproduce(entry, experiment, options)
    return OK


def reproduce(entry: Entry, experiment: Experiment, options: Options) -> None:
    """Run one experiment, write its files and say what came out."""
    from dnc.experiments import output

    print(f"{entry.name}: {entry.title} (scale {options.scale_name()})")
    try:
        record = experiment.run(options, lambda text: print(f"Time: {text}", flush=True))
    except KeyboardInterrupt:
        kept = options.store_path(experiment.name)
        raise KeyboardInterrupt(
            f"Interrupted. Finished trials are kept in {kept}; run the same command to go on."
        ) from None
    verdicts = experiment.claims(record)
    paths = output.write(experiment, record, verdicts, options.out)
    print(*(f"\n{verdict}" for verdict in verdicts), sep="\n")
    print(f"\nWrote {', '.join(map(str, paths))}")


def replot(experiment: Experiment, records: Path, out: Path) -> None:
    """Draw a record again."""
    from dnc.experiments import output

    record = output.read(experiment.name, records)
    paths = output.write(experiment, record, (), out, data=False)
    print(*(f"{verdict}\n" for verdict in experiment.claims(record)), sep="\n")
    print(f"Wrote {', '.join(map(str, paths))}")


def claims(args: argparse.Namespace) -> int:
    """Print the verdicts of all records."""
    from dnc.experiments import output, registry

    folder, found = args.records or args.out, 0
    for entry in registry.ready():
        experiment = entry.load()
        try:
            record = output.read(experiment.name, folder)
        except DataError as error:
            print(f"{entry.name}: no record ({error})")
            continue
        found += 1
        print(f"{entry.name}: {entry.title} (scale {record.facts['scale']}, {record.facts['date']})")
        print(*experiment.claims(record), sep="\n", end="\n\n")
    if not found:
        raise DataError(f"records={str(folder)!r} has none: run e.g. --figure 7 --scale smoke first, or give --records")
    return OK


def _number(text: str) -> int | str:
    return int(text) if text.lstrip("-").isdecimal() else text


if __name__ == "__main__":
    sys.exit(main())
