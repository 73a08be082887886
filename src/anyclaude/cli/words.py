"""All that may be typed after `anyclaude`, read off the parsers themselves, so that no list of it can fall behind.

argparse has no public way to ask a parser what it takes; what is read here (`_actions`, `_choices_actions`) has been
there since Python 3.2, and a test walks over all of it.
"""

import argparse
import importlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from anyclaude.cli.args import FLAGS, Flag
from anyclaude.cli.commands import COMMANDS

_OF_FILES: Final = ("FILE", "FOLDER", "TRACE")
"""Names of arguments that may be files."""


class Values(NamedTuple):
    """What may stand in a place: these words, or a file; else it is not known."""

    choices: tuple[str, ...] = ()
    files: bool = False


class Option(NamedTuple):
    """value: what follows it, None for a switch."""

    names: tuple[str, ...]
    about: str
    value: Values | None = None


class Level(NamedTuple):
    """What may follow the words of `path`. commands: name to what it does. rest: what is no option."""

    path: tuple[str, ...]
    about: str
    commands: Mapping[str, str]
    options: tuple[Option, ...]
    rest: Values


def levels() -> list[Level]:
    """The whole tree, the top first. Loads every subcommand."""
    about = {name: command.about for name, command in COMMANDS.items()}
    top = Level((), "", about, tuple(_option(flag) for flag in FLAGS), Values(files=True))
    parsers = {name: importlib.import_module(command.module).parser() for name, command in COMMANDS.items()}
    return [top, *(level for name, parser in parsers.items() for level in _levels((name,), parser))]


def _option(flag: Flag) -> Option:
    return Option((flag.name,), flag.about, None if flag.value is None else Values(flag.choices))


def _levels(path: tuple[str, ...], parser: argparse.ArgumentParser) -> Iterator[Level]:
    shown = [action for action in parser._actions if action.help != argparse.SUPPRESS]
    below = [action for action in shown if isinstance(action, argparse._SubParsersAction)]
    options = tuple(_of_action(action) for action in shown if action.option_strings)
    rest = _together(_values(action) for action in shown if not action.option_strings and action not in below)
    commands = {one.dest: one.help or "" for action in below for one in action._choices_actions}
    yield Level(path, parser.description or "", commands, options, rest)
    for action in below:
        for name in commands:
            yield from _levels((*path, name), action.choices[name])


def _of_action(action: argparse.Action) -> Option:
    return Option(tuple(action.option_strings), action.help or "", None if action.nargs == 0 else _values(action))


def _values(action: argparse.Action) -> Values:
    choices = () if action.choices is None else tuple(str(choice) for choice in action.choices)
    return Values(choices, action.type is Path or action.metavar in _OF_FILES)


def _together(values: Iterable[Values]) -> Values:
    found = list(values)
    return Values(tuple(choice for one in found for choice in one.choices), any(one.files for one in found))
