"""A client that left in mid-answer or broke HTTP put a traceback into the log, and what it sent, its token perhaps."""

import asyncio
import logging

import pytest

from anyclaude.backends.base import EventBatches
from anyclaude.backends.scripted import ScriptedBackend
from anyclaude.server.serve import serving
from tests.support.clients import TOKEN, talking_to


class _WrittenToAClosingConnection(ScriptedBackend):
    async def _play(self) -> EventBatches:
        if self.steps:
            raise ConnectionResetError("Cannot write to closing transport")
        yield []


def _faults(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.exc_info or record.levelno > logging.INFO]


BROKEN = [
    b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    b"GET / HTTP/1.1\r\nAuthorization: Bearer a-secret\x00\r\n\r\n",
]


@pytest.mark.parametrize("request_", BROKEN)
async def test_a_request_that_breaks_http(request_: bytes, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with serving(ScriptedBackend(), TOKEN) as address:
        reader, writer = await asyncio.open_connection("127.0.0.1", address.port)
        writer.write(request_)
        assert b" 400 " in await reader.readline()
        writer.close()
    assert not _faults(caplog)
    assert "a-secret" not in caplog.text


async def test_a_client_that_leaves_between_two_writes(caplog: pytest.LogCaptureFixture) -> None:
    """aiohttp refuses the next write before it cancels the request; here that moment is met every time."""
    caplog.set_level(logging.DEBUG)
    async with talking_to(_WrittenToAClosingConnection()) as client, client.post(stream=True) as response:
        await response.read()
    assert not _faults(caplog)
    assert "a client left" in caplog.text
