"""Which tools a text names: as tools, not as the words that some of their names are."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

_NO_WORD: Final = re.compile(r"[\W\d_]|[a-z][A-Z]")
"""A name with one of these (`TaskCreate`, `mcp__a__b`) is no word of a sentence."""

_SENTENCE_START: Final = re.compile(r"[\n.!?:][\s*>#\d.)-]*\Z")
_TOOL_AFTER: Final = re.compile(r"`?\s+tools?\b")
_NEAR: Final = 12
"""Characters before a name that are looked at."""


def mentioned(text: str, names: Sequence[str]) -> frozenset[str]:
    """The tools that this text names.

    A name that is a plain word counts in backticks, beside the word `tool`, and, with a capital, within a sentence:
    "prefer Edit" names a tool, "Write code that reads well" and "search the web" do not.
    """
    found = (name for name in names if name and name in text)
    return frozenset(name for name in found if any(_is_tool(text, name, start) for start in _places(text, name)))


def _places(text: str, name: str) -> Iterator[int]:
    """Where the name stands as a word of its own."""
    start = text.find(name)
    while start >= 0:
        end = start + len(name)
        if not (start and _is_part(text[start - 1])) and not _is_part(text[end : end + 1]):
            yield start
        start = text.find(name, end)


def _is_part(character: str) -> bool:
    return character.isalnum() or character == "_"


def _is_tool(text: str, name: str, start: int) -> bool:
    before = text[max(0, start - _NEAR) : start]
    if before.endswith(("`", "tool ", "tools ")) or _NO_WORD.search(name) or _TOOL_AFTER.match(text, start + len(name)):
        return True
    if not name[0].isupper():
        return False
    return not _SENTENCE_START.search(before if start > _NEAR else f"\n{before}")
