"""What the command lines share: exit statuses and one line per error."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest

import dnc
from dnc.errors import ArgumentError, StoreError
from dnc.terminal import FAILED, INTERRUPTED, OK, USAGE, Parser, int_or_text, run_program


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (ArgumentError("wc=-1 is not allowed"), USAGE, "wc=-1 is not allowed"),
        (StoreError("t.db is\n  damaged"), FAILED, "t.db is damaged"),
        (FileNotFoundError(2, "No such file or directory", "a.txt"), FAILED, "No such file or directory: a.txt"),
        (OSError("no network"), FAILED, "no network"),
        (KeyboardInterrupt(), INTERRUPTED, "interrupted; finished trials are kept"),
        (KeyboardInterrupt("kept in t.db"), INTERRUPTED, "kept in t.db"),
        (ZeroDivisionError("by zero"), FAILED, "unexpected ZeroDivisionError: by zero (try --debug)"),
    ],
    ids=lambda v: type(v).__name__ if isinstance(v, BaseException) else "",
)
def test_an_error_is_one_line_and_a_status(
    capsys: pytest.CaptureFixture[str], error: BaseException, status: int, line: str
) -> None:
    def program(arguments: list[str]) -> None:
        raise error

    assert run_program("name", program, []) == status
    assert capsys.readouterr() == ("", f"name: {line}\n")
    assert run_program("name", program, ["--debug"]) == status
    assert capsys.readouterr().err.startswith("Traceback")


def test_success_help_and_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    parser = Parser(prog="name")
    assert run_program("name", parser.parse_args, []) == OK
    assert run_program("name", parser.parse_args, ["--help"]) == OK
    assert capsys.readouterr().out.startswith("usage: name")
    assert run_program("name", parser.parse_args, ["--wrong"]) == USAGE
    assert capsys.readouterr().err == "name: unrecognized arguments: --wrong (see name --help)\n"


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pipe of POSIX")
def test_a_reader_that_leaves_is_no_error() -> None:
    code = (
        "import sys; from dnc.terminal import run_program;"
        "sys.exit(run_program('name', lambda arguments: [print('x' * 1000, flush=True) for _ in range(1000)], []))"
    )
    root = str(Path(dnc.__file__).parents[1])
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=root
    )
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.read(10) == "x" * 10
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait(timeout=60) == OK


@pytest.mark.parametrize(
    ("text", "value"), [("3", 3), ("-3", -3), ("+3", 3), ("--3", "--3"), ("1.5", "1.5"), ("auto", "auto"), ("", "")]
)
def test_whole_numbers_or_words(text: str, value: int | str) -> None:
    assert int_or_text(text) == value


def encoded(name: str) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding=name, write_through=True)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_what_a_terminal_cannot_show_is_replaced(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = encoded(encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    assert run_program("name", lambda arguments: print("f = 0.5, Ω ≈ 1, \udcff"), []) == OK
    assert stream.buffer.getvalue() == b"f = 0.5, ? ? 1, ?\n"  # type: ignore[attr-defined]
    assert stream.errors == "strict"  # as it was


def test_output_that_nobody_takes_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.BytesIO):
        refusals = 2  # then there is room, for what is written when the stream is collected

        def write(self, data: object) -> int:
            self.refusals -= 1
            if self.refusals >= 0:
                raise OSError(28, "No space left on device")
            return len(bytes(data))  # type: ignore[arg-type]

    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(Full(), encoding="ascii"))
    assert run_program("name", lambda arguments: print("f = 0.5"), []) == FAILED


@pytest.mark.parametrize("arguments", [[], ["--debug"]])
def test_without_stderr_an_error_is_its_status(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def program(arguments: list[str]) -> None:
        raise StoreError("t.db is damaged")

    monkeypatch.setattr(sys, "stderr", None)
    assert run_program("name", program, arguments) == FAILED
    assert capsys.readouterr().out == ""
