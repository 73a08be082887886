"""A client of a proxy whose cluster is full: kept alive while it waits, answered in turn, told when it will not be."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from anyclaude.backends.mlx_cluster import MlxClusterBackend
from anyclaude.config.model import Deadlines
from anyclaude.config.upstreams import Discovery, Health, MlxCluster, Node, Routing
from anyclaude.server.app import create_app
from tests.support.clients import ASK, TOKEN, Client, client_of, decode
from tests.support.narrow_node import NarrowNode


@asynccontextmanager
async def proxy_of(node: NarrowNode, wait: float = 60.0) -> AsyncIterator[tuple[Client, MlxClusterBackend]]:
    """A proxy that gives a sign of life after a hundredth of a second. wait: seconds that a request may."""
    settings = MlxCluster(
        discovery=Discovery(nodes=(Node(id="n0", url=node.url),)),
        routing=Routing(retry_delay_ms=0, max_wait_ms=int(1000 * wait)),
        health=Health(check_interval_ms=100, timeout_ms=2000),
    )
    backend = MlxClusterBackend(settings, None, Deadlines())
    await backend.ready()
    runner = web.AppRunner(create_app(backend, TOKEN, silence=0.01), handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with client_of(f"http://127.0.0.1:{runner.addresses[0][1]}") as client:
            yield client, backend
    finally:
        await runner.cleanup()
        await backend.aclose()


async def test_who_waits_is_kept_alive_and_then_answered() -> None:
    async with NarrowNode(0, retry_after=1) as node, proxy_of(node) as (client, backend):
        async with client.post(stream=True) as response:
            body = b""
            while body.count(b"event: message_delta") < 3:
                piece = await response.content.readany()
                assert piece, body
                body += piece
            assert len(backend._queue) == 1
            node.places = 1
            await node.until(lambda: node.let_in == ["Hi"])
            node.answer("Hi")
            events = decode(body + await response.read())
        assert events[0]["type"] == "message_start"
        text = "".join(event["delta"].get("text", "") for event in events if event["type"] == "content_block_delta")
        assert text == "answer to Hi"


async def test_who_wants_an_answer_in_one_piece_waits_too() -> None:
    async with NarrowNode(0, retry_after=1) as node, proxy_of(node) as (client, backend):
        asked = asyncio.create_task(_whole(client))
        await node.until(lambda: len(backend._queue) == 1)
        node.places = 1
        await node.until(lambda: node.let_in == ["Hi"])
        node.answer("Hi")
        assert await asked == (200, "answer to Hi")


async def _whole(client: Client) -> tuple[int, str]:
    async with client.post() as response:
        return response.status, (await response.json())["content"][0]["text"]


async def test_who_has_waited_long_enough_is_told_to_try_again() -> None:
    async with NarrowNode(0) as node, proxy_of(node, wait=0.2) as (client, _):
        async with client.post() as response:
            assert response.status == 529
            assert (await response.json())["error"]["type"] == "overloaded_error"
        async with client.post(stream=True) as response:
            said = decode(await response.read())[-1]
        assert said["error"]["type"] == "overloaded_error"
        assert "busy" in said["error"]["message"]


async def test_a_client_that_hangs_up_waits_no_more() -> None:
    async with NarrowNode(0) as node, proxy_of(node) as (client, backend):
        host, port = client.url.removeprefix("http://").split(":")
        _, writer = await asyncio.open_connection(host, int(port))
        body = json.dumps({**ASK, "stream": True}).encode()
        head = f"POST /v1/messages HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer {TOKEN}\r\n"
        writer.write(f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        await node.until(lambda: len(backend._queue) == 1)
        writer.close()
        await node.until(lambda: len(backend._queue) == 0)
        assert node.let_in == []
