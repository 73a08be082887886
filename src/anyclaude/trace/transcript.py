"""A record as something to read: titled pieces of plain text, without control characters.

Records hold what models and tools wrote, so nothing here is taken for markup, and no piece can steer a terminal.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from anyclaude.trace.prompts import blocks_of, tool_name
from anyclaude.wire.json import encode

Kind = Literal["head", "user", "assistant", "tool", "facts"]

_SEPARATORS: Final = (0x2028, 0x2029)
_TURNS_TEXT: Final = (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
_CONTROLS: Final = dict.fromkeys((*range(9), *range(11, 32), *range(127, 160), *_SEPARATORS, *_TURNS_TEXT))


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


def printable(text: str) -> str:
    """The text without control characters; lines and tabs stay."""
    return text.translate(_CONTROLS)


def summary(record: Mapping[str, Any]) -> Summary:
    """What a list says of a record, whatever of it is there."""
    usage, response = _mapping(record.get("usage")), _mapping(record.get("response"))
    inputs = [usage.get(key) for key in ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")]
    known = [count for count in inputs if isinstance(count, int)]
    body = _mapping(_mapping(record.get("request")).get("body"))
    route = next((note for note in _notes(record) if note.get("kind") == "route"), {})
    model = _model(record, _word(route.get("to"))) or _mapping(response.get("body")).get("model") or body.get("model")
    return Summary(
        id=_word(record.get("id")),
        time=_word(record.get("time")),
        mode=_word(record.get("mode")),
        model=_word(model),
        role=_word(route.get("reason")),
        tokens_in=sum(known) if known else None,
        tokens_out=_number(usage.get("output_tokens"), int),
        cost=_number(usage.get("cost"), int | float),
        ms=_number(_mapping(record.get("timings_ms")).get("end"), int | float),
        outcome=_word(record.get("outcome")),
        last_turn=_last_turn(body),
    )


def _model(record: Mapping[str, Any], route: str) -> str:
    """Routes without a model go to the one that is loaded: its name is in what went upstream."""
    upstream = record.get("upstream")
    last = _mapping(upstream[-1]) if isinstance(upstream, list) and upstream else {}
    model = _word(_mapping(last.get("body")).get("model"))
    return f"{route}:{model}" if route and model and ":" not in route else route


def _last_turn(body: Mapping[str, Any]) -> str:
    """The last thing in the last message of the user's that is no reminder of Claude Code's."""
    messages = body.get("messages")
    users = [message for message in map(_mapping, messages if isinstance(messages, list) else []) if _is_user(message)]
    pieces = [piece for piece in _message(users[-1]) if not piece.text.startswith("<system-reminder>")] if users else []
    if not pieces:
        return ""
    said = f"{pieces[-1].title}: " if pieces[-1].kind == "tool" else ""
    return said + _word(pieces[-1].text[:400])


def _is_user(message: Mapping[str, Any]) -> bool:
    return message.get("role") == "user"


def transcript(record: Mapping[str, Any]) -> Iterator[Piece]:
    """The record in the order in which it happened."""
    said = summary(record)
    body = _mapping(_mapping(record.get("request")).get("body"))
    yield Piece("head", f"{said.id}  {said.time}  {said.mode}  {said.model}  {said.outcome}")
    yield Piece("facts", "request", _sizes(body))
    for message in body.get("messages") or []:
        yield from _message(_mapping(message))
    response = _mapping(record.get("response"))
    yield Piece("head", f"answer, status {response.get('status')}", printable(str(record.get("error") or "")))
    yield from _message({"role": "assistant", **_mapping(response.get("body"))})
    yield from _ending(record)


def _ending(record: Mapping[str, Any]) -> Iterator[Piece]:
    for title in ("usage", "timings_ms"):
        yield Piece("facts", title, _facts(_mapping(record.get(title))))
    for note in _notes(record):
        rest = {key: value for key, value in note.items() if key not in ("kind", "at_ms")}
        yield Piece("facts", f"{_word(note.get('kind'))} at {note.get('at_ms')} ms", _facts(rest))


def _message(message: Mapping[str, Any]) -> Iterator[Piece]:
    role: Kind = "assistant" if message.get("role") == "assistant" else "user"
    content = message.get("content")
    for block in content if isinstance(content, list) else [{"type": "text", "text": content or ""}]:
        yield _block(role, _word(message.get("role")), _mapping(block))


def _block(role: Kind, said_by: str, block: Mapping[str, Any]) -> Piece:
    match block:
        case {"type": "text", "text": text}:
            return Piece(role, said_by, printable(str(text)))
        case {"type": "thinking", "thinking": text}:
            return Piece(role, f"{said_by} thinks", printable(str(text)))
        case {"type": "tool_use", "name": name, "input": given}:
            return Piece("tool", f"calls {_word(name)}", _facts(given))
        case {"type": "tool_result", "content": result}:
            failed = " (an error)" if block.get("is_error") else ""
            return Piece("tool", f"result{failed}", _result(result))
    return Piece(role, f"{said_by}: {_word(block.get('type'))}", f"{len(encode(block))} bytes")


def _result(result: object) -> str:
    if not isinstance(result, list):
        return printable(str(result))
    return "\n".join(_block("tool", "", _mapping(block)).text for block in result)


def _sizes(body: Mapping[str, Any]) -> str:
    """The system prompt and the tools are the same in every request, so only their size is told."""
    system = sum(len(block.text.encode()) for block in blocks_of({"system": body.get("system")}))
    tools = body.get("tools") or []
    names = ": " + ", ".join(_word(tool_name(tool)) for tool in tools) if tools else ""
    return f"system: {system} bytes\ntools: {len(tools)}, {len(encode(tools))} bytes{names}"


def _facts(facts: object) -> str:
    if not isinstance(facts, Mapping):
        return printable(str(facts))
    told = ((key, value) for key, value in _flat(facts) if value is not None and value != [] and value != "")
    return "\n".join(f"{_word(key)}: {printable(_value(value))}" for key, value in told)


def _flat(facts: Mapping[Any, Any]) -> Iterator[tuple[str, Any]]:
    """One level of facts in facts, such as the report of the prompt chain."""
    for key, value in facts.items():
        if key == "report" and isinstance(value, Mapping):
            yield from ((str(inner), fact) for inner, fact in value.items())
        else:
            yield str(key), value


def _value(value: object) -> str:
    return value if isinstance(value, str) else encode(value).decode()


def _notes(record: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    notes = record.get("notes")
    return [_mapping(note) for note in notes] if isinstance(notes, list) else []


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _word(value: object) -> str:
    return "" if value is None else " ".join(printable(str(value)).split())[:200]


def _number(value: object, kind: Any) -> Any:
    return value if isinstance(value, kind) and not isinstance(value, bool) else None
