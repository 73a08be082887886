"""Truncation: the first lines and the important sections that fit into a budget, and a note that there was more."""

from collections.abc import Iterable, Sequence
from typing import Final

from anyclaude.prompt.sections import Rank, Section, joined, split
from anyclaude.prompt.tokens import BYTES_PER_TOKEN, size

NOTE: Final = "[These instructions were shortened to fit the model.]"
"""Stands at the end of what is left. A prompt with this note is not cut again."""

_ORDER: Final[tuple[Rank, ...]] = ("critical", "useful", "optional")


def is_truncated(texts: Iterable[str]) -> bool:
    return any(NOTE in text for text in texts)


def truncate(texts: Sequence[str], max_tokens: int) -> dict[int, str]:
    """What fits into so many tokens, by the number of the text: critical sections, then useful, then optional.

    A critical section that does not fit whole gives its first lines. What is left
    stays in its order. Where nothing fits, nothing but the note is left.
    """
    budget = int(max_tokens * BYTES_PER_TOKEN) - size(NOTE) - 2
    kept = joined(_fitting(split(texts), budget))
    if not kept:
        return {0: NOTE}
    last = max(kept)
    return {**kept, last: f"{kept[last].rstrip()}\n\n{NOTE}"}


def _fitting(sections: Sequence[Section], budget: int) -> list[Section]:
    kept: dict[int, Section] = {}
    for index in sorted(range(len(sections)), key=lambda index: _ORDER.index(sections[index].rank)):
        section = sections[index]
        short = section if _cost(section) <= budget else _beginning(section, budget)
        if short is not None:
            kept[index] = short
            budget -= _cost(short)
    return [kept[index] for index in sorted(kept)]


def _beginning(section: Section, budget: int) -> Section | None:
    if section.rank != "critical":
        return None
    units = list(section.units)
    while units and _cost_of(units) > budget:
        units.pop()
    body = units[len(section.units) - len(section.body) :]
    return section.with_body(body) if any(unit.strip() for unit in body) else None


def _cost(section: Section) -> int:
    return _cost_of(section.units)


def _cost_of(units: Iterable[str]) -> int:
    return sum(size(unit) + 1 for unit in units)
