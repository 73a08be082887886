"""What an answer's text is made of, once it has been scanned."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Text:
    text: str


@dataclass(frozen=True, slots=True)
class Thinking:
    text: str


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call that was written as text.

    name: of the tool, as it is declared. arguments: they fit the tool's schema.
    family: whose way of writing it is. raw: the text as it stood, up to the next call or the end of the answer.
    """

    name: str
    arguments: dict[str, Any]
    family: str
    raw: str


Piece = Text | Thinking | Call
