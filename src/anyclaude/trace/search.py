"""What a person types, as a question to the full-text index, and what was found as pieces to show."""

import re
from typing import Final

MOST_WORDS: Final = 32

MARKS: Final = ("\x02", "\x03")
"""Around what was looked for. The index holds printable text only, so they are nobody's."""

_TERM: Final = re.compile(r'"([^"]*)"?|([^\s"]+)')

_APART: Final = "\u200b"
_UNSPACED: Final = re.compile("([\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff])")
"""Characters of Chinese and Japanese, which have no spaces between words: the index takes each as one."""

Excerpt = tuple[tuple[str, bool], ...]
"""Text in pieces, in order, and whether each is what was looked for."""


def indexed_text(text: str) -> str:
    """A text as the index takes it, in which every word can be found."""
    return _UNSPACED.sub(rf"{_APART}\1{_APART}", text)


def question(typed: str) -> str | None:
    """All words that were typed, each as the beginning of one; those in quotes one behind the other, as they are.

    None where there is nothing to look for. Every term is quoted, so none is an operator.
    """
    terms = []
    for phrase, beginning in _TERM.findall(typed)[:MOST_WORDS]:
        text = phrase or beginning
        if any(map(str.isalnum, text)):
            terms.append(f'"{text}"' if phrase else f'"{text}"*')
    return indexed_text(" ".join(terms).replace("\0", " ")) or None


def excerpt_of(marked: str) -> Excerpt:
    """The pieces of a text in which what was found stands between marks."""
    first, *rest = marked.replace(_APART, "").split(MARKS[0])
    pieces = [(first, False)]
    for piece in rest:
        found, _, behind = piece.partition(MARKS[1])
        pieces += [(found, True), (behind, False)]
    return tuple((text, is_found) for text, is_found in pieces if text)
