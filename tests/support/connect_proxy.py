"""An HTTP proxy on loopback as companies have them: it makes tunnels, and remembers what it was told in the clear.

Every tunnel leads to one port of this machine, whatever name was asked for, so that names need not exist. TLS in the
tunnel has a key exchange without certificates: there is none to make, to trust or to expire.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field


@dataclass
class ConnectProxy:
    """heads: of the requests that came, each with its first line. piped: bytes that went into tunnels."""

    url: str
    heads: list[bytes] = field(default_factory=list)
    piped: bytearray = field(default_factory=bytearray)

    @property
    def targets(self) -> list[str]:
        return [head.partition(b" HTTP/")[0].decode() for head in self.heads]


@asynccontextmanager
async def connect_proxy(port: int, status: int = 200) -> AsyncIterator[ConnectProxy]:
    """A proxy whose tunnels lead to `port`; with another status than 200 there are none."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer), suppress(ConnectionError, asyncio.IncompleteReadError):
            proxy.heads.append(await reader.readuntil(b"\r\n\r\n"))
            if status != 200 or not proxy.heads[-1].startswith(b"CONNECT "):
                writer.write(f"HTTP/1.1 {status if status != 200 else 400} No\r\nContent-Length: 0\r\n\r\n".encode())
                return
            there, back = await asyncio.open_connection("127.0.0.1", port)
            with closing(back):
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                await asyncio.gather(_pipe(reader, back, proxy.piped), _pipe(there, writer, bytearray()))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    proxy = ConnectProxy(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    try:
        yield proxy
    finally:
        server.close()


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seen: bytearray) -> None:
    with closing(writer):
        while piece := await reader.read(65536):
            seen += piece
            writer.write(piece)
            await writer.drain()


def tls_server() -> ssl.SSLContext:
    return _without_certificates(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))


def tls_client() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return _without_certificates(context)


def _without_certificates(context: ssl.SSLContext) -> ssl.SSLContext:
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("aNULL:@SECLEVEL=0")
    return context
