"""Client, proxy and upstream together, over real sockets: what the speed and the leaving of one mean to the others."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from anyclaude.backends.lmstudio import LMStudioBackend
from anyclaude.config.model import Deadlines
from anyclaude.config.upstreams import LMStudio
from anyclaude.server.serve import serving
from tests.support.clients import ASK, TOKEN, Client, client_of
from tests.support.raw_upstream import STREAM_HEAD, Connection, framed, raw_upstream, sse, whole
from tests.support.streams import finish, text

KERNEL_AND_BUFFERS = 16 * 1024 * 1024


@asynccontextmanager
async def proxied(play: Callable[[Connection], Awaitable[None]]) -> AsyncIterator[Client]:
    async with raw_upstream(play) as upstream:
        backend = LMStudioBackend(LMStudio(url=upstream.url), None, Deadlines())
        async with serving(backend, TOKEN, drain=0) as address, client_of(address.url) as client:
            yield client


async def test_a_slow_reader_slows_the_upstream() -> None:
    sent = 0
    piece = framed(sse(text(random.Random(1).randbytes(2048).hex())) * 16)

    async def floods(connection: Connection) -> None:
        nonlocal sent
        await connection.send(STREAM_HEAD)
        while True:
            await connection.send(piece)
            sent += len(piece)

    async with proxied(floods) as client:
        port = int(client.url.rsplit(":", 1)[1])
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=64 * 1024)
        body = json.dumps({**ASK, "stream": True, "max_tokens": 10_000_000}).encode()
        head = f"POST /v1/messages HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nx-api-key: {TOKEN}\r\n"
        writer.write(f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        received = ahead = 0
        while received < 2 * KERNEL_AND_BUFFERS:
            received += len(await reader.read(256 * 1024))
            for _ in range(20):
                await asyncio.sleep(0)  # everyone else may run as far as it can
            ahead = max(ahead, sent - received)
        writer.close()
    assert ahead < KERNEL_AND_BUFFERS


async def _before_the_head(connection: Connection, ready: asyncio.Event) -> None:
    ready.set()


async def _in_the_prompt(connection: Connection, ready: asyncio.Event) -> None:
    await connection.send(STREAM_HEAD)
    ready.set()


async def _in_the_text(connection: Connection, ready: asyncio.Event) -> None:
    await connection.stream(text("Hel"), end=False)
    ready.set()


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("moment", [_before_the_head, _in_the_prompt, _in_the_text])
async def test_a_client_that_leaves_at_any_moment_closes_the_upstream(
    moment: Callable[[Connection, asyncio.Event], Awaitable[None]], stream: bool
) -> None:
    ready, closed = asyncio.Event(), asyncio.Event()

    async def play(connection: Connection) -> None:
        await moment(connection, ready)
        await connection.gone()
        closed.set()

    async def ask(client: Client) -> None:
        async with client.post(stream=stream) as response:
            await response.read()

    async with proxied(play) as client:
        asking = asyncio.create_task(ask(client))
        await ready.wait()
        asking.cancel()
        async with asyncio.timeout(10):
            await closed.wait()


async def test_a_request_after_many_cancelled_ones_is_answered() -> None:
    """Some pools are stuck for good after as many cancelled requests as they have connections (httpx's)."""
    asked = asyncio.Semaphore(0)

    async def play(connection: Connection) -> None:
        if b"cancel" in connection.body:
            asked.release()
            await connection.gone()
        else:
            await connection.stream(text("Hi"), finish(), "[DONE]")

    async with proxied(play) as client:
        for _ in range(300):
            asking = asyncio.create_task(client.events(messages=[{"role": "user", "content": "cancel me"}]))
            await asked.acquire()
            asking.cancel()
        assert (await client.events())[-1]["type"] == "message_stop"


async def test_fifty_streams_at_once() -> None:
    async def play(connection: Connection) -> None:
        word = connection.json["messages"][-1]["content"]
        await connection.stream(*(text(f"{word}{i} ") for i in range(50)), finish(), "[DONE]")

    async def ask(client: Client, word: str) -> str:
        events = await client.events(messages=[{"role": "user", "content": word}])
        return "".join(event["delta"]["text"] for event in events if event["type"] == "content_block_delta")

    async with proxied(play) as client:
        answers = await asyncio.gather(*(ask(client, f"w{i}-") for i in range(50)))
    assert answers == ["".join(f"w{i}-{n} " for n in range(50)) for i in range(50)]


async def test_an_overflow_of_the_upstream_reaches_the_client_in_the_words_that_make_it_compact() -> None:
    said = {"error": {"message": "x", "type": "exceed_context_size_error", "n_prompt_tokens": 9000, "n_ctx": 8192}}

    async def play(connection: Connection) -> None:
        await connection.send(whole(400, json.dumps(said).encode()))

    async with proxied(play) as client, client.post(stream=True) as response:
        assert response.status == 400
        error = (await response.json())["error"]
    assert error == {"type": "invalid_request_error", "message": "prompt is too long: 9000 tokens > 8192 maximum"}
