"""Model events to the Anthropic stream, and the stream to one message."""

import pytest

from anyclaude.convert.message import MessageFold, MessageWriter
from anyclaude.errors import UpstreamBroken
from anyclaude.wire.events import Failed, Finished, TextDelta, ThinkingDelta, ToolArgsDelta, ToolCallStart, UsageReport
from tests.support.streams import fold, write


def types(*events: object) -> list[str]:
    return [event["type"] for event in write(events)]  # type: ignore[arg-type]


def test_a_block_is_closed_before_another_kind_begins() -> None:
    assert types(
        ThinkingDelta("a"), TextDelta("b"), ToolCallStart("1", "f"), ToolArgsDelta("{}"), Finished("tool_use")
    ) == [
        "message_start",
        *("content_block_start", "content_block_delta", "content_block_stop"),
        *("content_block_start", "content_block_delta", "content_block_stop"),
        *("content_block_start", "content_block_delta", "content_block_stop"),
        *("message_delta", "message_stop"),
    ]


def test_each_call_is_a_block_of_its_own() -> None:
    assert (
        types(ToolCallStart("1", "f"), ToolCallStart("2", "f"), Finished("tool_use")).count("content_block_stop") == 2
    )


def test_message_start_carries_no_usage_and_the_last_delta_all_of_it() -> None:
    stream = write(
        [TextDelta("a"), UsageReport(prompt_tokens=10, cached_tokens=7, output_tokens=2), Finished("end_turn")]
    )
    assert set(stream[0]["message"]["usage"].values()) == {0}
    assert stream[-2]["usage"] == {
        "input_tokens": 3,
        "cache_read_input_tokens": 7,
        "cache_creation_input_tokens": 0,
        "output_tokens": 2,
    }


def test_a_failure_is_one_error_event_and_the_last() -> None:
    stream = write([TextDelta("a"), Failed(UpstreamBroken("gone"))])
    assert stream[-1] == {"type": "error", "error": {"type": "api_error", "message": "gone"}}
    assert "message_stop" not in [event["type"] for event in stream]


def test_a_sign_of_life_fits_everywhere_and_changes_nothing() -> None:
    writer = MessageWriter("msg_1", "model")
    writer.start()
    writer.feed([TextDelta("a")])
    beat = writer.keep_alive()
    assert beat["delta"] == {"stop_reason": None, "stop_sequence": None}
    assert [event["type"] for event in writer.feed([TextDelta("b")])] == ["content_block_delta"]


def test_the_fold_of_everything() -> None:
    message = fold(
        [
            *(ThinkingDelta("h"), ThinkingDelta("m"), TextDelta("Hel"), TextDelta("lo")),
            *(ToolCallStart("1", "f"), ToolArgsDelta('{"a":'), ToolArgsDelta("1}"), ToolCallStart("2", "g")),
            *(UsageReport(5, 0, 3), Finished("stop_sequence", "END")),
        ]
    )
    assert message["content"] == [
        {"type": "thinking", "thinking": "hm", "signature": ""},
        {"type": "text", "text": "Hello"},
        {"type": "tool_use", "id": "1", "name": "f", "input": {"a": 1}},
        {"type": "tool_use", "id": "2", "name": "g", "input": {}},
    ]
    assert (message["stop_reason"], message["stop_sequence"]) == ("stop_sequence", "END")
    assert message["usage"]["input_tokens"] == 5
    assert message["role"] == "assistant"


def test_an_answer_without_a_word_is_an_empty_message() -> None:
    assert fold([Finished("end_turn")])["content"] == []


def test_an_answer_without_end_is_not_held_in_memory() -> None:
    folding = MessageFold(largest=10)
    folding.feed(write([TextDelta("0123456789"), Finished("end_turn")]))
    with pytest.raises(UpstreamBroken, match="found no end"):
        folding.feed(write([TextDelta("x"), Finished("end_turn")]))


def test_the_fold_keeps_citations_and_passes_over_what_is_new() -> None:
    text = {"type": "text", "text": "So", "citations": None}
    citation = {"type": "char_location", "cited_text": "x", "document_index": 0}
    folding = MessageFold()
    folding.feed(
        [
            {"type": "message_start", "message": {"role": "assistant", "content": []}},
            {"type": "content_block_start", "index": 0, "content_block": text},
            block_delta(0, type="citations_delta", citation=citation),
            block_delta(0, type="text_delta", text=" it is."),
            block_delta(0, type="not_yet_known_delta", what=1),
            {"type": "content_block_stop", "index": 0},
            {"type": "content_block_start", "index": 1, "content_block": {"type": "new_block", "kept": [1]}},
            block_delta(1, type="compaction_delta", content="..."),
            {"type": "content_block_stop", "index": 1},
            {"type": "content_block_start", "index": 2, "content_block": {"type": "server_tool_use", "input": {}}},
            block_delta(2, type="input_json_delta", partial_json='{"query":"x"}'),
            {"type": "content_block_stop", "index": 2},
            {"type": "not_yet_known"},
            {"type": "message_delta", "delta": {}},
            {"type": "message_delta", "delta": {"stop_reason": "end_turn"}},
            {"type": "message_stop"},
        ]
    )
    assert folding.message()["content"] == [
        {"type": "text", "text": "So it is.", "citations": [citation]},
        {"type": "new_block", "kept": [1]},
        {"type": "server_tool_use", "input": {"query": "x"}},
    ]
    assert folding.message()["stop_reason"] == "end_turn"


def block_delta(index: int, **delta: object) -> dict[str, object]:
    return {"type": "content_block_delta", "index": index, "delta": delta}
