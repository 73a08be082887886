"""Anthropic's events, read."""

from typing import Any

import pytest

from anyclaude.convert.anthropic_events import AnthropicReader
from anyclaude.errors import Overloaded, PromptTooLong, RateLimited, UpstreamBroken, UpstreamRefusedUs
from anyclaude.wire.events import (
    Failed,
    Finished,
    ModelEvent,
    ServerToolResult,
    ServerToolUse,
    TextDelta,
    ThinkingDelta,
    ThinkingSignature,
    ToolArgsDelta,
    ToolCallStart,
    UsageReport,
)
from tests.support.anthropic_upstream import events


def read(*given: dict[str, Any]) -> list[ModelEvent]:
    reader = AnthropicReader()
    return [found for event in given for found in reader.feed(event)] + reader.end()


def start(block: dict[str, Any]) -> dict[str, Any]:
    return {"type": "content_block_start", "index": 0, "content_block": block}


def delta(kind: str, **fields: str) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": 0, "delta": {"type": kind, **fields}}


def test_a_text() -> None:
    usage = UsageReport(442, 400, 7, cache_write_tokens=30)
    assert read(*events("Hi")) == [TextDelta("H"), TextDelta("i"), usage, Finished("end_turn")]


PAGE = {"type": "web_search_result", "title": "A", "url": "https://a.example/", "encrypted_content": "x"}


def test_a_search_of_claudes_own() -> None:
    found = read(
        start({"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}),
        delta("input_json_delta", partial_json='{"query":'),
        delta("input_json_delta", partial_json='"x"}'),
        {"type": "content_block_stop", "index": 0},
        start({"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [PAGE]}),
        {"type": "content_block_stop", "index": 1},
        start({"type": "text", "text": ""}),
        delta("text_delta", text="It says."),
        {"type": "content_block_stop", "index": 2},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn"},
            "usage": {"output_tokens": 3, "server_tool_use": {"web_search_requests": 1}},
        },
        {"type": "message_stop"},
    )
    assert found == [
        ServerToolUse("srvtoolu_1", "web_search", {"query": "x"}),
        ServerToolResult("srvtoolu_1", "web_search_tool_result", [PAGE]),
        TextDelta("It says."),
        UsageReport(0, 0, 3, web_searches=1),
        Finished("end_turn"),
    ]


@pytest.mark.parametrize("pieces", [[], ["{"], ["[1]"], ['{"query": "', *(["x" * 60_000] * 2), '"}']])
def test_an_input_that_is_no_object_or_too_large_is_empty(pieces: list[str]) -> None:
    reader = AnthropicReader()
    reader.feed(start({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}))
    for piece in pieces:
        assert reader.feed(delta("input_json_delta", partial_json=piece)) == []
    assert reader.feed({"type": "content_block_stop", "index": 0}) == [ServerToolUse("s", "web_search", {})]


def test_thinking_and_a_call() -> None:
    found = read(
        start({"type": "thinking", "thinking": ""}),
        delta("thinking_delta", thinking="hm"),
        delta("signature_delta", signature="s"),
        {"type": "content_block_stop", "index": 0},
        start({"type": "tool_use", "id": "t", "name": "Read", "input": {}}),
        delta("input_json_delta", partial_json=""),
        delta("input_json_delta", partial_json='{"a":1}'),
        {"type": "content_block_stop", "index": 1},
        start({"type": "server_tool_use", "id": "x", "name": "web_search", "input": {}}),
        delta("input_json_delta", partial_json='{"not":"ours"}'),
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}},
        {"type": "message_stop"},
    )
    call = [ToolCallStart("t", "Read"), ToolArgsDelta('{"a":1}')]
    assert found[:4] == [ThinkingDelta("hm"), ThinkingSignature("s"), *call]
    assert found[5:] == [Finished("tool_use")]


@pytest.mark.parametrize(
    ("kind", "message", "expected"),
    [
        ("overloaded_error", "busy", Overloaded),
        ("rate_limit_error", "slow", RateLimited),
        ("authentication_error", "no", UpstreamRefusedUs),
        ("invalid_request_error", "prompt is too long: 9 tokens > 8 maximum", PromptTooLong),
        ("brand_new_error", "what", UpstreamBroken),
    ],
)
def test_errors(kind: str, message: str, expected: type[Exception]) -> None:
    (failed,) = read({"type": "error", "error": {"type": kind, "message": message}}, *events())
    assert isinstance(failed, Failed)
    assert type(failed.error) is expected


@pytest.mark.parametrize("end", range(len(events()) - 1))
def test_an_answer_without_its_end_failed(end: int) -> None:
    found = read(*events()[:end])
    assert isinstance(found[-1], Failed)
    assert not any(isinstance(event, Finished) for event in found)


@pytest.mark.parametrize(
    "odd", [{"type": "new"}, {"type": "content_block_delta"}, {"type": "message_start", "message": 1}]
)
def test_what_nobody_knows_says_nothing(odd: dict[str, Any]) -> None:
    assert AnthropicReader().feed(odd) == []
