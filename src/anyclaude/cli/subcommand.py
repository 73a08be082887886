"""What `anyclaude trace` and `anyclaude cluster` have in common: how they read arguments, print, fail and end."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from io import TextIOWrapper
from typing import Final, NoReturn

from rich.console import Console

from anyclaude.cli.output import say
from anyclaude.errors import AnyclaudeError, SetupError
from anyclaude.wire.exit_codes import ExitCode

STDOUT: Final = 1


class Screen(Console):
    """Prints what models and other programs wrote as it stands: nothing is markup."""

    def __init__(self) -> None:
        super().__init__(highlight=False, markup=False, emoji=False)

    def on_broken_pipe(self) -> None:
        """rich would end the program with 1, which is an answer of some commands."""
        raise BrokenPipeError


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise SetupError(f"{message[:1].lower()}{message[1:]}; see {self.prog} --help")


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
