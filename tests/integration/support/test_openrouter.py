"""The stand-in for OpenRouter, seen by the official `openai` client: it is a valid server of that API."""

from collections.abc import AsyncIterator

import openai
import pytest
from openai.types.chat import ChatCompletionChunk, ChatCompletionMessageParam, ChatCompletionToolParam

from tests.support.openrouter import (
    COMMENT,
    DETAILS,
    KEY,
    LASTING,
    MODEL,
    REFUSALS,
    Billed,
    OpenRouterUpstream,
    fails,
    thinks,
)
from tests.support.script import Breaks, Says, calls, reply

HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "hello"}]
TOOLS: list[ChatCompletionToolParam] = [{"type": "function", "function": {"name": "Read"}}]


@pytest.fixture
async def upstream() -> AsyncIterator[OpenRouterUpstream]:
    async with OpenRouterUpstream() as server:
        yield server


@pytest.fixture
async def client(upstream: OpenRouterUpstream) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=upstream.url, api_key=KEY, max_retries=0) as instance:
        yield instance


async def test_a_whole_stream(upstream: OpenRouterUpstream, client: openai.AsyncOpenAI) -> None:
    upstream.script(reply(*thinks(DETAILS), Says("Look."), calls("Read", path="a"), usage=Billed()))
    async with client.chat.completions.stream(model=MODEL, messages=HELLO, tools=TOOLS) as stream:
        whole = await stream.get_final_completion()
    (choice,) = whole.choices
    assert (whole.model, choice.message.content, choice.finish_reason) == (LASTING, "Look.", "tool_calls")
    assert [call.function.arguments for call in choice.message.tool_calls or ()] == ['{"path": "a"}']
    assert whole.usage is not None
    assert whole.usage.prompt_tokens_details is not None
    assert whole.usage.prompt_tokens_details.cached_tokens == 60
    assert (whole.usage.model_extra or {})["cost"] == 0.00125


async def test_details_come_in_pieces_between_comments(
    upstream: OpenRouterUpstream, client: openai.AsyncOpenAI
) -> None:
    upstream.script(reply(*thinks(DETAILS), Says("Look.")))
    raw = client.chat.completions.with_streaming_response
    async with raw.create(model=MODEL, messages=HELLO, tools=TOOLS, stream=True) as response:
        body = await response.read()
    assert body.startswith(COMMENT)
    assert body.count(b"reasoning.text") == 4
    assert body.count(b"signature") == 1


async def read(client: openai.AsyncOpenAI) -> list[ChatCompletionChunk]:
    stream = await client.chat.completions.create(model=MODEL, messages=HELLO, tools=TOOLS, stream=True)
    return [chunk async for chunk in stream]


async def test_an_error_in_mid_stream(upstream: OpenRouterUpstream, client: openai.AsyncOpenAI) -> None:
    upstream.script(reply(Says("Half"), fails(502, "Provider disconnected"), Breaks()))
    with pytest.raises(openai.APIError, match="Provider disconnected"):
        await read(client)


async def test_an_error_before_the_stream(upstream: OpenRouterUpstream, client: openai.AsyncOpenAI) -> None:
    upstream.script(REFUSALS["no credits"])
    with pytest.raises(openai.APIStatusError, match="Insufficient credits") as refused:
        await read(client)
    assert refused.value.status_code == 402


async def test_the_models(client: openai.AsyncOpenAI) -> None:
    assert MODEL in [model.id async for model in client.models.list()]
