"""What the two command lines, `dnc` and `reproduce.py`, share: exit statuses, and errors as one line on stderr."""

from __future__ import annotations

import argparse
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from types import MappingProxyType
from typing import Any, NoReturn

from dnc.errors import ArgumentError, DncError

OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130  # exit statuses; 128 + SIGINT is what shells report after Ctrl-C


class Parser(argparse.ArgumentParser):
    """Raises ArgumentError where argparse would print its usage and exit, so that all errors look the same."""

    def error(self, message: str) -> NoReturn:
        raise ArgumentError(f"{message} (see {self.prog} --help)")


class Once(argparse.Action):
    """Stores a value as argparse does, but refuses a second one: argparse would drop the first without a word."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option_string: Any = None
    ) -> None:
        if getattr(namespace, self.dest) is not self.default:
            parser.error(f"{option_string} is given twice: give one at a time")
        setattr(namespace, self.dest, values)


def run_program(
    name: str,
    program: Callable[[list[str]], object],
    argv: Sequence[str] | None = None,
    flags: Mapping[str, str] = MappingProxyType({}),
) -> int:
    """Run a command line and return its exit status; an error becomes one line on stderr.

    Args:
        name: the program's name, which begins that line.
        program: called with the arguments; it prints its own output.
        argv: the arguments; None takes those of this process. `--debug` among them adds the traceback of an error.
        flags: the program's flag for each argument of the library that an error may name, e.g. "root": "--data-root".
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        with _replacing_unknown_characters():
            program(arguments)
    except SystemExit as leaving:  # argparse leaves this way after --help and --version
        return int(leaving.code or OK)
    except BrokenPipeError:  # the reader (head, less) has seen enough
        # Python flushes stdout once more when it exits, and would complain then
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except (KeyboardInterrupt, Exception) as error:
        text, status = describe_error(error)
        text = with_flags(text, flags)
        if sys.stderr is not None:  # without a console there is none, and `print` would take stdout instead
            if "--debug" in arguments:  # not from the parsed options: parsing may be what failed
                traceback.print_exception(error)
            print(f"{name}: {' '.join(text.split())}", file=sys.stderr)
        return status
    return OK


@contextmanager
def _replacing_unknown_characters() -> Iterator[None]:
    """Show "?" for characters that the terminal's encoding does not have: a result is worth more than its spelling."""
    stream: Any = sys.stdout
    if not (hasattr(stream, "reconfigure") and getattr(stream, "errors", "") == "strict"):
        yield
        return
    stream.reconfigure(errors="replace")
    try:
        yield
    except BaseException:
        with suppress(OSError, ValueError):  # it writes what is left: if that fails too, the first error counts
            stream.reconfigure(errors="strict")
        raise
    stream.reconfigure(errors="strict")


def describe_error(error: BaseException) -> tuple[str, int]:
    """What to tell the user about an error, and the exit status."""
    if isinstance(error, KeyboardInterrupt):
        return str(error) or "interrupted; finished trials are kept", INTERRUPTED
    if isinstance(error, DncError):
        return str(error), USAGE if isinstance(error, ArgumentError) else FAILED
    if isinstance(error, OSError):
        return f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}", FAILED
    return f"unexpected {type(error).__name__}: {error} (try --debug)", FAILED


def with_flags(text: str, flags: Mapping[str, str]) -> str:
    """A message of the library with the arguments that it names as the flags of a program.

    >>> with_flags("root='x' is no folder: set root= or $DNC_DATA", {"root": "--data-root"})
    "--data-root='x' is no folder: set --data-root or $DNC_DATA"
    """
    for name, flag in flags.items():
        text = re.sub(rf"(?<![\w-]){re.escape(name)}=(?! )", f"{flag}=", text)
        text = re.sub(rf"(?<![\w-]){re.escape(name)}= ", f"{flag} ", text)
    return text


def int_or_text(text: str) -> int | str:
    """A whole number as an int; any other text as it is, for the check that knows which words are allowed too.

    >>> int_or_text("-2"), int_or_text("auto")
    (-2, 'auto')
    """
    return int(text) if re.fullmatch(r"[+-]?\d+", text) else text
