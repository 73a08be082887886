"""What the person at the terminal reads from us: one line at a time, on stderr, never while claude has the screen."""

import shlex
import sys
from collections.abc import Mapping
from typing import Final

from anyclaude.errors import SetupError

_TURNS_TEXT: Final = (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
"""Signs that change the direction of what follows, so that a line reads as another (Unicode Annex 9)."""

_CONTROLS: Final = dict.fromkeys((*range(32), *range(127, 160), *_TURNS_TEXT, *range(0xD800, 0xE000)), "?")
_WIDTH: Final = 110


def plain(text: str) -> str:
    """The text in one line and without control characters: model names and errors come from other programs."""
    return " ".join(text.split()).translate(_CONTROLS)


def say(text: str) -> None:
    """One line on stderr."""
    _write(f"anyclaude: {plain(text)}\n")


def _write(text: str) -> None:
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except (OSError, ValueError):
        return  # a closed stderr is no reason to fail


class Terminal:
    """The screen of a launch: lines, and one line of progress that rewrites itself where stderr is a terminal."""

    def __init__(self) -> None:
        self._rewrites = sys.stderr.isatty()
        self._shown = ""

    def say(self, text: str) -> None:
        """A line that stays."""
        self.clear()
        say(text)

    def progress(self, text: str) -> None:
        """What is being waited for, in place of what was shown before."""
        line = f"anyclaude: {plain(text)}"[:_WIDTH]
        if line != self._shown:
            self._shown = line
            _write(f"\r\x1b[K{line}" if self._rewrites else f"{line}\n")

    def clear(self) -> None:
        """Take the progress away again."""
        if self._rewrites and self._shown:
            _write("\r\x1b[K")
        self._shown = ""

    def exports(self, variables: Mapping[str, str]) -> None:
        """The lines that a shell evaluates, and nothing else, on stdout, at once.

        Raises SetupError when nobody reads them.
        """
        self.clear()
        try:
            print("\n".join(f"export {name}={shlex.quote(value)}" for name, value in variables.items()), flush=True)
        except OSError as error:
            raise SetupError(f"cannot write the export lines to standard output: {error.strerror}") from error
