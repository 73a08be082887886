"""Who may ask: every check, over a real socket."""

import asyncio
from collections.abc import Mapping
from urllib.parse import urlsplit

import pytest

from anyclaude.backends.scripted import ScriptedBackend
from anyclaude.server.serve import serving
from tests.support.clients import TOKEN, talking_to

RIGHT = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
BODY = b'{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"Hi"}]}'


async def ask(port: int, headers: Mapping[str, str], target: str = "/v1/messages", method: str = "POST") -> int:
    """The status for a request with exactly these headers. `PORT` in a header stands for the proxy's port."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    head = "\r\n".join([*lines, f"Content-Length: {len(BODY)}", "Connection: close", "", ""])
    writer.write(head.replace("PORT", str(port)).encode() + BODY)
    status = await reader.readline()
    writer.close()
    await writer.wait_closed()
    return int(status.split()[1])


LOCAL = {"Host": "127.0.0.1:PORT"}

CASES: dict[str, tuple[Mapping[str, str], int]] = {
    "bearer": (LOCAL | RIGHT, 200),
    "x-api-key": (LOCAL | {"x-api-key": TOKEN, "Content-Type": "application/json"}, 200),
    "localhost": (RIGHT | {"Host": "localhost:PORT"}, 200),
    "upper case": (RIGHT | {"Host": "LOCALHOST:PORT"}, 200),
    "ipv6 name": (RIGHT | {"Host": "[::1]:PORT"}, 200),
    "no token": (LOCAL | {"Content-Type": "application/json"}, 401),
    "wrong token": (LOCAL | RIGHT | {"Authorization": "Bearer nope"}, 401),
    "beginning of the token": (LOCAL | RIGHT | {"Authorization": f"Bearer {TOKEN[:-1]}"}, 401),
    "token and more": (LOCAL | RIGHT | {"Authorization": f"Bearer {TOKEN}x"}, 401),
    "empty bearer": (LOCAL | RIGHT | {"Authorization": "Bearer "}, 401),
    "basic": (LOCAL | RIGHT | {"Authorization": f"Basic {TOKEN}"}, 401),
    "not latin": (LOCAL | RIGHT | {"Authorization": "Bearer \u00fc"}, 401),
    "rebinding": (RIGHT | {"Host": "evil.example:PORT"}, 403),
    "rebinding, no port": (RIGHT | {"Host": "evil.example"}, 403),
    "our name, another port": (RIGHT | {"Host": "127.0.0.1:1"}, 403),
    "our name as a prefix": (RIGHT | {"Host": "127.0.0.1.evil.example:PORT"}, 403),
    "trailing dot": (RIGHT | {"Host": "localhost.:PORT"}, 403),
    "a page": (LOCAL | RIGHT | {"Origin": "https://evil.example"}, 403),
    "a local page": (LOCAL | RIGHT | {"Origin": "http://127.0.0.1:PORT"}, 403),
    "a sandboxed page": (LOCAL | RIGHT | {"Origin": "null"}, 403),
    "cross-site": (LOCAL | RIGHT | {"Sec-Fetch-Site": "cross-site"}, 403),
    "a form": (LOCAL | RIGHT | {"Content-Type": "text/plain"}, 400),
}


@pytest.mark.parametrize(("headers", "status"), CASES.values(), ids=CASES.keys())
async def test_requests(headers: Mapping[str, str], status: int) -> None:
    backend = ScriptedBackend()
    async with serving(backend, TOKEN) as address:
        assert await ask(address.port, headers) == status
    assert len(backend.requests) == (status == 200)


async def test_a_target_that_names_another_host_is_refused() -> None:
    async with serving(ScriptedBackend(), TOKEN) as address:
        target = "http://evil.example/v1/messages"
        assert await ask(address.port, LOCAL | RIGHT, target) == 403


async def test_two_host_headers_are_refused() -> None:
    async with serving(ScriptedBackend(), TOKEN) as address:
        headers = LOCAL | RIGHT | {"host": "evil.example"}
        assert await ask(address.port, headers) in (400, 403)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("HEAD", "/", 200),
        ("HEAD", "/v1", 200),
        ("HEAD", "/api/hello", 200),
        ("HEAD", "/v1/models", 405),
        ("GET", "/", 405),
        ("GET", "/health", 200),
        ("GET", "/v1/models", 200),
        ("GET", "/v1/models/scripted-model", 200),
        ("GET", "/v1/models/none", 404),
        ("GET", "/v1/files", 404),
        ("POST", "/api/oauth/token", 404),
        ("GET", "/api/hello", 405),
        ("DELETE", "/v1/messages", 405),
        ("OPTIONS", "/v1/messages", 405),
    ],
)
async def test_paths(method: str, path: str, status: int) -> None:
    async with serving(ScriptedBackend(), TOKEN) as address:
        assert await ask(address.port, LOCAL | RIGHT, path, method) == status


async def test_the_preconnect_needs_no_token_and_everything_else_does() -> None:
    async with serving(ScriptedBackend(), TOKEN) as address:
        assert await ask(address.port, LOCAL, "/", "HEAD") == 200
        assert await ask(address.port, {"Host": "evil.example"}, "/", "HEAD") == 403
        assert await ask(address.port, LOCAL, "/health", "GET") == 401
        assert await ask(address.port, LOCAL, "/nothing", "GET") == 401


async def test_models_in_anthropics_shape() -> None:
    async with talking_to(ScriptedBackend()) as client, client.get("/v1/models?limit=1000") as response:
        listed = await response.json()
    assert listed["data"][0]["id"] == listed["first_id"] == listed["last_id"] == "anthropic/lmstudio:scripted-model"
    assert listed["data"][0]["display_name"] == "scripted-model (lmstudio)"
    assert listed["data"][0]["max_input_tokens"] == 32768


async def test_it_listens_on_loopback_alone() -> None:
    async with serving(ScriptedBackend(), TOKEN) as address:
        assert urlsplit(address.url).hostname == "127.0.0.1"
