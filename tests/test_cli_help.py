"""What the help of `dnc` says: an example of each command, and the choices of every option that has some."""

from __future__ import annotations

import argparse
from typing import get_args

import pytest

from dnc import cli, cli_options
from dnc.objective import METRICS
from dnc.searches import settings
from dnc.space import CNNSpace, MLPSpace

COMMANDS = "search sweep transfer show plot export refit test predict store datasets".split()
CHOICES = {
    "penalty": ("t_tr", "n_params"),
    "device": get_args(settings.Device),
    "optimizer": get_args(settings.OptimizerName),
    "transform": get_args(settings.Transform),
    "method": get_args(settings.Method),
    "family": ("mlp", "cnn"),
    "stage2_order": {**CNNSpace().grids(), **MLPSpace().grids()},
    "what": ("check", "export"),
}


def help_of(command: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert cli.main([command, "--help"]) == 0
    return capsys.readouterr().out


def options_of(command: str) -> list[argparse.Action]:
    """The options of a command, by the parser that reads them."""
    (commands,) = (a for a in cli.parser()._actions if isinstance(a, argparse._SubParsersAction))
    assert set(commands.choices) == set(COMMANDS)
    return commands.choices[command]._actions


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_every_command_has_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    examples = help_of(command, capsys).split("example")[-1].splitlines()[1:]
    assert examples
    lines = [line.split() for line in examples if line.startswith("  dnc ")]
    assert lines
    for _, name, *arguments in lines:
        assert name == command
        cli.parser().parse_args([name, *arguments])  # it is no wrong usage


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_every_option_has_its_choices(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = " ".join(help_of(command, capsys).split("\n\n", 1)[1].split())  # without the usage
    for option in options_of(command):
        for choice in CHOICES.get(option.dest, ()):
            assert choice in text, f"{command} --{option.dest}"
            assert choice in f"{option.metavar} {option.help} {option.choices}", f"{command} --{option.dest}"


def test_the_choices_are_the_librarys() -> None:
    assert get_args(settings.Device) == cli_options.DEVICES
    assert get_args(settings.OptimizerName) == cli_options.OPTIMIZERS
    assert get_args(settings.Transform) == cli_options.TRANSFORMS
    assert get_args(settings.Method) == cli_options.METHODS
    assert list(CNNSpace().grids()) == list(cli_options.GRIDS["cnn"])
    assert list(MLPSpace().grids()) == list(cli_options.GRIDS["mlp"])
    assert set(CHOICES["penalty"]) <= set(METRICS)
