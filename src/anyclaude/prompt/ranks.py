"""Who wrote a section of a system prompt, and how much a model needs it.

Claude Code's main prompt has two halves: rules that are the same for everybody, then what belongs to this session:
environment, language, output style, what `--append-system-prompt` says, git status. A section of the first half is
known by its heading, which Claude Code has kept for years. A heading that is not known, everything from the first
one of the second half on, and a whole text that is not Claude Code's main prompt (an agent's, a system prompt that the
user gave) are somebody's own words and rank as `theirs`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Literal

Rank = Literal["critical", "environment", "theirs", "feature", "useful", "optional"]
"""critical: tool use, safety, who the model is. environment: where the session runs. theirs: what user, project or
session brought. feature: how to use something that the user has, memory. useful, optional: Claude Code's advice on work
and on manners.
"""

KNOWN: Final[Mapping[str, Rank]] = {
    "harness": "critical",
    "system": "critical",
    "using your tools": "critical",
    "tool usage policy": "critical",
    "executing actions with care": "critical",
    "session-specific guidance": "critical",
    "asking questions as you work": "critical",
    "memory": "feature",
    "auto memory": "feature",
    "doing tasks": "useful",
    "task management": "useful",
    "code references": "useful",
    "professional objectivity": "useful",
    "planning without timelines": "useful",
    "no time estimates": "useful",
    "looking up your own documentation": "useful",
    "tone and style": "optional",
    "text output": "optional",
}
"""Headings of Claude Code's main prompts, seen in six versions from 2.0.45 to 2.1.330, for all kinds of models."""

LANDMARKS: Final = 2
"""So many known headings make a text Claude Code's main prompt: one alone may be a coincidence."""

_BOUNDARY: Final = re.compile(
    r"environment|<env>|gitstatus|language|output style: .*|mcp server instructions|memory\.md|claudemd"
    r"|context management|contents of .*"
)
_ENVIRONMENT: Final = frozenset({"environment", "<env>"})
_ASIDE: Final = re.compile(r"\s*(\(.*\))?\s*:?\s*")


def plain(heading: str) -> str:
    """A heading as it is compared: without an aside in brackets, a colon at its end, and case."""
    words = heading.partition("(")
    end = words[1] + words[2]
    return (words[0] if _ASIDE.fullmatch(end) else heading).strip().rstrip(":").strip().casefold()


def ranks(paths: Sequence[Sequence[str]]) -> Iterator[Rank]:
    """The rank of each section of one text, by the headings above and of it; none before the first heading."""
    names = [[plain(heading) for heading in path] for path in paths]
    if len({path[-1] for path in names if path and path[-1] in KNOWN}) < LANDMARKS:
        for _ in names:
            yield "theirs"
        return
    inside = True
    for path in names:
        opens = inside and bool(path) and _BOUNDARY.fullmatch(path[-1]) is not None
        inside = inside and not opens
        yield _known(path) if inside else "environment" if opens and path[-1] in _ENVIRONMENT else "theirs"


def _known(path: Sequence[str]) -> Rank:
    if not path:
        return "critical"
    return next((KNOWN[name] for name in reversed(path) if name in KNOWN), "theirs")
