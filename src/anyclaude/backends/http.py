"""The one place that opens connections to upstreams, on aiohttp's client. Three settings are on purpose:

- The environment's proxy counts only for what is on the internet: else a request to a local model, key included, goes
  to whatever HTTP_PROXY names.
- No redirects: a key is bound to the address that the user gave it for.
- Connections to plain `http` servers are not used twice: they are near, so that a new one costs little, and a request
  sent into one that the server is just closing (llama.cpp and uvicorn do after 5 s) is lost; llama.cpp also keeps a
  thread busy for each that is open.
"""

import asyncio
import errno
import socket
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, contextmanager, suppress
from io import BytesIO
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp

from anyclaude.backends.env_proxy import proxied, proxy_for
from anyclaude.backends.last_bytes import Connector, next_read
from anyclaude.convert.failures import convert_failure, seconds_until_reset
from anyclaude.errors import (
    AnyclaudeError,
    UpstreamBroken,
    UpstreamError,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from anyclaude.wire.json import decode_lenient

_CONNECTIONS: Final = 1024
"""More requests wait for one of them to end, and not for longer than a connection may take to be made."""
_UNREACHABLE: Final = {
    errno.ECONNREFUSED,
    errno.EHOSTUNREACH,
    errno.ENETUNREACH,
    errno.EHOSTDOWN,
    errno.EADDRNOTAVAIL,
}
_NO_DESCRIPTORS: Final = {errno.EMFILE, errno.ENFILE}
_SHORTEST_SECRET: Final = 12
_LARGEST_ERROR: Final = 64 * 1024
_ERROR_BODY: Final = 5.0  # seconds
_LARGEST_ANSWER: Final = 64 * 1024 * 1024
_LARGEST_REPORT: Final = 4 * 1024 * 1024
_LAST_BYTES: Final = 0.25
"""Seconds for an answer that is whole to end in HTTP too."""
_AT_ONCE: Final = 256 * 1024
"""A body beyond it is written piece by piece, so that the loop is not held."""
_JSON: Final = {"content-type": "application/json"}


class Upstream:
    """One server: its base URL, our credential for it, and a pool of connections.

    base_url: without a trailing slash; paths are appended to it.
    connect: seconds to make a connection.
    headers: of every request, beside the credential.
    through_proxies: the environment's HTTPS_PROXY and NO_PROXY count; for servers on the internet.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str | None,
        connect: float,
        *,
        headers: Mapping[str, str] | None = None,
        through_proxies: bool = False,
    ) -> None:
        self.base_url = base_url
        self._key = api_key
        self._headers = {"accept-encoding": "identity", "user-agent": "anyclaude", **(headers or {})}
        if api_key:
            self._headers["authorization"] = f"Bearer {api_key}"
        self._timeout = aiohttp.ClientTimeout(total=None, connect=connect, sock_connect=connect)
        self._through_proxies = through_proxies
        self._session: aiohttp.ClientSession | None = None
        parts = urlsplit(base_url)
        port = f":{parts.port}" if parts.port else ""
        self.origin: Final = f"{parts.scheme}://{parts.hostname}{port}"
        """Scheme, host and port: the part of the address that may be shown."""

    async def get(self, url: str, seconds: float) -> Any:
        """The decoded JSON of a GET, with a deadline in seconds. `url` is a path, or whole. Raises UpstreamError."""
        whole = url if "://" in url else f"{self.base_url}/{url}"
        with mapped(self.origin):
            async with asyncio.timeout(seconds), self._exchange("GET", whole) as answer:
                if answer.status != 200:
                    raise await answer.refusal()
                body = decode_lenient(await answer.whole(_LARGEST_ANSWER))
        if body is None:
            raise UpstreamBroken(f"{self.origin} answered with something that is not JSON")
        return body

    async def look(self, url: str, seconds: float, largest: int = _LARGEST_REPORT) -> tuple[int, Any]:
        """The status of a GET and its JSON, None where it is none, whatever the status. largest: bytes of it.

        Raises UpstreamError.
        """
        with mapped(self.origin):
            async with asyncio.timeout(seconds), self._exchange("GET", url) as answer:
                return answer.status, decode_lenient(await answer.whole(largest))

    async def ask(self, url: str, body: bytes, seconds: float, largest: int = _LARGEST_REPORT) -> tuple[int, Any]:
        """As `look`, for a POST."""
        with mapped(self.origin):
            async with asyncio.timeout(seconds), self._exchange("POST", url, body, _JSON) as answer:
                return answer.status, decode_lenient(await answer.whole(largest))

    async def tell(self, url: str, body: bytes, seconds: float) -> None:
        """A POST of which only the status counts. Raises UpstreamError."""
        status, said = await self.ask(url, body, seconds)
        if status >= 300:
            raise convert_failure(status, said)

    @asynccontextmanager
    async def post(self, path: str, body: bytes, headers: Mapping[str, str], seconds: float) -> AsyncIterator["Answer"]:
        """Send a request whose answer is read as it comes. Entering returns when the upstream has accepted it.

        seconds: for the upstream to take the request and to send the head of its answer.
        """
        with mapped(self.origin):
            async with asyncio.timeout(seconds):
                answer = await self._request("POST", f"{self.base_url}/{path}", body, {**_JSON, **headers})
        try:
            if answer.status != 200:
                raise await answer.refusal()
            yield answer
            if self.base_url.startswith("https:"):
                await answer.end()
        finally:
            answer.close()

    @asynccontextmanager
    async def _exchange(
        self, method: str, url: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> AsyncIterator["Answer"]:
        answer = await self._request(method, url, body, headers or {})
        try:
            yield answer
        finally:
            answer.close()

    async def _request(self, method: str, url: str, body: bytes, headers: Mapping[str, str]) -> "Answer":
        if self._session is None:
            self._session = open_session(self.base_url)
        with proxied():
            response = await self._session.request(
                method,
                url,
                data=body if len(body) < _AT_ONCE else BytesIO(body),
                headers={**self._headers, **headers},
                timeout=self._timeout,
                allow_redirects=False,
                proxy=proxy_for(url) if self._through_proxies else None,
            )
        return Answer(self.origin, response, self._key)

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()


class Answer:
    """An answer under way."""

    def __init__(self, origin: str, response: aiohttp.ClientResponse, key: str | None) -> None:
        self._origin = origin
        self._response = response
        self._key = key
        self.status = response.status

    @property
    def is_stream(self) -> bool:
        return "json" not in self._response.headers.get("content-type", "")

    async def reads(self) -> AsyncGenerator[bytes, None]:
        """What each read of the socket gives."""
        content = self._response.content
        while True:
            with mapped(self._origin):
                piece = await next_read(content)
            if not piece:
                return
            yield piece

    async def whole(self, limit: int = _LARGEST_ANSWER) -> bytes:
        """The body up to `limit` bytes. Raises UpstreamBroken beyond it."""
        body = bytearray()
        async for piece in self.reads():
            body += piece
            if len(body) > limit:
                raise UpstreamBroken(f"{self._origin} answered with more than {limit} bytes")
        return bytes(body)

    async def _beginning(self, limit: int, seconds: float) -> bytes:
        """What comes of the body within the bounds: a status is worth telling also when its words are cut."""
        body = bytearray()
        with suppress(UpstreamError, TimeoutError):
            async with asyncio.timeout(seconds), aclosing(self.reads()) as reads:
                while len(body) < limit and (piece := await anext(reads, b"")):
                    body += piece
        return bytes(body[:limit])

    async def refusal(self) -> AnyclaudeError:
        """The error that a status other than 200 stands for."""
        headers = self._response.headers
        if 300 <= self.status < 400:
            return UpstreamBroken(f"{self._origin} redirects elsewhere; give the address of the server itself")
        body = _without(self._key, await self._beginning(_LARGEST_ERROR, _ERROR_BODY))
        decoded = decode_lenient(body)
        said = decoded if decoded is not None else body.decode("utf-8", "replace")
        reset = seconds_until_reset(headers.get("x-ratelimit-reset"), said, time.time())
        return convert_failure(self.status, said, headers.get("retry-after") or reset)

    async def end(self) -> None:
        """Read to the end what has said all: a far server is greeted once, not for each request."""
        with suppress(UpstreamError, TimeoutError):
            async with asyncio.timeout(_LAST_BYTES), aclosing(self.reads()) as reads:
                async for _ in reads:
                    pass

    def close(self) -> None:
        """End the connection, but for one whose answer was read to its end: that one may be used again."""
        self._response.close()


def _without(key: str | None, body: bytes) -> bytes:
    """Some servers repeat a wrong key in their refusal. A short one is no secret but a default, such as `lm-studio`."""
    return body.replace(key.encode(), b"[our key]") if key and len(key) >= _SHORTEST_SECRET else body


def open_session(base_url: str) -> aiohttp.ClientSession:
    """Made within the running loop, at the first request."""
    if base_url.startswith("http:"):
        connector = Connector(limit=_CONNECTIONS, force_close=True)
    else:
        connector = Connector(limit=_CONNECTIONS, keepalive_timeout=30.0)
    return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())


@contextmanager
def mapped(origin: str) -> Iterator[None]:
    """The errors of aiohttp, and our own deadlines, as ours."""
    try:
        yield
    except TimeoutError as error:
        raise UpstreamTimeout(f"{origin} did not answer in time") from error
    except (aiohttp.InvalidURL, UnicodeError) as error:  # a host's name that no host can have
        raise UpstreamUnreachable(f"{origin} is no address of a server; correct it") from error
    except aiohttp.ClientError as error:
        raise _convert(error, origin) from error


def _convert(error: aiohttp.ClientError, origin: str) -> UpstreamError:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return UpstreamUnreachable(
            f"the certificate of {origin} is not right ({_why(error.certificate_error)}); check the address, "
            "or name the file of its authority in SSL_CERT_FILE"
        )
    if isinstance(error, aiohttp.ClientConnectorError) and error.errno in _NO_DESCRIPTORS:
        return UpstreamUnreachable(
            f"there was no connection to {origin}, because no more files can be opened; raise the limit (`ulimit -n`)"
        )
    if isinstance(error, aiohttp.ClientConnectorError) and (
        error.errno in _UNREACHABLE or isinstance(error.os_error, socket.gaierror)
    ):
        return UpstreamUnreachable(f"nothing answers at {origin}; start the model server, or check the address")
    return UpstreamBroken(f"the connection to {origin} broke before the answer was complete")


def _why(error: Exception) -> str:
    """OpenSSL's words, such as `certificate has expired`."""
    return str(getattr(error, "verify_message", "")).rstrip(".") or type(error).__name__
