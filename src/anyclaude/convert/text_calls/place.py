"""Where in a Markdown text we are: in code, at the beginning of a line, at the end of a sentence.

Only what decides about calls is followed: fences (``` or ~~~, indented too, and those that are never closed) and code
spans within a line. A span that goes over lines needs no care, since its closing backticks come after the call.
"""

import re
from typing import Final

_MARKS: Final = re.compile(r"`+|\n|[^`\n]+")
_CONTAINER: Final = r"[ \t]*(?:(?:>|[*+-]|\d{1,9}[.)])[ \t]*)*"
_FENCE: Final = re.compile(_CONTAINER + r"(?P<marks>`{3,}|~{3,})")
_CLOSING: Final = re.compile(_CONTAINER + r"(?P<marks>`{3,}|~{3,})\s*")
_HEAD: Final = 200  # characters of a line that are looked at
_SENTENCE_ENDS: Final = frozenset(".!?:…\u3002\uff01\uff1f\uff1a")


class Place:
    """Feed it the text; it says where the end of it is."""

    def __init__(self) -> None:
        self._fence = ""
        self._new_line()

    def _new_line(self) -> None:
        self._head = ""
        self._last = ""  # the last character that is not blank
        self._ticks = 0  # backticks right before this place
        self._runs = 0
        self._open = 0  # backticks that opened a code span

    def feed(self, text: str) -> None:
        if "`" not in text and "\n" not in text:
            self._words(text)
            return
        for piece in _MARKS.findall(text):
            if piece == "\n":
                self._end_line()
            elif piece[0] == "`":
                self._ticks += len(piece)
                self._remember(piece)
            else:
                self._words(piece)

    def _words(self, text: str) -> None:
        if self._ticks and text:
            self._settle()
        self._remember(text)

    def _remember(self, text: str) -> None:
        if len(self._head) < _HEAD:
            self._head += text[: _HEAD - len(self._head)]
        self._last = text.rstrip()[-1:] or self._last

    def _settle(self) -> None:
        """A run of backticks is complete: it opens a span, closes one of its own length, or is a part of it."""
        self._runs += 1
        if self._open in (0, self._ticks):
            self._open = 0 if self._open else self._ticks
        self._ticks = 0

    def _end_line(self) -> None:
        if self._ticks:
            self._settle()
        if not self._fence:
            self._fence = self._opening()
        elif closing := _CLOSING.fullmatch(self._head):
            marks = closing["marks"]
            if marks[0] == self._fence[0] and len(marks) >= len(self._fence):
                self._fence = ""
        self._new_line()

    def _opening(self) -> str:
        """The fence that this line opens. After backticks there are no others, else it is a code span."""
        found = _FENCE.match(self._head)
        return found["marks"] if found and (found["marks"][0] == "~" or self._runs == 1) else ""

    @property
    def in_code(self) -> bool:
        opened = self._open
        if self._ticks:
            opened = 0 if opened == self._ticks else opened or self._ticks
        return bool(self._fence or opened or self._is_fence)

    @property
    def _is_fence(self) -> bool:
        return ("~" in self._head or "`" in self._head) and _FENCE.match(self._head) is not None

    @property
    def is_free(self) -> bool:
        """At the beginning of a line, indented by less than code is, or behind a sentence; and not in code."""
        if self.in_code:
            return False
        if self._last:
            return self._last in _SENTENCE_ENDS
        return len(self._head) < 4 and "\t" not in self._head
