"""A far server is greeted once: its connection serves request after request, also where an answer's end comes late."""

import asyncio
import functools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress

import pytest

from anyclaude.backends import http
from anyclaude.backends.base import Caller
from anyclaude.backends.last_bytes import Connector
from anyclaude.backends.lmstudio import LMStudioBackend
from anyclaude.config.model import Deadlines
from anyclaude.config.upstreams import LMStudio
from tests.support.clients import ASK
from tests.support.connect_proxy import tls_client, tls_server
from tests.support.raw_upstream import STREAM_HEAD, framed, sse
from tests.support.streams import finish, text


@asynccontextmanager
async def far_upstream(taken: asyncio.Semaphore, greeted: list[int], more: bytes) -> AsyncIterator[str]:
    """Its answers end well; `more` comes once what is before it was taken. greeted: requests of each connection."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        greeted.append(0)
        with closing(writer), suppress(ConnectionError, asyncio.IncompleteReadError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
                await reader.readexactly(int(length.partition(b":")[2]))
                greeted[-1] += 1
                writer.write(STREAM_HEAD + b"".join(framed(sse(one)) for one in (text("Hi"), finish(), "[DONE]")))
                await taken.acquire()
                writer.write(more)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls_server())
    async with server:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"


async def _greeted(more: bytes, times: int) -> list[int]:
    taken, greeted = asyncio.Semaphore(0), list[int]()
    async with far_upstream(taken, greeted, more) as url:
        await _asked(url, taken, times)
    return greeted


async def _asked(url: str, taken: asyncio.Semaphore, times: int) -> None:
    backend = LMStudioBackend(LMStudio(url=url), None, Deadlines())
    for _ in range(times):
        async with backend.stream(ASK, Caller()) as batches:
            assert [event async for batch in batches for event in batch]
            taken.release()
    await backend.aclose()


@pytest.fixture(autouse=True)
def _tls_without_certificates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "Connector", functools.partial(Connector, ssl=tls_client()))


async def test_a_connection_serves_one_request_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_LAST_BYTES", 30.0)  # however busy the machine is
    assert await _greeted(b"0\r\n\r\n", 3) == [3]


async def test_an_answer_that_never_ends_in_http_gives_its_connection_up() -> None:
    assert await _greeted(framed(b": still here\n\n"), 2) == [1, 1]
