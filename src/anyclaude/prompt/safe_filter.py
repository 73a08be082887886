"""The safe filter: leaves out what a model needs least, in four tiers, and checks that the critical parts survive.

Each tier does what the softer ones do and more, so a softer one finds nothing to do after it. That makes the filter
idempotent even where `auto` chooses a softer tier for its own result.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from anyclaude.prompt.options import FilterTier
from anyclaude.prompt.sections import CRITICAL_LINE, Section, joined, split
from anyclaude.prompt.validation import Verdict, compare

TIERS: Final[tuple[FilterTier, ...]] = ("minimal", "moderate", "aggressive", "extreme")

AUTO: Final[tuple[tuple[int, FilterTier | None], ...]] = (
    (2500, None),
    (5000, "minimal"),
    (10000, "moderate"),
    (20000, "aggressive"),
)
"""`auto`: a system prompt under so many tokens gets this tier, a longer one `extreme`.

Claude Code's prompt for models it does not know is about 1,700 by this estimate: next to its tools, not worth a cut.
"""

VERBOSE: Final = 400
"""Characters from which a paragraph that explains is left out."""

FIRST_LINES: Final = 3
_WHOLE: Final = re.compile(r"environment", re.IGNORECASE)
_EXAMPLE_OPENS: Final = re.compile(r"\s*<example\b", re.IGNORECASE)
_EXAMPLE_CLOSES: Final = re.compile(r".*</example\w*>\s*", re.IGNORECASE)
_EXAMPLE_LINE: Final = re.compile(r"\s*([-*] )?(for example|examples?|e\.g\.)\b", re.IGNORECASE)
_BULLET: Final = re.compile(r"\s*([-*+]|\d+[.)]) ")
_FENCE: Final = re.compile(r"\s*(```|~~~)")


@dataclass(frozen=True, slots=True)
class Filtered:
    """texts: by number, None where no tier was valid. notes: a sentence for every tier that was not."""

    texts: dict[int, str] | None
    tier: FilterTier | None
    verdict: Verdict
    removed: tuple[str, ...]
    notes: tuple[str, ...]


def choose(tier: FilterTier, tokens: int) -> FilterTier | None:
    """The tier to begin with; None: the prompt is short enough as it is."""
    if tier != "auto":
        return tier
    return next((chosen for limit, chosen in AUTO if tokens < limit), "extreme")


def safe_filter(texts: Sequence[str], tool_names: Sequence[str], tier: FilterTier) -> Filtered:
    """The prompt at that tier (not `auto`), or at the next softer one that keeps every critical part."""
    sections = split(texts)
    notes: list[str] = []
    before = "\n".join(texts)
    verdict = compare(before, before, tool_names)
    for candidate in reversed(TIERS[: TIERS.index(tier) + 1]):
        kept = apply(sections, candidate)
        new = joined(kept)
        verdict = compare(before, "\n".join(new.values()), tool_names)
        if verdict.valid and new:
            return Filtered(new, candidate, verdict, removed(sections, kept), tuple(notes))
        notes.append(f"The tier {candidate} would lose {verdict.complaint() or 'everything'}, so it is not used.")
    return Filtered(None, None, verdict, (), tuple(notes))


def apply(sections: Iterable[Section], tier: FilterTier) -> tuple[Section, ...]:
    """The sections that this tier leaves, each as short as it makes it."""
    level = TIERS.index(tier)
    kept = [section for section in sections if section.rank != "optional"]
    if level >= 1:
        kept = [_without_explanations(section) for section in kept]
    if level >= 2:
        kept = [_first_lines(section) if section.rank == "useful" else section for section in kept]
    if level >= 3:
        kept = [_first_lines(section) for section in kept if section.rank == "critical"]
    return tuple(kept)


def removed(before: Iterable[Section], after: Iterable[Section]) -> tuple[str, ...]:
    """Headings that are gone, in order."""
    left = {(section.block, section.headings) for section in after}
    return tuple(section.heading for section in before if (section.block, section.headings) not in left)


def _without_explanations(section: Section) -> Section:
    if section.rank == "critical":
        return section
    body = list(_outside_examples(section.body))
    first = next((index for index, unit in enumerate(body) if unit.strip()), 0)
    return section.with_body(unit for index, unit in enumerate(body) if index <= first or not _explains(unit))


def _outside_examples(units: Sequence[str]) -> Iterator[str]:
    index = 0
    while index < len(units):
        end = _example_end(units, index)
        if end is None:
            yield units[index]
        index = (end or index) + 1


def _example_end(units: Sequence[str], start: int) -> int | None:
    """The last unit of the example that starts here; None: none does, or it is never closed."""
    if _is_fence(units[start]):
        return start
    if not _EXAMPLE_OPENS.match(units[start]):
        return None
    return next((end for end in range(start, len(units)) if _EXAMPLE_CLOSES.fullmatch(units[end])), None)


def _explains(unit: str) -> bool:
    if _BULLET.match(unit):
        return _EXAMPLE_LINE.match(unit) is not None
    return len(unit) >= VERBOSE or _EXAMPLE_LINE.match(unit) is not None


def _first_lines(section: Section) -> Section:
    """Its first lines, and of a critical section every bullet and critical line too."""
    if _WHOLE.search(section.heading):
        return section
    lines = [unit for unit in section.body if unit.strip()]
    if len(lines) <= FIRST_LINES:
        return section
    critical = section.rank == "critical"
    kept = [line for index, line in enumerate(lines) if index < FIRST_LINES or (critical and _is_core(line))]
    return section if len(kept) == len(lines) else section.with_body([*kept, ""])


def _is_core(unit: str) -> bool:
    return bool(_BULLET.match(unit) or CRITICAL_LINE.search(unit))


def _is_fence(unit: str) -> bool:
    return _FENCE.match(unit) is not None
