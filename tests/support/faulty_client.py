"""A client on a raw socket, below any HTTP library, so that what it does wrong is that and nothing else.

async with dialled(port) as line:
    await line.send(request(body)[:100])
    line.reset()
"""

import asyncio
import gzip
import json
import socket
import struct
import zlib
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

from tests.support.clients import TOKEN
from tests.support.faulty_upstream import Cuts
from tests.support.oracle import Seen, Violation

SMALL_WINDOW: Final = 4096
"""Bytes that a client takes which reads nothing, beside what the system adds."""

WHOLE: Final = Cuts()
_LONG: Final = 256 * 1024
ASK: Final[Mapping[str, Any]] = {
    "model": "claude-opus-4-8",
    "max_tokens": 10_000_000,
    "messages": [{"role": "user", "content": "Hi"}],
    "stream": True,
}
"""It allows an answer of any length, so that a flood is one."""


@dataclass
class Line:
    """One connection, and what has come over it."""

    port: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    cuts: Cuts = WHOLE
    came: bytearray = field(default_factory=bytearray)

    async def send(self, *pieces: bytes) -> None:
        """Each in a write of its own, or in several. The other side may have had enough by then."""
        with suppress(ConnectionError):
            for cut in (cut for piece in pieces for cut in self.cuts.pieces(piece)):
                self.writer.write(cut)
                await self.writer.drain()

    async def until(self, mark: bytes) -> None:
        """Read until the mark has come. Raises Violation when the connection ends before it."""
        while mark not in self.came:
            piece = await self.reader.read(65536)
            if not piece:
                raise Violation(f"the connection ended before {mark!r}: {self.came[-300:]!r}")
            self.came += piece

    async def answers(self, count: int = 1) -> list[Seen]:
        """So many whole answers. Raises Violation when the connection ends before them."""
        while len(found := self._found()) < count:
            piece = await self.reader.read(65536)
            if not piece:
                raise Violation(f"{len(found)} of {count} answers came: {self.came[-300:]!r}")
            self.came += piece
        return found

    def _found(self) -> list[Seen]:
        """A long answer is not looked at again with each piece of it."""
        is_long = len(self.came) > _LONG and not self.came.endswith(b"\r\n0\r\n\r\n")
        return [] if is_long else list(parsed(bytes(self.came)))

    async def rest(self) -> list[Seen]:
        """What comes until the other side closes the connection: whole answers, nothing else behind them."""
        with suppress(ConnectionError):
            while piece := await self.reader.read(65536):
                self.came += piece
        return list(parsed(bytes(self.came)))

    def open_window(self) -> None:
        """Read as fast as others, from now on."""
        sock: socket.socket = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)

    def half_close(self) -> None:
        self.writer.write_eof()

    def close(self) -> None:
        self.writer.close()

    def reset(self) -> None:
        """Leave with a RST in place of a FIN."""
        sock: socket.socket = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


@asynccontextmanager
async def dialled(port: int, *, window: int | None = None, cuts: Cuts = WHOLE) -> AsyncIterator[Line]:
    """A connection to a port of this machine. window: bytes that the system takes for a client that reads nothing."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if window is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
    reader, writer = await asyncio.open_connection(sock=sock, limit=window or 65536)
    try:
        yield Line(port, reader, writer, cuts)
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


def request(
    port: int, body: bytes | None = None, *, method: str = "POST", path: str = "/v1/messages", **headers: str | None
) -> bytes:
    """A whole request with what belongs to a good one. A header that is None is left out; `_` stands for `-`."""
    sent = json.dumps(ASK).encode() if body is None else body
    named: dict[str, str | None] = {
        "host": f"127.0.0.1:{port}",
        "x-anyclaude-token": TOKEN,
        "content-type": "application/json",
        "content-length": str(len(sent)),
    }
    named |= {name.replace("_", "-").lower(): value for name, value in headers.items()}
    lines = [f"{name}: {value}" for name, value in named.items() if value is not None]
    return "\r\n".join([f"{method} {path} HTTP/1.1", *lines, "", ""]).encode() + sent


def asking(**fields: Any) -> bytes:
    """The body of a good request, with these fields."""
    return json.dumps({**ASK, **fields}).encode()


def in_chunks(body: bytes, size: int) -> bytes:
    pieces = (body[at : at + size] for at in range(0, len(body), size))
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def bomb(size: int) -> bytes:
    """So many bytes of blanks behind a good body's first bracket, in a thousandth of that."""
    squeezing = zlib.compressobj(9, wbits=31)
    pieces = [squeezing.compress(b"{")]
    pieces += [squeezing.compress(b" " * 1_000_000) for _ in range(size // 1_000_000)]
    return b"".join([*pieces, squeezing.flush()])


def squeezed(body: bytes) -> bytes:
    return gzip.compress(body)


def parsed(came: bytes) -> Iterator[Seen]:
    """The whole answers at the beginning of what came. Raises Violation for what is no HTTP."""
    while came:
        head, found, rest = came.partition(b"\r\n\r\n")
        if not found:
            return
        status, headers = _head(head)
        if status == 100:
            came = rest
            continue
        body, came = _body(headers, rest)
        if body is None:
            return
        yield Seen(status, headers, body)


def _head(head: bytes) -> tuple[int, Mapping[str, str]]:
    first, *lines = head.decode("latin-1").split("\r\n")
    if not first.startswith("HTTP/1."):
        raise Violation(f"not an answer: {head[:300]!r}")
    pairs = (line.partition(":") for line in lines)
    return int(first.split()[1]), {name.title(): value.strip() for name, _, value in pairs}


def _body(headers: Mapping[str, str], rest: bytes) -> tuple[bytes | None, bytes]:
    """A body and what follows it; None for one that is not whole yet."""
    if headers.get("Transfer-Encoding") == "chunked":
        return _dechunked(rest)
    length = int(headers.get("Content-Length", 0))
    return (rest[:length], rest[length:]) if len(rest) >= length else (None, b"")


def _dechunked(rest: bytes) -> tuple[bytes | None, bytes]:
    pieces: list[bytes] = []
    while b"\r\n" in rest:
        size, _, rest = rest.partition(b"\r\n")
        length = int(size, 16)
        if len(rest) < length + 2:
            break
        pieces.append(rest[:length])
        rest = rest[length + 2 :]
        if not length:
            return b"".join(pieces), rest
    return None, b""
