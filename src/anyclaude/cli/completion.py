"""`anyclaude completion SHELL`: print what makes a shell complete our commands and flags."""

import argparse
from collections.abc import Sequence
from typing import Final

from anyclaude.cli.completion_scripts import SCRIPTS
from anyclaude.cli.subcommand import Parser, Screen, ended
from anyclaude.cli.words import levels
from anyclaude.wire.exit_codes import ExitCode

_ABOUT: Final = (
    "Print the script by which a shell completes commands, flags, their values and files. It holds all words, so that "
    "a Tab starts no program; write it anew after an update. More: docs/guides/completion.md"
)
_EXAMPLES: Final = (
    ('eval "$(anyclaude completion bash)"', "for this bash, to try it"),
    ("anyclaude completion zsh > FOLDER/_anyclaude", "a folder of zsh's $fpath"),
    ("anyclaude completion fish | source", "for this fish, to try it"),
)


def run(argv: Sequence[str]) -> int:
    """Do what `anyclaude completion ARGV` asks, and return the exit code."""
    return ended(parser(), argv, _print)


def parser() -> Parser:
    """What may be asked of us."""
    top = Parser(prog="anyclaude completion", about=_ABOUT, examples=_EXAMPLES)
    top.add_argument("shell", choices=SCRIPTS, help="who is to complete")
    return top


def _print(given: argparse.Namespace, screen: Screen) -> int:
    print(SCRIPTS[given.shell](levels()), end="")
    return ExitCode.DONE
