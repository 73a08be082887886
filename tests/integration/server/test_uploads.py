"""Bodies that are only handed on: any type, any size within the bound, and never without the token."""

import asyncio
import gzip
import io
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from anyclaude.server import uploads
from tests.support import anthropic_upstream as shapes
from tests.support.anthropic_upstream import Received, says
from tests.support.claude_mode import LOGIN, OURS, ask, claude_mode
from tests.support.clients import TOKEN

FILE = bytes(range(256)) * 16 * 1024  # 4 MiB, more than is held
MULTIPART = "multipart/form-data; boundary=b"


async def pieces(body: bytes, size: int = 65536) -> AsyncIterator[bytes]:
    for at in range(0, len(body), size):
        yield body[at : at + size]


async def post(url: str, body: Any, **headers: str) -> tuple[int, bytes]:
    named = {"x-anyclaude-token": TOKEN, **LOGIN, "Content-Type": MULTIPART, **headers}
    sent = io.BytesIO(body) if isinstance(body, bytes) else body
    async with (
        aiohttp.ClientSession() as session,
        session.post(url + "/v1/files", data=sent, headers=named) as response,
    ):
        return response.status, await response.read()


@pytest.mark.parametrize(
    "kind", [MULTIPART, "application/octet-stream", "text/plain", "application/x-www-form-urlencoded"]
)
async def test_any_type_goes_on(kind: str) -> None:
    async with claude_mode(shapes.answers({"id": "file_1"})) as (url, upstream):
        assert await post(url, b"--b\r\n\xff\x00", **{"Content-Type": kind}) == (200, b'{"id": "file_1"}')
    (received,) = upstream.requests
    assert received.body == b"--b\r\n\xff\x00"
    assert received.header("content-type") == [kind]
    assert TOKEN.encode() not in received.head


async def test_a_large_file_goes_on_with_its_length() -> None:
    async with claude_mode(shapes.answers({})) as (url, upstream):
        assert (await post(url, FILE))[0] == 200
    (received,) = upstream.requests
    assert received.header("content-length") == [str(len(FILE))]
    assert received.header("transfer-encoding") == []
    assert received.body == FILE


async def test_a_file_of_unknown_length_goes_on_in_chunks() -> None:
    async with claude_mode(shapes.answers({})) as (url, upstream):
        assert (await post(url, pieces(FILE)))[0] == 200
    (received,) = upstream.requests
    assert received.header("content-length") == []
    assert received.body == FILE


async def test_a_compressed_file_arrives_in_plain() -> None:
    async with claude_mode(shapes.answers({})) as (url, upstream):
        assert (await post(url, gzip.compress(FILE), **{"Content-Encoding": "gzip"}))[0] == 200
    (received,) = upstream.requests
    assert (received.header("content-encoding"), received.body) == ([], FILE)


async def test_a_file_is_read_no_faster_than_claude_takes_it() -> None:
    """Claude takes nothing of it for as long as the client writes, which comes to a stop far before the end."""
    begun, go_on = asyncio.Event(), asyncio.Event()
    written = 0
    size = 64 * 1024 * 1024

    async def play(received: Received) -> None:
        begun.set()
        await go_on.wait()
        await shapes.answers({})(received)
        await received.gone()  # who closes with a part unread resets the connection, and the answer may go with it

    async def slow() -> AsyncIterator[bytes]:
        nonlocal written
        for _ in range(size // 65536):
            yield bytes(65536)
            written += 65536

    async with claude_mode(play, reads_bodies=False) as (url, _):
        posting = asyncio.create_task(post(url, slow(), **{"Content-Length": str(size)}))
        async with asyncio.timeout(20):
            await begun.wait()
            before = -1
            while before != written:  # until many turns of the loop bring nothing more
                before = written
                await turns(1000)
        assert written < size // 2
        go_on.set()
        async with asyncio.timeout(20):
            assert (await posting)[0] == 200


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_what_is_too_large_by_its_own_word_is_not_begun() -> None:
    async with claude_mode(says("Hi")) as (url, upstream):
        host, port = url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        head = f"POST /v1/files HTTP/1.1\r\nHost: {host}:{port}\r\nx-anyclaude-token: {TOKEN}\r\n"
        writer.write(f"{head}Content-Length: {uploads.LARGEST_UPLOAD + 1}\r\n\r\n".encode())
        assert b" 413 " in await reader.readline()
        writer.close()
        await writer.wait_closed()
    assert upstream.requests == []


async def test_what_grows_too_large_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads.Upload.__init__, "__defaults__", (2 * 1024 * 1024,))
    async with claude_mode(shapes.answers({})) as (url, _):
        status, body = await post(url, pieces(FILE))
    assert status == 413
    assert b"larger than 2097152 bytes" in body


async def test_an_answer_before_the_end_of_the_file_is_handed_on() -> None:
    error = {"type": "error", "error": {"type": "request_too_large", "message": "too large"}}

    async def play(received: Received) -> None:
        await shapes.answers(error, 413)(received)
        await received.gone()

    async with claude_mode(play, reads_bodies=False) as (url, _):
        status, body = await post(url, FILE)
    assert (status, b"too large" in body) == (413, True)


async def test_a_client_that_leaves_in_mid_file_ends_it_for_claude() -> None:
    begun, left = asyncio.Event(), asyncio.Event()

    async def play(received: Received) -> None:
        begun.set()
        await received.gone()
        left.set()

    async with claude_mode(play, reads_bodies=False) as (url, _):
        host, port = url.removeprefix("http://").split(":")
        _, writer = await asyncio.open_connection(host, int(port))
        head = f"POST /v1/files HTTP/1.1\r\nHost: {host}:{port}\r\nx-anyclaude-token: {TOKEN}\r\n"
        writer.write(f"{head}Content-Length: {len(FILE)}\r\n\r\n".encode() + FILE[:2048])
        async with asyncio.timeout(10):
            await begun.wait()
            writer.close()
            await writer.wait_closed()
            await left.wait()


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/v1/messages", "/v1/messages/count_tokens"])
@pytest.mark.parametrize("kind", ["text/plain", MULTIPART, "application/x-www-form-urlencoded", ""])
async def test_messages_are_json_alone(path: str, kind: str) -> None:
    async with claude_mode(says("Hi")) as (url, upstream):
        response, _ = await ask(url, {**OURS, **LOGIN, "Content-Type": kind}.items(), path=path)
    assert response.status == 400
    assert upstream.requests == []


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PURGE"])
@pytest.mark.parametrize(
    "path", ["/v1/files", "/v1/messages", "/v1/models", "/v1/messages/batches", "/api/x", "/health", "/x"]
)
async def test_the_token_is_asked_for_everywhere(method: str, path: str) -> None:
    """A page's form can post a file with the browser's cookies, but it can set no header."""
    async with claude_mode(says("Hi")) as (url, upstream):
        response, _ = await ask(
            url, {**LOGIN, "Content-Type": MULTIPART, "Cookie": f"t={TOKEN}"}.items(), b"x", method, path
        )
        pages = {**OURS, **LOGIN, "Content-Type": MULTIPART, "Origin": "https://evil.example"}
        of_page, _ = await ask(url, pages.items(), b"x", method, path)
    assert (response.status, of_page.status) == (401, 403)
    assert upstream.requests == []
