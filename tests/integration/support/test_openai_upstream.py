"""The scripted upstream, seen by the official `openai` client: what that accepts, the proxy must too."""

from collections.abc import AsyncIterator
from contextlib import suppress

import httpx2
import openai
import pytest
from openai.types.chat import ChatCompletionChunk, ChatCompletionMessageParam, ChatCompletionToolParam

from tests.support.openai_upstream import Asked, Line, OpenAIUpstream
from tests.support.script import Breaks, Refusal, Reply, Says, Step, Thinks, Together, Waits, calls, reply

TOOL: ChatCompletionToolParam = {"type": "function", "function": {"name": "Read"}}
HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "hello"}]


@pytest.fixture
async def upstream() -> AsyncIterator[OpenAIUpstream]:
    async with OpenAIUpstream() as server:
        yield server


@pytest.fixture
async def client(upstream: OpenAIUpstream) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai_client(upstream) as instance:
        yield instance


def openai_client(upstream: OpenAIUpstream) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=upstream.url, api_key="none", max_retries=0)


async def ask(client: openai.AsyncOpenAI) -> list[ChatCompletionChunk]:
    stream = await client.chat.completions.create(model="m", messages=HELLO, tools=[TOOL], stream=True)
    return [chunk async for chunk in stream]


def text_of(chunks: list[ChatCompletionChunk]) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


async def test_a_conversation(upstream: OpenAIUpstream, client: openai.AsyncOpenAI) -> None:
    upstream.script(
        reply(Says("First.")),
        lambda asked: reply(Says(f"You said {asked.texts('user')[-1]}.")),
    )
    assert text_of(await ask(client)) == "First."
    assert text_of(await ask(client)) == "You said hello."
    assert upstream.asked[1].tool_names == ["Read"]


@pytest.mark.parametrize(
    "step",
    [calls("Read", path="a"), Together((calls("Read", path="a"), calls("Read", path="b")))],
    ids=["one", "interleaved"],
)
async def test_the_client_puts_calls_together(upstream: OpenAIUpstream, client: openai.AsyncOpenAI, step: Step) -> None:
    upstream.script(reply(Thinks("Which?"), step))
    manager = client.chat.completions.stream(model="m", messages=HELLO, tools=[TOOL])
    async with manager as stream:
        whole = await stream.get_final_completion()
    got = [call.function.arguments for call in whole.choices[0].message.tool_calls or []]
    assert got == ['{"path": "a"}', '{"path": "b"}'][: len(got)]
    assert len(got) == (2 if isinstance(step, Together) else 1)
    assert whole.choices[0].finish_reason == "tool_calls"


async def test_a_refusal_is_an_http_error(upstream: OpenAIUpstream, client: openai.AsyncOpenAI) -> None:
    upstream.script(Refusal(429, "slow down", headers=(("retry-after", "3"),)))
    with pytest.raises(openai.RateLimitError, match="slow down") as caught:
        await ask(client)
    assert caught.value.response.headers["retry-after"] == "3"


async def test_an_aborted_answer(upstream: OpenAIUpstream, client: openai.AsyncOpenAI) -> None:
    upstream.script(reply(Says("half"), Breaks(abort=True)))
    with pytest.raises((openai.APIError, httpx2.TransportError)):
        await ask(client)


async def test_an_answer_that_just_ends(upstream: OpenAIUpstream, client: openai.AsyncOpenAI) -> None:
    upstream.script(reply(Says("half"), Breaks()))
    chunks = await ask(client)
    assert text_of(chunks) == "half"
    assert all(choice.finish_reason is None for chunk in chunks for choice in chunk.choices)


async def test_it_sees_the_client_leave(upstream: OpenAIUpstream, client: openai.AsyncOpenAI) -> None:
    upstream.script(reply(Says("x"), Waits()))
    stream = await client.chat.completions.create(model="m", messages=HELLO, tools=[TOOL], stream=True)
    asked = await upstream.turn(1)
    assert not asked.left.is_set()
    await stream.close()
    await asked.left.wait()
    assert not asked.answered.is_set()


async def test_a_title_is_no_turn(upstream: OpenAIUpstream, client: openai.AsyncOpenAI) -> None:
    schema: dict[str, object] = {"type": "object", "properties": {"title": {"type": "string"}}}
    stream = await client.chat.completions.create(
        model="m",
        messages=HELLO,
        stream=True,
        response_format={"type": "json_schema", "json_schema": {"name": "title", "schema": schema}},
    )
    assert text_of([chunk async for chunk in stream]) == '{"title": "A scripted title"}'
    assert (len(upstream.asked), len(upstream.side)) == (0, 1)


async def test_a_script_that_is_not_kept_fails() -> None:
    with pytest.raises(AssertionError, match="1 lines of the script"):
        async with OpenAIUpstream() as upstream:
            upstream.script(reply(Says("never asked for")))


async def refused(*lines: Line) -> None:
    """One request that a server of its own refuses, then the end of that server."""
    async with OpenAIUpstream() as upstream, openai_client(upstream) as client:
        upstream.script(*lines)
        with suppress(openai.BadRequestError):
            await ask(client)


async def test_a_request_beyond_the_script_fails() -> None:
    with pytest.raises(AssertionError, match="not in the script"):
        await refused()


async def test_what_a_line_asserts_fails_the_test() -> None:
    def line(asked: Asked) -> Reply:
        raise AssertionError(f"not what I expected: {asked.texts('user')}")

    with pytest.raises(AssertionError, match=r"not what I expected: \['hello'\]"):
        await refused(line)


async def test_the_models_say_what_is_loaded(upstream: OpenAIUpstream, client: openai.AsyncOpenAI) -> None:
    assert [model.id async for model in client.models.list()] == [upstream.model]
    async with httpx2.AsyncClient(trust_env=False) as raw:
        listed = (await raw.get(upstream.url.removesuffix("/v1") + "/api/v0/models")).json()
    assert listed["data"][0]["loaded_context_length"] == upstream.context_window
