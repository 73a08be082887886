"""A system prompt as sections: split at markdown headings, each with its rank.

The rank comes from the section's own heading; else from what it says, if that is critical; else from the headings above
it; else it is useful. What stands before the first heading says who the model is, so it is critical.
Fenced code is never cut in two, nor is a heading looked for in it: then a cut prompt reads the same the next time.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

Rank = Literal["critical", "useful", "optional"]

HEADINGS: Final[Mapping[Rank, re.Pattern[str]]] = {
    "critical": re.compile(
        r"\b(tools?|functions?|safe|safety|secur\w*|permissions?|environment|identity|harness|system"
        r"|actions?|policy|policies|restrictions?)\b",
        re.IGNORECASE,
    ),
    "optional": re.compile(
        r"\b(tone|style|text output|verbosity|examples?|memor\w*|tips?|feedback|notes?|comments?|background"
        r"|emojis?|formatting|markdown|faq|insights?)\b",
        re.IGNORECASE,
    ),
    "useful": re.compile(r"\b(tasks?|workflow|conventions?|guidelines?|guidance|context|git|testing)\b", re.IGNORECASE),
}
"""By the words of a heading; where two fit, the first of these."""

_NOT_TOOLS: Final = re.compile(r"\b(tone|style|text output|examples?|memor\w*)\b", re.IGNORECASE)
"""Such a heading is about manners or memory, whatever else it names."""

CRITICAL_LINE: Final = re.compile(
    r"\b(tool|function)[ -](call|use|definition)s?\b|\bIMPORTANT\b|\bmalicious\b|\bdestructive\b|working directory",
)
"""A line that makes a section critical whose heading says nothing, and that no tier cuts out of one."""

_HEADING: Final = re.compile(r"(#{1,6}) +(\S.*)")
_FENCE: Final = re.compile(r"\s*(```|~~~)")


@dataclass(frozen=True, slots=True)
class Section:
    """block: the number of its text. headings: from the outermost one above it to its own; none before the first.

    units: its lines as they are, the heading line first; a fenced block is one unit.
    """

    block: int
    headings: tuple[str, ...]
    units: tuple[str, ...]
    rank: Rank

    @property
    def heading(self) -> str:
        return self.headings[-1] if self.headings else ""

    @property
    def text(self) -> str:
        return "\n".join(self.units)

    @property
    def body(self) -> tuple[str, ...]:
        """The units without the heading line."""
        return self.units[1:] if self.headings else self.units

    def with_body(self, body: Iterable[str]) -> "Section":
        return replace(self, units=(*self.units[: len(self.units) - len(self.body)], *body))


def split(texts: Sequence[str]) -> tuple[Section, ...]:
    """All sections of all texts, in order. Joined again they are the same texts."""
    return tuple(section for number, text in enumerate(texts) for section in _split_one(number, text))


def joined(sections: Iterable[Section]) -> dict[int, str]:
    """The texts by number; one of which no section is left is missing."""
    units: dict[int, list[str]] = {}
    for section in sections:
        units.setdefault(section.block, []).extend(section.units)
    return {block: "\n".join(lines) for block, lines in units.items()}


def _split_one(block: int, text: str) -> Iterator[Section]:
    path: list[tuple[int, str]] = []
    units: list[str] = []
    for unit in _units(text.split("\n")):
        found = _HEADING.fullmatch(unit.rstrip())
        if found:
            if units:
                yield _section(block, path, units)
            level = len(found[1])
            path = [*(above for above in path if above[0] < level), (level, found[2])]
            units = []
        units.append(unit)
    yield _section(block, path, units)


def _section(block: int, path: Sequence[tuple[int, str]], units: Sequence[str]) -> Section:
    headings = tuple(heading for _, heading in path)
    return Section(block, headings, tuple(units), _rank(headings, units))


def _units(lines: Sequence[str]) -> Iterator[str]:
    fenced: list[str] = []
    for line in lines:
        fence = _FENCE.match(line)
        if not fenced and not fence:
            yield line
            continue
        closes = bool(fenced) and line.strip() == fenced[0].lstrip()[:3]
        fenced.append(line)
        if closes:
            yield "\n".join(fenced)
            fenced = []
    if fenced:
        yield "\n".join(fenced)


def _rank(headings: Sequence[str], units: Iterable[str]) -> Rank:
    if not headings:
        return "critical"
    own = _named_rank(headings[-1])
    if own is None and any(CRITICAL_LINE.search(unit) for unit in units):
        return "critical"
    named = [rank for rank in map(_named_rank, headings) if rank is not None]
    return named[-1] if named else "useful"


def _named_rank(heading: str) -> Rank | None:
    if _NOT_TOOLS.search(heading):
        return "optional"
    return next((rank for rank, pattern in HEADINGS.items() if pattern.search(heading)), None)
