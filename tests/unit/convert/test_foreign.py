"""Turns of other models, made fit for Claude."""

from typing import Any

import pytest

from anyclaude.convert.foreign import fit_for_claude
from anyclaude.convert.reasoning import Sealing

SIGNED = {"type": "thinking", "thinking": "mine", "signature": "EqQBCkYIBhgCKkDa"}
TEXT = {"type": "text", "text": "Hello."}
CALL = {"type": "tool_use", "id": "toolu_01A-b_c", "name": "Read", "input": {"a": 1}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_01A-b_c", "content": "x"}


def request(*contents: Any) -> dict[str, Any]:
    roles = ("user", "assistant")
    turns = [{"role": roles[place % 2], "content": content} for place, content in enumerate(contents)]
    return {"model": "claude-opus-4-8", "messages": turns}


def contents(asked: Any) -> list[Any]:
    return [message["content"] for message in fit_for_claude(asked)["messages"]]


def envelope() -> str:
    sealing = Sealing("some/model")
    sealing.add([{"type": "reasoning.text", "text": "hm", "index": 0}])
    sealed = sealing.seal()
    assert sealed
    return sealed


OWN: dict[str, Any] = {
    "a conversation": request("Hi", [SIGNED, TEXT, CALL], [RESULT, TEXT]),
    "thinking that is not shown": request("Hi", [{"type": "thinking", "thinking": "", "signature": "Eq"}, TEXT]),
    "redacted thinking": request("Hi", [{"type": "redacted_thinking", "data": "x"}, TEXT]),
    "blocks of kinds to come": request("Hi", [{"type": "fallback"}, {"type": "server_tool_use", "id": "a:b"}]),
    "no blocks": request("Hi", []),
    "no messages": {"model": "m"},
    "ids that are none": request("Hi", [{**CALL, "id": 1}], [{**RESULT, "tool_use_id": None}]),
    "messages of another shape": {"messages": {"role": "user"}},
    "turns of another shape": {"messages": ["x", None, {"role": "user"}, {"content": [None, "x", {}, {"type": []}]}]},
}


@pytest.mark.parametrize("asked", OWN.values(), ids=OWN.keys())
def test_what_is_claudes_own_is_the_same_object(asked: dict[str, Any]) -> None:
    assert fit_for_claude(asked) is asked


FOREIGN: dict[str, dict[str, Any]] = {
    "an empty signature": {"signature": ""},
    "no signature": {},
    "a signature that is none": {"signature": None},
    "an envelope of ours": {"signature": envelope()},
}


@pytest.mark.parametrize("signature", FOREIGN.values(), ids=FOREIGN.keys())
def test_thinking_of_others_is_taken_out(signature: dict[str, Any]) -> None:
    thinking = {"type": "thinking", "thinking": "theirs", **signature}
    asked = request("Hi", [thinking, TEXT, thinking, CALL], [RESULT], [SIGNED, TEXT])
    assert contents(asked) == ["Hi", [TEXT, CALL], [RESULT], [SIGNED, TEXT]]
    assert asked["messages"][1]["content"][0] is thinking, "the request itself is not touched"


def test_a_turn_of_nothing_but_thinking_keeps_a_block() -> None:
    (_, left) = contents(request("Hi", [{"type": "thinking", "thinking": "theirs", "signature": ""}]))
    assert left == [{"type": "text", "text": "(no content)"}]


def test_everything_else_of_the_request_stays() -> None:
    asked = {**request("Hi", [{"type": "thinking", "thinking": "x"}, TEXT]), "not_yet_known": {"b": 1.0}}
    asked["messages"][1]["also"] = "kept"
    fitted = fit_for_claude(asked)
    assert {**fitted, "messages": None} == {**asked, "messages": None}
    assert fitted["messages"][0] is asked["messages"][0]
    assert fitted["messages"][1] == {"role": "assistant", "content": [TEXT], "also": "kept"}


@pytest.mark.parametrize("id", ["functions.Read:0", "call_a|fc_b", "", "gr\u00fcn", "a b", "a\n"])
def test_ids_that_claude_refuses_are_replaced_where_call_and_result_meet(id: str) -> None:
    found = contents(request("Hi", [{**CALL, "id": id}, CALL], [{**RESULT, "tool_use_id": id}, RESULT]))
    ((call, other), (result, others)) = found[1:]
    assert call["id"] == result["tool_use_id"]
    assert call["id"].removeprefix("toolu_").isalnum()
    assert (other, others) == (CALL, RESULT)


def test_ids_differ_where_they_differed_and_are_the_same_each_time() -> None:
    def ids() -> list[str]:
        return [block["id"] for block in contents(request("Hi", [{**CALL, "id": "a:0"}, {**CALL, "id": "a.0"}]))[1]]

    assert ids() == ids()
    assert len(set(ids())) == 2


@pytest.mark.parametrize(
    ("given", "fit"),
    [('{"a": ', {"arguments": '{"a": '}), ([1, 2], {"arguments": [1, 2]}), ("", {}), (None, {}), ({}, {})],
)
def test_an_input_is_an_object(given: Any, fit: Any) -> None:
    assert contents(request("Hi", [{**CALL, "input": given}]))[1] == [{**CALL, "input": fit}]


MANUAL = {"thinking": {"type": "enabled", "budget_tokens": 1024}}
CLEARING = {"type": "clear_thinking_20251015", "keep": "all"}
TOOL_EDIT = {"type": "clear_tool_uses_20250919"}

UNDER_WAY: dict[str, tuple[list[Any], bool]] = {
    "a call without thinking": (["Hi", [CALL], [RESULT]], True),
    "thinking of others before the call": (["Hi", [{"type": "thinking", "thinking": "x"}, CALL], [RESULT]], True),
    "two calls in a row": (["Hi", [CALL], [RESULT], [CALL], [RESULT, TEXT]], True),
    "thinking of the turn before": (["Hi", [SIGNED, TEXT], "And?", [CALL], [RESULT]], True),
    "thinking before the call": (["Hi", [SIGNED, CALL], [RESULT]], False),
    "redacted thinking before it": (["Hi", [{"type": "redacted_thinking", "data": "x"}, CALL], [RESULT]], False),
    "thinking at the begin of the turn": (["Hi", [SIGNED, CALL], [RESULT], [CALL], [RESULT]], False),
    "a turn that is over": (["Hi", [CALL], [RESULT], [TEXT], "And?"], False),
    "no turn yet": (["Hi"], False),
}


@pytest.mark.parametrize(("said", "left_out"), UNDER_WAY.values(), ids=UNDER_WAY.keys())
def test_thinking_is_not_asked_for_within_a_turn_of_others(said: list[Any], left_out: bool) -> None:
    assert ("thinking" not in fit_for_claude({**request(*said), **MANUAL})) is left_out
    for other in ({"type": "adaptive"}, {"type": "disabled"}):
        assert fit_for_claude({**request(*said), "thinking": other})["thinking"] == other


@pytest.mark.parametrize(
    ("management", "left"),
    [
        ({"edits": [CLEARING]}, None),
        ({"edits": [CLEARING, TOOL_EDIT], "x": 1}, {"edits": [TOOL_EDIT], "x": 1}),
        ({"edits": [TOOL_EDIT]}, {"edits": [TOOL_EDIT]}),
        ({"edits": "what"}, {"edits": "what"}),
        ("what", "what"),
        (None, None),
    ],
)
def test_nor_is_old_thinking_cleared_then(management: Any, left: Any) -> None:
    asked = {**request("Hi", [CALL], [RESULT]), **MANUAL, "context_management": management}
    assert fit_for_claude(asked).get("context_management") == left


def test_what_was_made_fit_once_is_fit() -> None:
    bad = {**CALL, "id": "a:0", "input": "x"}
    once = fit_for_claude(request("Hi", [{"type": "thinking", "thinking": "x"}], "Yes?", [bad]))
    assert fit_for_claude(once) is once
