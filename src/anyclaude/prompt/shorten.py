"""Shorter lines of a section: without examples, without elements, and with fewer sentences.

Each of these finds nothing more to do in its own result: a sentence that is kept is cut out of the shorter line at the
same places again.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from anyclaude.prompt.sections import is_fence

Keep = Callable[[str], bool]
"""Whether a sentence has to stay, wherever it stands."""

EXAMPLES: Final = re.compile(r"\s*<(examples?)\b[^>]*>\s*", re.IGNORECASE)
ELEMENTS: Final = re.compile(r"\s*<([a-z][\w-]*)>\s*", re.IGNORECASE)
_SENTENCE_END: Final = re.compile(r"[.!?](\s+)[A-Z`\"'(*\[]")
_BULLET: Final = re.compile(r"\s*([-*+]|\d+[.)]) ")
_EXAMPLE_LINE: Final = re.compile(r"\s*([-*] )?(for example\b|examples?\b|e\.g\.)", re.IGNORECASE)


def without_elements(units: Sequence[str], opening: re.Pattern[str]) -> Iterator[str]:
    """Without the elements whose opening tag has a line of its own; one that is not closed is no element."""
    index = 0
    while index < len(units):
        found = opening.fullmatch(units[index])
        end = _closing(units, index + 1, found[1]) if found else None
        if end is None:
            yield units[index]
        index = (index if end is None else end) + 1


def without_example_lines(units: Iterable[str]) -> Iterator[str]:
    return (unit for unit in units if not _EXAMPLE_LINE.match(unit))


def first_sentences(unit: str, bound: int, keep: Keep) -> str:
    """The first sentence, those after it within so many characters, and each one that has to stay.

    Fenced code and lines of markup are left alone.
    """
    if len(unit) <= bound or is_fence(unit) or unit.lstrip().startswith("<"):
        return unit
    kept: list[str] = []
    length = 0
    sentences = _sentences(unit)
    for sentence in sentences:
        length += len(sentence) + 1
        if not kept or length <= bound or keep(sentence):
            kept.append(sentence)
    return unit if len(kept) == len(sentences) else " ".join(kept)


def first_lines(units: Sequence[str], count: int) -> list[str]:
    """So many lines that say something, and a blank one after them where there were more."""
    lines = [unit for unit in units if unit.strip()]
    return list(units) if len(lines) <= count else [*lines[:count], ""]


def single_blanks(units: Sequence[str]) -> Iterator[str]:
    """With one blank line where there are several."""
    for index, unit in enumerate(units):
        if unit.strip() or not index or units[index - 1].strip():
            yield unit


def is_bullet(unit: str) -> bool:
    return _BULLET.match(unit) is not None


def _sentences(unit: str) -> list[str]:
    ends = [found.span(1) for found in _SENTENCE_END.finditer(unit)]
    starts = [0, *(end for _, end in ends)]
    return [unit[start:end] for start, (end, _) in zip(starts, [*ends, (len(unit), 0)], strict=True)]


def _closing(units: Sequence[str], start: int, name: str) -> int | None:
    closing = re.compile(rf"\s*</{re.escape(name)}>\s*", re.IGNORECASE)
    return next((index for index in range(start, len(units)) if closing.fullmatch(units[index])), None)
