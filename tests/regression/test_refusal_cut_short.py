"""An upstream's refusal lost its status when its body was long, and was waited for for ever when its body stalled."""

import asyncio
import json

import pytest

from anyclaude.backends import http
from anyclaude.backends.base import Caller
from anyclaude.backends.lmstudio import LMStudioBackend
from anyclaude.config.model import Deadlines
from anyclaude.config.upstreams import LMStudio
from anyclaude.errors import AnyclaudeError, Overloaded, PromptTooLong
from tests.support.clients import ASK
from tests.support.raw_upstream import Connection, Play, raw_upstream, whole


async def _refusal(play: Play) -> AnyclaudeError:
    async with raw_upstream(play) as upstream:
        backend = LMStudioBackend(LMStudio(url=upstream.url), None, Deadlines())
        try:
            with pytest.raises(AnyclaudeError) as raised:
                async with asyncio.timeout(30), backend.stream(ASK, Caller()):
                    pass
        finally:
            await backend.aclose()
    return raised.value


async def test_a_long_refusal_keeps_its_meaning() -> None:
    words = "request (9 tokens) exceeds the available context size (8 tokens)"
    body = json.dumps({"error": {"message": words, "echo": "x" * 100_000}}).encode()

    async def refuses(connection: Connection) -> None:
        await connection.send(whole(400, body, Content_Type="application/json"))

    assert isinstance(await _refusal(refuses), PromptTooLong)


async def test_a_refusal_that_stalls_keeps_its_status(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_ERROR_BODY", 0.05)

    async def stalls(connection: Connection) -> None:
        await connection.send(b"HTTP/1.1 503 X\r\nContent-Length: 100\r\n\r\nLoading")
        await connection.gone()

    error = await _refusal(stalls)
    assert isinstance(error, Overloaded)
    assert "Loading" in error.message
