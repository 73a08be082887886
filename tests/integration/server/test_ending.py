"""How the proxy ends: what is under way may finish, and what cannot is told so."""

import asyncio
import socket

import pytest

from anyclaude.backends.scripted import ScriptedBackend
from anyclaude.errors import SetupError
from anyclaude.server.serve import serving
from anyclaude.wire.events import Finished, TextDelta
from tests.support.clients import TOKEN, client_of, decode


async def test_an_answer_under_way_may_finish() -> None:
    more = asyncio.Event()
    backend = ScriptedBackend([[TextDelta("a")], more, [TextDelta("b"), Finished("end_turn")]])
    proxy = serving(backend, TOKEN, drain=30)
    address = await proxy.__aenter__()
    async with client_of(address.url) as client, client.post(stream=True) as response:
        body = await response.content.readany()
        leaving = asyncio.create_task(proxy.__aexit__(None, None, None))
        await _refuses(address.port)
        more.set()
        events = decode(body + await response.read())
        await leaving
    assert events[-1]["type"] == "message_stop"
    assert backend.closed


async def _refuses(port: int) -> None:
    """Returns once nothing listens there any more."""
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except ConnectionError:
            return
        writer.close()


async def test_an_answer_that_does_not_finish_in_time_ends_in_an_error_event() -> None:
    backend = ScriptedBackend([[TextDelta("a")], asyncio.Event()])
    proxy = serving(backend, TOKEN, drain=0)
    address = await proxy.__aenter__()
    async with client_of(address.url) as client, client.post(stream=True) as response:
        body = await response.content.readany()
        await proxy.__aexit__(None, None, None)
        events = decode(body + await response.read())
    assert events[-1]["error"]["type"] == "overloaded_error"
    assert backend.left.is_set()


async def test_an_answer_in_one_piece_that_does_not_finish_in_time_is_refused() -> None:
    backend = ScriptedBackend([asyncio.Event()])
    proxy = serving(backend, TOKEN, drain=0)
    address = await proxy.__aenter__()
    async with client_of(address.url) as client:
        asking = asyncio.create_task(_status(client))
        await backend.accepted.wait()
        await proxy.__aexit__(None, None, None)
        assert await asking == 529


async def _status(client: object) -> int:
    async with client.post() as response:  # type: ignore[attr-defined]
        status: int = response.status
        return status


async def test_a_port_that_is_taken_is_one_sentence() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(SetupError, match=f"port {port} cannot be used"):
            async with serving(ScriptedBackend(), TOKEN, port=port):
                pass
