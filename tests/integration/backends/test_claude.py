"""Claude as one backend among others: its stream in model events, its refusals, its models."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pydantic import SecretStr

from anyclaude.backends.base import Caller, Journal, RawRequest
from anyclaude.backends.claude import ClaudeBackend
from anyclaude.config.model import Deadlines
from anyclaude.config.upstreams import Claude
from anyclaude.errors import (
    AnyclaudeError,
    Overloaded,
    PromptTooLong,
    RateLimited,
    UpstreamBroken,
    UpstreamRefusedUs,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from anyclaude.wire.events import (
    Failed,
    Finished,
    ModelEvent,
    TextDelta,
    ThinkingDelta,
    ThinkingSignature,
    ToolArgsDelta,
    ToolCallStart,
    UsageReport,
)
from anyclaude.wire.json import decode_object
from tests.support import anthropic_upstream as shapes
from tests.support.anthropic_upstream import AnthropicUpstream, Play, Received, anthropic_upstream, frame, says, streams

KEY = "sk-ant-api03-key-of-the-settings"
ASK: Mapping[str, Any] = {"model": "claude-opus-4-8", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}


@asynccontextmanager
async def claude(
    play: Play, key: str | None = KEY, **deadlines: float
) -> AsyncIterator[tuple[ClaudeBackend, AnthropicUpstream]]:
    async with anthropic_upstream(play) as upstream:
        backend = ClaudeBackend(
            Claude(url=upstream.url, api_key=SecretStr(key) if key else None), Deadlines(**deadlines)
        )
        try:
            yield backend, upstream
        finally:
            await backend.aclose()


async def read(backend: ClaudeBackend, request: Mapping[str, Any] = ASK, **how: Any) -> list[ModelEvent]:
    async with backend.stream(request, how.pop("caller", Caller()), **how) as batches:
        return [event for batch in batches_of([batch async for batch in batches]) for event in batch]


def batches_of(batches: Sequence[Sequence[ModelEvent]]) -> Sequence[Sequence[ModelEvent]]:
    assert sum(isinstance(event, Finished | Failed) for batch in batches for event in batch) == 1
    assert isinstance(batches[-1][-1], Finished | Failed)
    return batches


def block(index: int, block: Mapping[str, Any], *deltas: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {"type": "content_block_start", "index": index, "content_block": dict(block)},
        *({"type": "content_block_delta", "index": index, "delta": dict(delta)} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def stream(*blocks: list[dict[str, Any]], reason: str = "tool_use") -> bytes:
    """A stream as Anthropic's: pings in it, the usage whole only at the end."""
    start = {"type": "message_start", "message": shapes.message(stop_reason=None)}
    usage = {"input_tokens": 12, "cache_read_input_tokens": 400, "cache_creation_input_tokens": 30, "output_tokens": 90}
    end = {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None}, "usage": usage}
    said = [event for one in blocks for event in one]
    events: list[dict[str, Any]] = [start, {"type": "ping"}, *said, end, {"type": "message_stop"}]
    return b"".join([frame(event) for event in events])


THOUGHT = block(
    0,
    {"type": "thinking", "thinking": "", "signature": ""},
    {"type": "thinking_delta", "thinking": "Let me "},
    {"type": "thinking_delta", "thinking": "see.", "estimated_tokens": 3},
    {"type": "signature_delta", "signature": "EqQBCk"},
)
SAID = block(1, {"type": "text", "text": ""}, {"type": "text_delta", "text": "I read."})
CALLED = block(
    2,
    {"type": "tool_use", "id": "toolu_01", "name": "Read", "input": {}, "caller": {"type": "direct"}},
    {"type": "input_json_delta", "partial_json": ""},
    {"type": "input_json_delta", "partial_json": '{"path":'},
    {"type": "input_json_delta", "partial_json": '"a"}'},
)
USAGE = UsageReport(442, 400, 90, cache_write_tokens=30)
TOLD = [
    *(ThinkingDelta("Let me "), ThinkingDelta("see."), ThinkingSignature("EqQBCk"), TextDelta("I read.")),
    *(ToolCallStart("toolu_01", "Read"), ToolArgsDelta('{"path":'), ToolArgsDelta('"a"}')),
]


async def test_thinking_text_a_call_and_the_whole_usage() -> None:
    async with claude(streams(stream(THOUGHT, SAID, CALLED))) as (backend, _):
        assert await read(backend) == [*TOLD, USAGE, Finished("tool_use")]


@pytest.mark.parametrize("size", [1, 7, 64])
async def test_however_it_is_cut(size: int) -> None:
    whole = stream(THOUGHT, SAID, CALLED)

    async def play(received: Received) -> None:
        pieces = [shapes.chunk(whole[at : at + size]) for at in range(0, len(whole), size)]
        await received.send(shapes.STREAM_HEAD, *pieces, b"0\r\n\r\n")

    async with claude(play) as (backend, _):
        assert await read(backend) == [*TOLD, USAGE, Finished("tool_use")]


STRANGE: Mapping[str, list[dict[str, Any]]] = {
    "citations": block(0, {"type": "text", "text": "", "citations": []}, {"type": "citations_delta", "citation": {}}),
    "a new delta": block(0, {"type": "text", "text": ""}, {"type": "compaction_delta", "content": "x"}),
    "a new block": block(0, {"type": "container_upload", "file_id": "f"}, {"type": "new_delta", "x": [1]}),
    "a server's tool": block(
        0,
        {"type": "mcp_tool_use", "id": "mcptoolu_1", "name": "look", "server_name": "demo", "input": {}},
        {"type": "input_json_delta", "partial_json": '{"query":"x"}'},
    ),
    "redacted thinking": block(0, {"type": "redacted_thinking", "data": "x"}),
    "a new event": [{"type": "brand_new", "value": None}],
    "shapes that are none": [
        {"type": "content_block_start"},
        {"type": "content_block_delta", "delta": None},
        {"type": "content_block_delta", "delta": {"type": "text_delta", "text": None}},
        {"type": "message_delta"},
        {"type": "content_block_stop"},
        {"type": "message_start", "message": None},
    ],
}


@pytest.mark.parametrize("strange", STRANGE.values(), ids=STRANGE.keys())
async def test_what_is_not_known_disturbs_nothing(strange: list[dict[str, Any]]) -> None:
    async with claude(streams(stream(strange, SAID, reason="end_turn"))) as (backend, _):
        assert await read(backend) == [TextDelta("I read."), USAGE, Finished("end_turn")]


async def test_a_new_stop_reason_is_an_end() -> None:
    async with claude(streams(stream(SAID, reason="not_yet_known"))) as (backend, _):
        assert (await read(backend))[-1] == Finished("end_turn")


REFUSALS: Mapping[str, tuple[int, str, str, type[AnyclaudeError], int]] = {
    "400": (400, "invalid_request_error", "max_tokens: too many", UpstreamRejected, 400),
    "too long": (
        400,
        "invalid_request_error",
        "prompt is too long: 210000 tokens > 200000",
        PromptTooLong,
        400,
    ),
    "401": (401, "authentication_error", "invalid x-api-key", UpstreamRefusedUs, 400),
    "429": (429, "rate_limit_error", "slow down", RateLimited, 429),
    "500": (500, "api_error", "Internal server error", UpstreamBroken, 502),
    "529": (529, "overloaded_error", "Overloaded", Overloaded, 529),
}


@pytest.mark.parametrize(("status", "kind", "said", "error", "told"), REFUSALS.values(), ids=REFUSALS.keys())
async def test_refusals(status: int, kind: str, said: str, error: type[AnyclaudeError], told: int) -> None:
    body = {"type": "error", "error": {"type": kind, "message": f"{said} {KEY}"}, "request_id": "req_1"}
    async with claude(shapes.answers(body, status, ("retry-after", "7"))) as (backend, _):
        with pytest.raises(error) as raised:
            await read(backend)
    assert raised.value.status == told
    assert said in raised.value.message
    assert KEY not in raised.value.message
    assert raised.value.headers.get("retry-after") == ("7" if status in (429, 529) else None)


async def test_a_refusal_whose_words_are_cut_keeps_its_status() -> None:
    async def play(received: Received) -> None:
        await received.send(shapes.head(529, ("Content-Type", "application/json"), ("Content-Length", "999")), b'{"ty')

    async with claude(play) as (backend, _):
        with pytest.raises(Overloaded):
            await read(backend)


@pytest.mark.parametrize(
    ("kind", "error"),
    [("overloaded_error", Overloaded), ("rate_limit_error", RateLimited), ("api_error", UpstreamBroken)],
)
async def test_an_error_in_mid_stream(kind: str, error: type[AnyclaudeError]) -> None:
    failed = frame({"type": "error", "error": {"type": kind, "message": "sorry"}})
    async with claude(streams(stream(THOUGHT, SAID[:-1]).partition(b"event: message_delta")[0] + failed)) as (
        backend,
        _,
    ):
        *before, last = await read(backend)
    assert before == TOLD[:4]
    assert isinstance(last, Failed)
    assert isinstance(last.error, error)
    assert "sorry" in last.error.message


WHOLE = stream(SAID, reason="end_turn")
CUTS: Mapping[str, Play] = {
    "the connection breaks": streams(WHOLE[:400], end=b""),
    "a clean end": streams(WHOLE[:400]),
    "no last event": streams(WHOLE[: WHOLE.index(b"event: message_stop")]),
    "nothing": streams(b": hello\n\n"),
    "no stop reason": streams(frame({"type": "message_stop"})),
    "no JSON": streams(b"data: {oops\n\n"),
}


@pytest.mark.parametrize("play", CUTS.values(), ids=CUTS.keys())
async def test_a_cut_stream_ends_in_an_error(play: Play) -> None:
    async with claude(play) as (backend, _):
        last = (await read(backend))[-1]
    assert isinstance(last, Failed)
    assert isinstance(last.error, UpstreamBroken)


async def test_what_was_said_before_the_break_stands() -> None:
    async with claude(streams(stream(SAID)[: WHOLE.index(b"event: message_delta")] + b"data: {oops\n\n")) as (
        backend,
        _,
    ):
        first, last = await read(backend)
    assert first == TextDelta("I read.")
    assert isinstance(last, Failed)


async def test_a_stream_that_falls_silent_ends_in_an_error() -> None:
    async def play(received: Received) -> None:
        await received.send(shapes.STREAM_HEAD, shapes.chunk(WHOLE[:400]))
        await received.gone()

    async with claude(play, progress=0.05) as (backend, _):
        last = (await read(backend))[-1]
    assert isinstance(last, Failed)
    assert isinstance(last.error, UpstreamTimeout)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_refused_and_the_key_stays(status: int) -> None:
    async with anthropic_upstream(says("caught")) as elsewhere:
        there = shapes.answers({}, status, ("Location", elsewhere.url + "/v1/messages"))
        async with claude(there) as (backend, upstream):
            with pytest.raises(UpstreamBroken, match="redirects elsewhere"):
                await read(backend)
            with pytest.raises(UpstreamBroken, match="redirects elsewhere"):
                await backend.models()
            raw = RawRequest("POST", "/v1/messages", (("x-api-key", KEY),), b"{}")
            with pytest.raises(UpstreamBroken, match="redirects elsewhere"):
                async with backend.relay(raw):
                    pass
    assert elsewhere.requests == []
    assert [received.header("x-api-key") for received in upstream.requests] == [[KEY]] * 3


async def test_what_is_sent() -> None:
    headers = (("anthropic-beta", "one,two"), ("content-type", "application/json; x"), ("x-mine", "1"))
    raw = RawRequest("POST", "/v1/messages?beta=true", headers, b"{}")
    async with claude(says("Hi")) as (backend, upstream):
        await read(backend, {**ASK, "new": {"b": 1.0}}, caller=Caller(raw=raw), model="claude-haiku-4-5")
    (received,) = upstream.requests
    assert decode_object(received.body) == {**ASK, "new": {"b": 1.0}, "model": "claude-haiku-4-5", "stream": True}
    assert received.header("x-api-key") == [KEY]
    assert received.header("anthropic-beta") == ["one,two"]
    assert received.header("anthropic-version") == ["2023-06-01"]
    assert received.header("content-type") == ["application/json"]
    assert received.header("x-mine") == ["1"]


async def test_the_credential_of_the_client_goes_before_ours() -> None:
    raw = RawRequest(
        "POST", "/v1/messages", (("Authorization", "Bearer login"), ("anthropic-version", "2024-01-01")), b""
    )
    async with claude(says("Hi")) as (backend, upstream):
        await read(backend, caller=Caller(raw=raw))
    (received,) = upstream.requests
    assert (received.header("authorization"), received.header("x-api-key")) == (["Bearer login"], [])
    assert received.header("anthropic-version") == ["2024-01-01"]


async def test_without_any_credential_nothing_is_asked() -> None:
    async with claude(says("Hi"), key=None) as (backend, upstream):
        with pytest.raises(UpstreamRefusedUs, match="apiKey"):
            await read(backend)
        assert await backend.models() == []
    assert upstream.requests == []


class Notes:
    """A journal that keeps its notes."""

    def __init__(self) -> None:
        self.kinds: list[str] = []
        self.moments: list[str] = []
        self.bodies: list[Mapping[str, Any] | bytes] = []

    def note(self, kind: str, **facts: Any) -> None:
        self.kinds.append(kind)

    def sent(self, body: Mapping[str, Any] | bytes) -> None:
        self.bodies.append(body)

    def mark(self, moment: str) -> None:
        self.moments.append(moment)


async def test_thinking_of_another_model_does_not_go_along() -> None:
    thought = {"type": "thinking", "thinking": "theirs", "signature": ""}
    turns = [{"role": "assistant", "content": [thought, {"type": "text", "text": "Yes."}]}, *ASK["messages"]]
    notes = Notes()
    journal: Journal = notes
    async with claude(says("Hi")) as (backend, upstream):
        await read(backend, {**ASK, "messages": turns}, caller=Caller(journal=journal))
    (received,) = upstream.requests
    assert decode_object(received.body)["messages"][0]["content"] == [{"type": "text", "text": "Yes."}]
    assert notes.bodies == [received.body]
    assert (notes.kinds, notes.moments) == (["repair"], ["accepted"])


async def test_its_models() -> None:
    listed = {
        "data": [
            {"type": "model", "id": "claude-opus-4-8", "display_name": "Opus", "max_input_tokens": 1000000},
            {"type": "model", "id": "claude-haiku-4-5", "max_input_tokens": "many"},
            {"id": None},
            "what",
        ],
        "has_more": False,
    }
    async with claude(shapes.answers(listed)) as (backend, upstream):
        found = await backend.models()
    assert [(model.id, model.context_window) for model in found] == [
        ("claude-opus-4-8", 1000000),
        ("claude-haiku-4-5", None),
    ]
    assert upstream.requests[0].target == "/v1/models?limit=1000"
    assert upstream.requests[0].header("x-api-key") == [KEY]


@pytest.mark.parametrize("listed", [b"[]", b"no JSON", b'{"data": null}'])
async def test_a_list_of_models_that_is_none_is_empty(listed: bytes) -> None:
    async with claude(shapes.answers(listed)) as (backend, _):
        assert await backend.models() == []


async def test_models_with_a_wrong_key() -> None:
    body = {"type": "error", "error": {"type": "authentication_error", "message": "invalid x-api-key"}}
    async with claude(shapes.answers(body, 401)) as (backend, _):
        with pytest.raises(UpstreamRefusedUs):
            await backend.models()


async def test_nobody_there() -> None:
    backend = ClaudeBackend(Claude(url="http://127.0.0.1:1", api_key=SecretStr(KEY)), Deadlines())
    with pytest.raises(UpstreamUnreachable):
        await read(backend)
    await backend.aclose()
