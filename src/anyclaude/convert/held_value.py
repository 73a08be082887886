"""A value in a stream of JSON that goes out only when it is whole."""

import re
from typing import Final

from anyclaude.convert.tool_args import ObjectScanner

_BARE_END: Final = re.compile(r"[\s,{}\[\]:\"']")


class HeldValue:
    """One value, by its first character. size: its characters so far."""

    def __init__(self, first: str) -> None:
        self.complete = False
        self.size = 0
        self._pieces: list[str] = []
        self._quote = first if first in "\"'" else ""
        self._escaped = False
        self._nested = ObjectScanner() if first in "{[" else None

    @property
    def is_bare(self) -> bool:
        """A number or a word, which only what follows it ends."""
        return not self._quote and self._nested is None

    @property
    def text(self) -> str:
        return "".join(self._pieces)

    def feed(self, text: str) -> int:
        """How much of `text`, which is not empty, belongs to the value."""
        length = self._length_in(text)
        self._pieces.append(text[:length])
        self.size += length
        return length

    def _length_in(self, text: str) -> int:
        if self._nested is not None:
            length = len(self._nested.feed(text))
            self.complete = self._nested.complete
            return length
        if self._quote:
            return self._quoted_length(text)
        found = _BARE_END.search(text)
        self.complete = found is not None
        return found.start() if found else len(text)

    def _quoted_length(self, text: str) -> int:
        for at, character in enumerate(text):
            if self._escaped:
                self._escaped = False
            elif character == "\\":
                self._escaped = True
            elif character == self._quote and self.size + at:
                self.complete = True
                return at + 1
        return len(text)
