"""The command `anyclaude`.

Asking for help or the version must not cost the import of pydantic and aiohttp (half a second on a slow
machine), so this module knows the arguments alone and loads the rest of the program by name, here and nowhere else.
"""

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Final

from anyclaude import __version__
from anyclaude.cli.args import HELP, split
from anyclaude.cli.output import SETUP_FAILED, say
from anyclaude.errors import SetupError

PROGRAM = "anyclaude.cli.run"
SUBCOMMANDS: Final = {"trace": "anyclaude.cli.trace", "cluster": "anyclaude.cli.cluster"}
_STDOUT: Final = 1
INTERRUPTED: Final = 130
"""As a shell tells the death by SIGINT."""


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the arguments ask, and return the exit code. Who stops reading what we print has seen enough, and who
    presses Ctrl-C, be it while the program loads, is not shown where it was."""
    try:
        code = _done(sys.argv[1:] if argv is None else argv)
        sys.stdout.flush()
    except BrokenPipeError:
        _let_stdout_go()
        return 0
    except OSError as error:
        _let_stdout_go()
        say(f"cannot write to standard output: {error.strerror}")
        return SETUP_FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    return code


def _let_stdout_go() -> None:
    """What is still to be written there would fail again at the end of the program."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), _STDOUT)


def _done(words: Sequence[str]) -> int:
    if words and words[0] in SUBCOMMANDS:
        shown: int = importlib.import_module(SUBCOMMANDS[words[0]]).run(words[1:])
        return shown
    try:
        given = split(words)
    except SetupError as error:
        say(error.message)
        return SETUP_FAILED
    if given.asks == "version":
        print(f"anyclaude {__version__}")
        return 0
    if given.asks == "help":
        print(HELP, end="")
        return 0
    code: int = importlib.import_module(PROGRAM).run(given)
    return code


if __name__ == "__main__":
    sys.exit(main())
