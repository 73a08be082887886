"""A recorded request made ready to be asked again, and what the new answer has in common with the recorded one."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from anyclaude.errors import SetupError
from anyclaude.trace.redact import MARK


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that two answers are compared by. differs: None where a difference says nothing, as with times."""

    name: str
    recorded: str
    now: str
    differs: bool | None


@dataclass(frozen=True, slots=True)
class Timed:
    """Milliseconds from the request to the first token and to the end; None where it is not known."""

    first_token: float | None
    total: float | None


def request_of(record: Mapping[str, Any]) -> dict[str, Any]:
    """What Claude Code sent. Raises SetupError when the record holds no Messages request."""
    request = record.get("request")
    body = request.get("body") if isinstance(request, Mapping) else None
    if not isinstance(body, dict) or not isinstance(body.get("messages"), list):
        raise SetupError("this trace holds no request that could be sent again")
    return body


def headers_of(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The headers that say how the body is meant (`anthropic-beta`, `anthropic-version`), and no other."""
    request = record.get("request")
    headers = request.get("headers") if isinstance(request, Mapping) else None
    return [
        (name, value)
        for name, value in (headers.items() if isinstance(headers, Mapping) else ())
        if name.lower().startswith("anthropic-") and isinstance(value, str) and MARK not in value
    ]


def redacted_places(value: object, place: str = "") -> Iterator[str]:
    """Where a secret was taken out, as `messages[2].content[0].text`: what is sent again is not what was sent."""
    match value:
        case str() if MARK in value:
            yield place
        case Mapping():
            for name, member in value.items():
                yield from redacted_places(member, f"{place}.{name}".lstrip("."))
        case list():
            for number, member in enumerate(value):
                yield from redacted_places(member, f"{place}[{number}]")


def timed(record: Mapping[str, Any]) -> Timed:
    """The times of a record."""
    timings = record.get("timings_ms")
    found = timings if isinstance(timings, Mapping) else {}
    return Timed(found.get("first_token", found.get("first_event")), found.get("end"))


def compare(record: Mapping[str, Any], message: Mapping[str, Any], usage: Mapping[str, Any], now: Timed) -> list[Row]:
    """The recorded answer beside a new one. message: in Anthropic's shape. usage: of the new one."""
    response = record.get("response")
    recorded = response.get("body") if isinstance(response, Mapping) else None
    before = recorded if isinstance(recorded, Mapping) else {}
    old_usage = record.get("usage") if isinstance(record.get("usage"), Mapping) else {}
    rows = [_row(name, say(before), say(message)) for name, say in _COMPARED.items()]
    counts = [_row(name, _count(old_usage, key), _count(usage, key), None) for name, key in _COUNTED.items()]
    then = timed(record)
    times = [
        _row("to the first token", _ms(then.first_token), _ms(now.first_token), None),
        _row("to the end", _ms(then.total), _ms(now.total), None),
    ]
    return [*rows, *counts, *times]


def _row(name: str, recorded: str, now: str, differs: bool | None = True) -> Row:
    return Row(name, recorded, now, None if differs is None else recorded != now)


def _stop(message: Mapping[str, Any]) -> str:
    return str(message.get("stop_reason") or "none")


def _tools(message: Mapping[str, Any]) -> str:
    return ", ".join(str(block.get("name")) for block in _blocks(message, "tool_use")) or "none"


def _length(kind: str, message: Mapping[str, Any]) -> str:
    return str(sum(len(str(block.get(kind) or "")) for block in _blocks(message, kind)))


def _blocks(message: Mapping[str, Any], kind: str) -> list[Mapping[str, Any]]:
    content = message.get("content")
    blocks = content if isinstance(content, list) else []
    return [block for block in blocks if isinstance(block, Mapping) and block.get("type") == kind]


def _count(usage: Any, key: str) -> str:
    found = usage.get(key)
    return "" if found is None else str(found)


def _ms(found: object) -> str:
    return f"{found:.0f} ms" if isinstance(found, int | float) else ""


_COMPARED: Final[Mapping[str, Callable[[Mapping[str, Any]], str]]] = {
    "stop reason": _stop,
    "tools called": _tools,
    "characters of text": lambda message: _length("text", message),
    "characters of thinking": lambda message: _length("thinking", message),
}
_COUNTED: Final = {
    "input tokens": "input_tokens",
    "... read from cache": "cache_read_input_tokens",
    "output tokens": "output_tokens",
    "cost in dollars": "cost",
}
