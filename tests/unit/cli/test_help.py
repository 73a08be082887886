"""Help that teaches: everything is explained, fits a terminal, and its examples are true."""

import argparse
import importlib
import shlex
from collections.abc import Iterator
from itertools import takewhile

import pytest

from anyclaude.cli.args import FLAGS, MODES, split
from anyclaude.cli.commands import COMMANDS
from anyclaude.cli.help_text import EXAMPLES, help_text
from anyclaude.config import model
from mlx_worker.command import parser as worker_parser

WIDTH = 80
_OF_THE_SHELL = ("|", ">")


def below(path: str, parser: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    yield path, parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, one in action.choices.items():
                yield from below(f"{path} {name}", one)


def of_command(name: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = importlib.import_module(COMMANDS[name].module).parser()
    return parser


TOPS = {f"anyclaude {name}": of_command(name) for name in COMMANDS} | {"mlx_worker": worker_parser()}
PARSERS = dict(found for path, parser in TOPS.items() for found in below(path, parser))


@pytest.mark.parametrize("path", PARSERS)
def test_each_command_says_what_it_is_for_and_explains_every_argument(path: str) -> None:
    parser = PARSERS[path]
    assert parser.description, "say in a sentence what it does (about=...)"
    unexplained = [action.dest for action in parser._actions if not action.help and action.option_strings]
    unexplained += [action.dest for action in parser._actions if action.nargs != argparse.PARSER and not action.help]
    assert not unexplained


@pytest.mark.parametrize("path", TOPS)
def test_each_program_shows_examples(path: str) -> None:
    assert "examples:\n  " in TOPS[path].format_help()


@pytest.mark.parametrize("path", PARSERS)
def test_help_fits_a_terminal(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for columns in ("80", "200"):
        monkeypatch.setenv("COLUMNS", columns)
        assert [line for line in PARSERS[path].format_help().splitlines() if len(line) > WIDTH] == []


def test_our_own_help_has_every_flag_and_command_and_fits_a_terminal() -> None:
    text = help_text()
    assert [line for line in text.splitlines() if len(line) > WIDTH] == []
    for name in (*(flag.name for flag in FLAGS), *COMMANDS):
        assert f"\n  {name}" in text
    assert all(flag.about for flag in FLAGS)


def test_the_modes_of_the_help_are_those_of_the_settings() -> None:
    assert {*MODES} == {*model.MODES}


def typed_examples() -> list[str]:
    shown = [line for parser in TOPS.values() for line in parser.format_help().partition("examples:\n")[2].splitlines()]
    return [*(typed for typed, _ in EXAMPLES), *(line.strip().split("  ")[0] for line in shown if line.strip())]


@pytest.mark.parametrize("typed", dict.fromkeys(typed_examples()))
def test_examples_are_understood(typed: str) -> None:
    """As far as the shell leaves words to us."""
    words = shlex.split(typed)
    if words[0] == "eval":
        words = shlex.split(words[1].removeprefix("$(").removesuffix(")"))
    while "=" in words[0]:
        words = words[1:]
    program, *rest = takewhile(lambda word: word not in _OF_THE_SHELL, words)
    if program == "mlx_worker":
        worker_parser().parse_args(rest)
    elif rest and rest[0] in COMMANDS:
        of_command(rest[0]).parse_args(rest[1 : rest.index("--") if "--" in rest else None])
    else:
        assert program == "anyclaude"
        split(rest)
