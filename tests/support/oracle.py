"""The oracle: what a client may see of a request, whatever goes wrong before or behind the proxy.

Exactly one of: a whole message whose finish was observed; a stream that ends in one `error` event; an HTTP error in
Anthropic's shape. Where answers are handed on byte for byte two more may be: a connection that breaks in the answer, as
it broke for us, and what was no message in the first place. All within a deadline, and without a traceback in the log.

    with quiet_log():
        outcome = judge(await observe(f"{url}/v1/messages", headers, body, within=5), within=5)
    assert outcome.kind == "error event"
"""

import asyncio
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import aiohttp

from anyclaude.convert.message import MessageFold
from anyclaude.errors import AnyclaudeError, GrammarError
from anyclaude.wire.grammar import Grammar
from anyclaude.wire.json import decode_lenient
from anyclaude.wire.sse import SseDecoder

Kind = Literal["whole", "error event", "refused", "broken", "handed on"]

ERROR_TYPES: Final[Mapping[str, Sequence[int]]] = {
    "invalid_request_error": tuple(set(range(400, 500)) - {401, 403, 404, 429}),
    "authentication_error": (401,),
    "permission_error": (403,),
    "not_found_error": (404,),
    "request_too_large": (413,),
    "rate_limit_error": (429,),
    "api_error": (500, 502),
    "timeout_error": (504,),
    "overloaded_error": (529,),
}
"""Anthropic's types of errors, and the statuses that each may come with."""

_LONGEST: Final = 4000  # characters of an error's sentence


class Violation(AssertionError):
    """A client saw what it must never see."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What came. ended: the body ended as its head announced. seconds: from the request to the end."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    ended: bool = True
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """error, said: type and sentence of an error. message: of a whole answer, folded. events: of a stream."""

    kind: Kind
    status: int
    error: str = ""
    said: str = ""
    message: Mapping[str, Any] = field(default_factory=dict)
    events: Sequence[Mapping[str, Any]] = ()


async def observe(url: str, headers: Mapping[str, str], body: bytes, *, within: float, method: str = "POST") -> Seen:
    """Send one request and take what comes to its end. Raises Violation when there is no end `within` seconds."""
    clock = asyncio.get_running_loop().time
    began = clock()
    pieces: list[bytes] = []
    try:
        async with (
            asyncio.timeout(within),
            aiohttp.ClientSession() as session,
            session.request(method, url, data=body, headers=headers, allow_redirects=False) as answer,
        ):
            ended = await _taken(answer, pieces)
    except TimeoutError as error:
        raise Violation(f"no end within {within} s, after {b''.join(pieces)[-300:]!r}") from error
    except aiohttp.ClientError as error:
        raise Violation(f"not even a head: {type(error).__name__}: {error}") from error
    return Seen(answer.status, answer.headers, b"".join(pieces), ended, clock() - began)


async def _taken(answer: aiohttp.ClientResponse, pieces: list[bytes]) -> bool:
    """Whether the body ended as announced."""
    try:
        while piece := await answer.content.readany():
            pieces.append(piece)
    except (aiohttp.ClientError, ConnectionError):
        return False
    return True


def judge(seen: Seen, *, within: float, relayed: bool = False) -> Outcome:
    """Which of the allowed outcomes it was. relayed: answers are handed on byte for byte. Raises Violation."""
    if seen.seconds > within:
        raise Violation(f"it took {seen.seconds:.2f} s where {within} s were allowed")
    if not seen.ended:
        if not relayed:
            raise Violation(f"the connection broke: status {seen.status}, {seen.body[-300:]!r}")
        return Outcome("broken", seen.status)
    if seen.status >= 400:
        return _refused(seen, relayed)
    if seen.status == 200 and seen.headers.get("Content-Type", "").startswith("text/event-stream"):
        return _streamed(seen, relayed)
    return _whole(seen, relayed)


def _refused(seen: Seen, relayed: bool) -> Outcome:
    try:
        shape = json.loads(seen.body)
        kind, said = shape["error"]["type"], shape["error"]["message"]
        is_shaped = shape["type"] == "error" and isinstance(kind, str) and isinstance(said, str)
    except (ValueError, KeyError, TypeError):
        is_shaped = False
    if relayed and not is_shaped:
        return Outcome("refused", seen.status)
    if not is_shaped:
        raise Violation(f"status {seen.status} is not told in Anthropic's shape: {seen.body[:300]!r}")
    if not relayed:
        _check_error(kind, said)
        if seen.status not in ERROR_TYPES[kind]:
            raise Violation(f"a {kind} with status {seen.status}")
    return Outcome("refused", seen.status, kind, said)


def _streamed(seen: Seen, relayed: bool) -> Outcome:
    """The grammar is the judge of the order. An answer that is handed on may hold what no grammar knows."""
    events = _events(seen.body, relayed)
    last = events[-1]["type"] if events else "nothing"
    if last == "error":
        error = events[-1]["error"]
        if not relayed:
            _check_error(error["type"], error["message"])
        return Outcome("error event", seen.status, error["type"], error["message"], events=events)
    if last != "message_stop":
        raise Violation(f"the stream ended well after {last}: {seen.body[-300:]!r}")
    message = {} if relayed else _folded(events)
    return Outcome("whole", seen.status, message=message, events=events)


def _events(body: bytes, relayed: bool) -> list[Mapping[str, Any]]:
    """The events, checked one by one and in their order. Of what is handed on, those that are JSON."""
    decoder, grammar = SseDecoder(len(body) + 1), Grammar()
    server_events = decoder.feed(body) + decoder.end()
    if relayed:
        decoded = [decode_lenient(server_event.data) for server_event in server_events]
        return [event for event in decoded if isinstance(event, Mapping) and "type" in event]
    events: list[Mapping[str, Any]] = []
    try:
        for server_event in server_events:
            event = json.loads(server_event.data)
            if server_event.event != event["type"]:
                raise Violation(f"event {server_event.event!r} holds {event['type']!r}")
            grammar.feed(event)
            events.append(event)
        grammar.end()
    except (GrammarError, ValueError, KeyError, TypeError) as error:
        raise Violation(f"not a legal stream: {type(error).__name__}: {error}") from error
    return events


def _folded(events: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    fold = MessageFold()
    try:
        fold.feed(events)
    except AnyclaudeError as error:
        raise Violation(f"no message comes of the stream: {error.message}") from error
    return _checked(fold.message())


def _whole(seen: Seen, relayed: bool) -> Outcome:
    try:
        message = json.loads(seen.body)
    except ValueError:
        message = None
    if seen.status == 200 and isinstance(message, dict) and message.get("type") == "message":
        return Outcome("whole", 200, message=message if relayed else _checked(message))
    if relayed:
        return Outcome("handed on", seen.status)
    raise Violation(f"status {seen.status} with what is no message: {seen.body[:300]!r}")


def _checked(message: Mapping[str, Any]) -> Mapping[str, Any]:
    """A whole message says why it ended, and no two of its calls are one."""
    if not message.get("stop_reason"):
        raise Violation(f"a whole message without a stop reason: {message}")
    calls = [block for block in message["content"] if block["type"] == "tool_use"]
    if len({call["id"] for call in calls}) != len(calls):
        raise Violation("two calls have one id")
    return message


def _check_error(kind: str, said: str) -> None:
    """A known type, and one sentence that a person can read."""
    if kind not in ERROR_TYPES:
        raise Violation(f"{kind!r} is no type of error")
    if not said or len(said) > _LONGEST or not said.isprintable() or "Traceback" in said:
        raise Violation(f"not a readable sentence: {said[:300]!r}")


class _Faults(logging.Handler):
    """Keeps what no fault of others may bring into the log: tracebacks, and errors."""

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info or record.levelno >= logging.ERROR:
            formatted = logging.Formatter().format(record)
            self.found.append(f"{record.levelname} {record.name}: {formatted[-1500:]}")


@contextmanager
def quiet_log() -> Iterator[None]:
    """Raises Violation at the end of the block when a traceback, or an error of our own, came into the log."""
    faults, root = _Faults(), logging.getLogger()
    root.addHandler(faults)
    try:
        yield
    finally:
        root.removeHandler(faults)
    if faults.found:
        raise Violation(f"the log holds: {faults.found[0]}")
