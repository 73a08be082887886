"""A system prompt that is the same for every session: what belongs to one session goes into its first message.

Claude Code ends its system prompt with the folder, the git status and where memory is kept (observed with 2.1.197), and
chat templates put tools and system prompt first: what a server has computed of them is of no use to the next project.
Its own `--exclude-dynamic-system-prompt-sections` does the same for claude's own launch; this does it for every client.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from anyclaude.prompt import blocks
from anyclaude.prompt.ranks import plain
from anyclaude.prompt.sections import Section, joined, split

_INTRODUCTION: Final = "What follows belongs to the system prompt of this session:\n"
_FOLDER: Final = re.compile(r"^[ -]*(?:primary )?working directory: ", re.IGNORECASE | re.MULTILINE)
_MEMORY: Final = re.compile(r"`[^`\n]*/memory/?`")
_GIT_STATUS: Final = "gitstatus"
_ENVIRONMENT: Final = frozenset({"environment", "<env>"})


def moved(system: Any) -> tuple[Any, str] | None:
    """The system prompt without what belongs to one session, and that; None where there is nothing to move.

    What the client's own words are about is found by heading, and by what only such a section holds. The rest keeps
    its order; the given value is not changed.
    """
    sections = split(blocks.texts(system))
    own = [section for section in sections if _is_of_a_session(section)]
    if not own:
        return None
    rest = joined(section for section in sections if section not in own)
    rest = {number: text.rstrip("\n") for number, text in rest.items()}  # a git status has an empty line before it
    return blocks.replaced(system, rest), _INTRODUCTION + "\n".join(section.text.strip("\n") for section in own)


def with_preface(messages: Sequence[Mapping[str, Any]], preface: str) -> list[Mapping[str, Any]] | None:
    """The messages with a reminder before the first, which is the user's; None where it is not."""
    if not messages or messages[0].get("role") != "user":
        return None
    content = messages[0]["content"]
    first = {"type": "text", "text": f"<system-reminder>\n{preface}\n</system-reminder>\n\n"}
    rest = [{"type": "text", "text": content}] if isinstance(content, str) else content
    return [{**messages[0], "content": [first, *rest]}, *messages[1:]]


def _is_of_a_session(section: Section) -> bool:
    name = plain(section.heading)
    if name in _ENVIRONMENT:
        return _FOLDER.search(section.text) is not None
    return name == _GIT_STATUS or (section.rank == "feature" and _MEMORY.search(section.text) is not None)
