"""An upstream made of bytes: each test says exactly what goes over the wire, whole, in pieces, or cut off.

Below any HTTP library, so that a fault is that fault and nothing else. `play` is given the connection after the request
has been read; when it returns, the connection is closed.
"""

import asyncio
import json
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from typing import Any

STREAM_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


@dataclass
class Connection:
    """One request, and the way to answer it."""

    head: str
    body: bytes
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    async def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()

    async def stream(self, *chunks: object, end: bool = True) -> None:
        """The head and some chunks, each in a piece of its own."""
        await self.send(STREAM_HEAD, *(framed(sse(chunk)) for chunk in chunks))
        if end:
            await self.send(b"0\r\n\r\n")

    async def gone(self) -> None:
        """Returns when the other side has closed the connection."""
        with suppress(ConnectionError):
            await self.reader.read()

    def reset(self) -> None:
        """End with a RST instead of a FIN."""
        sock: socket.socket = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


Play = Callable[[Connection], Awaitable[None]]


@dataclass
class RawUpstream:
    url: str
    requests: list[Connection] = field(default_factory=list)


def sse(chunk: object) -> bytes:
    return b"data: " + (chunk.encode() if isinstance(chunk, str) else json.dumps(chunk).encode()) + b"\n\n"


def framed(body: bytes) -> bytes:
    """As one piece of a chunked body."""
    return f"{len(body):x}\r\n".encode() + body + b"\r\n"


def whole(status: int, body: bytes, **headers: str) -> bytes:
    """A response with a length. Header names may be written with `_`."""
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    head = [f"HTTP/1.1 {status} X", *lines, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(head).encode() + body


@asynccontextmanager
async def raw_upstream(play: Play, tls: ssl.SSLContext | None = None, port: int = 0) -> AsyncIterator[RawUpstream]:
    """A server on a loopback port, a free one, that plays `play` for each request."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer), suppress(ConnectionError, asyncio.IncompleteReadError):  # the other side may leave first
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            lengths = [line.split(":")[1] for line in head.lower().splitlines() if line.startswith("content-length")]
            body = await reader.readexactly(int(lengths[0])) if lengths else b""
            connection = Connection(head, body, reader, writer)
            upstream.requests.append(connection)
            await play(connection)

    server = await asyncio.start_server(serve, "127.0.0.1", port, ssl=tls)
    upstream = RawUpstream(f"http{'s' if tls else ''}://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1")
    try:
        yield upstream
    finally:
        server.close()
