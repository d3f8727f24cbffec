"""Reproduce a figure, a table or the claims of the paper: `python reproduce.py --figure 7 --scale smoke`.

`--list` shows what there is. Trials are kept in a store, so a run that was interrupted continues where it stopped, and
a finished one is drawn again at once. Exit status: 0 done, 1 failed, 2 wrong usage, 130 interrupted.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dnc.errors import ArgumentError, DataError, check_int
from dnc.files import user_path
from dnc.terminal import Parser, int_or_text, run_program

if TYPE_CHECKING:
    from dnc.experiments.protocol import Experiment, Options, Record
    from dnc.experiments.registry import Entry
    from dnc.experiments.statistics import Verdict


def parser() -> Parser:
    """The command line's grammar."""
    p = Parser(prog="reproduce.py", description=(__doc__ or "").split("\n\n")[0], allow_abbrev=False)
    what = p.add_mutually_exclusive_group()
    what.add_argument("--figure", metavar="N", help="a figure of the paper, 2 to 8")
    what.add_argument("--table", metavar="N", help="a table of the paper, 1 to 3")
    what.add_argument("--appendix", metavar="NAME", help="kernel, bo-hyperparameters, platforms or ensembling")
    what.add_argument("--claims", action="store_true", help="judge the paper's claims by the records there are")
    what.add_argument("--all", action="store_true", help="everything that is ready")
    what.add_argument("--list", action="store_true", help="list all figures and tables with status and running time")
    p.add_argument("--scale", help="smoke, small or paper (default: paper on a CUDA device, else small)")
    p.add_argument("--seed", default="0", help="the first seed (default: 0)")
    p.add_argument("--workers", default="auto", help="worker processes, 0 for none (default: one per core)")
    p.add_argument("--device", default="auto", help="auto, cpu or cuda (default: auto)")
    p.add_argument("--data-root", help="folder of the data sets (default: $DNC_DATA, else the user's cache)")
    p.add_argument("--store", help="the trial store (default: OUT/.store/<figure>-<scale>.db)")
    p.add_argument("--out", default="figures", help="folder for pictures and records (default: figures)")
    p.add_argument("--records", help="folder that --replot and --claims read (default: OUT)")
    p.add_argument("--estimate", action="store_true", help="predict how long it would take, and stop")
    p.add_argument("--replot", action="store_true", help="draw again from the records: no data, no training")
    p.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    return run_program("reproduce.py", lambda arguments: run(parser().parse_args(arguments)), argv)


def run(args: argparse.Namespace) -> None:
    """Do what the arguments say.

    Raises:
        DncError: it is not possible.
        KeyboardInterrupt: interrupted; its text says what is kept and how to continue.
    """
    from dnc.experiments import registry

    if args.list:
        print(registry.listing())
        return
    chosen = [(kind, key) for kind in registry.KINDS if (key := getattr(args, kind)) is not None]
    if not (chosen or args.claims or args.all):
        raise ArgumentError("nothing to do: give --figure N, --table N, --appendix NAME, --claims, --all or --list")
    if args.estimate and args.replot:
        raise ArgumentError("--estimate and --replot exclude each other: give one of them")
    entries = [registry.find(*chosen[0])] if chosen else list(registry.ready())
    experiments = [(entry, entry.load()) for entry in entries]
    options = _options(args)
    records = options.out if args.records is None else user_path("records", args.records)
    for _, experiment in experiments:  # all of them first: the last one's error must not come after hours of the others
        experiment.check(options)
    if args.claims:
        print_claims(records)
        return
    for entry, experiment in experiments:
        if args.estimate:
            print(f"{entry.name}, scale {options.scale_name()}: {experiment.estimate(options)}")
        elif args.replot:
            replot(experiment, records, options.out)
        else:
            reproduce(entry, experiment, options)


def _options(args: argparse.Namespace) -> Options:
    from dnc.experiments.protocol import Options

    return Options(
        scale=args.scale,
        seed=check_int("seed", int_or_text(args.seed), 0),
        workers=int_or_text(args.workers),
        device=args.device,
        data_root=args.data_root,
        store=args.store,
        out=args.out,
    )


def reproduce(entry: Entry, experiment: Experiment, options: Options) -> None:
    """Run one experiment, write its files and print its verdicts."""
    from dnc.experiments import output

    print(f"{entry.name}: {entry.title} (scale {options.scale_name()})")
    try:
        record = experiment.run(options, lambda text: print(f"Time: {text}", flush=True))
    except KeyboardInterrupt:
        store = options.store_path(experiment.name)
        raise KeyboardInterrupt(
            f"interrupted; finished trials are kept in {store}: run the same command again to continue"
        ) from None
    verdicts = experiment.claims(record)
    paths = output.write(experiment, record, verdicts, options.out)
    _print_findings(experiment, record, verdicts)
    print(f"\nWrote {', '.join(map(str, paths))}")


def replot(experiment: Experiment, records: Path, out: Path) -> None:
    """Draw a record again and print its verdicts."""
    from dnc.experiments import output

    record = output.read(experiment.name, records)
    paths = output.write(experiment, record, (), out, data=False)
    _print_findings(experiment, record, experiment.claims(record))
    print(f"\nWrote {', '.join(map(str, paths))}")


def _print_findings(experiment: Experiment, record: Record, verdicts: Sequence[Verdict]) -> None:
    table = experiment.summary(record)
    print(*(f"\n{text}" for text in (table, *verdicts) if text), sep="\n")


def print_claims(folder: Path) -> None:
    """Print the verdicts of all records in `folder`.

    Raises:
        DataError: there is no record.
    """
    from dnc.experiments import output, registry

    n_records = 0
    for entry in registry.ready():
        experiment = entry.load()
        try:
            record = output.read(experiment.name, folder)
        except DataError as error:
            print(f"{entry.name}: no record ({error})")
            continue
        n_records += 1
        print(f"{entry.name}: {entry.title} (scale {record.facts['scale']}, {record.facts['date']})")
        print(*experiment.claims(record), sep="\n", end="\n\n")
    if not n_records:
        raise DataError(f"records={str(folder)!r} has none: run e.g. --figure 7 --scale smoke first, or give --records")


if __name__ == "__main__":
    sys.exit(main())
