"""HTTP as it is: one exchange with an upstream whose head and body are handed on, not read.

Headers are pairs in their order, those that repeat included, and nothing is added to them but what HTTP needs.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from io import BytesIO
from typing import Final
from urllib.parse import urlsplit

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from anyclaude.backends.env_proxy import proxied, proxy_for
from anyclaude.backends.http import mapped, open_session
from anyclaude.backends.last_bytes import next_read

Body = bytes | AsyncIterable[bytes]
Headers = Sequence[tuple[str, str]]

_OF_ONE_CONNECTION: Final = """
    connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer transfer-encoding upgrade
"""
HOP_BY_HOP: Final = frozenset(_OF_ONE_CONNECTION.split())
"""Headers of one connection, which end with it: RFC 9110, section 7.6.1. `Connection` may name more."""

_NEVER_SENT: Final = HOP_BY_HOP | {"host", "content-length", "accept-encoding", "expect"}
_NOT_OURS_TO_ADD: Final = ("User-Agent", "Accept", "Content-Type")


def forwarded(headers: Headers, *more: str) -> list[tuple[str, str]]:
    """The headers that go upstream, in their order: all but those of the connection, and `more`, in lower case."""
    dropped = _NEVER_SENT | _named_in_connection(headers) | set(more)
    return [(name, value) for name, value in headers if name.lower() not in dropped]


def returned(headers: Headers) -> list[tuple[str, str]]:
    """The headers that go back to the client. The body comes decoded, so its encoding, and then its length, go."""
    dropped = HOP_BY_HOP | _named_in_connection(headers) | {"content-encoding"}
    if any(name.lower() in ("content-encoding", "transfer-encoding") for name, _ in headers):
        dropped |= {"content-length"}
    return [(name, value) for name, value in headers if name.lower() not in dropped]


def _named_in_connection(headers: Headers) -> set[str]:
    named = ",".join(value for name, value in headers if name.lower() == "connection")
    return {name.strip().lower() for name in named.split(",")} - {""}


class RawUpstream:
    """One server, whatever it says.

    base_url: without a trailing slash; paths, which begin with one, are appended.
    connect: seconds to make a connection.
    A `https` server is reached through the proxy that the environment names, if any.
    """

    def __init__(self, base_url: str, connect: float) -> None:
        self._base_url = base_url
        self._connect = connect
        self._session: aiohttp.ClientSession | None = None
        parts = urlsplit(base_url)
        self.origin = f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")

    @asynccontextmanager
    async def exchange(
        self, method: str, path: str, headers: Headers, body: Body, seconds: float, progress: float, closing: float
    ) -> AsyncIterator["RawAnswer"]:
        """Send a request with exactly these headers. Entering returns with the head of the answer, whatever its status.

        body: without a `content-length` among the headers, what is not bytes goes in chunks.
        seconds: for the head to come. progress: between two reads of the body. closing: as in `RelayedAnswer`.
        Raises UpstreamError on entering.
        """
        with mapped(self.origin), proxied():
            async with asyncio.timeout(seconds):
                response = await self._request(method, path, headers, body)
        try:
            yield RawAnswer(self.origin, response, progress, closing)
        finally:
            response.close()  # not `release`: what is left of the answer is not wanted

    async def _request(self, method: str, path: str, headers: Headers, body: Body) -> aiohttp.ClientResponse:
        if self._session is None:
            self._session = open_session(self._base_url)
        return await self._session.request(
            method,
            URL(self._base_url + path, encoded=True),
            headers=CIMultiDict([*headers, ("Accept-Encoding", "identity")]),
            data=BytesIO(body) if isinstance(body, bytes) and body else body or None,  # written piece by piece
            skip_auto_headers=_NOT_OURS_TO_ADD,
            allow_redirects=False,
            proxy=proxy_for(self._base_url),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._connect),
        )

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()


class RawAnswer:
    """An answer under way. headers: those that the client may see."""

    def __init__(self, origin: str, response: aiohttp.ClientResponse, progress: float, closing: float) -> None:
        self._origin = origin
        self._content = response.content
        self._progress = progress
        self.closing = closing
        self.status = response.status
        self.headers: Headers = returned(list(response.headers.items()))

    async def reads(self) -> AsyncGenerator[bytes, None]:
        """What each read of the socket gives. Raises UpstreamBroken or UpstreamTimeout."""
        while True:
            with mapped(self._origin):
                async with asyncio.timeout(self._progress):
                    piece = await next_read(self._content)
            if not piece:
                return
            yield piece

    async def whole(self, limit: int) -> bytes:
        """The body, at most about `limit` bytes of it. Raises UpstreamError."""
        body = bytearray()
        async for piece in self.reads():
            body += piece
            if len(body) >= limit:
                break
        return bytes(body)
