"""A system prompt as sections: split at markdown headings, each with its rank.

Two lines that are no headings open a section too, `<env>` and `gitStatus:`: there, the session's own part begins.
Fenced code is never cut in two, nor is a heading looked for in it: then a cut prompt reads the same the next time.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from anyclaude.prompt.ranks import Rank, ranks

_HEADING: Final = re.compile(r"(#{1,6}) +(\S.*)")
_OPENER: Final = re.compile(r"(<env>)|(gitStatus):.*")
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


def is_fence(unit: str) -> bool:
    return _FENCE.match(unit) is not None


def _split_one(block: int, text: str) -> Iterator[Section]:
    parts = list(_parts(text))
    for (headings, units), rank in zip(parts, ranks([headings for headings, _ in parts]), strict=True):
        yield Section(block, headings, units, rank)


def _parts(text: str) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    path: list[tuple[int, str]] = []
    units: list[str] = []
    for unit in _units(text.split("\n")):
        found = _opened(unit)
        if found:
            if units:
                yield tuple(heading for _, heading in path), tuple(units)
            path = [*(above for above in path if above[0] < found[0]), found]
            units = []
        units.append(unit)
    yield tuple(heading for _, heading in path), tuple(units)


def _opened(unit: str) -> tuple[int, str] | None:
    """Level and name of the section that this line opens."""
    if not unit.startswith(("#", "<env>", "gitStatus:")):
        return None
    line = unit.rstrip()
    heading = _HEADING.fullmatch(line)
    if heading:
        return len(heading[1]), heading[2]
    opener = _OPENER.fullmatch(line)
    return (1, opener[1] or opener[2]) if opener else None


def _units(lines: Sequence[str]) -> Iterator[str]:
    fenced: list[str] = []
    for line in lines:
        if not fenced and not is_fence(line):
            yield line
            continue
        closes = bool(fenced) and line.strip() == fenced[0].lstrip()[:3]
        fenced.append(line)
        if closes:
            yield "\n".join(fenced)
            fenced = []
    if fenced:
        yield "\n".join(fenced)
