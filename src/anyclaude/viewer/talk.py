"""A conversation as a page shows it: bounded, folded, and with a way to the whole of what was cut.

A request can be many megabytes, a page must not be. Each text gets so many characters, the page so many in all, the
newest first; of the rest the page says how much it is and links to it as plain text.
"""

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from anyclaude.trace.conversation import (
    Block,
    Call,
    Document,
    Failure,
    Image,
    Link,
    Other,
    Result,
    Said,
    Text,
    Thinking,
)
from anyclaude.trace.parts import word
from anyclaude.viewer.places import arguments_of, kind_of

OF_A_TEXT: Final = 12_000
"""Characters that are shown of one text."""

OF_A_PAGE: Final = 600_000
"""Characters that are shown of a conversation."""

_FENCE: Final = "```"
_TELLING: Final = (
    "file_path", "command", "pattern", "query", "url", "description", "prompt", "subject", "skill", "path", "name",
)  # fmt: skip
"""Of the arguments of a call the one that says most, the first of these."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Some lines of a text. code: they stand between fences."""

    text: str
    code: bool = False


@dataclass(frozen=True, slots=True)
class Words:
    """What is shown of a text. left_out: characters. place: where the whole of it is found."""

    pieces: tuple[Piece, ...]
    length: int
    left_out: int
    place: str


@dataclass(frozen=True, slots=True)
class Item:
    """A block. kind: the name of its macro in the templates. place: `3.0.result.1`, through the conversation."""

    kind: str
    place: str
    title: str = ""
    words: Words | None = None
    arguments: tuple[tuple[str, Words], ...] = ()
    edit: tuple[str, ...] = ()
    result: "tuple[Item, ...] | None" = None
    failed: bool = False
    url: str = ""
    links: tuple[Link, ...] = ()


@dataclass(frozen=True, slots=True)
class Message:
    """One message. number: from 0, in the conversation."""

    number: int
    who: str
    answer: bool
    items: tuple[Item, ...]


@dataclass(slots=True)
class Room:
    """What a page still has room for, in characters."""

    left: int = OF_A_PAGE
    of_a_text: int = OF_A_TEXT

    def words(self, text: str, place: str, *, fenced: bool = False) -> Words:
        """As much of the text as there is room for. fenced: it may hold code between fences."""
        shown = text[: max(min(self.of_a_text, self.left), 0)]
        self.left -= len(shown)
        pieces = tuple(_pieces(shown)) if fenced else (Piece(shown),)
        return Words(pieces, len(text), len(text) - len(shown), place)


@dataclass(frozen=True, slots=True)
class Shown:
    """messages: in order. earlier: how many come before them."""

    messages: tuple[Message, ...]
    earlier: int
    room: Room = field(repr=False)


def shown(said: Sequence[Said], last: int, room: Room | None = None) -> Shown:
    """The last messages of a conversation, so many of them."""
    room = room or Room()
    first = max(len(said) - last, 0)
    found = [_message(number, said[number], room) for number in range(len(said) - 1, first - 1, -1)]
    return Shown(tuple(reversed(found)), first, room)


def _message(number: int, said: Said, room: Room) -> Message:
    places = range(len(said.blocks))
    items = [_item(said.blocks[place], f"{number}.{place}", room) for place in reversed(places)]
    return Message(number, said.who, said.answer, tuple(reversed(items)))


def _item(block: Block, place: str, room: Room) -> Item:
    match block:
        case Text(text, reminder, cited):
            kind = "reminder" if reminder else "text"
            return Item(kind, place, words=room.words(text, place, fenced=True), links=cited)
        case Thinking(text):
            return Item("thinking", place, words=room.words(text, place))
        case Image():
            return _image(block, place)
        case Document():
            title = block.title or block.media_type or "document"
            return Item("document", place, title, room.words(block.text, place), url=block.url)
        case Link():
            return Item("link", place, block.title, room.words(block.text, place), url=_safe(block.url))
        case Call():
            return _call(block, place, room)
        case Result():
            return Item("result", place, result=_result(block, place, room), failed=block.error)
        case Failure(text):
            return Item("failure", place, words=room.words(text, place))
        case Other():
            return Item("other", place, block.kind, room.words(block.json, place))


def _image(block: Image, place: str) -> Item:
    if kind_of(block) is None:
        return Item("missing", place, f"an image ({word(block.media_type) or 'of no known kind'}) that is not shown")
    return Item("image", place, block.media_type)


def _call(call: Call, place: str, room: Room) -> Item:
    result = _result(call.result, f"{place}.result", room) if call.result else None
    edit = _edit(call.arguments)
    telling = _telling(call.arguments)
    given = [] if edit else [each for each in enumerate(arguments_of(call.arguments)) if each[1][1] != telling]
    words = tuple((name, room.words(text, f"{place}.argument.{number}")) for number, (name, text) in given)
    failed = call.result is not None and call.result.error
    return Item("call", place, call.name, room.words(telling, place), words, edit, result, failed)


def _result(result: Result, place: str, room: Room) -> tuple[Item, ...]:
    return tuple(_item(block, f"{place}.{number}", room) for number, block in enumerate(result.blocks))


def _telling(given: Any) -> str:
    if not isinstance(given, Mapping):
        return ""
    found = next((given[name] for name in _TELLING if isinstance(given.get(name), str)), "")
    return word(found)


def _edit(given: Any) -> tuple[str, ...]:
    """A call that replaces one text by another, as the difference of the two."""
    match given:
        case {"old_string": str(old), "new_string": str(new)} if len(old) + len(new) <= OF_A_TEXT:
            lines = difflib.unified_diff(old.splitlines(), new.splitlines(), n=3, lineterm="")
            return tuple(line for line in lines if not line.startswith(("---", "+++", "@@")))
    return ()


def _pieces(text: str) -> Iterator[Piece]:
    """The text between fences, and that around them, without the fences."""
    lines: list[str] = []
    code = False
    for line in text.split("\n"):
        if not line.lstrip().startswith(_FENCE):
            lines.append(line)
            continue
        yield from _piece(lines, code)
        lines, code = [], not code
    yield from _piece(lines, code)


def _piece(lines: Iterable[str], code: bool) -> Iterator[Piece]:
    if text := "\n".join(lines).strip("\n"):
        yield Piece(text, code)


def _safe(url: str) -> str:
    """Where a link may lead: the web, and nothing that a browser runs."""
    return url if url.startswith(("http://", "https://")) else ""
