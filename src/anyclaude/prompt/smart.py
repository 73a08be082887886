"""Smart prompt (experimental): leaves out sections about what this conversation is not about.

Only the first thing that the user said decides, so the prompt is the same for the whole conversation: one that changed
with every turn would be computed again with every turn. A section whose topic is asked for stays, and so does every
critical one; of the others, the optional ones go, and those with a topic that nobody asked for.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from anyclaude.prompt.sections import Section

TOPICS: Final[Mapping[str, tuple[re.Pattern[str], re.Pattern[str]]]] = {
    name: (re.compile(heading, re.IGNORECASE), re.compile(asked, re.IGNORECASE))
    for name, heading, asked in (
        ("memory", r"\bmemor", r"\b(remember|recall|forget|memor|earlier|last time)"),
        ("git", r"\b(git|commit|pull request|version control)", r"\b(git|commit|branch|merge|rebase|push|pr|diff)\b"),
        ("planning", r"\b(plan|todo|task list)", r"\b(plan|todo|steps|roadmap|refactor)"),
        ("web", r"\b(web|browser|internet)\b", r"\b(https?|web|url|site|search|online|download)\b"),
        ("schedule", r"\b(cron|schedul|remind)", r"\b(cron|schedul|remind|every|daily|hourly)"),
        ("notebooks", r"\bnotebook", r"\b(notebook|jupyter|ipynb)"),
        ("agents", r"\b(subagent|agents|delegat)", r"\b(agent|delegat|parallel|explore)"),
    )
}
"""Words of a heading, and words of a user that ask for it."""

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
    return tuple(section for section in sections if _is_wanted(section, question))


def _texts(content: Any) -> Sequence[str]:
    if isinstance(content, str):
        return [content]
    blocks = content if isinstance(content, list) else []
    found = [block.get("text") for block in blocks if isinstance(block, dict) and block.get("type") == "text"]
    return [text for text in found if isinstance(text, str)]


def _is_wanted(section: Section, question: str) -> bool:
    if section.rank == "critical":
        return True
    topic = next(filter(None, map(_topic, reversed(section.headings))), None)
    if topic is None:
        return section.rank == "useful"
    return TOPICS[topic][1].search(question) is not None


def _topic(heading: str) -> str | None:
    return next((name for name, (pattern, _) in TOPICS.items() if pattern.search(heading)), None)
