"""The chat backend against an upstream that does exactly what the test says, well or badly."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pydantic import SecretStr

from anyclaude.backends.base import Caller
from anyclaude.backends.lmstudio import LMStudioBackend
from anyclaude.config.model import Deadlines
from anyclaude.config.upstreams import LMStudio
from anyclaude.errors import (
    AnyclaudeError,
    Overloaded,
    PromptTooLong,
    RateLimited,
    UpstreamBroken,
    UpstreamRefusedUs,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from anyclaude.wire.events import Failed, Finished, ModelEvent, TextDelta
from anyclaude.wire.sse import MAX_EVENT_BYTES
from tests.support.raw_upstream import STREAM_HEAD, Connection, framed, raw_upstream, sse, whole
from tests.support.streams import finish, text, usage

ASK = {"model": "m", "max_tokens": 16, "messages": [{"role": "user", "content": "Hi"}]}
QUICK = Deadlines(connect=5, first_event=0.05, progress=0.05, closing=0.05)


@asynccontextmanager
async def backend_for(
    play: Callable[[Connection], Awaitable[None]], deadlines: Deadlines | None = None
) -> AsyncIterator[LMStudioBackend]:
    async with raw_upstream(play) as upstream:
        backend = LMStudioBackend(LMStudio(url=upstream.url), None, deadlines or Deadlines())
        try:
            yield backend
        finally:
            await backend.aclose()


async def answer(backend: LMStudioBackend, **fields: Any) -> list[ModelEvent]:
    events: list[ModelEvent] = []
    async with backend.stream({**ASK, **fields}, Caller()) as batches:
        async for batch in batches:
            events += batch
    return events


async def play(connection: Connection) -> None:
    await connection.stream(text("Hel"), text("lo"), finish(), usage(9, 2, 4), "[DONE]")


async def test_a_stream() -> None:
    async with backend_for(play) as backend:
        texts = [event.text for event in await answer(backend) if isinstance(event, TextDelta)]
        assert "".join(texts) == "Hello"


async def test_what_is_sent() -> None:
    async with raw_upstream(play) as upstream:
        backend = LMStudioBackend(LMStudio(url=upstream.url), None, Deadlines())
        await answer(backend, stream=False)
        await backend.aclose()
    (sent,) = upstream.requests
    assert sent.head.startswith("POST /v1/chat/completions HTTP/1.1")
    assert "authorization: Bearer lm-studio" in sent.head
    assert "accept-encoding: identity" in sent.head.lower()
    assert sent.json["model"] == "current-model"
    assert sent.json["cache_prompt"] is True
    assert (sent.json["stream"], sent.json["stream_options"]) == (True, {"include_usage": True})


async def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    async with backend_for(play) as backend:
        assert await answer(backend)


async def test_a_server_that_does_not_stream() -> None:
    message = {"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]}

    async def at_once(connection: Connection) -> None:
        await connection.send(whole(200, json.dumps(message).encode(), Content_Type="application/json"))

    async with backend_for(at_once) as backend:
        assert await answer(backend) == [TextDelta("Hi"), Finished("end_turn")]


REFUSALS: list[tuple[int, object, type[AnyclaudeError]]] = [
    (400, {"error": {"message": "request (9 tokens) exceeds the available context size (8 tokens)"}}, PromptTooLong),
    (401, {"error": "bad key"}, UpstreamRefusedUs),
    (429, {"error": "slow"}, RateLimited),
    (500, "<html>boom</html>", UpstreamBroken),
    (503, {"error": {"message": "Loading model"}}, Overloaded),
    (307, "elsewhere", UpstreamBroken),
    (204, "", UpstreamBroken),
    (200, {"error": "Unexpected endpoint or method"}, UpstreamBroken),
]


@pytest.mark.parametrize(("status", "body", "kind"), REFUSALS)
async def test_a_refusal_is_raised_before_the_stream(status: int, body: object, kind: type[AnyclaudeError]) -> None:
    async def refuse(connection: Connection) -> None:
        data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        await connection.send(whole(status, data, Content_Type="application/json", Location="http://evil.example/"))

    async with backend_for(refuse) as backend:
        with pytest.raises(kind):
            await answer(backend)


async def test_nothing_listens() -> None:
    backend = LMStudioBackend(LMStudio(url="http://127.0.0.1:1/v1"), None, Deadlines())
    with pytest.raises(UpstreamUnreachable, match=r"nothing answers at http://127\.0\.0\.1:1"):
        await answer(backend)
    await backend.aclose()


async def test_a_name_that_does_not_exist() -> None:
    backend = LMStudioBackend(LMStudio(url="http://nowhere.invalid/v1"), None, Deadlines())
    with pytest.raises(UpstreamUnreachable):
        await answer(backend)
    await backend.aclose()


async def _head_cut(connection: Connection) -> None:
    await connection.send(b"HTTP/1.1 200 OK\r\nContent-")


async def _garbage(connection: Connection) -> None:
    await connection.send(b"\x00\x01\x02 not http\r\n\r\n")


async def _nothing(connection: Connection) -> None:
    pass


@pytest.mark.parametrize("fault", [_head_cut, _garbage, _nothing])
async def test_a_break_before_the_stream_is_raised(fault: Callable[[Connection], Awaitable[None]]) -> None:
    async with backend_for(fault) as backend:
        with pytest.raises(UpstreamBroken, match="broke before the answer was complete"):
            await answer(backend)


async def _cut(connection: Connection) -> None:
    await connection.stream(text("Hel"), end=False)


async def _reset(connection: Connection) -> None:
    await connection.stream(text("Hel"), end=False)
    connection.reset()


async def _clean_end(connection: Connection) -> None:
    await connection.stream(text("Hel"))


async def _unframed_end(connection: Connection) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
    await connection.send(head, sse(text("Hel")))


async def _short_of_its_length(connection: Connection) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 9999\r\n\r\n"
    await connection.send(head, sse(text("Hel")))


async def _gzip_cut(connection: Connection) -> None:
    squeezed = gzip.compress(sse(text("Hel")) + sse(finish()))[:-12]
    head = STREAM_HEAD.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n")
    await connection.send(head, framed(squeezed), b"0\r\n\r\n")


async def _done_without_finish(connection: Connection) -> None:
    await connection.stream(text("Hel"), "[DONE]")


async def _no_json(connection: Connection) -> None:
    await connection.stream(text("Hel"), "{oops")


async def _bad_utf8(connection: Connection) -> None:
    await connection.stream(text("Hel"), end=False)
    await connection.send(framed(b'data: {"choices":[{"delta":{"content":"\xff"}}]}\n\n'), b"0\r\n\r\n")


async def _error_inside(connection: Connection) -> None:
    await connection.stream(text("Hel"), {"error": {"message": "out of memory"}})


async def _endless_event(connection: Connection) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
    await connection.send(head, sse(text("Hel")), b"data: " + b"x" * (MAX_EVENT_BYTES + 2))


async def _html(connection: Connection) -> None:
    await connection.send(whole(200, b"<html>a portal</html>", Content_Type="text/html"))


FAULTS = [
    *(_cut, _reset, _clean_end, _unframed_end, _short_of_its_length, _gzip_cut),
    *(_done_without_finish, _no_json, _bad_utf8, _error_inside, _endless_event),
]


@pytest.mark.parametrize("fault", FAULTS)
async def test_an_answer_that_is_not_whole_never_looks_whole(fault: Callable[[Connection], Awaitable[None]]) -> None:
    async with backend_for(fault) as backend:
        events = await answer(backend)
    assert isinstance(events[-1], Failed)
    assert not any(isinstance(event, Finished) for event in events)


async def _silent(connection: Connection) -> None:
    await connection.stream(end=False)
    await connection.gone()


async def _stalls(connection: Connection) -> None:
    await connection.stream(text("Hel"), end=False)
    await connection.gone()


async def _only_comments(connection: Connection) -> None:
    await connection.stream(text("Hel"), end=False)
    while True:
        await connection.send(framed(b": still here\n\n"))
        await asyncio.sleep(0)


async def test_a_page_that_is_no_answer_at_all() -> None:
    async with backend_for(_html) as backend:
        with pytest.raises(UpstreamBroken, match="without a single event"):
            await answer(backend)


async def test_a_silent_upstream_meets_its_deadline() -> None:
    async with backend_for(_silent, QUICK) as backend:
        with pytest.raises(UpstreamTimeout):
            await answer(backend)


@pytest.mark.parametrize("fault", [_stalls, _only_comments])
async def test_an_upstream_that_makes_no_progress_meets_its_deadline(
    fault: Callable[[Connection], Awaitable[None]],
) -> None:
    async with backend_for(fault, QUICK.model_copy(update={"first_event": 60})) as backend:
        last = (await answer(backend))[-1]
    assert isinstance(last, Failed)
    assert isinstance(last.error, UpstreamTimeout)


async def test_an_upstream_that_never_closes_after_its_finish_costs_nothing() -> None:
    async def lingers(connection: Connection) -> None:
        await connection.stream(text("Hi"), finish(), end=False)
        await connection.gone()

    async with backend_for(lingers, QUICK.model_copy(update={"first_event": 60, "progress": 60})) as backend:
        assert await answer(backend) == [TextDelta("Hi"), Finished("end_turn")]


async def test_leaving_closes_the_upstream() -> None:
    closed = asyncio.Event()

    async def talks_on(connection: Connection) -> None:
        await connection.stream(text("Hi"), end=False)
        await connection.gone()
        closed.set()

    async with backend_for(talks_on) as backend:
        async with backend.stream(ASK, Caller()) as batches:
            await anext(aiter(batches))
        async with asyncio.timeout(5):
            await closed.wait()


async def test_a_cancel_before_the_head_closes_the_upstream() -> None:
    asked, closed = asyncio.Event(), asyncio.Event()

    async def computes(connection: Connection) -> None:
        asked.set()
        await connection.gone()
        closed.set()

    async with backend_for(computes) as backend:
        asking = asyncio.create_task(answer(backend))
        await asked.wait()
        asking.cancel()
        async with asyncio.timeout(5):
            await closed.wait()


async def test_comments_keep_a_long_prompt_alive_and_are_empty_batches() -> None:
    async def computes(connection: Connection) -> None:
        await connection.stream(end=False)
        await connection.send(framed(b": prefill 1/2\n\n"), *(framed(sse(x)) for x in (text("Hi"), finish(), "[DONE]")))

    async with backend_for(computes) as backend, backend.stream(ASK, Caller()) as batches:
        first = await anext(aiter(batches))
    assert list(first) in ([], [TextDelta("Hi")], [TextDelta("Hi"), Finished("end_turn")])


async def test_ids_of_earlier_calls_are_not_given_again() -> None:
    tool_call = {"index": 0, "id": "call_0", "function": {"name": "f", "arguments": "{}"}}
    used = {"type": "tool_use", "id": "call_0", "name": "f", "input": {}}
    back = {"type": "tool_result", "tool_use_id": "call_0", "content": "x"}
    history = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": [used]},
        {"role": "user", "content": [back]},
    ]

    async def calls(connection: Connection) -> None:
        await connection.stream({"choices": [{"delta": {"tool_calls": [tool_call]}, "finish_reason": "tool_calls"}]})

    async with backend_for(calls) as backend:
        (start, *_) = await answer(backend, messages=history)
    assert start.id.startswith("toolu_")  # type: ignore[union-attr]


async def test_the_token_estimate_learns() -> None:
    async def long(connection: Connection) -> None:
        await connection.stream(text("Hi"), finish(), usage(len(connection.body) // 2, 1), "[DONE]")

    async with backend_for(long) as backend:
        ask = {**ASK, "messages": [{"role": "user", "content": "word " * 2000}]}
        before = await backend.count_tokens(ask)
        for _ in range(12):
            await answer(backend, messages=ask["messages"])
        after = await backend.count_tokens(ask)
    assert before < after
    assert after == pytest.approx(10_000 / 2, rel=0.1)


async def test_an_event_without_content_is_no_fault() -> None:
    async def empty(connection: Connection) -> None:
        await connection.stream("", text("Hi"), "", finish(), "[DONE]")

    async with backend_for(empty) as backend:
        assert await answer(backend) == [TextDelta("Hi"), Finished("end_turn")]


async def test_a_key_that_a_refusal_repeats_is_not_told() -> None:
    key = "sk-0123456789abcdef"

    async def repeats(connection: Connection) -> None:
        await connection.send(whole(401, json.dumps({"error": f"bad key {key}"}).encode()))

    async with raw_upstream(repeats) as upstream:
        backend = LMStudioBackend(LMStudio(url=upstream.url, api_key=SecretStr(key)), None, Deadlines())
        with pytest.raises(UpstreamRefusedUs) as caught:
            await answer(backend)
        await backend.aclose()
    assert key not in caught.value.message
    assert "bad key [our key]" in caught.value.message


async def test_the_time_of_a_slow_client_does_not_count_against_the_upstream() -> None:
    """The deadline passes while nobody reads; what the upstream had sent by then is still a whole answer."""
    sent = asyncio.Event()

    async def quick(connection: Connection) -> None:
        await connection.stream(text("Hi"), end=False)
        await connection.send(*(framed(sse(chunk)) for chunk in (text("!"), finish(), "[DONE]")), b"0\r\n\r\n")
        sent.set()

    deadlines = Deadlines(connect=5, first_event=60, progress=0.2, closing=0.2)
    async with backend_for(quick, deadlines) as backend, backend.stream(ASK, Caller()) as batches:
        events = list(await anext(aiter(batches)))
        await sent.wait()
        await asyncio.sleep(0.3)  # longer than the deadline: this is the slow client
        async for batch in batches:
            events += batch
    assert events[-1] == Finished("end_turn")
