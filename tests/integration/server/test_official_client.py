"""The official SDK through the proxy in claude mode: nothing that it sends or reads is missing."""

import io
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anthropic
import pytest

from tests.support import anthropic_upstream as shapes
from tests.support.anthropic_upstream import AnthropicUpstream, Play, frame, says
from tests.support.claude_mode import Kept, claude_mode
from tests.support.clients import TOKEN

KEY = "sk-ant-test"
ASK: Any = {"model": shapes.MODEL, "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}
LIMITS = {name: value for name, value in shapes.HEADERS if name.startswith("anthropic-ratelimit")}


@asynccontextmanager
async def official(play: Play, **how: Any) -> AsyncIterator[tuple[anthropic.AsyncAnthropic, AnthropicUpstream]]:
    """A client as its users make it, but for our token; at the end its key and not our token has come to Claude."""
    async with claude_mode(play, **how) as (url, upstream):
        ours = {"x-anyclaude-token": TOKEN}
        async with anthropic.AsyncAnthropic(base_url=url, api_key=KEY, default_headers=ours, max_retries=0) as client:
            yield client, upstream
    for received in upstream.requests:
        assert received.header("x-api-key") + received.header("authorization") in ([KEY], [f"Bearer {KEY}"])
        assert TOKEN.encode() not in received.head + received.body


async def test_a_message() -> None:
    async with official(says("Bonjour.")) as (client, upstream):
        raw = await client.messages.with_raw_response.create(**ASK)
        message = await raw.parse()
    assert message.to_dict()["content"] == [{"type": "text", "text": "Bonjour."}]
    assert raw.headers["request-id"] == message._request_id == "req_011CUpstream"
    assert {name: raw.headers[name] for name in LIMITS} == LIMITS
    assert json.loads(upstream.requests[0].body) == ASK


async def test_a_stream() -> None:
    async with official(says("Bonjour.")) as (client, _), client.messages.stream(**ASK) as stream:
        text = "".join([piece async for piece in stream.text_stream])
        final = await stream.get_final_message()
        head = stream.response.headers
    assert text == "Bonjour."
    assert (final.usage.cache_read_input_tokens, final.stop_reason) == (400, "end_turn")
    assert head["request-id"] == "req_011CUpstream"
    assert {name: head[name] for name in LIMITS} == LIMITS


async def test_betas_and_fields_that_nobody_knows() -> None:
    beta = ["context-management-2025-06-27", "not-yet-known-2027-01-01"]
    async with official(says("Hi")) as (client, upstream):
        message = await client.beta.messages.create(
            **ASK, betas=beta, extra_body={"not_yet_known": {"a": [1, None]}}, extra_headers={"x-mine": "1"}
        )
    (received,) = upstream.requests
    assert received.header("anthropic-beta") == [",".join(beta)]
    assert received.header("x-mine") == ["1"]
    assert json.loads(received.body) == {**ASK, "not_yet_known": {"a": [1, None]}}
    assert message.usage.to_dict()["service_tier"] == "standard"


async def test_a_count() -> None:
    async with official(says("Hi")) as (client, _):
        count = await client.messages.count_tokens(model=shapes.MODEL, messages=ASK["messages"])
    assert count.input_tokens == 442


async def test_models() -> None:
    model = {"type": "model", "id": shapes.MODEL, "display_name": "Opus", "created_at": "2026-01-01T00:00:00Z"}
    page = {"data": [model], "has_more": False, "first_id": shapes.MODEL, "last_id": shapes.MODEL}
    async with official(shapes.answers(page)) as (client, upstream):
        listed = await client.models.list(limit=7)
    assert [found.id for found in listed.data] == [shapes.MODEL]
    assert upstream.requests[0].target.startswith("/v1/models?limit=7")


async def test_batches() -> None:
    batch = {"id": "msgbatch_1", "type": "message_batch", "processing_status": "in_progress"}
    async with official(shapes.answers(batch)) as (client, upstream):
        made = await client.messages.batches.create(requests=[{"custom_id": "a", "params": ASK}])
        await client.messages.batches.cancel("msgbatch_1")
        await client.messages.batches.retrieve("msgbatch_1")
    assert made.id == "msgbatch_1"
    assert [received.head.split(b" HTTP")[0] for received in upstream.requests] == [
        b"POST /v1/messages/batches",
        b"POST /v1/messages/batches/msgbatch_1/cancel",
        b"GET /v1/messages/batches/msgbatch_1",
    ]
    assert json.loads(upstream.requests[0].body) == {"requests": [{"custom_id": "a", "params": ASK}]}


@pytest.mark.parametrize("size", [10, 3_000_000])
async def test_a_file(size: int) -> None:
    metadata = {"id": "file_1", "type": "file", "filename": "a.bin", "size_bytes": size, "mime_type": "x/y"}
    contents = bytes(size - 4) + b"\r\n\xff\xfe"
    async with official(shapes.answers({**metadata, "created_at": "2026-01-01T00:00:00Z"})) as (client, upstream):
        made = await client.beta.files.upload(file=("a.bin", io.BytesIO(contents), "application/octet-stream"))
    (received,) = upstream.requests
    assert made.id == "file_1"
    assert received.header("content-type")[0].startswith("multipart/form-data; boundary=")
    assert contents in received.body


async def test_a_file_comes_back() -> None:
    contents = bytes(range(256)) * 1000
    async with official(shapes.answers(contents)) as (client, _):
        downloaded = await client.beta.files.download("file_1")
        assert await downloaded.read() == contents


async def test_an_error_has_its_class_and_its_id() -> None:
    error = {"type": "error", "error": {"type": "rate_limit_error", "message": "slow down"}, "request_id": "req_1"}
    async with official(shapes.answers(error, 429, ("retry-after", "7"))) as (client, _):
        with pytest.raises(anthropic.RateLimitError) as raised:
            await client.messages.create(**ASK)
    assert raised.value.body == error
    assert raised.value.request_id == "req_011CUpstream"
    assert raised.value.response.headers["retry-after"] == "7"


async def listen(client: anthropic.AsyncAnthropic, seen: list[str]) -> None:
    async with client.messages.stream(**ASK) as stream:
        async for piece in stream.text_stream:
            seen += [piece]


CUT = b"".join([frame(event) for event in shapes.events("Half of")[:-1]])  # all of it but `message_stop`


@pytest.mark.parametrize("end", [b"0\r\n\r\n", b""], ids=["a clean end", "a broken connection"])
async def test_a_cut_stream_is_a_broken_connection_and_no_message(end: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """The text is there and even a stop reason, so that a clean end would be taken for a whole answer."""
    caplog.set_level(logging.WARNING)
    kept = Kept()
    async with official(shapes.streams(CUT, end=end), recording=kept) as (client, _):
        seen: list[str] = []
        with pytest.raises(Exception, match="peer closed connection"):
            await listen(client, seen)
    assert "".join(seen) == "Half of"
    assert any("the answer was cut" in record.getMessage() for record in caplog.records)
    assert kept.events == shapes.events("Half of")[:-1]
    assert kept.ends == [(200, "error")]
    assert [facts["text"] for kind, facts in kept.notes if kind == "warning"] == [f"truncated: {kept.errors[0]}"]
