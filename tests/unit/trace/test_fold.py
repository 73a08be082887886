"""The fold of a record: whole streams, cut streams, and kinds that are not known."""

from typing import Any

from anyclaude.trace.fold import Fold

START = {"type": "message_start", "message": {"id": "m", "content": [], "usage": {"input_tokens": 3}}}


def block(index: int, **content: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": content}


def delta(index: int, **content: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": content}


def test_a_whole_message() -> None:
    fold = Fold()
    fold.feed([START, block(0, type="thinking", thinking="", signature="")])
    fold.feed([delta(0, type="thinking_delta", thinking="a"), delta(0, type="thinking_delta", thinking="b")])
    fold.feed([delta(0, type="signature_delta", signature="S"), {"type": "content_block_stop", "index": 0}])
    fold.feed([block(1, type="text", text=""), delta(1, type="text_delta", text="hi"), {"type": "ping"}])
    fold.feed([block(2, type="tool_use", id="t", name="Read", input={})])
    fold.feed(
        [delta(2, type="input_json_delta", partial_json='{"a"'), delta(2, type="input_json_delta", partial_json=":1}")]
    )
    fold.feed([{"type": "message_delta", "delta": {"stop_reason": None}, "usage": {"output_tokens": 0}}])
    fold.feed([{"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 5}}])
    assert fold.message() == {
        "id": "m",
        "content": [
            {"type": "thinking", "thinking": "ab", "signature": "S"},
            {"type": "text", "text": "hi"},
            {"type": "tool_use", "id": "t", "name": "Read", "input": {"a": 1}},
        ],
        "usage": {"input_tokens": 3, "output_tokens": 5},
        "stop_reason": "tool_use",
    }


def test_a_cut_call_keeps_its_text() -> None:
    fold = Fold()
    fold.feed([START, block(0, type="tool_use", id="t", name="Read", input={})])
    fold.feed([delta(0, type="input_json_delta", partial_json='{"a')])
    assert fold.message()["content"] == [{"type": "tool_use", "id": "t", "name": "Read", "input": '{"a'}]


def test_what_is_unknown_is_kept_and_nothing_raises() -> None:
    fold = Fold()
    odd: list[Any] = [{}, {"type": "new"}, delta(7, type="text_delta", text="nowhere"), {"type": "message_start"}]
    citation = delta(0, type="citations_delta", citation={"x": 1})
    fold.feed([*odd, block(0, type="redacted_thinking", value="v"), citation, delta(0, type="text_delta", text=3)])
    assert fold.message()["content"][0]["deltas"][0] == citation["delta"]
    assert fold.message()["content"][0]["value"] == "v"


def test_no_events_still_have_content() -> None:
    assert Fold().message() == {"content": []}


def test_it_holds_only_so_much() -> None:
    fold = Fold(largest=4)
    fold.feed([block(0, type="text", text=""), *[delta(0, type="text_delta", text="abc")] * 3])
    assert fold.message() == {"content": [{"type": "text", "text": "abc"}], "cut": True}
