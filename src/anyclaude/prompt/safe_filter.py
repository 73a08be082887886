"""The safe filter: leaves out what a model needs least, in four tiers, and checks that the critical parts survive.

Only Claude Code's own words are cut; what user, project or session brought stays as it is at every tier. Each tier does
what the softer ones do and more, so a softer one finds nothing to do after it. That makes the filter idempotent even
where `auto` chooses a softer tier for its own result.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from anyclaude.prompt.mentions import mentioned
from anyclaude.prompt.options import FilterTier
from anyclaude.prompt.sections import Section, joined, split
from anyclaude.prompt.shorten import (
    ELEMENTS,
    EXAMPLES,
    Keep,
    first_lines,
    first_sentences,
    is_bullet,
    single_blanks,
    without_elements,
    without_example_lines,
)
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

VERBOSE: Final = 240
"""Characters that a paragraph or bullet may have before it counts as an explanation; then it is cut to so many."""

FIRST_LINES: Final = 3
CRITICAL_SENTENCE: Final = re.compile(
    r"\b(IMPORTANT|CRITICAL|MUST|NEVER|malicious|destructive|injection|permissions?|authoriz\w+|confirm|deleting)\b"
)
"""A sentence that no tier cuts out of a critical section; so is one that names a tool."""

_NEWS: Final = re.compile(r" - (?![\w ]{3,40}: )(?!You are ).*\bClaude\b")
"""In the list of the environment, a line that is no `key: value` but about Anthropic's models and products."""

_BACKGROUND: Final = re.compile(r"<(claude_background_info)>")


@dataclass(frozen=True, slots=True)
class Filtered:
    """texts: by number, None where no tier was valid. notes: see `Report`."""

    texts: dict[int, str] | None
    tier: FilterTier | None
    verdict: Verdict
    removed: tuple[str, ...]
    shortened: tuple[str, ...]
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
    verdict = Verdict((), (), ())
    for candidate in reversed(TIERS[: TIERS.index(tier) + 1]):
        kept = apply(sections, candidate, tool_names)
        verdict = compare(sections, kept, tool_names)
        new = joined(kept)
        if verdict.valid and new:
            notes.extend(_shortened_features(sections, kept, candidate))
            return Filtered(new, candidate, verdict, removed(sections, kept), shortened(sections, kept), tuple(notes))
        notes.append(f"The tier {candidate} would lose {verdict.complaint() or 'everything'}, so it is not used.")
    return Filtered(None, None, verdict, (), (), tuple(notes))


def apply(sections: Iterable[Section], tier: FilterTier, tool_names: Sequence[str] = ()) -> tuple[Section, ...]:
    """The sections that this tier leaves, each as short as it makes it."""
    keep = partial(_is_core, tuple(tool_names))
    kept = tuple(sections)
    for step in _STEPS[: TIERS.index(tier) + 1]:
        kept = tuple(new for section in kept if (new := step(section, keep)) is not None)
    return kept


def removed(before: Iterable[Section], after: Iterable[Section]) -> tuple[str, ...]:
    """Headings that are gone, in order; of several that are the same, the first ones."""
    left = Counter((section.block, section.headings) for section in after)
    gone: list[str] = []
    for section in reversed(tuple(before)):
        place = (section.block, section.headings)
        if left[place]:
            left[place] -= 1
        else:
            gone.append(section.heading)
    return tuple(reversed(gone))


def shortened(before: Iterable[Section], after: Iterable[Section]) -> tuple[str, ...]:
    """Headings of what is left with fewer words, in order; what stands before the first heading counts as `(begin)`."""
    whole = tuple(before)
    return tuple(section.heading or "(begin)" for section in after if section not in whole)


def _minimal(section: Section, _: Keep) -> Section | None:
    """Without manners, and without news of Anthropic's products."""
    if section.rank == "optional":
        return None
    return _changed(section, _without_news(section.body)) if section.rank == "environment" else section


def _moderate(section: Section, keep: Keep) -> Section | None:
    """Without examples and explanations."""
    if section.rank in ("theirs", "environment"):
        return section
    units = list(without_elements(section.body, EXAMPLES))
    if section.rank != "critical":
        units = [first_sentences(unit, VERBOSE, keep) for unit in without_example_lines(units)]
    return _changed(section, single_blanks(units))


def _aggressive(section: Section, keep: Keep) -> Section | None:
    """Of useful sections the first lines; of features and of long critical paragraphs the first sentences."""
    if section.rank == "critical":
        return _changed(section, (_paragraph(unit, keep) for unit in section.body))
    if section.rank == "feature":
        units = list(without_elements(section.body, ELEMENTS))
        return _changed(section, single_blanks([first_sentences(unit, 0, keep) for unit in units]))
    return _changed(section, first_lines(section.body, FIRST_LINES)) if section.rank == "useful" else section


def _extreme(section: Section, keep: Keep) -> Section | None:
    """Of critical sections the first sentences and the rules about tools and dangers; of features what they are."""
    if section.rank == "critical":
        return _changed(section, (first_sentences(unit, 0, keep) for unit in section.body))
    if section.rank == "feature":
        return None if len(section.headings) > 1 else _changed(section, first_lines(section.body, 1))
    return None if section.rank == "useful" else section


_STEPS: Final = (_minimal, _moderate, _aggressive, _extreme)


def _changed(section: Section, body: Iterable[str]) -> Section:
    new = tuple(body)
    return section if new == section.body else section.with_body(new)


def _paragraph(unit: str, keep: Keep) -> str:
    return unit if is_bullet(unit) else first_sentences(unit, VERBOSE, keep)


def _is_core(tool_names: tuple[str, ...], sentence: str) -> bool:
    return bool(CRITICAL_SENTENCE.search(sentence) or mentioned(sentence, tool_names))


def _without_news(units: Sequence[str]) -> Iterator[str]:
    """Only in the list itself: what follows after a blank line may be the user's."""
    blank = next((index for index, unit in enumerate(units) if not unit.strip()), len(units))
    yield from (unit for unit in units[:blank] if not _NEWS.match(unit))
    yield from without_elements(units[blank:], _BACKGROUND)


def _shortened_features(before: Iterable[Section], after: Iterable[Section], tier: FilterTier) -> Iterator[str]:
    if tier != "extreme":
        return
    for section in before:
        if section.rank == "feature" and len(section.headings) == 1 and section not in after:
            yield f"Of the section {section.heading} the tier extreme leaves only its first line."
