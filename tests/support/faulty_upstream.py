"""An upstream that fails by the name of a scenario, with its bytes whole, one by one, or cut at random.

A scenario is told to a `Wire` in raw bytes, so that a fault is that fault and nothing else; the `Dialect` gives it the
words of an answer, in the shape of OpenAI's chunks or of Anthropic's events. Whether the other side let go of each
connection is seen too.

    async with faulty_upstream(play, OPENAI, Cuts("bytes")) as upstream:
        ...
        await upstream.left(within=5)
"""

import asyncio
import json
import random
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final, Literal

from tests.support import anthropic_upstream as anthropic
from tests.support.raw_upstream import Connection, framed, raw_upstream, sse, whole
from tests.support.streams import finish, text, usage

Cutting = Literal["whole", "bytes", "random"]
CUTTINGS: Final[Sequence[Cutting]] = ("whole", "bytes", "random")

_ENDS: Final = 500  # bytes at either end of what is sent that go one by one
_LUMP: Final = 65536
_ANSWERED: Final = ("/chat/completions", "/messages")


@dataclass(frozen=True, slots=True)
class Cuts:
    """How bytes are cut into writes. Of what is long only the two ends go byte by byte."""

    how: Cutting = "whole"
    seed: int = 0

    def pieces(self, sent: bytes) -> Iterator[bytes]:
        if self.how == "whole":
            yield sent
        elif self.how == "bytes":
            yield from _one_by_one(sent[:_ENDS])
            yield from (sent[at : min(at + _LUMP, len(sent) - _ENDS)] for at in range(_ENDS, len(sent) - _ENDS, _LUMP))
            yield from _one_by_one(sent[max(len(sent) - _ENDS, _ENDS) :])
        else:
            chosen = random.Random(f"{self.seed} {len(sent)}")
            borders = sorted({0, len(sent), *(chosen.randrange(len(sent) + 1) for _ in range(8))})
            yield from (sent[a:b] for a, b in pairwise(borders))


def _one_by_one(sent: bytes) -> Iterator[bytes]:
    return (sent[at : at + 1] for at in range(len(sent)))


@dataclass(frozen=True, slots=True)
class Dialect:
    """The frames of an answer that says "Hello.", in two parts. mark: what some put behind the finish."""

    opening: bytes
    more: bytes
    finish: bytes
    mark: bytes
    error: Callable[[Mapping[str, Any]], bytes]

    @property
    def answer(self) -> bytes:
        return self.opening + self.more + self.finish + self.mark


_EVENTS: Final = [anthropic.frame(event) for event in anthropic.events("Hello.")]

OPENAI: Final = Dialect(
    opening=sse(text("Hel")),
    more=sse(text("lo.")),
    finish=sse(finish()) + sse(usage(12, 3)),
    mark=sse("[DONE]"),
    error=lambda error: sse({"error": error}),
)
ANTHROPIC: Final = Dialect(
    opening=b"".join(_EVENTS[:4]),
    more=b"".join(_EVENTS[4:6]),
    finish=_EVENTS[6],
    mark=_EVENTS[7],
    error=lambda error: anthropic.frame({"type": "error", "error": error}),
)


@dataclass
class Wire:
    """One exchange, as a scenario speaks it."""

    connection: Connection
    says: Dialect
    cuts: Cuts

    async def send(self, *parts: bytes) -> None:
        """Every piece in a write of its own, with a turn for the other side before the next one."""
        for piece in self.cuts.pieces(b"".join(parts)):
            await self.connection.send(piece)
            await asyncio.sleep(0)

    async def stream(self, *frames: bytes, end: bytes = b"0\r\n\r\n", **headers: str) -> None:
        """A stream in chunks, one for each frame. Without `end` it is cut."""
        await self.send(head(200, transfer_encoding="chunked", **headers), *map(framed, frames), end)

    async def whole(self, status: int, body: bytes | Mapping[str, Any], **headers: str) -> None:
        """An answer with its length. A mapping is sent as JSON."""
        as_bytes = body if isinstance(body, bytes) else json.dumps(body).encode()
        await self.send(whole(status, as_bytes, **{"content_type": "application/json", **headers}))

    async def gone(self) -> None:
        await self.connection.gone()

    def reset(self) -> None:
        self.connection.reset()
        self.connection.writer.transport.abort()


def head(status: int = 200, **headers: str) -> bytes:
    """The head of a stream."""
    named = {"content_type": "text/event-stream", **headers}
    lines = [f"{name.replace('_', '-').title()}: {value}" for name, value in named.items()]
    return "\r\n".join([f"HTTP/1.1 {status} X", *lines, "", ""]).encode()


Scenario = Callable[[Wire], Awaitable[None]]


@dataclass
class FaultyUpstream:
    url: str
    asked: list[Connection] = field(default_factory=list)
    _under_way: set[asyncio.Task[None]] = field(default_factory=set)

    async def left(self, within: float) -> bool:
        """Whether the other side closes all its connections in time."""
        if not self._under_way:
            return True
        _, open_still = await asyncio.wait(self._under_way, timeout=within)
        return not open_still


@asynccontextmanager
async def faulty_upstream(
    scenario: Scenario, says: Dialect, cuts: Cuts, tls: ssl.SSLContext | None = None, port: int = 0
) -> AsyncIterator[FaultyUpstream]:
    """A server that plays the scenario for each question, and is well to all who look at it otherwise."""

    async def play(connection: Connection) -> None:
        if not connection.head.split(" ", 2)[1].partition("?")[0].endswith(_ANSWERED):
            await connection.send(_about_itself(connection))
            return
        upstream.asked.append(connection)
        task = asyncio.current_task()
        assert task is not None
        upstream._under_way.add(task)
        await scenario(Wire(connection, says, cuts))
        await _until_left(connection)

    async with raw_upstream(play, tls=tls, port=port) as server:
        upstream = FaultyUpstream(server.url)
        try:
            yield upstream
        finally:
            for task in upstream._under_way:
                task.cancel()
            await asyncio.gather(*upstream._under_way, return_exceptions=True)


def _about_itself(connection: Connection) -> bytes:
    path = connection.head.split(" ", 2)[1]
    known: dict[str, Any] = {"/health": {"state": "ready", "model": "m", "context_length": 32_768, "instance": "one"}}
    listed = {"data": [{"id": "m", "context_length": 32_768}]}
    return whole(200, json.dumps(known.get(path, listed if path.endswith("models") else {})).encode())


async def _until_left(connection: Connection) -> None:
    """Say that there is no more, and wait for the other side to leave."""
    with suppress(ConnectionError, OSError):
        if connection.writer.can_write_eof() and not connection.writer.is_closing():
            connection.writer.write_eof()
    await connection.gone()
