"""The command `anyclaude`.

Asking for help or the version must not cost the import of pydantic and aiohttp (half a second on a slow
machine), so this module knows the arguments alone and loads the rest of the program by name, here and nowhere else.
"""

import gc
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any, Final

from anyclaude import __version__
from anyclaude.cli.args import split
from anyclaude.cli.commands import COMMANDS
from anyclaude.cli.output import say
from anyclaude.errors import SetupError
from anyclaude.wire.exit_codes import ExitCode

PROGRAM: Final = "anyclaude.cli.run"
HELP: Final = "anyclaude.cli.help_text"
_STDOUT: Final = 1


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the arguments ask, and return the exit code. Who stops reading what we print has seen enough, and who
    presses Ctrl-C, be it while the program loads, is not shown where it was."""
    try:
        code = _done(sys.argv[1:] if argv is None else argv)
        sys.stdout.flush()
    except BrokenPipeError:
        _let_stdout_go()
        return ExitCode.DONE
    except OSError as error:
        _let_stdout_go()
        say(f"cannot write to standard output: {error.strerror}")
        return ExitCode.NOT_READY
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    return code


def _let_stdout_go() -> None:
    """What is still to be written there would fail again at the end of the program."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), _STDOUT)


def _done(words: Sequence[str]) -> int:
    if words and words[0] in COMMANDS:
        shown: int = _loaded(COMMANDS[words[0]].module).run(words[1:])
        return shown
    try:
        given = split(words)
    except SetupError as error:
        say(error.message)
        return ExitCode.NOT_READY
    if given.asks == "version":
        print(f"anyclaude {__version__}")
        return ExitCode.DONE
    if given.asks == "help":
        print(_loaded(HELP).help_text(), end="")
        return ExitCode.DONE
    code: int = _loaded(PROGRAM).run(given)
    return code


def _loaded(module: str) -> Any:
    """Without collecting garbage meanwhile: what is loaded stays."""
    gc.disable()
    try:
        return importlib.import_module(module)
    finally:
        gc.enable()


if __name__ == "__main__":
    sys.exit(main())
