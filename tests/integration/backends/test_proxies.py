"""HTTPS_PROXY: what is on the internet goes through it, what is near does not, and it learns no secret."""

import functools
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr

from anyclaude.backends import http
from anyclaude.backends.base import Backend, Caller
from anyclaude.backends.claude import ClaudeBackend
from anyclaude.backends.last_bytes import Connector
from anyclaude.backends.lmstudio import LMStudioBackend
from anyclaude.backends.node import NodeBackend
from anyclaude.backends.openrouter import OpenRouterBackend
from anyclaude.backends.router import Router
from anyclaude.config.model import Deadlines
from anyclaude.config.routes import Routes, Target
from anyclaude.config.upstreams import Claude, LMStudio, Node, OpenRouter
from anyclaude.errors import AnyclaudeError
from anyclaude.server.serve import serving
from tests.support.anthropic_upstream import AnthropicUpstream, answers, anthropic_upstream, says
from tests.support.claude_mode import LOGIN, OURS, ask
from tests.support.clients import ASK, TOKEN
from tests.support.connect_proxy import ConnectProxy, connect_proxy, tls_client, tls_server

FAR = "https://api.claude.test"  # a name that does not exist: only the proxy leads there


@pytest.fixture(autouse=True)
def _tls_without_certificates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "Connector", functools.partial(Connector, ssl=tls_client()))


@asynccontextmanager
async def far_claude(status: int = 200) -> AsyncIterator[tuple[AnthropicUpstream, ConnectProxy]]:
    async with (
        anthropic_upstream(says("Bonjour."), tls=tls_server()) as upstream,
        connect_proxy(int(upstream.url.rpartition(":")[2]), status) as proxy,
    ):
        yield upstream, proxy


async def asked(claude_url: str, **headers: str) -> tuple[int, bytes]:
    """The status and the body of a Messages request through our own proxy in claude mode."""
    router = Router({"claude": ClaudeBackend(Claude(url=claude_url), Deadlines())}, Routes(Target("claude")))
    async with serving(router, TOKEN) as address:
        response, body = await ask(address.url, {**OURS, **LOGIN, **headers}.items())
    return response.status, body


async def test_claude_is_reached_through_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    async with far_claude() as (upstream, proxy):
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        status, body = await asked(FAR, **{"x-mine": "1"})
    (received,) = upstream.requests
    assert (status, b"Bonj" in body) == (200, True)
    assert proxy.targets == ["CONNECT api.claude.test:443"]
    assert received.header("host") == ["api.claude.test"]
    assert received.header("authorization") == [LOGIN["Authorization"]]
    assert received.header("x-mine") == ["1"]
    told = b"".join(proxy.heads).lower()
    assert not any(
        secret in told for secret in (TOKEN.encode(), b"sk-ant", b"x-anyclaude", b"x-mine", b"authorization")
    )
    assert TOKEN.encode() not in received.head + proxy.piped


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])
@pytest.mark.parametrize("scheme", ["http://", ""], ids=["with its scheme", "without"])
async def test_the_names_of_the_variable(monkeypatch: pytest.MonkeyPatch, name: str, scheme: str) -> None:
    async with far_claude() as (_, proxy):
        monkeypatch.setenv(name, proxy.url.replace("http://", scheme))
        assert (await asked(FAR))[0] == 200
    assert len(proxy.heads) == 1


async def test_a_login_is_for_the_proxy_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    async with far_claude() as (upstream, proxy):
        monkeypatch.setenv("HTTPS_PROXY", proxy.url.replace("//", "//user:p%40ss@"))
        assert (await asked(FAR))[0] == 200
    assert b"proxy-authorization: basic dxnlcjpwqhnz" in proxy.heads[0].lower()
    assert upstream.requests[0].header("proxy-authorization") == []


@pytest.mark.parametrize("excepted", ["127.0.0.1", "*", "127.0.0.1:PORT", "x.example, 127.0.0.1"])
async def test_no_proxy_is_honoured(monkeypatch: pytest.MonkeyPatch, excepted: str) -> None:
    async with far_claude() as (upstream, proxy):
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", excepted.replace("PORT", upstream.url.rpartition(":")[2]))
        assert (await asked(upstream.url))[0] == 200
    assert (proxy.heads, len(upstream.requests)) == ([], 1)


@pytest.mark.parametrize("excepted", ["claude.example", "127.0.0.1:1", ""])
async def test_no_proxy_for_others_is_none_for_claude(monkeypatch: pytest.MonkeyPatch, excepted: str) -> None:
    async with far_claude() as (upstream, proxy):
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", excepted)
        assert (await asked(upstream.url))[0] == 200
    assert len(proxy.heads) == 1


WRONG: Mapping[str, tuple[str, str]] = {
    "nobody there": ("http://user:secret@127.0.0.1:1", "nothing answers at the proxy"),
    "another kind": ("socks5://user:secret@127.0.0.1:1", "must be the http:// address"),
}


@pytest.mark.parametrize(("proxy", "said"), WRONG.values(), ids=WRONG.keys())
async def test_a_proxy_that_is_none(monkeypatch: pytest.MonkeyPatch, proxy: str, said: str) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    status, body = await asked(FAR)
    message = json.loads(body)["error"]["message"]
    assert (status, said in message) == (502, True)
    assert "secret" not in message


@pytest.mark.parametrize("refused", [407, 403, 502])
async def test_a_proxy_that_refuses(monkeypatch: pytest.MonkeyPatch, refused: int) -> None:
    async with far_claude(status=refused) as (upstream, proxy):
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        status, body = await asked(FAR)
    assert status == 502
    assert f"HTTPS_PROXY names answered with status {refused}" in json.loads(body)["error"]["message"]
    assert upstream.requests == []


async def test_openrouter_is_reached_through_the_proxy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    key = SecretStr("sk-or-v1-of-the-person")
    async with (
        anthropic_upstream(answers({"data": []}), tls=tls_server()) as upstream,
        connect_proxy(int(upstream.url.rpartition(":")[2])) as proxy,
    ):
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        settings = OpenRouter(url="https://openrouter.test/api/v1", api_key=key)
        backend = OpenRouterBackend(settings, None, Deadlines(), tmp_path)
        assert await backend.models() == []
        await backend.aclose()
    assert proxy.targets == ["CONNECT openrouter.test:443"]
    assert b"sk-or" not in b"".join(proxy.heads) + proxy.piped
    assert upstream.requests[0].header("authorization") == [f"Bearer {key.get_secret_value()}"]


def near(url: str) -> list[Backend]:
    key = SecretStr("sk-of-the-model-server")
    return [
        LMStudioBackend(LMStudio(url=f"{url}/v1", api_key=key), None, Deadlines()),
        NodeBackend(Node(id="one", url=url), None, Deadlines()),
    ]


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("place", [0, 1], ids=["lmstudio", "mlx-cluster"])
async def test_what_is_near_is_never_asked_through_a_proxy(
    monkeypatch: pytest.MonkeyPatch, place: int, tls: bool
) -> None:
    speaks = answers({"data": []})
    async with anthropic_upstream(speaks, tls=tls_server() if tls else None) as upstream, connect_proxy(1) as proxy:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
            monkeypatch.setenv(name.lower(), proxy.url)
        backend = near(upstream.url)[place]
        with pytest.raises(AnyclaudeError):  # this upstream speaks another language; that it was asked is enough
            async with backend.stream(ASK, Caller()) as batches:
                raise (await anext(batches))[-1].error  # type: ignore[union-attr]
        await backend.aclose()
    assert upstream.requests
    assert proxy.heads == []


async def test_a_near_gateway_that_speaks_claudes_language_is_not_either(monkeypatch: pytest.MonkeyPatch) -> None:
    async with anthropic_upstream(says("Hi")) as upstream, connect_proxy(1) as proxy:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        assert (await asked(upstream.url))[0] == 200
    assert proxy.heads == []
