"""An upstream that took the connection and never sent a head, or never the rest of a JSON answer, met no deadline.

The clock started only once the head was there, so that the client was kept alive for ever. A JSON answer that stalled
was told as a fault of our own, with a traceback in the log. A question like `GET /models` waited as long as bytes came.
"""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from anyclaude.backends.base import Caller
from anyclaude.backends.http import Upstream
from anyclaude.backends.lmstudio import LMStudioBackend
from anyclaude.config.model import Deadlines
from anyclaude.config.upstreams import LMStudio
from anyclaude.errors import UpstreamTimeout
from tests.support.clients import ASK
from tests.support.raw_upstream import Connection, raw_upstream

_JSON_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"


async def _silent(connection: Connection) -> None:
    await connection.gone()


async def _slow_head(connection: Connection) -> None:
    await connection.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/")
    await connection.gone()


async def _only_continues(connection: Connection) -> None:
    while True:
        await connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        await asyncio.sleep(0)


async def _json_that_stalls(connection: Connection) -> None:
    await connection.send(_JSON_HEAD)
    await connection.gone()


async def _json_that_drips(connection: Connection) -> None:
    await connection.send(_JSON_HEAD)
    while True:
        await connection.send(b" ")
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("fault", [_silent, _slow_head, _only_continues, _json_that_stalls])
async def test_an_upstream_that_never_begins_its_answer_meets_the_deadline(
    fault: Callable[[Connection], Awaitable[None]],
) -> None:
    async with raw_upstream(fault) as upstream:
        backend = LMStudioBackend(LMStudio(url=upstream.url), None, Deadlines(first_event=0.05))
        with pytest.raises(UpstreamTimeout, match="did not answer in time"):
            async with asyncio.timeout(30), backend.stream(ASK, Caller()):
                pass
        await backend.aclose()


@pytest.mark.parametrize("fault", [_silent, _json_that_drips])
async def test_a_question_has_one_deadline_for_the_whole_answer(
    fault: Callable[[Connection], Awaitable[None]],
) -> None:
    async with raw_upstream(fault) as asked:
        upstream = Upstream(asked.url, None, connect=5)
        with pytest.raises(UpstreamTimeout, match="did not answer in time"):
            async with asyncio.timeout(30):
                await upstream.get("models", 0.05)
        await upstream.aclose()
