"""What a person types, as a question to the full-text index, and what was found as pieces to show."""

import re
from typing import Final

MOST_WORDS: Final = 32

MARKS: Final = ("\x02", "\x03")
"""Around what was looked for. The index holds printable text only, so they are nobody's."""

_TERM: Final = re.compile(r'"([^"]*)"?|([^\s"]+)')

Excerpt = tuple[tuple[str, bool], ...]
"""Text in pieces, in order, and whether each is what was looked for."""


def question(typed: str) -> str | None:
    """All words that were typed, each as the beginning of one; those in quotes one behind the other, as they are.

    None where there is nothing to look for. Every term is quoted, so none is an operator.
    """
    terms = []
    for phrase, beginning in _TERM.findall(typed)[:MOST_WORDS]:
        text = phrase or beginning
        if any(map(str.isalnum, text)):
            terms.append(f'"{text}"' if phrase else f'"{text}"*')
    return " ".join(terms).replace("\0", " ") or None


def excerpt_of(marked: str) -> Excerpt:
    """The pieces of a text in which what was found stands between marks."""
    first, *rest = marked.split(MARKS[0])
    pieces = [(first, False)]
    for piece in rest:
        found, _, behind = piece.partition(MARKS[1])
        pieces += [(found, True), (behind, False)]
    return tuple((text, is_found) for text, is_found in pieces if text)
