"""A web search through the whole proxy: what Claude Code gets, from which engine, and when there is none."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from anyclaude.backends.router import Router
from anyclaude.backends.scripted import ScriptedBackend
from anyclaude.backends.search_engines import Brave, SearchEngine, SearXNG, Tavily
from anyclaude.backends.web_search import WebSearch
from anyclaude.config.routes import Routes, Target
from anyclaude.errors import Overloaded
from tests.support.clients import Client, talking_to
from tests.support.search_engines import BraveServer, SearXNGServer, TavilyServer, entry

ASK: dict[str, Any] = {
    "tools": [{"type": "web_search_20250305", "name": "web_search", "max_uses": 8}],
    "tool_choice": {"type": "auto"},
    "messages": [{"role": "user", "content": "Perform a web search for the query: my private words"}],
}


@asynccontextmanager
async def proxied(
    engines: Sequence[SearchEngine], backend: ScriptedBackend | None = None, mode: str = "lmstudio"
) -> AsyncIterator[Client]:
    backends: dict[Any, Any] = {mode: backend or ScriptedBackend()}
    main = Target(mode)  # type: ignore[arg-type]
    router = Router(backends, Routes(main), web_search=WebSearch(engines))
    async with talking_to(router) as client:
        yield client
    await router.aclose()


async def ask(client: Client, **fields: Any) -> dict[str, Any]:
    async with client.post(**{**ASK, **fields}) as response:
        assert response.status == 200, await response.text()
        message: dict[str, Any] = await response.json()
    return message


async def test_a_search_is_answered_by_the_engine_and_no_model_is_asked() -> None:
    model = ScriptedBackend()
    async with SearXNGServer() as server, proxied([SearXNG(server.url)], model) as client:
        server.answers(entry("Title", "https://a.example/", "Says."), entry("Bad", "javascript:alert(1)"))
        events = await client.events(**ASK)
        message = await ask(client)
    kinds = [event["content_block"]["type"] for event in events if event["type"] == "content_block_start"]
    assert kinds == ["server_tool_use", "web_search_tool_result", "text"]
    use, result, text = message["content"]
    assert use["input"] == {"query": "my private words"}
    assert [page["url"] for page in result["content"]] == ["https://a.example/"]
    assert result["tool_use_id"] == use["id"]
    assert text["text"].endswith("1. Title\n   https://a.example/\n   Says.")
    assert message["usage"]["server_tool_use"] == {"web_search_requests": 1}
    assert message["stop_reason"] == "end_turn"
    assert model.requests == []


async def test_engines_are_asked_in_turn_until_one_finds_something(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "anyclaude")
    async with AsyncExitStack() as stack:
        searxng = await stack.enter_async_context(SearXNGServer())
        tavily = await stack.enter_async_context(TavilyServer())
        brave = await stack.enter_async_context(BraveServer())
        engines = [SearXNG(searxng.url), Tavily(tavily.key, tavily.url), Brave(brave.key, brave.url)]
        client = await stack.enter_async_context(proxied(engines))
        searxng.fails(500)
        brave.answers(entry("From Brave", "https://b.example/"))
        message = await ask(client)
    assert message["content"][1]["content"][0]["title"] == "From Brave"
    assert [len(server.asked) for server in (searxng, tavily, brave)] == [1, 1, 1]
    assert "SearXNG answered with status 500" in caplog.text
    for secret in ("my private words", tavily.key, brave.key):
        assert secret not in caplog.text


async def test_what_all_of_them_say_is_one_error_block_and_no_failed_turn() -> None:
    async with TavilyServer() as tavily, BraveServer() as brave:
        brave.fails(429)
        async with proxied([Tavily("tvly-dev-wrong-key-4711", tavily.url), Brave(brave.key, brave.url)]) as client:
            message = await ask(client)
    assert message["content"][1]["content"] == {
        "type": "web_search_tool_result_error",
        "error_code": "too_many_requests",
    }
    assert message["content"][2]["text"] == (
        "The web search failed: Tavily refused (status 401): check TAVILY_API_KEY; "
        "Brave takes no more requests for now (status 429)."
    )


async def test_where_one_engine_found_nothing_that_is_the_answer() -> None:
    async with SearXNGServer() as searxng, TavilyServer() as tavily:
        tavily.fails(500)
        async with proxied([SearXNG(searxng.url), Tavily(tavily.key, tavily.url)]) as client:
            message = await ask(client)
    assert message["content"][1]["content"] == []
    assert "found nothing" in message["content"][2]["text"]


async def test_without_an_engine_it_says_how_to_get_one() -> None:
    model = ScriptedBackend()
    async with proxied([], model) as client:
        events = await client.events(**ASK)
        message = await ask(client)
    assert events[-1]["type"] == "message_stop"
    assert message["content"][1]["content"]["error_code"] == "unavailable"
    assert "SEARXNG_URL" in message["content"][2]["text"]
    assert model.requests == []


async def test_domains_hold_whatever_the_engine_answers() -> None:
    tool = {**ASK["tools"][0], "allowed_domains": ["a.example"], "blocked_domains": ["private.a.example"]}
    async with SearXNGServer() as server, proxied([SearXNG(server.url)]) as client:
        names = ("a.example", "www.a.example", "private.a.example", "b.example", "xa.example")
        server.answers(*(entry(name, f"https://{name}/") for name in names))
        message = await ask(client, tools=[tool])
    assert [page["title"] for page in message["content"][1]["content"]] == ["a.example", "www.a.example"]


@pytest.mark.parametrize(("words", "code"), [("", "invalid_tool_input"), ("x" * 2001, "query_too_long")])
async def test_a_query_that_cannot_be_searched_for_reaches_no_engine(words: str, code: str) -> None:
    async with SearXNGServer() as server, proxied([SearXNG(server.url)]) as client:
        message = await ask(client, messages=[{"role": "user", "content": f"query: {words}"}])
        assert server.asked == []
    assert message["content"][1]["content"]["error_code"] == code


async def test_a_conversation_with_tools_of_the_client_goes_to_the_model() -> None:
    model = ScriptedBackend()
    async with SearXNGServer() as server, proxied([SearXNG(server.url)], model) as client:
        message = await ask(client, tools=[*ASK["tools"], {"name": "Bash", "input_schema": {}}])
        assert server.asked == []
    assert message["content"] == [{"type": "text", "text": "Hello there"}]


async def test_a_client_that_leaves_ends_the_search() -> None:
    async with SearXNGServer() as server, proxied([SearXNG(server.url)]) as client:
        server.hangs()
        asking = asyncio.create_task(ask(client, stream=True))
        searched = await server.arrived()
        asking.cancel()
        await searched.left.wait()


@pytest.mark.parametrize("mode", ["openrouter", "claude"])
async def test_who_searches_by_itself_is_asked(mode: str) -> None:
    model = ScriptedBackend()
    async with proxied([], model, mode) as client:
        await ask(client)
    assert len(model.requests) == 1


async def test_who_falls_back_on_a_model_that_cannot_search_learns_so() -> None:
    far, near = ScriptedBackend(refusal=Overloaded("busy")), ScriptedBackend()
    main, other = Target("openrouter"), Target("lmstudio")
    router = Router({"openrouter": far, "lmstudio": near}, Routes(main), {main: [other]})
    async with talking_to(router) as client:
        message = await ask(client)
    assert (len(far.requests), near.requests) == (1, [])
    assert message["content"][1]["content"]["error_code"] == "unavailable"


async def test_an_engine_that_is_configured_also_searches_for_openrouter() -> None:
    model = ScriptedBackend()
    async with SearXNGServer() as server, proxied([SearXNG(server.url)], model, "openrouter") as client:
        await ask(client)
        assert len(server.asked) == 1
    assert model.requests == []
