"""P11: more than the memory may hold passes through the proxy, which is a process of its own here."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import psutil

from tests.support.clients import ASK
from tests.support.proxy import Proxy, proxy_only
from tests.support.raw_upstream import STREAM_HEAD, Connection, framed, raw_upstream, sse, whole
from tests.support.streams import text

MB = 1024 * 1024
READERS, SILENT = 6, 10
EACH = 24 * MB
GROWN = 96 * MB
"""A stream takes some 3 MB in buffers. While the readers have theirs, twice as much could come for the silent ones."""


async def floods(connection: Connection) -> None:
    if not connection.head.startswith("POST"):
        await connection.send(whole(200, b'{"data": [{"id": "m"}]}'))
        return
    piece = framed(sse(text(random.Random(1).randbytes(16 * 1024).hex())))
    await connection.send(STREAM_HEAD)
    while True:
        await connection.send(piece)


@asynccontextmanager
async def asking(proxy: Proxy) -> AsyncIterator[asyncio.StreamReader]:
    port = int(proxy.url.rsplit(":", 1)[1])
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=64 * 1024)
    body = json.dumps({**ASK, "stream": True, "max_tokens": 100_000_000}).encode()
    head = f"POST /v1/messages HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nx-api-key: {proxy.token}\r\n"
    writer.write(f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
    try:
        yield reader
    finally:
        writer.transport.abort()


async def read(proxy: Proxy, memory: psutil.Process, size: int) -> int:
    """So many bytes of an answer; the most memory that the proxy had meanwhile."""
    most = 0
    async with asking(proxy) as reader:
        while size > 0:
            piece = await reader.read(MB)
            assert piece, "the answer ended"
            size -= len(piece)
            most = max(most, memory.memory_info().rss)
    return most


async def test_memory_does_not_grow_with_what_passes(tmp_path: Path) -> None:
    async with raw_upstream(floods) as upstream, proxy_only(tmp_path, LMSTUDIO_URL=upstream.url) as proxy:
        memory = psutil.Process(proxy.pid)
        await read(proxy, memory, MB)  # what is loaded for the first answer stays
        before = memory.memory_info().rss
        async with AsyncExitStack() as silent:
            for _ in range(SILENT):
                reader = await silent.enter_async_context(asking(proxy))
                assert await reader.read(1)
            most = max(await asyncio.gather(*(read(proxy, memory, EACH) for _ in range(READERS))))
    assert most - before < GROWN
