"""What our subcommands have in common: how they read arguments, explain themselves, print, fail and end."""

import argparse
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from io import TextIOWrapper
from typing import Any, Final, NoReturn

from rich.console import Console

from anyclaude.cli.output import say
from anyclaude.errors import AnyclaudeError, SetupError
from anyclaude.wire.exit_codes import ExitCode

STDOUT: Final = 1
WIDTH: Final = 80
"""Columns of help, at most."""


_EXAMPLES: Final = "examples:"


class Screen(Console):
    """Prints what models and other programs wrote as it stands: nothing is markup."""

    def __init__(self) -> None:
        super().__init__(highlight=False, markup=False, emoji=False)

    def on_broken_pipe(self) -> None:
        """rich would end the program with 1, which is an answer of some commands."""
        raise BrokenPipeError


class Parser(argparse.ArgumentParser):
    """about: what it does, in a sentence. examples: what is typed, and what that does."""

    def __init__(self, *, about: str = "", examples: Sequence[tuple[str, str]] = (), **options: Any) -> None:
        given = {"description": about, "epilog": _examples(examples), "formatter_class": _Help, "allow_abbrev": False}
        super().__init__(**given | options)

    def error(self, message: str) -> NoReturn:
        raise SetupError(f"{message[:1].lower()}{message[1:]}; see {self.prog} --help")


class _Help(argparse.HelpFormatter):
    """Sentences are wrapped, examples stay as they are."""

    def __init__(self, prog: str, **options: Any) -> None:
        super().__init__(prog, width=min(WIDTH, shutil.get_terminal_size().columns) - 2, **options)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return text if text.startswith(_EXAMPLES) else super()._fill_text(text, width, indent)


def _examples(examples: Sequence[tuple[str, str]]) -> str | None:
    if not examples:
        return None
    widest = max(len(typed) for typed, _ in examples)
    return _EXAMPLES + "".join(f"\n  {typed:{widest}}  {does}" for typed, does in examples)


def ended(parser: argparse.ArgumentParser, argv: Sequence[str], do: Callable[[argparse.Namespace, Screen], int]) -> int:
    """Do what the arguments ask, and return the exit code. An error is one line, and a reader may leave early."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a model's words may not be in the terminal's encoding
    try:
        code = do(parser.parse_args(argv), Screen())
        sys.stdout.flush()
    except AnyclaudeError as error:
        say(error.message)
        return ExitCode.NOT_READY
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), STDOUT)  # the reader has seen enough
        return ExitCode.DONE
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    return code
