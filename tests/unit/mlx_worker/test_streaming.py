import json
import math
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mlx_worker.errors import EngineFailure
from mlx_worker.events import (
    Event,
    Failed,
    Finished,
    Generating,
    Logprobs,
    Progress,
    ReasoningPiece,
    TextPiece,
    TokenLogprob,
    ToolArguments,
    ToolCallBegun,
)
from mlx_worker.streaming import ChunkWriter, encode_batch, fold

CALLS: list[Event] = [
    ToolCallBegun("f"),
    ToolArguments('{"a":'),
    ToolArguments("1}"),
    ToolCallBegun("g"),
    ToolArguments("{}"),
]


def chunks_of(events: list[Event]) -> list[dict[str, Any]]:
    writer = ChunkWriter("m", 10)
    return [chunk for event in events for chunk in writer.feed(event)]


def deltas(chunks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [choice["delta"] for chunk in chunks for choice in chunk["choices"]]


def test_text() -> None:
    chunks = chunks_of([Progress(5, 10, 4), TextPiece("a"), TextPiece("b"), Finished("stop", 3)])
    assert deltas(chunks) == [{"role": "assistant", "content": "a"}, {"content": "b"}, {}]
    assert chunks[2]["choices"][0]["finish_reason"] == "stop"
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"] == {
        "prompt_tokens": 10,
        "completion_tokens": 3,
        "total_tokens": 13,
        "prompt_tokens_details": {"cached_tokens": 4},
    }


def test_an_answer_of_nothing_still_names_its_role() -> None:
    assert deltas(chunks_of([Finished("stop", 1)])) == [{"role": "assistant", "content": ""}]


def test_a_frame_is_the_events_chunks_encoded_also_where_most_of_it_is_remembered() -> None:
    logprobs = Logprobs((TokenLogprob(b"b", -0.5),))
    texts = (TextPiece("a"), ReasoningPiece('é\\"\n'), ReasoningPiece("c"), logprobs, TextPiece("b"), TextPiece("\0"))
    encoded, plain = ChunkWriter("m", 10), ChunkWriter("m", 10)
    frames = [encoded.frame(text) for text in (*texts, TextPiece("d"))]
    told = [json.loads(frame.removeprefix(b"data: ")) for frame in frames if frame]
    chunks = [chunk for text in (*texts, TextPiece("d")) for chunk in plain.feed(text)]
    assert [chunk["choices"] for chunk in told] == [chunk["choices"] for chunk in chunks]
    assert {(*chunk, chunk["id"], frame[-2:]) for chunk, frame in zip(told, filter(None, frames), strict=True)} == {
        (*chunks[0], told[0]["id"], b"\n\n")
    }


def test_a_stop_string_is_named() -> None:
    choice = chunks_of([TextPiece("a"), Finished("stop", 2, stop="X")])[1]["choices"][0]
    assert (choice["finish_reason"], choice["stop_reason"]) == ("stop", "X")


def test_each_call_has_its_index_its_id_and_its_name_first() -> None:
    calls = [delta["tool_calls"][0] for delta in deltas(chunks_of(CALLS))]
    assert [call["index"] for call in calls] == [0, 0, 0, 1, 1]
    assert [call["function"].get("name") for call in calls] == ["f", None, None, "g", None]
    assert len({call["id"] for call in calls if "id" in call}) == 2


def test_the_fold_of_all_kinds() -> None:
    whole = fold(chunks_of([ReasoningPiece("hm"), TextPiece("a"), TextPiece("b"), *CALLS, Finished("tool_calls", 9)]))
    message = whole["choices"][0]["message"]
    assert (message["content"], message["reasoning_content"]) == ("ab", "hm")
    assert [call["function"] for call in message["tool_calls"]] == [
        {"name": "f", "arguments": '{"a":1}'},
        {"name": "g", "arguments": "{}"},
    ]
    assert whole["choices"][0]["finish_reason"] == "tool_calls"
    assert whole["usage"]["completion_tokens"] == 9
    assert whole["object"] == "chat.completion"


def test_content_is_null_beside_calls_alone_and_empty_when_there_is_nothing() -> None:
    assert fold(chunks_of([*CALLS, Finished("tool_calls", 9)]))["choices"][0]["message"]["content"] is None
    assert fold(chunks_of([Finished("stop", 1)]))["choices"][0]["message"]["content"] == ""


def test_the_bytes_of_a_batch() -> None:
    writer = ChunkWriter("m", 10)
    assert encode_batch(writer, [Progress(3, 10, 0), Generating(7)]) == b": prefill 3/10\n\n: generating 7\n\n"
    frames = encode_batch(writer, [TextPiece("a\u2028\n"), Finished("stop", 1)]).split(b"\n\n")
    assert [frame[:6] for frame in frames[:3]] == [b"data: "] * 3
    assert json.loads(frames[0][6:])["choices"][0]["delta"]["content"] == "a\u2028\n"
    assert frames[3:] == [b"data: [DONE]", b""]


def test_a_failure_is_an_error_frame_and_no_end() -> None:
    frames = encode_batch(ChunkWriter("m", 10), [TextPiece("a"), Failed(EngineFailure("out of memory"))])
    assert b"[DONE]" not in frames
    assert json.loads(frames.split(b"\n\n")[1][6:])["error"]["message"] == "out of memory"


def test_log_probabilities_ride_on_what_comes_next_and_are_folded() -> None:
    raw, half = "H\u00e9".encode(), b"\xf0\x9f"
    tokens = (TokenLogprob(raw, -0.5, ((raw, -0.5), (b"a", -1.0))), TokenLogprob(half, -math.inf))
    chunks = chunks_of([Logprobs(tokens[:1]), TextPiece("H\u00e9"), Logprobs(tokens[1:]), Finished("stop", 2)])
    told = [choice["logprobs"] for chunk in chunks for choice in chunk["choices"]]
    one = {"token": "H\u00e9", "logprob": -0.5, "bytes": [72, 195, 169]}
    likely = [one, {"token": "a", "logprob": -1.0, "bytes": [97]}]
    lost = {"token": "\ufffd", "logprob": -9999.0, "bytes": [240, 159], "top_logprobs": []}
    assert [part["content"] for part in told] == [[one | {"top_logprobs": likely}], [lost]]
    assert fold(chunks)["choices"][0]["logprobs"]["content"] == [one | {"top_logprobs": likely}, lost]
    assert encode_batch(ChunkWriter("m", 1), [Logprobs(tokens), Finished("stop", 2)])


def test_without_log_probabilities_there_are_none() -> None:
    assert fold(chunks_of([TextPiece("a"), Finished("stop", 1)]))["choices"][0]["logprobs"] is None


@given(st.lists(st.text(min_size=1, max_size=5), max_size=8))
def test_folding_chunks_gives_the_text_back(texts: list[str]) -> None:
    whole = fold(chunks_of([*(TextPiece(text) for text in texts), Finished("length", len(texts))]))
    assert whole["choices"][0]["message"]["content"] == "".join(texts)
