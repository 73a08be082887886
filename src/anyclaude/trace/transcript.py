"""A record as something to read: titled pieces of plain text, without control characters.

Records hold what models and tools wrote, so nothing here is taken for markup, and no piece can steer a terminal.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

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
    answer,
    blocks_said,
    messages_of,
)
from anyclaude.trace.parts import (
    answer_body,
    compact,
    mapping,
    mappings,
    notes,
    number,
    printable,
    request_body,
    upstream_body,
    word,
)
from anyclaude.trace.prompts import blocks_of, tool_name
from anyclaude.trace.tokens import tokens_of

Kind = Literal["head", "user", "assistant", "tool", "facts"]


@dataclass(frozen=True, slots=True)
class Piece:
    """title: one line. text: any number of lines, perhaps none."""

    kind: Kind
    title: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Summary:
    """One line of a list. model: `backend:model`. tokens: in and out. cost: US dollars. ms: to the end. last_turn: what
    the model was told at last. None where a record does not say.
    """

    id: str
    time: str
    mode: str
    model: str
    role: str
    tokens_in: int | None
    tokens_out: int | None
    cost: float | None
    ms: float | None
    outcome: str
    last_turn: str = ""


def summary(record: Mapping[str, Any]) -> Summary:
    """What a list says of a record, whatever of it is there."""
    tokens, body = tokens_of(record), request_body(record)
    route = (notes(record, "route") or [{}])[0]
    model = _model(record, word(route.get("to"))) or answer_body(record).get("model") or body.get("model")
    return Summary(
        id=word(record.get("id")),
        time=word(record.get("time")),
        mode=word(record.get("mode")),
        model=word(model),
        role=word(route.get("reason")),
        tokens_in=tokens.prompt,
        tokens_out=tokens.output,
        cost=number(mapping(record.get("usage")).get("cost")),
        ms=number(mapping(record.get("timings_ms")).get("end")),
        outcome=word(record.get("outcome")),
        last_turn=last_turn(body),
    )


def _model(record: Mapping[str, Any], route: str) -> str:
    """Routes without a model go to the one that is loaded: its name is in what went upstream."""
    model = word(upstream_body(record).get("model"))
    return f"{route}:{model}" if route and model and ":" not in route else route


def last_turn(body: Mapping[str, Any]) -> str:
    """The last thing in the last message of the user's that is no reminder of Claude Code's."""
    users = [message for message in mappings(body.get("messages")) if message.get("role") == "user"]
    blocks = blocks_said(users[-1].get("content"), reminders=True) if users else ()
    told = [block for block in blocks if not (isinstance(block, Text) and block.reminder)]
    if not told:
        return ""
    piece = _piece("user", told[-1])
    said = f"{piece.title}: " if piece.kind == "tool" else ""
    return said + word(piece.text[:400])


def transcript(record: Mapping[str, Any]) -> Iterator[Piece]:
    """The record in the order in which it happened."""
    said = summary(record)
    body = request_body(record)
    yield Piece("head", f"{said.id}  {said.time}  {said.mode}  {said.model}  {said.outcome}")
    yield Piece("facts", "request", _sizes(body))
    for message in messages_of(body.get("messages")):
        yield from _pieces(message)
    status = mapping(record.get("response")).get("status")
    yield Piece("head", f"answer, status {status}")
    yield from _pieces(answer(record))
    yield from _ending(record)


def _ending(record: Mapping[str, Any]) -> Iterator[Piece]:
    for title in ("usage", "timings_ms"):
        yield Piece("facts", title, facts_of(mapping(record.get(title))))
    for note in notes(record):
        rest = {key: value for key, value in note.items() if key not in ("kind", "at_ms")}
        yield Piece("facts", f"{word(note.get('kind'))} at {note.get('at_ms')} ms", facts_of(rest))


def _pieces(said: Said) -> Iterator[Piece]:
    return (_piece(said.who, block) for block in said.blocks)


def _piece(who: str, block: Block) -> Piece:
    role: Kind = "assistant" if who == "assistant" else "user"
    match block:
        case Text():
            return Piece(role, f"{who} is reminded" if block.reminder else who, printable(block.text))
        case Thinking():
            return Piece(role, f"{who} thinks", printable(block.text))
        case Call():
            return Piece("tool", f"calls {block.name}", facts_of(block.arguments))
        case Result():
            failed = " (an error)" if block.error else ""
            inner = (_piece("", one).text for one in block.blocks)
            return Piece("tool", f"result{failed}", "\n".join(inner))
        case Failure():
            return Piece("head", "no more came", printable(block.text))
    return Piece(role, *_held(who, block))


def _held(who: str, block: Image | Document | Link | Other) -> tuple[str, str]:
    match block:
        case Image():
            return f"{who}: image", word(f"{block.media_type} {block.url or f'{len(block.data)} characters'}")
        case Document():
            where = block.text or block.url or f"{len(block.data)} characters"
            return f"{who}: document {word(block.title)}", printable(where)
        case Link():
            return f"{who}: {word(block.title)}", printable(f"{block.url}\n{block.text}".strip())
        case Other():
            return f"{who}: {block.kind}", f"{len(block.json.encode('utf-8', 'replace'))} bytes"


def _sizes(body: Mapping[str, Any]) -> str:
    """The system prompt and the tools are the same in every request, so only their size is told."""
    system = sum(len(block.text.encode()) for block in blocks_of({"system": body.get("system")}))
    tools = listed if isinstance(listed := body.get("tools"), list) else []
    names = ": " + ", ".join(word(tool_name(tool)) for tool in tools) if tools else ""
    return f"system: {system} bytes\ntools: {len(tools)}, {len(compact(tools))} bytes{names}"


def facts_of(facts: object) -> str:
    """A line for each fact that there is; text as it is, so that it may be many lines."""
    if not isinstance(facts, Mapping):
        return "" if facts is None else printable(_value(facts))
    told = ((key, value) for key, value in _flat(facts) if value is not None and value != [] and value != "")
    return "\n".join(f"{word(key)}: {printable(_value(value))}" for key, value in told)


def _flat(facts: Mapping[Any, Any]) -> Iterator[tuple[str, Any]]:
    """One level of facts in facts, such as the report of the prompt chain."""
    for key, value in facts.items():
        if key == "report" and isinstance(value, Mapping):
            yield from ((str(inner), fact) for inner, fact in value.items())
        else:
            yield str(key), value


def _value(value: object) -> str:
    return value if isinstance(value, str) else compact(value)
