"""The command `anyclaude`.

Asking for help or the version must not cost the import of pydantic, aiohttp and httpx (half a second on a slow
machine), so this module knows the arguments alone and loads the rest of the program by name, here and nowhere else.
"""

import importlib
import sys
from collections.abc import Sequence

from anyclaude import __version__
from anyclaude.cli.args import HELP, split
from anyclaude.cli.output import SETUP_FAILED, say
from anyclaude.errors import SetupError

PROGRAM = "anyclaude.cli.run"
TRACE = "anyclaude.cli.trace"


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the arguments ask, and return the exit code."""
    words = sys.argv[1:] if argv is None else argv
    if words and words[0] == "trace":
        shown: int = importlib.import_module(TRACE).run(words[1:])
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
