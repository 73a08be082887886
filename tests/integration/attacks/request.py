"""One attack as bytes on a socket, and what came back.

No HTTP library stands between an attack and the server, so what is sent is what is written here. In an attack `PORT`
and `TOKEN` stand for those of the server under attack, `BEGINNING` for the token without its last character, and
`SPOILT` for one of the same length that ends in another.
"""

import asyncio
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, Literal

Server = Literal["proxy", "worker", "guarded worker"]
"""The last one has a token, as it must where other machines reach it; the one before has none."""

DEADLINE: Final = 20.0
LONG: Final = 64 * 1024
"""Bytes. What is longer a server may refuse, and close, before it has read it; then the answer may be lost."""
_LENGTH: Final = re.compile(rb"\r\ncontent-length: (\d+)")
_STATUS: Final = re.compile(rb"HTTP/\d\.\d (\d{3})")


@dataclass(frozen=True)
class Attack:
    """rule: of SECURITY.md. refused: the statuses that are a refusal of it."""

    rule: str
    name: str
    at: Server
    sent: bytes = field(repr=False)
    refused: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.rule} {self.at}: {self.name}"


@dataclass(frozen=True)
class Reply:
    """statuses: of all answers on the connection, until the server closed it.

    cut: it was reset. Then nothing came, or it was lost: a server that has refused does not read on.
    """

    raw: bytes = field(repr=False)
    cut: bool = False

    @property
    def statuses(self) -> list[int]:
        return [int(status) for status in _STATUS.findall(self.raw)]

    @property
    def head(self) -> bytes:
        return self.raw.partition(b"\r\n\r\n")[0]


def http(
    method: str,
    target: str,
    headers: Sequence[tuple[str, str]] | Mapping[str, str],
    body: bytes = b"",
    length: bool = True,
) -> bytes:
    """A request with exactly these headers, and a length if wanted and not given. The connection is to be closed."""
    pairs = list(headers.items() if isinstance(headers, Mapping) else headers)
    named = {name.lower() for name, _ in pairs}
    pairs += (
        [("Content-Length", str(len(body)))] if length and not named & {"content-length", "transfer-encoding"} else []
    )
    pairs += [("Connection", "close")] if "connection" not in named else []
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in pairs), "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


async def sent_to(port: int, token: str, attack: Attack) -> Reply:
    """Carry it out. Raises TimeoutError when the server neither answers nor closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(DEADLINE):
            sending = asyncio.ensure_future(_send(writer, _filled(attack.sent, port, token)))
            reply = await _read(reader)
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
    finally:
        writer.transport.abort()  # what a server that has refused does not read would keep it open
        with suppress(ConnectionError):
            await writer.wait_closed()
    return reply


def _filled(sent: bytes, port: int, token: str) -> bytes:
    meant = {"PORT": str(port), "TOKEN": token, "BEGINNING": token[:-1], "SPOILT": f"{token[:-1]}~"}
    for word, value in meant.items():
        sent = sent.replace(word.encode(), value.encode())
    return sent


async def _send(writer: asyncio.StreamWriter, content: bytes) -> None:
    """A server that has refused may close before it has read all."""
    for start in range(0, len(content), 64 * 1024):
        writer.write(content[start : start + 64 * 1024])
        await writer.drain()


async def _read(reader: asyncio.StreamReader) -> Reply:
    raw = bytearray()
    try:
        while not _is_last(raw) and (piece := await reader.read(64 * 1024)):
            raw += piece
    except ConnectionError:
        return Reply(bytes(raw), cut=True)
    return Reply(bytes(raw))


def _is_last(raw: bytearray) -> bool:
    """Whether a whole answer is there that says that it is the last one. Servers linger for what is still sent."""
    head, _, body = bytes(raw).lower().partition(b"\r\n\r\n")
    length = _LENGTH.search(head)
    return b"\r\nconnection: close" in head and length is not None and len(body) >= int(length[1])


def is_refused(attack: Attack, reply: Reply) -> bool:
    """Every answer is a refusal of the expected kind. Only what is too long to be read may go without one."""
    if not reply.statuses:
        return reply.cut and len(attack.sent) > LONG
    return set(reply.statuses) <= set(attack.refused)
