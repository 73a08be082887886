"""What is new in a turn, as text to be searched: a request repeats the whole conversation, so of that only what came
after the model's last answer, and the answer. So each word stands in the index once.

Reminders of Claude Code's are no words of anybody's, and encoded images are none at all.
"""

from collections.abc import Iterator, Mapping
from itertools import islice, takewhile
from typing import Any, Final

from anyclaude.trace.parts import answer_body, mapping, mappings, printable, request_body, word

LONGEST: Final = 20_000
"""Characters of one block that can be found; of a file that was read the beginning."""

MOST: Final = 60_000
"""Characters of one turn that can be found."""

PIECES: Final = 1000
"""Blocks of one turn that are looked into."""

_OPENED: Final = "<system-reminder>"
_CLOSED: Final = "</system-reminder>"


def words_of(record: Mapping[str, Any]) -> str:
    """What was told the model in this request, and what it answered, in printable characters."""
    messages = reversed(mappings(request_body(record).get("messages")))
    new = [*takewhile(lambda message: message.get("role") != "assistant", messages)]
    told = [message for message in reversed(new) if message.get("role") == "user"]
    pieces = (piece for message in (*told, answer_body(record)) for piece in _pieces(message.get("content")))
    return "\n".join(printable(piece[:LONGEST]) for piece in islice(pieces, PIECES))[:MOST]


def opening_of(body: Mapping[str, Any]) -> str:
    """The first words of the user's in a request, in one line: what the conversation is about."""
    users = (message for message in mappings(body.get("messages")) if message.get("role") == "user")
    return next((word(text[:LONGEST]) for message in users for text in own_texts(message.get("content"))), "")


def own_texts(content: object) -> Iterator[str]:
    """The texts of a message without reminders; none for one of which nothing is left."""
    blocks = [content] if isinstance(content, str) else content if isinstance(content, list) else []
    for block in blocks:
        text = block if isinstance(block, str) else mapping(block).get("text")
        if isinstance(text, str) and (left := without_reminders(text).strip()):
            yield left


def without_reminders(text: str) -> str:
    """The text without what stands between the tags of reminders, also where the last is not closed."""
    first, *rest = text.split(_OPENED)
    return first + "".join(piece.partition(_CLOSED)[2] for piece in rest)


def _pieces(content: object) -> Iterator[str]:
    if isinstance(content, str):
        yield from own_texts(content)
    for block in mappings(content):
        match block:
            case {"type": "text"}:
                yield from own_texts([block])
            case {"type": "thinking", "thinking": str(text)}:
                yield text
            case {"type": "tool_use", "input": given}:
                yield " ".join((word(block.get("name")), *_strings(given)))
            case {"type": "tool_result", "content": result}:
                yield from own_texts(result)


def _strings(value: object) -> Iterator[str]:
    """The texts in the arguments of a call, however deep. As JSON they would be full of `\\n`, which joins words."""
    waiting = [value]
    while waiting:
        match waiting.pop():
            case str(text):
                yield text
            case Mapping() as members:
                waiting.extend(reversed([*members.values()]))
            case list(members):
                waiting.extend(reversed(members))
