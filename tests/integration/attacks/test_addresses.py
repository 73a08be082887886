"""Nobody but the person says where requests and keys go: no redirect, no request, no answer, no name server."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from anyclaude.backends.base import Backend, Caller, RawRequest
from anyclaude.backends.claude import ClaudeBackend
from anyclaude.backends.finding import NodeFinder
from anyclaude.backends.lmstudio import LMStudioBackend
from anyclaude.backends.node import NodeBackend
from anyclaude.backends.openrouter import OpenRouterBackend
from anyclaude.backends.proving import prove
from anyclaude.backends.search_engines import SearXNG
from anyclaude.cluster.proof import Unproved
from anyclaude.config.model import Deadlines
from anyclaude.config.upstreams import Claude, Discovery, LMStudio, Node, OpenRouter
from anyclaude.convert.web_search import Query
from anyclaude.errors import AnyclaudeError, SearchFailed
from anyclaude.wire.announcement import nearby_address
from tests.support.claude_mode import claude_mode
from tests.support.clients import ASK, TOKEN, talking_to
from tests.support.raw_upstream import Connection, RawUpstream, raw_upstream, whole
from tests.support.streams import finish, text

KEY = SecretStr("key-for-one-server-alone-0123456789")


@asynccontextmanager
async def elsewhere() -> AsyncIterator[RawUpstream]:
    """The attacker's server. Whatever comes to it is a failure."""

    async def play(connection: Connection) -> None:
        await connection.send(whole(200, b'{"data":[]}', Content_Type="application/json"))

    async with raw_upstream(play) as server:
        yield server
        assert server.requests == [], [one.head for one in server.requests]


def leading_to(url: str, status: int) -> Callable[[Connection], Awaitable[None]]:
    async def play(connection: Connection) -> None:
        await connection.send(whole(status, b"", Location=f"{url}/chat/completions"))

    return play


async def _stream(backend: Backend) -> None:
    async with backend.stream(ASK, Caller()) as batches:
        async for _ in batches:
            pass


async def _relay(backend: Backend) -> None:
    assert isinstance(backend, ClaudeBackend)
    headers = (("x-api-key", KEY.get_secret_value()),)
    async with backend.relay(RawRequest("POST", "/v1/messages", headers, b"{}")):
        pass


async def _models(backend: Backend) -> None:
    await backend.models()


async def _ready(backend: Backend) -> None:
    await backend.ready()


Made = Callable[[str, Path], Backend]
MAKERS: dict[str, tuple[Made, tuple[Callable[[Any], Awaitable[None]], ...]]] = {
    "lmstudio": (
        lambda url, home: LMStudioBackend(LMStudio(url=f"{url}/v1", api_key=KEY), None, Deadlines()),
        (_stream, _models, _ready),
    ),
    "openrouter": (
        lambda url, home: OpenRouterBackend(OpenRouter(url=f"{url}/v1", api_key=KEY), None, Deadlines(), home),
        (_stream, _models, _ready),
    ),
    "a node": (
        lambda url, home: NodeBackend(Node(id="one", url=url, token=KEY), None, Deadlines()),
        (_stream, _models, _ready),
    ),
    "claude": (lambda url, home: ClaudeBackend(Claude(url=url, api_key=KEY), Deadlines()), (_stream, _relay, _models)),
}


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_takes_no_key_and_no_prompt_with_it(status: int, name: str, tmp_path: Path) -> None:
    made, asks = MAKERS[name]
    async with elsewhere() as evil, raw_upstream(leading_to(evil.url, status)) as upstream:
        backend = made(upstream.url.removesuffix("/v1"), tmp_path)
        for ask in asks:
            with suppress(AnyclaudeError):  # or an empty list
                await ask(backend)
        await backend.aclose()
        assert upstream.requests


async def test_nor_does_a_search_or_a_proof_follow_one() -> None:
    async with elsewhere() as evil, raw_upstream(leading_to(evil.url, 307)) as upstream:
        engine = SearXNG(upstream.url.removesuffix("/v1"))
        with pytest.raises(SearchFailed):
            await engine.search(Query("weather"))
        await engine.aclose()
        port = int(re.findall(r":(\d+)", upstream.url)[0])
        with pytest.raises((Unproved, AnyclaudeError)):
            await prove("127.0.0.1", port, KEY)


def _naming(url: str) -> dict[str, Any]:
    """A request that has the attacker's address wherever a server might look for one."""
    source = {"type": "url", "url": f"{url}/x.png"}
    content = [
        {"type": "text", "text": f"fetch {url}"},
        {"type": "image", "source": source},
        {"type": "document", "source": {**source, "url": f"{url}/x.pdf"}},
    ]
    names = ("api_base", "base_url", "baseUrl", "api_url", "endpoint", "proxy", "callback_url", "webhook")
    return {
        "model": f"{url}/model",
        "max_tokens": 9,
        **dict.fromkeys(names, url),
        "messages": [{"role": "user", "content": content}],
        "mcp_servers": [{"type": "url", "url": url, "name": "evil", "authorization_token": "x"}],
        "metadata": {"user_id": url, "base_url": url},
        "extra_body": {"api_base": url},
    }


async def test_an_address_in_a_request_is_never_asked() -> None:
    async def play(connection: Connection) -> None:
        await connection.stream(text("ok"), finish(), "[DONE]")

    headers = ("X-Api-Base", "X-Base-Url", "X-Forwarded-Host", "X-Original-URL", "Forwarded", "Referer", "X-Upstream")
    async with elsewhere() as evil, raw_upstream(play) as upstream:
        backend = LMStudioBackend(LMStudio(url=upstream.url, api_key=KEY), None, Deadlines())
        async with talking_to(backend) as client:
            body, named = _naming(evil.url), dict.fromkeys(headers, evil.url)
            async with client.session.post(f"{client.url}/v1/messages", json=body, headers=named) as response:
                assert response.status == 200, await response.text()
        (asked,) = upstream.requests
        assert not [line for line in asked.head.splitlines() if evil.url in line], "a header of the client's went on"
        assert "api_base" not in asked.json


async def test_nor_does_one_lead_a_relayed_request_elsewhere() -> None:
    """Claude mode hands paths on: whatever stands in them, they stay paths of the one server."""
    asked: list[bytes] = []

    async def play(received: Any) -> None:
        asked.append(received.head)
        await received.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    async with elsewhere() as evil, claude_mode(play) as (url, upstream):
        place = evil.url.removesuffix("/v1").removeprefix("http://")
        for target in (f"/v1/x@{place}/", f"/v1//{place}/", f"/v1/..//{place}/", f"/api/{place}", f"/v1/%2f%2f{place}"):
            port = int(url.rpartition(":")[2])
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            head = f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nx-anyclaude-token: {TOKEN}\r\nConnection: close"
            writer.write(f"{head}\r\n\r\n".encode())
            await reader.read()
            writer.close()
        assert asked
        own = upstream.url.removeprefix("http://").encode()
        assert all(f"\r\nHost: {own.decode()}\r\n".encode() in head for head in asked)
        assert not any(TOKEN.encode() in head for head in asked)


async def test_an_answer_does_not_move_its_server() -> None:
    """Nor a header of it: what is asked next goes where the person said."""

    async def play(connection: Connection) -> None:
        moved = {"Location": evil.url, "Refresh": f"0; url={evil.url}", "Alt-Svc": f'h2="{evil.url[7:-3]}"'}
        body = json.dumps({"choices": [{"message": {"content": "ok"}, "finish_reason": "stop"}], "url": evil.url})
        await connection.send(whole(200, body.encode(), Content_Type="application/json", **moved))

    async with elsewhere() as evil, raw_upstream(play) as upstream:
        backend = LMStudioBackend(LMStudio(url=upstream.url, api_key=KEY), None, Deadlines())
        for _ in range(2):
            await _stream(backend)
        await backend.aclose()
        assert len(upstream.requests) == 2


async def test_a_name_that_changes_between_its_proof_and_its_use_leads_nowhere() -> None:
    """A node that was found is an address, not a name: the one that proved itself, whatever the name says then."""
    answers = iter([["127.0.0.1"], *[["192.0.2.66"]] * 100])
    proved: list[str] = []

    async def resolve(name: str, port: int) -> list[str]:
        return next(answers)

    async def proves(host: str, port: int, key: SecretStr) -> str:
        proved.append(host)
        if host != "127.0.0.1":
            raise Unproved("not a worker")
        return "instance"

    node = Node(id="gpu", url="http://gpu.example:8081", token=KEY)
    discovery = Discovery(found_by="dns", nodes=(node,), key=KEY)
    finder = NodeFinder(discovery, lambda changes: None, resolve=resolve, prove=proves, resolve_again=0.01)
    async with finder, asyncio.timeout(20):
        assert await finder.first(10)
        (found,) = finder.nodes
        assert found.node.url == "http://127.0.0.1:8081"
        while len(proved) < 2:  # noqa: ASYNC110 (the next resolution is due)
            await asyncio.sleep(0.01)
        assert {one.node.url for one in finder.nodes} <= {"http://127.0.0.1:8081"}
    assert set(proved) == {"127.0.0.1", "192.0.2.66"}


ODD = [
    "0.0.0.0",
    "224.0.0.251",
    "255.255.255.255",
    "169.254.169.254",
    "100.100.100.200",
    "::",
    "ff02::1",
    "fd00:ec2::254",
]
"""Addresses of nobody, of everybody, and of the metadata of clouds."""


@pytest.mark.parametrize("address", ODD)
async def test_a_name_of_an_address_that_no_worker_has(address: str) -> None:
    asked: list[str] = []

    async def resolve(name: str, port: int) -> list[str]:
        return [address, "127.0.0.1"]

    async def proves(host: str, port: int, key: SecretStr) -> str:
        asked.append(host)
        return "instance"

    for key in (KEY, None):
        node = Node(id="gpu", url="http://gpu.example:8081")
        discovery = Discovery(found_by="dns", nodes=(node,), key=key)
        async with NodeFinder(discovery, lambda changes: None, resolve=resolve, prove=proves) as finder:
            assert await finder.first(10)
            assert [one.node.url for one in finder.nodes] == ["http://127.0.0.1:8081"]
    assert asked == ["127.0.0.1"]


@pytest.mark.parametrize(
    "address", [*ODD, "8.8.8.8", "::ffff:8.8.8.8", "::ffff:169.254.169.254", "2001:4860:4860::8888"]
)
def test_an_announcement_of_an_address_that_no_worker_has(address: str) -> None:
    assert nearby_address(address) is None
