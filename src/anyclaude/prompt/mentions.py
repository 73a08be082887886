"""Which tools a text names: as tools, not as the words that some of their names are."""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

_NO_WORD: Final = re.compile(r"[\W\d_]|[a-z][A-Z]")
"""A name with one of these (`TaskCreate`, `mcp__a__b`) is no word of a sentence."""

_SENTENCE_START: Final = re.compile(r"[\n.!?:][\s*>#\d.)-]*\Z")
_TOOL_AFTER: Final = re.compile(r"`?\s+tools?\b")
_TOOL_BEFORE: Final = re.compile(r"\btools? \Z")
_NEAR: Final = 12
"""Characters before a name that are looked at."""


def mentioned(text: str, names: Sequence[str]) -> frozenset[str]:
    """The tools that this text names.

    A name that is a plain word counts in backticks, beside the word `tool`, and, with a capital, within a sentence:
    "prefer Edit" names a tool, "Write code that reads well" and "search the web" do not.
    """
    pattern = _pattern(tuple(names))
    if pattern is None:
        return frozenset()
    return frozenset(found[0] for found in pattern.finditer(text) if _is_tool(text, found))


@lru_cache(maxsize=64)
def _pattern(names: tuple[str, ...]) -> re.Pattern[str] | None:
    longest_first = sorted({name for name in names if name}, key=len, reverse=True)
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest_first))})(?!\w)") if longest_first else None


def _is_tool(text: str, found: re.Match[str]) -> bool:
    before = text[max(0, found.start() - _NEAR) : found.start()]
    if _NO_WORD.search(found[0]) or before.endswith("`"):
        return True
    if _TOOL_AFTER.match(text, found.end()) or _TOOL_BEFORE.search(before):
        return True
    if not found[0][0].isupper():
        return False
    return not _SENTENCE_START.search(before if found.start() > _NEAR else f"\n{before}")
