"""Chunks to model events: what real servers send, well and badly."""

import json
from typing import Any

import pytest

from anyclaude.convert.chunks import ChunkReader
from anyclaude.convert.tool_calls import ToolCallQueue
from anyclaude.errors import PromptTooLong, UpstreamBroken, UpstreamTimeout
from anyclaude.wire.events import Failed, Finished, TextDelta, ThinkingDelta, ToolArgsDelta, ToolCallStart, UsageReport
from tests.support.streams import call, content, delta, finish, fold, ids, read, text, usage

PARIS = '{"city":"Paris"}'
ROME = '{"city":"Rome"}'


def tool_use(id: str, name: str = "weather", input: Any = None) -> dict[str, Any]:
    return {"type": "tool_use", "id": id, "name": name, "input": {} if input is None else input}


def test_text_streams_piece_by_piece() -> None:
    events = read(delta(role="assistant", content=None), text("Hel"), text("lo"), finish(), usage(9, 2, cached=4))
    assert events == [TextDelta("Hel"), TextDelta("lo"), UsageReport(9, 4, 2), Finished("end_turn")]


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_reasoning_is_thinking_under_either_name(field: str) -> None:
    assert read(delta(**{field: "hm"}), text("yes"), finish())[:2] == [ThinkingDelta("hm"), TextDelta("yes")]


def test_reasoning_under_both_names_is_read_once() -> None:
    assert read(delta(reasoning="hm", reasoning_content="hm"), finish())[0] == ThinkingDelta("hm")


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("stop", "end_turn"),
        ("length", "max_tokens"),
        ("tool_calls", "tool_use"),
        ("function_call", "tool_use"),
        ("content_filter", "refusal"),
        ("eos", "end_turn"),
    ],
)
def test_every_finish_reason(said: str, reason: str) -> None:
    assert read(text("x"), finish(said))[-1] == Finished(reason)  # type: ignore[arg-type]


@pytest.mark.parametrize("field", ["stop_reason", "matched_stop"])
def test_a_matched_stop_sequence_is_named_where_the_server_tells(field: str) -> None:
    last = {"choices": [{"delta": {}, "finish_reason": "stop", field: "</block>"}]}
    assert read(text("x"), last, stops=["</block>"])[-1] == Finished("stop_sequence", "</block>")
    assert read(text("x"), last)[-1] == Finished("end_turn")


def test_a_call_streams_as_it_grows() -> None:
    events = read(
        call(id="c1", name="weather", args=""), call(args='{"city":'), call(args='"Paris"}'), finish("tool_calls")
    )
    assert events == [
        ToolCallStart("c1", "weather"),
        ToolArgsDelta('{"city":'),
        ToolArgsDelta('"Paris"}'),
        Finished("tool_use"),
    ]


def test_stop_after_a_call_means_tool_use_and_length_stays() -> None:
    assert read(call(name="weather", args=PARIS), finish("stop"))[-1] == Finished("tool_use")
    assert read(call(name="weather", args=PARIS), finish("length"))[-1] == Finished("max_tokens")


def test_tool_calls_without_a_call_stay_tool_use_so_that_claude_code_asks_again() -> None:
    assert read(text("x"), finish("tool_calls"))[-1] == Finished("tool_use")


CALLS: dict[str, tuple[list[Any], list[dict[str, Any]]]] = {
    "whole at once": ([call(id="a", name="weather", args=PARIS)], [tool_use("a", input={"city": "Paris"})]),
    "arguments as an object": (
        [call(id="a", name="weather", args={"city": "Paris"})],
        [tool_use("a", input={"city": "Paris"})],
    ),
    "no arguments": ([call(id="a", name="weather", args="")], [tool_use("a")]),
    "arguments never sent": ([call(id="a", name="weather")], [tool_use("a")]),
    "null for no arguments": ([call(id="a", name="weather"), call(args="nu"), call(args="ll")], [tool_use("a")]),
    "no id": ([call(name="weather", args=PARIS)], [tool_use("new-1", input={"city": "Paris"})]),
    "no index, one call": (
        [call(index=None, id="a", name="weather"), call(index=None, args=PARIS)],
        [tool_use("a", input={"city": "Paris"})],
    ),
    "no index, two calls": (
        [call(index=None, id="a", name="weather", args=PARIS), call(index=None, id="b", name="weather", args=ROME)],
        [tool_use("a", input={"city": "Paris"}), tool_use("b", input={"city": "Rome"})],
    ),
    "name in a later chunk": (
        [call(id="a", args='{"city":'), call(name="weather", args='"Paris"}')],
        [tool_use("a", input={"city": "Paris"})],
    ),
    "name in every chunk": (
        [call(id="a", name="weather", args='{"city":'), call(id="a", name="weather", args='"Paris"}')],
        [tool_use("a", input={"city": "Paris"})],
    ),
    "interleaved": (
        [
            call(0, "a", "weather"),
            call(1, "b", "clock"),
            call(0, args='{"city":'),
            call(1, args="{"),
            call(0, args='"Paris"}'),
            call(1, args="}"),
        ],
        [tool_use("a", input={"city": "Paris"}), tool_use("b", "clock")],
    ),
    "two fragments in one chunk": (
        [
            delta(
                tool_calls=[
                    {"index": i, "id": n, "function": {"name": "weather", "arguments": PARIS}}
                    for i, n in enumerate("ab")
                ]
            )
        ],
        [tool_use("a", input={"city": "Paris"}), tool_use("b", input={"city": "Paris"})],
    ),
    "sent twice": ([call(0, "a", "weather", PARIS)] * 2, [tool_use("a", input={"city": "Paris"})]),
    "sent twice without id": ([call(0, None, "weather", PARIS)] * 2, [tool_use("new-1", input={"city": "Paris"})]),
    "sent twice under two indexes": (
        [call(0, "a", "weather", PARIS), call(1, "a", "weather", PARIS)],
        [tool_use("a", input={"city": "Paris"})],
    ),
    "arguments twice": (
        [call(0, "a", "weather", PARIS), call(0, args=PARIS)],
        [tool_use("a", input={"city": "Paris"})],
    ),
    "arguments doubled in one piece": (
        [call(0, "a", "weather", PARIS + PARIS)],
        [tool_use("a", input={"city": "Paris"})],
    ),
    "one id for two calls": (
        [call(0, "a", "weather", PARIS), call(1, "a", "weather", ROME)],
        [tool_use("a", input={"city": "Paris"}), tool_use("new-1", input={"city": "Rome"})],
    ),
    "index reused": (
        [call(0, "a", "weather", PARIS), call(0, "b", "weather", ROME)],
        [tool_use("a", input={"city": "Paris"}), tool_use("b", input={"city": "Rome"})],
    ),
    "index reused without ids": (
        [call(0, None, "weather", PARIS), call(0, None, "weather", ROME)],
        [tool_use("new-1", input={"city": "Paris"}), tool_use("new-2", input={"city": "Rome"})],
    ),
    "no name at all": ([call(0, "a", None, PARIS)], [tool_use("a", "unnamed_tool", {"city": "Paris"})]),
    "arguments that are no JSON": ([call(0, "a", "weather", "Paris")], [tool_use("a", input="Paris")]),
    "nothing but an index": ([call(0)], []),
}


@pytest.mark.parametrize(("chunks", "blocks"), CALLS.values(), ids=CALLS.keys())
def test_calls_come_out_one_after_the_other(chunks: list[Any], blocks: list[dict[str, Any]]) -> None:
    assert content(*chunks, finish("tool_calls")) == blocks


def test_an_id_of_an_earlier_turn_is_replaced() -> None:
    blocks = content(call(0, "call_0", "weather", PARIS), finish("tool_calls"), taken=["call_0", "new-1"])
    assert blocks[0]["id"] == "new-2"


def test_arguments_after_the_finish_still_count() -> None:
    assert content(call(0, "a", "weather", '{"city":'), finish("tool_calls"), call(0, args='"Paris"}'))[0]["input"] == {
        "city": "Paris"
    }


def test_text_between_the_pieces_of_a_call_follows_the_call() -> None:
    blocks = content(call(0, "a", "weather", '{"city":'), text("Let me see."), call(0, args='"Paris"}'), finish())
    assert [block["type"] for block in blocks] == ["tool_use", "text"]
    assert blocks[0]["input"] == {"city": "Paris"}


def test_content_and_finish_in_one_chunk() -> None:
    assert content(delta(content="Hi", finish="stop")) == [{"type": "text", "text": "Hi"}]


@pytest.mark.parametrize("blank", ["\n\n", "  ", "\n"])
def test_white_space_alone_makes_no_block(blank: str) -> None:
    assert [block["type"] for block in content(text(blank), call(0, "a", "weather", PARIS), finish())] == ["tool_use"]
    assert content(text(blank), finish()) == []
    assert content(text(blank), text("x"), finish()) == [{"type": "text", "text": f"{blank}x"}]


def test_content_as_a_list_of_parts() -> None:
    parts = [{"type": "text", "text": "Hel"}, {"type": "text", "text": "lo"}]
    assert content(delta(content=parts), finish()) == [{"type": "text", "text": "Hello"}]


def test_one_character_over_two_chunks() -> None:
    assert content(text("a \ud83d"), text("\ude00 b"), finish()) == [{"type": "text", "text": "a \U0001f600 b"}]


def test_a_whole_message_where_the_server_did_not_stream() -> None:
    message = {
        "role": "assistant",
        "content": "Hi",
        "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": "{}"}}],
    }
    blocks = content({"choices": [{"message": message, "finish_reason": "tool_calls"}]})
    assert blocks == [{"type": "text", "text": "Hi"}, tool_use("a", "f")]


@pytest.mark.parametrize(
    "chunk",
    [
        *({}, {"choices": None}, {"choices": []}, {"choices": [None]}, {"choices": {}}, {"choices": [{}]}),
        *({"choices": [{"delta": None}]}, {"choices": [{"delta": "x"}]}, {"choices": [{"delta": {"content": 5}}]}),
        *({"choices": [{"delta": {"tool_calls": 5}}]}, {"choices": [{"delta": {"tool_calls": [None, 5]}}]}),
        *({"choices": [{"delta": {"tool_calls": [{"function": 5}]}}]}, {"usage": 5}, {"usage": {"prompt_tokens": "x"}}),
    ],
)
def test_a_chunk_of_the_wrong_shape_changes_nothing(chunk: object) -> None:
    assert content(text("a"), chunk, text("b"), finish()) == [{"type": "text", "text": "ab"}]


def test_counts_that_make_no_sense_are_zero() -> None:
    odd = {"usage": {"prompt_tokens": "9", "completion_tokens": -3, "prompt_tokens_details": {"cached_tokens": None}}}
    assert read(text("a"), finish(), odd)[-2] == UsageReport(0, None, 0)


def test_llama_cpp_timings_stand_in_for_usage() -> None:
    timings = {"timings": {"prompt_n": 5, "cache_n": 30, "predicted_n": 7}, "choices": []}
    assert fold(read(text("a"), finish(), timings))["usage"] == {
        "input_tokens": 5,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 30,
        "output_tokens": 7,
    }


def test_an_end_without_a_finish_is_a_failure_however_whole_the_text() -> None:
    last = read(text("All done."))[-1]
    assert isinstance(last, Failed)
    assert isinstance(last.error, UpstreamBroken)


def test_done_without_a_finish_is_a_failure() -> None:
    reader = ChunkReader(ids())
    reader.feed(text("x"))
    assert isinstance(reader.done()[-1], Failed)


def test_a_stream_without_a_word_says_where_to_look() -> None:
    last = read()[-1]
    assert isinstance(last, Failed)
    assert "without a single event" in last.error.message


@pytest.mark.parametrize("error", [{"message": "out of memory", "code": 500}, "out of memory"])
def test_an_error_inside_the_stream_ends_it(error: object) -> None:
    events = read(text("x"), {"error": error}, text("never"))
    assert isinstance(events[-1], Failed)
    assert "out of memory" in events[-1].error.message
    assert TextDelta("never") not in events


def test_finish_reason_error_is_a_failure() -> None:
    assert isinstance(read(text("x"), finish("error"))[-1], Failed)


def test_an_overflow_told_inside_the_stream() -> None:
    last = read({"error": {"message": "request (9 tokens) exceeds the available context size (8 tokens)"}})[-1]
    assert isinstance(last, Failed)
    assert isinstance(last.error, PromptTooLong)
    assert last.error.message == "prompt is too long: 9 tokens > 8 maximum"


def test_a_chunk_that_is_no_object_is_a_failure() -> None:
    assert isinstance(read(text("x"), [1])[-1], Failed)


def test_a_transport_that_breaks_after_the_finish_costs_nothing() -> None:
    reader = ChunkReader(ids())
    reader.feed(text("x"))
    reader.feed(finish())
    assert reader.fail(UpstreamTimeout("silent")) == [Finished("end_turn")]
    assert reader.fail(UpstreamTimeout("silent")) == []


def test_a_transport_that_breaks_before_it_is_a_failure() -> None:
    reader = ChunkReader(ids())
    reader.feed(text("x"))
    error = UpstreamTimeout("silent")
    assert reader.fail(error) == [Failed(error)]
    assert reader.feed(text("late")) == reader.end() == []


def test_calls_without_end_are_not_held_in_memory() -> None:
    queue = ToolCallQueue(ids(), largest=1010)
    queue.take(call(0, "a", "f", "{")["choices"][0]["delta"]["tool_calls"])
    with pytest.raises(UpstreamBroken, match="found no end"):
        queue.wait(TextDelta("0123456789"))


def test_calls_without_arguments_count_too() -> None:
    queue = ToolCallQueue(ids(), largest=3000)
    calls = [{"index": number, "id": f"c{number}", "function": {"name": "f"}} for number in range(4)]
    with pytest.raises(UpstreamBroken, match="found no end"):
        queue.take(calls)


def test_of_many_calls_with_one_id_each_is_made_once() -> None:
    wanted = [json.dumps({"city": str(number)}) for number in range(300)]
    calls = [call(index, "a", "f", args) for index, args in enumerate([*wanted, *wanted])]
    events = read(*calls, finish("tool_calls"))
    assert [event.json for event in events if isinstance(event, ToolArgsDelta)] == wanted


def test_a_second_object_in_the_arguments_is_a_second_call() -> None:
    for cut in ('{"a": 1}{"a": 2}', '{"a": 1} \n{"a": 2}'):
        for at in range(1, len(cut)):
            events = read(call(0, "x", "Bash", cut[:at]), call(0, args=cut[at:]), finish("tool_calls"))
            assert [event for event in events if isinstance(event, ToolCallStart)] == [
                ToolCallStart("x", "Bash"),
                ToolCallStart("new-1", "Bash"),
            ]
            written = "".join(event.json for event in events if isinstance(event, ToolArgsDelta))
            assert written.split() == ['{"a":', '1}{"a":', "2}"] or written.split() == ['{"a":', "1}", '{"a":', "2}"]


def test_the_same_object_again_is_the_same_call() -> None:
    events = read(call(0, "x", "Bash", '{"a": 1}{"a": 1}'), finish("tool_calls"))
    assert [event for event in events if isinstance(event, ToolCallStart)] == [ToolCallStart("x", "Bash")]


def test_objects_without_end_are_no_calls() -> None:
    events = read(call(0, "x", "Bash", "".join(f'{{"a": {n}}}' for n in range(100_000))), finish("tool_calls"))
    assert len([event for event in events if isinstance(event, ToolCallStart)]) == 64
