"""Smart prompt (experimental): leaves out sections about what this conversation is not about.

Only the first thing that the user said decides, so the prompt is the same for the whole conversation: one that changed
with every turn would be computed again with every turn. Only Claude Code's advice on work is chosen from; what is left
is then made as short as the filter's tier `moderate` makes it.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from anyclaude.prompt.ranks import plain
from anyclaude.prompt.sections import Section

_TIMES: Final = re.compile(r"\b(plan|roadmap|estimate|how long)", re.IGNORECASE)

TOPICS: Final[Mapping[str, re.Pattern[str]]] = {
    "planning without timelines": _TIMES,
    "no time estimates": _TIMES,
    "task management": re.compile(r"\b(plan|todo|steps|roadmap|refactor|implement|build)", re.IGNORECASE),
    "looking up your own documentation": re.compile(r"\b(claude|hook|mcp|skill|slash|settings?|sdk)\b", re.IGNORECASE),
    "professional objectivity": re.compile(r"\b(opinion|think|should|review|better|right|wrong)\b", re.IGNORECASE),
}
"""Headings of advice that only some conversations need, and the words of a user that ask for it."""

_REMINDER: Final = re.compile(r"<system-reminder>.*?(</system-reminder>|\Z)", re.DOTALL)


def first_question(messages: Any) -> str:
    """The user's first words, without what Claude Code puts around them; the same on every later turn."""
    if not isinstance(messages, list):
        return ""
    users = (entry for entry in messages if isinstance(entry, dict) and entry.get("role") == "user")
    content = next(users, {}).get("content")
    said = (_REMINDER.sub("", text).strip() for text in _texts(content))
    return next((text for text in said if text), "")


def choose_sections(sections: Iterable[Section], question: str) -> tuple[Section, ...]:
    return tuple(section for section in sections if section.rank != "useful" or _is_asked_for(section, question))


def _texts(content: Any) -> Sequence[str]:
    if isinstance(content, str):
        return [content]
    blocks = content if isinstance(content, list) else []
    found = [block.get("text") for block in blocks if isinstance(block, dict) and block.get("type") == "text"]
    return [text for text in found if isinstance(text, str)]


def _is_asked_for(section: Section, question: str) -> bool:
    asked = TOPICS.get(plain(section.heading))
    return asked is None or asked.search(question) is not None
