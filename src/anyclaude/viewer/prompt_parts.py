"""The blocks of a prompt as pages show them: folded, bounded, each with a link to the whole."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from anyclaude.trace.parts import pretty, word
from anyclaude.trace.prompts import Block, blocks_of
from anyclaude.viewer.talk import Room, Words

_STANDING: Final = ("system ", "tool ")
_OWN_PLACE: Final = frozenset({"system", "tools", "messages"})
_LONGEST: Final = 4000
"""Characters of an option."""


@dataclass(frozen=True, slots=True)
class Part:
    """A block of a prompt. link: to the whole of it."""

    label: str
    words: Words
    link: str


def standing(body: object) -> list[Block]:
    """What stands before every conversation: system prompt and tools. They are a body's first blocks."""
    return [block for block in blocks_of(body) if block.label.startswith(_STANDING)]


def parts(blocks: Iterable[Block], link: str) -> list[Part]:
    """link: that of a block, without its number from 0."""
    room = Room()
    return [Part(block.label, room.words(block.text, ""), f"{link}/{number}") for number, block in enumerate(blocks)]


def options(body: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What a body says beside its prompt."""
    return [(word(name), said(value)) for name, value in body.items() if name not in _OWN_PLACE]


def said(value: object) -> str:
    """A value as text, empty where it says nothing."""
    if value is None or value in ([], {}):
        return ""
    return (value if isinstance(value, str) else pretty(value))[:_LONGEST]
