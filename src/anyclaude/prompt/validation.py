"""Whether a shortened system prompt still says what a model cannot do without."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

CRITICAL: Final[Mapping[str, re.Pattern[str]]] = {
    "identity": re.compile(r"\byou are\b", re.IGNORECASE),
    "tools": re.compile(r"\btools?\b", re.IGNORECASE),
    "tool calls": re.compile(r"\b(tool|function)[ -]?(call|use|result)s?\b", re.IGNORECASE),
    "function definitions": re.compile(r"\bfunctions? (definition|signature|schema)s?\b", re.IGNORECASE),
    "security": re.compile(r"\b(security|malicious|harmful|destructive|refuse)\b", re.IGNORECASE),
    "permission": re.compile(r"\b(permissions?|confirm|approv\w+|authoriz\w+)\b", re.IGNORECASE),
    "environment": re.compile(r"^#+ .*\benvironment\b|\bworking directory\b", re.IGNORECASE | re.MULTILINE),
}
"""What is looked for, by the name that the report gives it. Only what was there before must be there after."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """present, missing: names of critical patterns. tools: offered ones that only the longer prompt mentions."""

    present: tuple[str, ...]
    missing: tuple[str, ...]
    tools: tuple[str, ...]

    @property
    def valid(self) -> bool:
        return not (self.missing or self.tools)

    def complaint(self) -> str:
        return ", ".join((*self.missing, *(f"the tool {name}" for name in self.tools)))


def compare(before: str, after: str, tool_names: Sequence[str]) -> Verdict:
    """What of the critical parts of `before` is in `after`."""
    had = [name for name, pattern in CRITICAL.items() if pattern.search(before)]
    present = tuple(name for name in had if CRITICAL[name].search(after))
    missing = tuple(name for name in had if name not in present)
    tools = tuple(name for name in tool_names if mentions(before, name) and not mentions(after, name))
    return Verdict(present, missing, tools)


def mentions(text: str, name: str) -> bool:
    """Whether the name stands there as a word of its own, in its own letters."""
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text) is not None
