"""Anthropic's events, read."""

from typing import Any

import pytest

from anyclaude.convert.anthropic_events import AnthropicReader
from anyclaude.errors import Overloaded, PromptTooLong, RateLimited, UpstreamBroken, UpstreamRefusedUs
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
