"""Many fixed strings at once: where one stands, and whether a text that has just begun may become one."""

import re
from collections.abc import Iterable
from typing import Final

BAR: Final = "\uff5c"
"""The full-width bar in DeepSeek's tokens."""


class Marks:
    """None of the strings begins another one."""

    def __init__(self, strings: Iterable[str]) -> None:
        strings = sorted(strings, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, strings)) or r"(?!)")
        first = "".join(sorted({string[0] for string in strings}))
        self._first = re.compile(f"[{re.escape(first)}]" if first else r"(?!)")
        self._beginnings = frozenset(string[:end] for string in strings for end in range(1, len(string)))
        self._longest = max(map(len, strings), default=0)

    def search(self, text: str, at: int) -> re.Match[str] | None:
        return self._pattern.search(text, at)

    def has_first(self, text: str) -> bool:
        """Whether one may begin in the text."""
        return self._first.search(text) is not None

    def match(self, text: str, at: int) -> str:
        found = self._pattern.match(text, at)
        return found[0] if found else ""

    def may_begin(self, text: str, at: int) -> bool:
        """Whether all that is there from `at` on is the beginning of one; nothing is."""
        return at == len(text) or (len(text) - at < self._longest and text[at:] in self._beginnings)

    def beginning(self, text: str, at: int) -> int:
        """From where on the end of the text may be the beginning of one; its length when there is no such place."""
        for found in self._first.finditer(text, max(at, len(text) - self._longest + 1)):
            if text[found.start() :] in self._beginnings:
                return found.start()
        return len(text)
