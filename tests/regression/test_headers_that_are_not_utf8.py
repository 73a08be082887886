"""A credential or a session id that is not plain text was answered with 500 and a traceback in the log."""

import asyncio
import json
import logging

import pytest

from anyclaude.backends.base import Backend
from anyclaude.backends.node import NodeBackend
from anyclaude.backends.scripted import ScriptedBackend
from anyclaude.config.model import Deadlines
from anyclaude.config.upstreams import Node
from anyclaude.server.serve import serving
from tests.support.clients import ASK, TOKEN
from tests.support.raw_upstream import Connection, raw_upstream
from tests.support.streams import finish, text


async def _status(backend: Backend, *headers: bytes) -> int:
    async with serving(backend, TOKEN) as address:
        reader, writer = await asyncio.open_connection("127.0.0.1", address.port)
        body = json.dumps({**ASK, "stream": True}).encode()
        lines = [
            b"POST /v1/messages HTTP/1.1",
            f"Host: 127.0.0.1:{address.port}".encode(),
            b"Content-Type: application/json",
            f"Content-Length: {len(body)}".encode(),
            *headers,
        ]
        writer.write(b"\r\n".join(lines) + b"\r\n\r\n" + body)
        status = int((await reader.readline()).split()[1])
        writer.close()
    return status


@pytest.mark.parametrize("header", [b"Authorization: Bearer \xff\xfe", b"x-api-key: \xff", "x-api-key: \xe9".encode()])
async def test_a_token_that_is_not_text_is_a_wrong_token(header: bytes, caplog: pytest.LogCaptureFixture) -> None:
    assert await _status(ScriptedBackend(), header) == 401
    assert not [record for record in caplog.records if record.levelno > logging.INFO]


@pytest.mark.parametrize("session", [b"\xff", "\xe9".encode(), b"plain"])
async def test_a_session_id_that_is_not_plain_costs_only_its_affinity(session: bytes) -> None:
    async def play(connection: Connection) -> None:
        await connection.stream(text("Hi"), finish(), "[DONE]")

    async with raw_upstream(play) as upstream:
        backend = NodeBackend(Node(id="n", url=upstream.url), None, Deadlines())
        token = f"Authorization: Bearer {TOKEN}".encode()
        assert await _status(backend, token, b"X-Claude-Code-Session-Id: " + session) == 200
        assert ("x-session-id" in upstream.requests[0].head) == session.isascii()
