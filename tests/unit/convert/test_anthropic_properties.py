"""Whatever comes as Claude's stream: it is read to one end, and what is written from it is a stream again."""

from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from anyclaude.convert.anthropic_events import AnthropicReader
from anyclaude.convert.message import MessageFold, MessageWriter
from anyclaude.wire.events import Failed, Finished, ModelEvent
from anyclaude.wire.grammar import Grammar, State
from anyclaude.wire.json import decode_lenient, encode

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
DELTAS = st.sampled_from(
    [
        {"type": "text_delta", "text": "a"},
        {"type": "thinking_delta", "thinking": "b"},
        {"type": "signature_delta", "signature": "s"},
        {"type": "input_json_delta", "partial_json": "{}"},
        {"type": "citations_delta", "citation": {}},
        {"type": "new_delta"},
    ]
)
BLOCKS = st.sampled_from(
    [
        {"type": "text", "text": ""},
        {"type": "text", "text": "c"},
        {"type": "thinking", "thinking": "", "signature": ""},
        {"type": "tool_use", "id": "t", "name": "f", "input": {}},
        {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}},
        {"type": "server_tool_use", "id": "t", "name": "f", "input": {}},
        {"type": "web_search_tool_result", "tool_use_id": "t", "content": [{"type": "web_search_result"}]},
        {"type": "web_search_tool_result", "tool_use_id": "t", "content": {"error_code": "unavailable"}},
        {"type": "web_search_tool_result", "tool_use_id": 5, "content": "x"},
        {"type": "new_block"},
    ]
)
START = st.builds(lambda block: {"type": "content_block_start", "index": 0, "content_block": block}, BLOCKS)
DELTA = st.builds(lambda delta: {"type": "content_block_delta", "index": 0, "delta": delta}, DELTAS)
WELL_FORMED = START | DELTA | st.just({"type": "content_block_stop", "index": 0})
EVENTS = st.one_of(
    st.builds(lambda block: {"type": "content_block_start", "index": 0, "content_block": block}, BLOCKS | ANYTHING),
    st.builds(lambda delta: {"type": "content_block_delta", "index": 0, "delta": delta}, DELTAS | ANYTHING),
    st.just({"type": "content_block_stop", "index": 0}),
    st.builds(
        lambda reason: {"type": "message_delta", "delta": {"stop_reason": reason}}, st.none() | st.text(max_size=3)
    ),
    st.builds(lambda kind, value: {"type": kind, "message": value, "delta": value}, st.text(max_size=3), ANYTHING),
    st.sampled_from([{"type": "message_start"}, {"type": "message_stop"}, {"type": "ping"}, {"type": "error"}]),
)


def read(events: list[dict[str, Any]]) -> list[ModelEvent]:
    reader = AnthropicReader()
    return [found for event in events for found in reader.feed(event)] + reader.end()


CALL = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
UNENDED_CALL: list[dict[str, Any]] = [
    {"type": "content_block_start", "index": 0, "content_block": CALL},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "a"}},
    {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": "b"}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": "{}"}},
]


@example(UNENDED_CALL)
@example([UNENDED_CALL[0], UNENDED_CALL[1], UNENDED_CALL[3]])
@given(st.lists(WELL_FORMED, max_size=12) | st.lists(EVENTS, max_size=20))
def test_every_stream_has_one_end_and_what_is_written_keeps_the_grammar(events: list[dict[str, Any]]) -> None:
    found = read(events)
    assert [isinstance(one, Finished | Failed) for one in found] == [False] * (len(found) - 1) + [True]
    writer, grammar, fold = MessageWriter("msg_1", "m"), Grammar(), MessageFold()
    for event in [writer.start(), *writer.feed(found)]:
        grammar.feed(event)
        fold.feed([event])
    assert grammar.state is (State.DONE if isinstance(found[-1], Finished) else State.FAILED)
    assert decode_lenient(encode(fold.message()))
