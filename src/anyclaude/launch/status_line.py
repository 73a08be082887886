"""The status line under Claude Code's prompt, where the person has none of their own.

It is a setting of Claude Code's, a command that gets JSON and prints a line; ours is `status_line_child`, which asks
the proxy. Observed with 2.1.197: it runs when an answer comes and when the model or the mode changes, at most three
times a second, with Claude Code's environment, and is killed after five seconds; a managed setting counts more than
`--settings`, and that more than a project's and the user's.
"""

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from anyclaude.launch import status_line_child
from anyclaude.launch.claude_files import MANAGED, settings_files

_NAMED: Final = b'"statusLine"'
_STDOUT: Final = 1
_LARGEST: Final = 4 * 1024 * 1024
"""Bytes of a settings file that are looked through."""

_COMMAND: Final = shlex.join((sys.executable, "-I", "-S", str(Path(status_line_child.__file__).resolve())))
"""Isolated, and without site-packages: it is to be there in a few hundredths of a second."""


_AGAIN: Final = 10
"""Seconds after which it runs anew by itself, should the proxy not have answered in time."""


def has_screen(arguments: Sequence[str]) -> bool:
    """Whether a claude with these arguments will have a place for the line."""
    return os.isatty(_STDOUT) and not {"-p", "--print"} & {*arguments}


def status_line(environ: Mapping[str, str], managed: Sequence[Path] = MANAGED) -> dict[str, Any]:
    """Claude Code's settings for our line; empty where some settings of the person's name one.

    environ: what claude is started with. A file that cannot be read counts as one that does.
    """
    try:
        own = any(map(_names_one, settings_files(Path.home(), Path.cwd(), environ, managed)))
    except (OSError, RuntimeError):  # the working directory is gone, or there is no home directory
        return {}
    return {} if own else {"statusLine": {"type": "command", "command": _COMMAND, "refreshInterval": _AGAIN}}


def _names_one(path: Path) -> bool:
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return _NAMED in file.read(_LARGEST)
    except OSError:
        return True
