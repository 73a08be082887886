"""OpenRouter's backend against a stand-in: what is sent for a model, what is kept, what is said when it fails."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from anyclaude.backends.base import Caller
from anyclaude.backends.model_list import FILE
from anyclaude.backends.openrouter import OpenRouterBackend
from anyclaude.config.model import Deadlines
from anyclaude.config.upstreams import OpenRouter
from anyclaude.errors import RateLimited, SetupError, UpstreamRejected
from anyclaude.wire.events import (
    Citation,
    Finished,
    ModelEvent,
    ServerToolResult,
    ThinkingDelta,
    ThinkingSignature,
    UsageReport,
)
from tests.support.openrouter import DETAILS, KEY, MODEL, Billed, OpenRouterUpstream, cites, thinks
from tests.support.raw_upstream import Connection, raw_upstream
from tests.support.script import Refusal, Says, reply
from tests.support.streams import delta, finish, text

ASK: dict[str, Any] = {
    "model": "m",
    "max_tokens": 32000,
    "temperature": 1,
    "system": "Be brief.",
    "tools": [{"name": "Bash"}],
    "thinking": {"type": "adaptive"},
    "output_config": {"effort": "max"},
    "messages": [{"role": "user", "content": "Hi"}],
}


@asynccontextmanager
async def backend_at(url: str, home: Path, key: str = KEY, **more: Any) -> AsyncIterator[OpenRouterBackend]:
    settings = OpenRouter(url=url, api_key=SecretStr(key), **{"model": MODEL, **more})
    backend = OpenRouterBackend(settings, None, Deadlines(), home)
    try:
        yield backend
    finally:
        await backend.aclose()


async def answer(backend: OpenRouterBackend, caller: Caller | None = None, **fields: Any) -> list[ModelEvent]:
    async with backend.stream({**ASK, **fields}, caller or Caller()) as batches:
        return [event async for batch in batches for event in batch]


async def test_what_a_model_takes_is_what_is_sent(tmp_path: Path) -> None:
    chosen: dict[str, Any] = {"models": ("other/model",), "provider": {"sort": "price"}}
    async with OpenRouterUpstream() as upstream, backend_at(upstream.url, tmp_path, **chosen) as backend:
        upstream.script(reply(Says("ok")))
        known = await backend.ready()
        await answer(backend, Caller(session_id="s" * 300, agent_id="a"))
    sent = upstream.asked[0]
    assert (known.id, known.context_window, known.tools, known.images) == (MODEL, 200_000, True, True)
    assert known.price == "$3.00 in, $15.00 out per million tokens"
    assert (sent.body["max_tokens"], sent.body["reasoning"]) == (8000, {"effort": "high"})
    assert "temperature" not in sent.body
    assert (sent.body["models"], sent.body["provider"]) == (["other/model"], {"sort": "price"})
    assert sent.body["session_id"] == "s" * 256
    assert sent.body["messages"][0]["content"][-1]["cache_control"] == {"type": "ephemeral"}
    assert ("x-openrouter-title", "anyclaude") in [(name.lower(), value) for name, value in sent.headers.items()]


@pytest.mark.parametrize(
    ("settings", "sent"),
    [
        ({}, {"x-openrouter-title": "anyclaude", "x-title": "anyclaude"}),
        ({"referer": "https://x.example", "title": None}, {"http-referer": "https://x.example"}),
    ],
)
async def test_the_app_is_named_as_the_user_wants(
    settings: dict[str, Any], sent: dict[str, str], tmp_path: Path
) -> None:
    async with OpenRouterUpstream() as upstream, backend_at(upstream.url, tmp_path, **settings) as backend:
        upstream.script(reply(Says("ok")))
        await answer(backend)
    headers = {name.lower(): value for name, value in upstream.asked[0].headers.items()}
    assert {
        name: headers[name] for name in ("http-referer", "x-openrouter-title", "x-title") if name in headers
    } == sent


@pytest.mark.parametrize("name", ["two\nlines", "süm", "", "x" * 201])
def test_what_cannot_be_a_header_is_no_name(name: str) -> None:
    with pytest.raises(ValidationError):
        OpenRouter(title=name)


async def test_a_choice_of_none_that_no_provider_takes_is_learnt(tmp_path: Path) -> None:
    """Without the parameter the model would be free to call, so the tools go too."""
    said = "No endpoints found that support the provided 'tool_choice' value."
    async with OpenRouterUpstream() as upstream, backend_at(upstream.url, tmp_path) as backend:
        upstream.script(Refusal(404, said))
        await answer(backend, tool_choice={"type": "none"})
    (first,), (second,) = upstream.asked, upstream.side  # what has no tools is no main turn to the stand-in
    assert (first.body["tool_choice"], "tools" in first.body) == ("none", True)
    assert {"tools", "tool_choice"}.isdisjoint(second.body)


async def test_the_users_own_reasoning_stands(tmp_path: Path) -> None:
    async with (
        OpenRouterUpstream() as upstream,
        backend_at(upstream.url, tmp_path, reasoning={"max_tokens": 99}) as backend,
    ):
        upstream.script(reply(Says("ok")))
        await answer(backend)
    assert upstream.asked[0].body["reasoning"] == {"max_tokens": 99}


async def test_the_list_is_kept_and_serves_when_the_network_does_not(tmp_path: Path) -> None:
    async with OpenRouterUpstream() as upstream:
        for hours in (24.0, 24.0, 0.0):
            async with backend_at(upstream.url, tmp_path, model_list_hours=hours) as backend:
                await backend.ready()
        assert upstream.lists == 2
        assert ((tmp_path / FILE).stat().st_mode & 0o777) == 0o600
        url = upstream.url
    async with backend_at(url, tmp_path, model_list_hours=0) as backend:
        assert next(model.id for model in await backend.models()) == MODEL


async def test_a_pipe_in_the_place_of_the_list_keeps_nobody_waiting(tmp_path: Path) -> None:
    (tmp_path / FILE).parent.mkdir()
    os.mkfifo(tmp_path / FILE)
    async with OpenRouterUpstream() as upstream, backend_at(upstream.url, tmp_path) as backend:
        await backend.ready()
    assert (tmp_path / FILE).is_file()


async def test_what_is_not_ready_is_one_sentence_with_the_next_step(tmp_path: Path) -> None:
    async with OpenRouterUpstream() as upstream:
        async with backend_at(upstream.url, tmp_path, model="anthropic/claude-sonet") as backend:
            with pytest.raises(SetupError, match=f"did you mean {MODEL}"):
                await backend.ready()
        async with backend_at(upstream.url, tmp_path, key="wrong") as backend:
            with pytest.raises(SetupError, match="does not accept the key in OPENROUTER_API_KEY; get one at"):
                await backend.ready()
    async with backend_at("http://127.0.0.1:1/v1", tmp_path / "new") as backend:
        with pytest.raises(SetupError, match="cannot be used: nothing answers"):
            await backend.ready()


async def test_a_refusal_is_learnt_once(tmp_path: Path) -> None:
    async with OpenRouterUpstream() as upstream, backend_at(upstream.url, tmp_path) as backend:
        said = "Unsupported parameter: 'temperature' is not supported with this model."
        upstream.script(Refusal(400, said), reply(Says("ok")), reply(Says("ok")))
        assert (await answer(backend))[-1] == Finished("end_turn")
        assert (await answer(backend))[-1] == Finished("end_turn")
    assert ["temperature" in asked.body for asked in upstream.asked] == [True, False, False]


async def test_what_is_refused_for_another_reason_is_handed_on(tmp_path: Path) -> None:
    async with OpenRouterUpstream() as upstream, backend_at(upstream.url, tmp_path) as backend:
        upstream.script(Refusal(402, "Insufficient credits."), Refusal(429, "slow", (("retry-after", "7"),)))
        with pytest.raises(UpstreamRejected, match="add credits there, or choose another model") as refused:
            await answer(backend)
        with pytest.raises(RateLimited) as limited:
            await answer(backend)
    assert (refused.value.status, limited.value.headers) == (402, {"retry-after": "7"})


async def test_thinking_comes_back_with_the_next_turn(tmp_path: Path) -> None:
    detail = {"type": "reasoning.text", "text": "hm", "signature": "c2ln", "index": 0}

    async def play(connection: Connection) -> None:
        await connection.stream(delta(reasoning_details=[detail]), text("ok"), finish(), "[DONE]")

    async with raw_upstream(play) as upstream, backend_at(upstream.url, tmp_path) as backend:
        thinking, signature, *_ = await answer(backend)
        assert isinstance(thinking, ThinkingDelta)
        assert isinstance(signature, ThinkingSignature)
        block = {"type": "thinking", "thinking": thinking.text, "signature": signature.signature}
        said = {"role": "assistant", "content": [block, {"type": "text", "text": "ok"}]}
        await answer(backend, messages=[*ASK["messages"], said, {"role": "user", "content": "more"}])
    assert upstream.requests[1].json["messages"][-2]["reasoning_details"] == [detail]


async def test_after_a_change_of_model_thinking_waits_for_its_own(tmp_path: Path) -> None:
    """As `/model` does: what one has thought is not sent to the other, and is back with the first."""
    async with OpenRouterUpstream() as upstream, backend_at(upstream.url, tmp_path) as backend:
        upstream.script(reply(*thinks(DETAILS), Says("ok")), reply(Says("ok")), reply(Says("ok")))
        events = await answer(backend)
        signature = next(event.signature for event in events if isinstance(event, ThinkingSignature))
        block = {"type": "thinking", "thinking": "...", "signature": signature}
        said = {"role": "assistant", "content": [block, {"type": "text", "text": "ok"}]}
        turn = {**ASK, "messages": [*ASK["messages"], said, {"role": "user", "content": "more"}]}
        for model in ("google/gemini-2.5-flash", MODEL):
            async with backend.stream(turn, Caller(), model) as batches:
                assert [event async for batch in batches for event in batch][-1] == Finished("end_turn")
    carried = [asked.messages[-2].get("reasoning_details") for asked in upstream.asked[1:]]
    assert carried == [None, DETAILS]


SEARCH: dict[str, Any] = {
    "tools": [{"type": "web_search_20250305", "name": "web_search", "max_uses": 8, "allowed_domains": ["a.example"]}],
    "messages": [{"role": "user", "content": "Perform a web search for the query: x"}],
}


async def test_a_web_search_is_made_with_openrouters_own_tool(tmp_path: Path) -> None:
    pages = (("A", "https://a.example/"), ("B", "https://b.example/"))
    async with OpenRouterUpstream() as upstream, backend_at(upstream.url, tmp_path) as backend:
        upstream.script(reply(Says("Found."), cites(*pages), usage=Billed(searches=2)))
        events = await answer(backend, **SEARCH)
    [tool] = upstream.asked[0].body["tools"]
    assert (tool["type"], tool["parameters"]["allowed_domains"]) == ("openrouter:web_search", ["a.example"])
    [result] = [event for event in events if isinstance(event, ServerToolResult)]
    assert [page["url"] for page in result.content] == ["https://a.example/"]  # type: ignore[index]
    [report] = [event for event in events if isinstance(event, UsageReport)]
    assert report.web_searches == 2
    assert not any(isinstance(event, Citation) for event in events)


async def test_other_requests_get_no_such_tool_whatever_a_model_cites(tmp_path: Path) -> None:
    async with OpenRouterUpstream() as upstream, backend_at(upstream.url, tmp_path) as backend:
        upstream.script(reply(Says("Found."), cites(("A", "https://a.example/"))))
        events = await answer(backend)
    assert [tool["type"] for tool in upstream.asked[0].body["tools"]] == ["function"]
    assert not any(isinstance(event, ServerToolResult) for event in events)
