"""The conversation of a record as a person reads it: who spoke, and each call together with its result.

Blocks become a few frozen shapes, their words as they were recorded: whoever shows them escapes them. What is not
known here stays visible as `Other`. Breakpoints of the prompt cache are no part of a conversation.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from anyclaude.trace.parts import answer_body, mapping, mappings, pretty, request_body, text, word

_OPENS: Final = "<system-reminder>"
_CLOSES: Final = "</system-reminder>"
_CUT: Final = "The answer was larger than a trace holds; the rest of it is not here."
_LEFT: Final = "The client closed the connection before the answer was whole."


@dataclass(frozen=True, slots=True)
class Link:
    """A page that a search found, or that a text is taken from. url: anybody's word."""

    title: str
    url: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Text:
    """reminder: Claude Code says it, not the person. cited: what it rests on."""

    text: str
    reminder: bool = False
    cited: tuple[Link, ...] = ()


@dataclass(frozen=True, slots=True)
class Thinking:
    """text: empty where it was hidden from the client."""

    text: str


@dataclass(frozen=True, slots=True)
class Image:
    """data: base64; empty where it is elsewhere, at `url`."""

    media_type: str
    data: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    """data: base64. One of data, text and url says what is in it."""

    title: str
    media_type: str
    data: str = ""
    text: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """What a tool answered to the call of that id."""

    id: str
    blocks: "tuple[Block, ...]"
    error: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """arguments: as they were recorded, text where the call was cut. server: the upstream itself ran it."""

    id: str
    name: str
    arguments: Any
    server: bool = False
    result: Result | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no more of an answer."""

    text: str


@dataclass(frozen=True, slots=True)
class Other:
    """A block that is not known here."""

    kind: str
    json: str


Block = Text | Thinking | Image | Document | Link | Call | Result | Failure | Other


@dataclass(frozen=True, slots=True)
class Said:
    """One message. who: `user`, `assistant`, `system`. answer: it is what this request was answered."""

    who: str
    blocks: tuple[Block, ...]
    answer: bool = False


def conversation(record: Mapping[str, Any]) -> list[Said]:
    """All that was said up to this request, and its answer. Never raises.

    Results stand with their calls, those of other messages too; a message in which nothing else was is left out.
    """
    return matched((*messages_of(request_body(record).get("messages")), answer(record)))


def said(messages: object) -> list[Said]:
    """As `conversation`, of the messages of a request alone."""
    return matched(messages_of(messages))


def answer(record: Mapping[str, Any]) -> Said:
    """What the request was answered, and why there is no more of it."""
    message = answer_body(record)
    blocks = blocks_said(message.get("content"))
    return Said("assistant", (*blocks, *_failures(record, message)), answer=True)


def blocks_said(content: object, reminders: bool = False) -> tuple[Block, ...]:
    """The blocks of a message in their order, calls without their results. reminders: of these, tell them apart."""
    blocks = content if isinstance(content, list) else [content]
    return tuple(found for block in blocks for found in _block(block, reminders, inner=False))


def matched(messages: Iterable[Said]) -> list[Said]:
    """Each result goes to the last call of its id before it. Messages that nothing is left of are dropped."""
    turns = list(messages)
    kept: list[dict[int, Block]] = [dict(enumerate(turn.blocks)) for turn in turns]
    waiting: dict[str, tuple[int, int, Call]] = {}
    for number, turn in enumerate(turns):
        for place, block in enumerate(turn.blocks):
            if isinstance(block, Call) and block.id:
                waiting[block.id] = (number, place, block)
            elif isinstance(block, Result) and block.id in waiting:
                of, at, call = waiting.pop(block.id)
                kept[of][at] = replace(call, result=block)
                del kept[number][place]
    return [replace(turn, blocks=tuple(rest.values())) for turn, rest in zip(turns, kept, strict=True) if rest]


def messages_of(messages: object) -> Iterator[Said]:
    """The messages of a request one by one, results apart from their calls.

    Only an assistant's text may hold the mark of a reminder without being one. What Claude Code puts between the
    messages as the system (observed with 2.1.197) are reminders too.
    """
    for message in mappings(messages):
        who = word(message.get("role")) or "?"
        blocks = blocks_said(message.get("content"), reminders=who != "assistant")
        yield Said(who, tuple(map(_reminded, blocks)) if who == "system" else blocks)


def _reminded(block: Block) -> Block:
    return replace(block, reminder=True) if isinstance(block, Text) else block


def _failures(record: Mapping[str, Any], message: Mapping[str, Any]) -> Iterator[Failure]:
    if message.get("cut") is True:
        yield Failure(_CUT)
    if error := text(record.get("error")) or text(mapping(message.get("error")).get("message")):
        yield Failure(error)
    elif record.get("outcome") == "left":
        yield Failure(_LEFT)


def _block(block: object, reminders: bool, inner: bool) -> Iterator[Block]:
    """inner: it stands in a result, which holds no calls and no results."""
    if isinstance(block, str):
        yield from _texts(block, reminders)
    elif block is not None:
        yield from _held(block, mapping(block), reminders, inner)


def _held(block: object, members: Mapping[str, Any], reminders: bool, inner: bool) -> Iterator[Block]:
    match members:
        case {"type": "text", "text": str(words)}:
            cited = _cited(members)
            yield from [Text(words, cited=cited)] if cited else _texts(words, reminders)
        case {"type": "thinking", "thinking": str(words)}:
            yield Thinking(words)
        case {"type": "redacted_thinking"}:
            yield Thinking("")
        case {"type": str(kind)} if not inner and kind.endswith("tool_use"):
            name, given = word(members.get("name")), members.get("input")
            yield Call(text(members.get("id")), name, given, server=kind != "tool_use")
        case {"type": str(kind)} if not inner and kind.endswith("tool_result"):
            yield _result(members)
        case _:
            yield _shown(block, members)


def _shown(block: object, members: Mapping[str, Any]) -> Block:
    match members:
        case {"type": "image", "source": Mapping() as source}:
            return Image(text(source.get("media_type")), text(source.get("data")), _place(source))
        case {"type": "document", "source": Mapping() as source}:
            return _document(text(members.get("title")), source)
        case {"type": "web_search_result" | "search_result"}:
            return _found(members)
    return Other(word(members.get("type")) or "?", pretty(block))


def _result(block: Mapping[Any, Any]) -> Result:
    """Of a server's tool an error is a block in place of the list (`error_code`)."""
    content = block.get("content")
    failed = mapping(content).get("error_code")
    if failed is not None:
        return Result(text(block.get("tool_use_id")), (Text(word(failed)),), error=True)
    blocks = content if isinstance(content, list) else [content]
    found = tuple(one for each in blocks for one in _block(each, reminders=True, inner=True))
    return Result(text(block.get("tool_use_id")), found, error=block.get("is_error") is True)


def _texts(words: str, reminders: bool) -> Iterator[Text]:
    """The text in pieces: what Claude Code reminds of, and the rest. A reminder that does not end is none."""
    done = 0
    while reminders and (opens := words.find(_OPENS, done)) >= 0 and (closes := words.find(_CLOSES, opens)) >= 0:
        if before := words[done:opens].strip("\n"):
            yield Text(before)
        yield Text(words[opens + len(_OPENS) : closes].strip("\n"), reminder=True)
        done = closes + len(_CLOSES)
    rest = words[done:].strip("\n") if done else words
    if rest:
        yield Text(rest)


def _cited(block: Mapping[Any, Any]) -> tuple[Link, ...]:
    """Those of a whole message, and of one that was streamed (`trace.fold` keeps what it does not know)."""
    streamed = [delta.get("citation") for delta in mappings(block.get("deltas"))]
    return tuple(_found(each) for each in [*mappings(block.get("citations")), *mappings(streamed)])


def _found(block: Mapping[Any, Any]) -> Link:
    url = text(block.get("url")) or text(block.get("source"))
    words = [text(part.get("text")) for part in mappings(block.get("content"))]
    title = text(block.get("title")) or text(block.get("document_title"))
    return Link(title or url, url, text(block.get("cited_text")) or "\n".join(words))


def _document(title: str, source: Mapping[Any, Any]) -> Document:
    data, kind = text(source.get("data")), text(source.get("media_type"))
    if source.get("type") == "base64":
        return Document(title, kind, data=data)
    content = source.get("content")
    words = content if isinstance(content, str) else "\n".join(text(part.get("text")) for part in mappings(content))
    return Document(title, kind, text=data or words, url=_place(source))


def _place(source: Mapping[Any, Any]) -> str:
    return text(source.get("url")) or text(source.get("file_id"))
