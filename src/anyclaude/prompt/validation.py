"""Whether a shortened system prompt still says what a model cannot do without.

What each tool is and how it is called stands in `tools`, where every tool on offer stays whatever becomes of the
system prompt. In the prompt, critical sections say how the tools are to be used, and when. So that is what is compared:
a tool that they name must still be named by them. One that is named in passing, by advice on work or by an example,
need not be.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from anyclaude.prompt.mentions import mentioned
from anyclaude.prompt.ranks import Rank
from anyclaude.prompt.sections import Section
from anyclaude.prompt.shorten import EXAMPLES, without_elements

CRITICAL: Final[Mapping[str, re.Pattern[str]]] = {
    "identity": re.compile(r"you are\b"),
    "tools": re.compile(r"tools?\b"),
    "tool calls": re.compile(r"(?:tool|function)[ -]?(?:call|use|result)s?\b"),
    "function definitions": re.compile(r"functions? (?:definition|signature|schema)s?\b"),
    "security": re.compile(r"(?:security|malicious|harmful|destructive|refuse)\b"),
    "permission": re.compile(r"(?:permissions?|confirm|approv\w+|authoriz\w+)\b"),
    "environment": re.compile(r"working directory\b|# environment\b"),
}
"""What is looked for in lower case, by the name that the report gives it. Only what was there must be there after."""

RULES: Final[frozenset[Rank]] = frozenset({"critical", "environment", "theirs"})


@dataclass(frozen=True, slots=True)
class Verdict:
    """present, missing: names of critical patterns. tools: those that only the longer prompt says how to use."""

    present: tuple[str, ...]
    missing: tuple[str, ...]
    tools: tuple[str, ...]

    @property
    def valid(self) -> bool:
        return not (self.missing or self.tools)

    def complaint(self) -> str:
        return ", ".join((*self.missing, *(f"the tool {name}" for name in self.tools)))


def compare(before: Iterable[Section], after: Iterable[Section], tool_names: Sequence[str]) -> Verdict:
    """What of the critical parts of `before` is in those of `after`."""
    had, has = rules(before), rules(after)
    looked_for = _found(had, CRITICAL)
    present = _found(has, looked_for)
    missing = tuple(name for name in looked_for if name not in present)
    lost = mentioned(had, tool_names) - mentioned(has, tool_names)
    return Verdict(present, missing, tuple(name for name in tool_names if name in lost))


def rules(sections: Iterable[Section]) -> str:
    """The critical sections and those that somebody else wrote, without examples."""
    chosen = (section for section in sections if section.rank in RULES)
    return "\n".join("\n".join(without_elements(section.units, EXAMPLES)) for section in chosen)


def _found(text: str, names: Iterable[str]) -> tuple[str, ...]:
    lower = text.lower()
    return tuple(name for name in names if CRITICAL[name].search(lower))
