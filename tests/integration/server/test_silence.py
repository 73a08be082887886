"""Signs of life: what a client hears while the model is silent."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from anyclaude.backends.scripted import ScriptedBackend
from anyclaude.errors import UpstreamBroken
from anyclaude.server.app import create_app
from anyclaude.wire.events import Failed, Finished, TextDelta
from tests.support.clients import TOKEN, Client, client_of, decode


@asynccontextmanager
async def impatient(backend: ScriptedBackend) -> AsyncIterator[Client]:
    """A proxy that gives a sign of life after a hundredth of a second."""
    runner = web.AppRunner(create_app(backend, TOKEN, silence=0.01), handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        async with client_of(f"http://127.0.0.1:{runner.addresses[0][1]}") as client:
            yield client
    finally:
        await runner.cleanup()


async def _heard(stream: asyncio.StreamReader | object, mark: bytes, times: int) -> bytes:
    body = b""
    while body.count(mark) < times:
        piece = await stream.readany()  # type: ignore[union-attr]
        assert piece, body
        body += piece
    return body


async def test_silence_before_the_first_event_starts_the_answer_and_then_repeats_a_delta_that_changes_nothing() -> None:
    first = asyncio.Event()
    backend = ScriptedBackend([first, [TextDelta("a"), Finished("end_turn")]])
    async with impatient(backend) as client, client.post(stream=True) as response:
        body = await _heard(response.content, b"event: message_delta", 3)
        first.set()
        events = decode(body + await response.read())
    assert events[0]["type"] == "message_start"
    assert events[1]["delta"] == {"stop_reason": None, "stop_sequence": None}
    assert events[-1]["type"] == "message_stop"


async def test_silence_inside_a_block() -> None:
    more = asyncio.Event()
    backend = ScriptedBackend([[TextDelta("a")], more, [TextDelta("b"), Finished("end_turn")]])
    async with impatient(backend) as client, client.post(stream=True) as response:
        body = await _heard(response.content, b"event: message_delta", 2)
        more.set()
        events = decode(body + await response.read())
    assert [event["index"] for event in events if "index" in event] == [0, 0, 0, 0]


async def test_an_error_after_the_first_sign_of_life_is_an_error_event() -> None:
    later = asyncio.Event()
    backend = ScriptedBackend([later, [Failed(UpstreamBroken("gone"))]])
    async with impatient(backend) as client, client.post(stream=True) as response:
        body = await _heard(response.content, b"event: message_start", 1)
        later.set()
        events = decode(body + await response.read())
    assert events[-1]["error"]["message"] == "gone"
