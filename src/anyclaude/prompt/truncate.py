"""Truncation: what fits into a budget of the important sections, and a note that there was more.

First who the model is, then where it works, then what somebody else than Claude Code wrote, in half of what is left;
then critical sections, features, useful and optional ones. What is left stays in its order.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from anyclaude.prompt.ranks import Rank
from anyclaude.prompt.sections import Section, joined
from anyclaude.prompt.tokens import BYTES_PER_TOKEN, size

NOTE: Final = "[These instructions were shortened to fit the model.]"
"""Stands at the end of what is left. A prompt with this note is not cut again."""

_TURNS: Final[Mapping[Rank, int]] = {
    "environment": 1,
    "theirs": 2,
    "critical": 3,
    "feature": 4,
    "useful": 5,
    "optional": 6,
}
"""Turn 0 is for what stands before every heading of a main prompt: who the model is."""

_SHARING: Final = 2
_MAY_BE_CUT: Final[frozenset[Rank]] = frozenset({"critical", "environment", "theirs"})


def is_truncated(texts: Iterable[str]) -> bool:
    return any(NOTE in text for text in texts)


def fitting(sections: Sequence[Section], max_tokens: int) -> tuple[Section, ...]:
    """What fits into so many tokens, with room for the note.

    A section that is important and does not fit whole gives its first lines.
    """
    budget = int(max_tokens * BYTES_PER_TOKEN) - size(NOTE) - 2
    has_rules = any(section.rank == "critical" for section in sections)
    kept: dict[int, Section] = {}
    for turn in range(max(_TURNS.values()) + 1):
        left = budget - sum(map(_cost, kept.values()))
        share = left // 2 if has_rules and turn == _SHARING else left
        kept |= _chosen([(index, section) for index, section in enumerate(sections) if _turn(section) == turn], share)
    return tuple(kept[index] for index in sorted(kept))


def _chosen(sections: Iterable[tuple[int, Section]], budget: int) -> dict[int, Section]:
    """The smallest first, so that as many as possible stay whole."""
    kept: dict[int, Section] = {}
    for index, section in sorted(sections, key=lambda found: _cost(found[1])):
        short = section if _cost(section) <= budget else _beginning(section, budget)
        if short is not None:
            kept[index] = short
            budget -= _cost(short)
    return kept


def _turn(section: Section) -> int:
    return 0 if section.rank == "critical" and not section.headings else _TURNS[section.rank]


def noted(kept: Iterable[Section]) -> dict[int, str]:
    """The texts by number, with the note at their end; nothing but the note where nothing is left."""
    texts = joined(kept)
    if not texts:
        return {0: NOTE}
    last = max(texts)
    return {**texts, last: f"{texts[last].rstrip()}\n\n{NOTE}"}


def _beginning(section: Section, budget: int) -> Section | None:
    if section.rank not in _MAY_BE_CUT:
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
