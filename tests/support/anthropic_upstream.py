"""Anthropic's API in the shapes that it was seen to answer with, below any HTTP library: what comes is kept as it came.

async with anthropic_upstream(says("Hello.")) as upstream:
    ...
assert b"x-api-key: sk-ant-test" in upstream.requests[0].head
"""

import asyncio
import json
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from typing import Any

MODEL = "claude-opus-4-8"
HEADERS = (
    ("request-id", "req_011CUpstream"),
    ("anthropic-organization-id", "00000000-0000-0000-0000-000000000000"),
    ("anthropic-ratelimit-requests-limit", "4000"),
    ("anthropic-ratelimit-requests-remaining", "3999"),
    ("anthropic-ratelimit-unified-5h-utilization", "0.25"),
    ("Set-Cookie", "a=1"),
    ("Set-Cookie", "b=2"),
)
"""A repeated one among them, to see that it stays repeated."""


@dataclass
class Received:
    """One request: its head as it came, the body, and the connection to answer on."""

    head: bytes
    body: bytes
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @property
    def target(self) -> str:
        return self.head.split(b" ", 2)[1].decode()

    @property
    def headers(self) -> list[tuple[str, str]]:
        lines = self.head.decode("latin-1").split("\r\n")[1:-2]
        return [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]

    def header(self, name: str) -> list[str]:
        return [value for given, value in self.headers if given.lower() == name.lower()]

    async def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()

    async def gone(self) -> None:
        """Returns when the other side has closed the connection."""
        with suppress(ConnectionError):
            await self.reader.read()


Play = Callable[[Received], Awaitable[None]]


@dataclass
class AnthropicUpstream:
    url: str
    requests: list[Received] = field(default_factory=list)

    def to(self, path: str) -> list[Received]:
        return [one for one in self.requests if one.target.partition("?")[0] == path]


def frame(event: Mapping[str, Any]) -> bytes:
    return f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()


def message(*content: Mapping[str, Any], stop_reason: str | None = "end_turn") -> dict[str, Any]:
    usage = {
        "input_tokens": 12,
        "cache_creation_input_tokens": 30,
        "cache_read_input_tokens": 400,
        "cache_creation": {"ephemeral_5m_input_tokens": 30, "ephemeral_1h_input_tokens": 0},
        "output_tokens": 7,
        "service_tier": "standard",
    }
    return {
        "model": MODEL,
        "id": "msg_01Upstream",
        "type": "message",
        "role": "assistant",
        "content": list(content),
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "usage": usage,
    }


def events(text: str = "Hello.") -> list[dict[str, Any]]:
    """A stream with a ping in it, and with fields that no documentation names."""
    pieces = [text[: len(text) // 2], text[len(text) // 2 :]]
    deltas = [{"type": "text_delta", "text": piece} for piece in pieces]
    return [
        {"type": "message_start", "message": message(stop_reason=None), "not_yet_known": True},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "ping"},
        *({"type": "content_block_delta", "index": 0, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"output_tokens": 7},
            "context_management": {"applied_edits": []},
        },
        {"type": "message_stop"},
    ]


def head(status: int, *headers: tuple[str, str]) -> bytes:
    lines = [f"{name}: {value}" for name, value in headers]
    return "\r\n".join([f"HTTP/1.1 {status} X", *lines, "", ""]).encode()


def chunk(body: bytes) -> bytes:
    return f"{len(body):x}\r\n".encode() + body + b"\r\n"


STREAM_HEAD = head(200, ("Content-Type", "text/event-stream"), ("Transfer-Encoding", "chunked"), *HEADERS)


def whole(status: int, value: object, *headers: tuple[str, str]) -> bytes:
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    named = (("Content-Type", "application/json"), ("Content-Length", str(len(body))), *HEADERS, *headers)
    return head(status, *named) + body


def streams(body: bytes, *, end: bytes = b"0\r\n\r\n") -> Play:
    """A stream of these bytes. Without `end` it is cut."""

    async def play(received: Received) -> None:
        await received.send(STREAM_HEAD, chunk(body), end)

    return play


def answers(value: object, status: int = 200, *headers: tuple[str, str]) -> Play:
    async def play(received: Received) -> None:
        await received.send(whole(status, value, *headers))

    return play


def says(text: str) -> Play:
    """A Messages request is answered with that text, as a stream or whole, as it asks; a count with 442."""

    async def play(received: Received) -> None:
        if "count_tokens" in received.target:
            await answers({"input_tokens": 442})(received)
        elif b'"stream":true' in received.body.replace(b" ", b""):
            await streams(b"".join(map(frame, events(text))))(received)
        elif received.target.startswith("/v1/messages"):
            await answers(message({"type": "text", "text": text}))(received)
        else:
            await answers({"type": "error", "error": {"type": "not_found_error", "message": "Not found"}}, 404)(
                received
            )

    return play


SIGNATURE = "EqQBCkYIBhgCKkDsigned-here"
"""What this upstream signs its thinking with, as far as it thinks."""


def strictly(play: Play) -> Play:
    """Refuses, as Anthropic does, what other models leave in a conversation; what passes is played."""

    async def judge(received: Received) -> None:
        wrong = list(_faults(json.loads(received.body))) if received.target.startswith("/v1/messages") else []
        if wrong:
            error = {"type": "invalid_request_error", "message": wrong[0]}
            await answers({"type": "error", "error": error}, 400)(received)
        else:
            await play(received)

    return judge


def _faults(request: Mapping[str, Any]) -> Iterator[str]:
    if request.get("thinking", {}).get("type") == "enabled":
        turns = [{"content": ""}, *request["messages"]]
        last, result = turns[-2], turns[-1]
        first = last["content"][0]["type"] if isinstance(last["content"], list) else "text"
        if "tool_result" in str(result["content"]) and first not in ("thinking", "redacted_thinking"):
            yield f"Expected `thinking` or `redacted_thinking`, but found `{first}`"
    for turn, said in enumerate(request.get("messages", ())):
        blocks = said["content"] if isinstance(said["content"], list) else []
        if not blocks and not said["content"]:
            yield f"messages.{turn}: all messages must have non-empty content"
        for place, block in enumerate(blocks):
            at = f"messages.{turn}.content.{place}"
            if block["type"] == "thinking" and block.get("signature") != SIGNATURE:
                yield f"{at}: Invalid `signature` in `thinking` block"
            name = {"tool_use": "id", "tool_result": "tool_use_id"}.get(block["type"])
            if name and not re.fullmatch(r"[a-zA-Z0-9_-]+", block[name]):
                yield f"{at}.{block['type']}.{name}: String should match pattern '^[a-zA-Z0-9_-]+$'"
            if block["type"] == "tool_use" and not isinstance(block["input"], dict):
                yield f"{at}.tool_use.input: Input should be a valid dictionary"


@asynccontextmanager
async def anthropic_upstream(
    play: Play, *, reads_bodies: bool = True, tls: ssl.SSLContext | None = None
) -> AsyncIterator[AnthropicUpstream]:
    """A server on a free loopback port that plays `play` for each request, one a connection.

    reads_bodies: whether a request's body is read before it is played.
    """

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer), suppress(ConnectionError, asyncio.IncompleteReadError):  # the other side may leave
            received = Received(await reader.readuntil(b"\r\n\r\n"), b"", reader, writer)
            if reads_bodies:
                received.body = await _body(received)
            upstream.requests.append(received)
            await play(received)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    upstream = AnthropicUpstream(f"{'https' if tls else 'http'}://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    try:
        yield upstream
    finally:
        server.close()


async def _body(received: Received) -> bytes:
    lengths = received.header("content-length")
    if lengths:
        return await received.reader.readexactly(int(lengths[0]))
    if received.header("transfer-encoding") == ["chunked"]:
        return b"".join([piece async for piece in _chunks(received.reader)])
    return b""


async def _chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while size := int(await reader.readline(), 16):
        yield await reader.readexactly(size)
        await reader.readline()
    await reader.readline()
