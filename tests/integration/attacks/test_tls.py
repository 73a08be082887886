"""A server with a wrong certificate gets nothing, the key least of all; there is no switch that would change it."""

import re
import ssl
import warnings
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress

import pytest
from pydantic import SecretStr

from anyclaude.backends.base import Backend, Caller, RawRequest
from anyclaude.backends.claude import ClaudeBackend
from anyclaude.backends.lmstudio import LMStudioBackend
from anyclaude.backends.node import NodeBackend
from anyclaude.backends.search_engines import SearXNG
from anyclaude.config.model import Deadlines
from anyclaude.config.upstreams import Claude, LMStudio, Node
from anyclaude.convert.web_search import Query
from anyclaude.errors import AnyclaudeError, SearchFailed, UpstreamError
from tests.support.anthropic_upstream import AnthropicUpstream, anthropic_upstream, says
from tests.support.certificates import WRONG, Authority
from tests.support.children import REPOSITORY
from tests.support.clients import ASK

KEY = SecretStr("key-of-the-upstream")


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(autouse=True)
def trusted(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the machine's own list of authorities had ours in it; aiohttp reads that once."""
    monkeypatch.setattr("aiohttp.connector._SSL_CONTEXT_VERIFIED", authority.context)


def backends(url: str) -> list[Backend]:
    return [
        LMStudioBackend(LMStudio(url=f"{url}/v1", api_key=KEY), None, Deadlines()),
        NodeBackend(Node(id="one", url=url, token=KEY), None, Deadlines()),
        ClaudeBackend(Claude(url=url, api_key=KEY), Deadlines()),
    ]


async def asked(backend: Backend) -> None:
    try:
        async with backend.stream(ASK, Caller()) as batches:
            async for _ in batches:
                return
    finally:
        await backend.aclose()


def serving(context: ssl.SSLContext) -> AbstractAsyncContextManager[AnthropicUpstream]:
    return anthropic_upstream(says("Hi"), tls=context)


def _made(wrong: Callable[[Authority], ssl.SSLContext], authority: Authority) -> ssl.SSLContext:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # an old version of TLS
        return wrong(authority)


@pytest.mark.parametrize("place", range(3), ids=["lmstudio", "a node", "claude"])
@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
async def test_who_is_not_who_he_says_gets_nothing(
    wrong: Callable[[Authority], ssl.SSLContext], place: int, authority: Authority
) -> None:
    async with serving(_made(wrong, authority)) as upstream:
        with pytest.raises(UpstreamError) as raised:
            await asked(backends(upstream.url)[place])
        assert upstream.requests == []
    if wrong is not Authority.old:
        assert "the certificate of https://127.0.0.1" in raised.value.message


@pytest.mark.parametrize("place", range(3), ids=["lmstudio", "a node", "claude"])
async def test_who_is_who_he_says_is_asked(place: int, authority: Authority) -> None:
    async with serving(authority.right()) as upstream:
        with suppress(AnyclaudeError):  # it speaks one language of three; that it was asked is enough
            await asked(backends(upstream.url)[place])
        assert KEY.get_secret_value() in upstream.requests[0].head.decode()


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
async def test_nor_does_a_relayed_request_reach_him(
    wrong: Callable[[Authority], ssl.SSLContext], authority: Authority
) -> None:
    async with serving(_made(wrong, authority)) as upstream:
        claude = ClaudeBackend(Claude(url=upstream.url), Deadlines())
        raw = RawRequest("POST", "/v1/messages", (("Authorization", "Bearer sk-ant-oat01-login"),), b"{}")
        with pytest.raises(UpstreamError):
            async with claude.relay(raw):
                pass
        await claude.aclose()
        assert upstream.requests == []


async def test_nor_a_search(authority: Authority) -> None:
    async with serving(authority.of_a_stranger()) as upstream:
        engine = SearXNG(upstream.url)
        with pytest.raises(SearchFailed):
            await engine.search(Query("weather"))
        await engine.aclose()
        assert upstream.requests == []


def test_there_is_no_switch() -> None:
    off = re.compile(
        r"verify\s*=\s*False|ssl\s*=\s*False|CERT_NONE|check_hostname\s*=|_create_unverified|insecure", re.I
    )
    for path in (REPOSITORY / "src").rglob("*.py"):
        assert not off.search(path.read_text()), path
