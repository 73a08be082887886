"""Each recorded answer of OpenRouter through our proxy: status, type, sentence and headers, as the client sees them.

Claude Code repeats 408, 409, 429 and 5xx, shows 400 and 402 as they are, shows words of its own for 401, 403 and 404,
and gives up at once on a `retry-after` of more than 60 s (observed with 2.1.197). The official SDK reads along.
"""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anthropic
import pytest
from pydantic import SecretStr

from anyclaude.backends.openrouter import OpenRouterBackend
from anyclaude.config.model import Deadlines
from anyclaude.config.upstreams import OpenRouter
from tests.support.clients import TOKEN, Client, talking_to
from tests.support.filler import filler
from tests.support.openrouter import (
    DETAILS,
    KEY,
    MODEL,
    REFUSALS,
    Billed,
    OpenRouterUpstream,
    fails,
    limited_until,
    thinks,
)
from tests.support.script import Breaks, Says, calls, reply

TOOL: dict[str, Any] = {"name": "Bash", "input_schema": {"type": "object", "properties": {}}}
ASK: dict[str, Any] = {"tools": [TOOL], "thinking": {"type": "adaptive"}}
QUESTION = {"role": "user", "content": "Hi"}


@asynccontextmanager
async def proxied(home: Path, **settings: Any) -> AsyncIterator[tuple[OpenRouterUpstream, Client]]:
    async with OpenRouterUpstream() as upstream:
        own = OpenRouter(url=upstream.url, api_key=SecretStr(KEY), **{"model": MODEL, **settings})
        async with talking_to(OpenRouterBackend(own, None, Deadlines(), home)) as client:
            yield upstream, client


@asynccontextmanager
async def sdk(client: Client) -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with anthropic.AsyncAnthropic(base_url=client.url, auth_token=TOKEN, api_key=None, max_retries=0) as official:
        yield official


# name: status, type, retry-after, words
TOLD: dict[str, tuple[int, str, str | None, str]] = {
    "no credits": (402, "invalid_request_error", None, "add credits there, or choose another model"),
    "too dear": (402, "invalid_request_error", None, "(Lower max_tokens.)"),
    "budget in use": (429, "rate_limit_error", "3", "in-flight"),
    "weekly limit": (402, "invalid_request_error", None, "raise the limit of the key there"),
    "wrong key": (400, "invalid_request_error", None, "refused our API key (401)"),
    "moderation": (400, "invalid_request_error", None, "(reasons: violence; flagged: how do I ... it)"),
    "guardrail": (400, "invalid_request_error", None, "(patterns: ignore all previous); this is about the prompt"),
    "no tools": (400, "invalid_request_error", None, "Claude Code needs tools: choose another model"),
    "data policy": (400, "invalid_request_error", None, "settings/privacy (allow its providers there"),
    "timeout": (504, "timeout_error", None, "Request timed out"),
    "busy": (429, "rate_limit_error", "2", "Provider returned error (Chutes): x/y:free is temporarily"),
    "busy, no hint": (429, "rate_limit_error", None, "Rate limit exceeded"),
    "provider down": (502, "api_error", None, "Provider returned error (Chutes): upstream died"),
    "none available": (529, "overloaded_error", None, "No available model provider"),
    "overloaded": (529, "overloaded_error", None, "Provider is temporarily overloaded"),
    "too long": (400, "invalid_request_error", None, "prompt is too long: 250000 tokens > 200000 maximum"),
    "answer too long": (400, "invalid_request_error", None, "exceed context limit: 150000 + 55000 > 200000"),
    "failed choice": (502, "api_error", None, "Provider disconnected"),
}


@pytest.mark.parametrize("name", REFUSALS)
@pytest.mark.parametrize("streaming", [True, False])
async def test_a_refusal_is_told_in_the_shape_that_claude_code_acts_on(
    name: str, streaming: bool, tmp_path: Path
) -> None:
    status, kind, retry_after, words = TOLD[name]
    async with proxied(tmp_path) as (upstream, client):
        upstream.script(REFUSALS[name])
        async with client.post(stream=streaming, **ASK) as response:
            told = await response.json()
        assert (response.status, told["error"]["type"]) == (status, kind)
        assert response.headers.get("retry-after") == retry_after
        assert words in told["error"]["message"]
        assert KEY not in told["error"]["message"]
        assert len(upstream.asked) == 1


async def test_a_limit_of_the_day_is_not_waited_for(tmp_path: Path) -> None:
    async with proxied(tmp_path) as (upstream, client):
        upstream.script(limited_until(int((time.time() + 7200) * 1000)))
        async with client.post(stream=True, **ASK) as response:
            told = await response.json()
        assert response.status == 429
        assert 7000 < int(response.headers["retry-after"]) <= 7201
        assert "the limit is lifted in 1" in told["error"]["message"]


@pytest.mark.parametrize("status", [429, 502])
async def test_an_error_before_the_first_word_is_a_status(status: int, tmp_path: Path) -> None:
    async with proxied(tmp_path) as (upstream, client):
        upstream.script(reply(fails(status, "no luck"), Breaks()))
        async with client.post(stream=True, **ASK) as response:
            assert (response.status, "no luck" in await response.text()) == (status, True)


async def test_an_error_in_mid_stream_takes_nothing_for_complete(tmp_path: Path) -> None:
    async with proxied(tmp_path) as (upstream, client):
        # more than one read of the socket, so that the answer has begun when it breaks
        half, broken = (
            Says(filler(1_000_000, "half")),
            fails(502, "Provider disconnected", error_type="provider_unavailable"),
        )
        cut = reply(half, broken, Breaks())
        upstream.script(cut, cut, cut)
        events = await client.events(**ASK, max_tokens=100_000)
        assert events[-1]["type"] == "error"
        assert events[-1]["error"]["message"] == "the model server said: Provider disconnected"
        async with client.post(**ASK, max_tokens=100_000) as response:
            assert response.status == 502
        ask: Any = {"model": "m", "max_tokens": 100_000, "messages": [QUESTION], **ASK}
        async with sdk(client) as official:
            with pytest.raises(anthropic.APIStatusError, match="Provider disconnected"):
                async with official.messages.stream(**ask) as stream:
                    await stream.get_final_message()


async def test_the_official_client_reads_thinking_and_tools_both_ways(tmp_path: Path) -> None:
    said = reply(*thinks(DETAILS), Says("I look."), calls("Bash", command="ls"), usage=Billed())
    async with proxied(tmp_path) as (upstream, client), sdk(client) as official:
        upstream.script(said, said, reply(Says("Done.")))
        ask: Any = {"model": "m", "max_tokens": 99, "messages": [QUESTION], **ASK}
        async with official.messages.stream(**ask) as stream:
            streamed = await stream.get_final_message()
        whole = await official.messages.create(**ask)
        for message in (streamed, whole):
            thinking, text, call = message.content
            assert (thinking.type, text.type, call.type) == ("thinking", "text", "tool_use")
            assert message.stop_reason == "tool_use"
            usage = message.usage
            assert (usage.input_tokens, usage.cache_read_input_tokens, usage.cache_creation_input_tokens) == (
                10,
                60,
                30,
            )
        assert streamed.content[0].thinking == "A short süm.First I look."  # type: ignore[union-attr]
        result = {"type": "tool_result", "tool_use_id": streamed.content[2].id, "content": "a"}  # type: ignore[union-attr]
        turns = [{"role": "assistant", "content": streamed.content}, {"role": "user", "content": [result]}]
        await official.messages.create(**{**ask, "messages": [QUESTION, *turns]})
    assert upstream.asked[2].messages[1]["reasoning_details"] == DETAILS


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("busy", anthropic.RateLimitError),
        ("no credits", anthropic.APIStatusError),
        ("too long", anthropic.BadRequestError),
        ("provider down", anthropic.InternalServerError),
        ("overloaded", anthropic.OverloadedError),
        ("timeout", anthropic.DeadlineExceededError),
    ],
)
async def test_the_official_client_knows_the_errors(
    name: str, kind: type[anthropic.APIStatusError], tmp_path: Path
) -> None:
    async with proxied(tmp_path) as (upstream, client), sdk(client) as official:
        upstream.script(REFUSALS[name])
        with pytest.raises(anthropic.APIStatusError) as caught:
            await official.messages.create(model="m", max_tokens=9, messages=[QUESTION], tools=[TOOL])  # type: ignore[list-item]
    assert isinstance(caught.value, kind)


@pytest.mark.parametrize(
    ("stand_ins", "by", "comes_back"), [((), "x/y", True), (("x/y",), "x/y", False), (("x/y",), None, True)]
)
async def test_thinking_goes_back_to_the_model_that_answered_alone(
    stand_ins: tuple[str, ...], by: str | None, comes_back: bool, tmp_path: Path
) -> None:
    async with proxied(tmp_path, models=stand_ins) as (upstream, client):
        async with client.get("/v1/models") as response:
            assert MODEL in await response.text()
        upstream.answers_as = by or upstream.answers_as
        upstream.script(reply(*thinks(DETAILS), Says("ok")), reply(Says("ok")))
        async with client.post(**ASK) as response:
            said = await response.json()
        turn = {"role": "assistant", "content": said["content"]}
        async with client.post(**ASK, messages=[QUESTION, turn, QUESTION]) as response:
            assert response.status == 200
        assert ("reasoning_details" in upstream.asked[1].messages[1]) is comes_back
