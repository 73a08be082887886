"""The one place that opens connections to upstreams, and the one file that imports httpx.

httpx runs on aiohttp's client (`httpx-aiohttp`): httpx's own pool loses connections when requests are cancelled, which
is the daily bread of a proxy. Three settings are on purpose:

- `trust_env=False` for what is near: else a request to a local model, key included, goes to whatever HTTP_PROXY names.
- No redirects: a key is bound to the address that the user gave it for.
- Connections to plain `http` servers are not used twice: they are near, so that a new one costs little, and a request
  sent into one that the server is just closing (llama.cpp and uvicorn do after 5 s) is lost.
"""

import asyncio
import errno
import socket
import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, contextmanager, suppress
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from anyclaude.backends.last_bytes import Connector
from anyclaude.convert.failures import convert_failure, seconds_until_reset
from anyclaude.errors import (
    AnyclaudeError,
    UpstreamBroken,
    UpstreamError,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from anyclaude.wire.json import decode_lenient

_TRUSTS_NOBODY: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For the transport, which does not use it beside a session of ours, and would read all authorities of the machine
for each upstream: 25 ms of the event loop. Certificates are checked by the session, as aiohttp does."""

_CONNECTIONS: Final = 256
_UNREACHABLE: Final = {
    errno.ECONNREFUSED,
    errno.EHOSTUNREACH,
    errno.ENETUNREACH,
    errno.EHOSTDOWN,
    errno.EADDRNOTAVAIL,
}
_SHORTEST_SECRET: Final = 12
_LARGEST_ERROR: Final = 64 * 1024
_ERROR_BODY: Final = 5.0  # seconds
_LARGEST_ANSWER: Final = 64 * 1024 * 1024
_LARGEST_REPORT: Final = 4 * 1024 * 1024


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
        every = {"accept-encoding": "identity", "user-agent": "anyclaude", **(headers or {})}
        if api_key:
            every["authorization"] = f"Bearer {api_key}"
        self._client = httpx.AsyncClient(
            transport=AiohttpTransport(
                client=lambda: open_session(base_url, through_proxies), trust_env=through_proxies, verify=_TRUSTS_NOBODY
            ),
            headers=every,
            timeout=httpx.Timeout(None, connect=connect, pool=connect),
            trust_env=through_proxies,
            follow_redirects=False,
        )

    @property
    def origin(self) -> str:
        """Scheme, host and port: the part of the address that may be shown."""
        parts = urlsplit(self.base_url)
        port = f":{parts.port}" if parts.port else ""
        return f"{parts.scheme}://{parts.hostname}{port}"

    async def get(self, url: str, seconds: float) -> Any:
        """The decoded JSON of a GET, with a deadline in seconds. `url` is a path, or whole. Raises UpstreamError."""
        whole = url if "://" in url else f"{self.base_url}/{url}"
        with mapped(self.origin):
            # httpx's own timeout is for each read
            async with asyncio.timeout(seconds), self._client.stream("GET", whole) as response:
                answer = Answer(self.origin, response, self._key)
                if response.status_code != 200:
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
            async with asyncio.timeout(seconds), self._client.stream("GET", url) as response:
                body = await Answer(self.origin, response, self._key).whole(largest)
        return response.status_code, decode_lenient(body)

    async def ask(self, url: str, body: bytes, seconds: float, largest: int = _LARGEST_REPORT) -> tuple[int, Any]:
        """As `look`, for a POST."""
        sent = {"content-type": "application/json"}
        with mapped(self.origin):
            post = self._client.stream("POST", url, content=body, headers=sent)
            async with asyncio.timeout(seconds), post as response:
                answer = await Answer(self.origin, response, self._key).whole(largest)
        return response.status_code, decode_lenient(answer)

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
        sent = {"content-type": "application/json", **headers}
        with mapped(self.origin):
            request = self._client.build_request("POST", f"{self.base_url}/{path}", content=body, headers=sent)
            async with asyncio.timeout(seconds):
                response = await self._client.send(request, stream=True)
        try:
            answer = Answer(self.origin, response, self._key)
            if response.status_code != 200:
                raise await answer.refusal()
            yield answer
        finally:
            with mapped(self.origin):
                await response.aclose()

    async def aclose(self) -> None:
        await self._client.aclose()


class Answer:
    """An answer under way."""

    def __init__(self, origin: str, response: httpx.Response, key: str | None) -> None:
        self._origin = origin
        self._response = response
        self._key = key

    @property
    def is_stream(self) -> bool:
        return "json" not in self._response.headers.get("content-type", "")

    async def reads(self) -> AsyncGenerator[bytes, None]:
        """What each read of the socket gives, at most 16 KiB."""
        with mapped(self._origin):
            async for piece in self._response.aiter_bytes():
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
        response = self._response
        if 300 <= response.status_code < 400:
            return UpstreamBroken(f"{self._origin} redirects elsewhere; give the address of the server itself")
        body = _without(self._key, await self._beginning(_LARGEST_ERROR, _ERROR_BODY))
        decoded = decode_lenient(body)
        said = decoded if decoded is not None else body.decode("utf-8", "replace")
        reset = seconds_until_reset(response.headers.get("x-ratelimit-reset"), said, time.time())
        return convert_failure(response.status_code, said, response.headers.get("retry-after") or reset)


def _without(key: str | None, body: bytes) -> bytes:
    """Some servers repeat a wrong key in their refusal. A short one is no secret but a default, such as `lm-studio`."""
    return body.replace(key.encode(), b"[our key]") if key and len(key) >= _SHORTEST_SECRET else body


def open_session(base_url: str, through_proxies: bool = False) -> aiohttp.ClientSession:
    """Made within the running loop, at the first request."""
    if base_url.startswith("http:"):
        connector = Connector(limit=_CONNECTIONS, force_close=True)
    else:
        connector = Connector(limit=_CONNECTIONS, keepalive_timeout=30.0)
    return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=through_proxies)


@contextmanager
def mapped(origin: str) -> Iterator[None]:
    """The errors of httpx, those of aiohttp that its transport lets through, and our own deadlines, as ours."""
    try:
        yield
    except TimeoutError as error:
        raise UpstreamTimeout(f"{origin} did not answer in time") from error
    except (httpx.HTTPError, aiohttp.ClientError) as error:
        raise _convert(error, origin) from error
    except (httpx.InvalidURL, UnicodeError) as error:  # a host's name that no host can have
        raise UpstreamUnreachable(f"{origin} is no address of a server; correct it") from error


def _convert(error: Exception, origin: str) -> UpstreamError:
    """By what lies beneath the error: the transport calls most of them connect timeouts."""
    cause = error.__cause__
    if isinstance(cause, OSError) and (cause.errno in _UNREACHABLE or isinstance(_os_error(cause), socket.gaierror)):
        return UpstreamUnreachable(f"nothing answers at {origin}; start the model server, or check the address")
    if isinstance(cause, TimeoutError) or (cause is None and isinstance(error, httpx.TimeoutException)):
        return UpstreamTimeout(f"{origin} did not answer in time")
    return UpstreamBroken(f"the connection to {origin} broke before the answer was complete")


def _os_error(error: OSError) -> BaseException | None:
    return getattr(error, "os_error", None) or error.__cause__
