"""The stage that makes calls and thinking of text: what becomes of the events of an answer."""

from collections.abc import Sequence
from itertools import count
from typing import Any

import pytest

from anyclaude.convert.text_call_events import TextCallEvents, declared_tools
from anyclaude.convert.text_calls import Call, TextCalls
from anyclaude.convert.tool_calls import ToolIds
from anyclaude.errors import UpstreamBroken
from anyclaude.wire.events import (
    Failed,
    Finished,
    ModelEvent,
    StopReason,
    TextDelta,
    ThinkingDelta,
    ThinkingSignature,
    ToolArgsDelta,
    ToolCallStart,
    UsageReport,
)
from tests.support.call_corpus import tools

CALL = '<tool_call>\n{"name": "Bash", "arguments": {"command": "ls"}}\n</tool_call>'
MADE: list[ModelEvent] = [ToolCallStart("up_1", "Bash"), ToolArgsDelta('{"comm'), ToolArgsDelta('and": "ls"}')]
TAKEN: list[ModelEvent] = [ToolCallStart("id_1", "Bash"), ToolArgsDelta('{"command":"ls"}')]
USAGE = UsageReport(10, 0, 5)
DONE = Finished("end_turn")


def staged(*batches: Sequence[ModelEvent], opened: bool = False, found: list[Call] | None = None) -> list[ModelEvent]:
    numbers = count(1)
    ids = ToolIds((), lambda: f"id_{next(numbers)}")
    tell = (lambda call: None) if found is None else found.append
    stage = TextCallEvents(TextCalls(tools(), opened=opened), ids, tell)
    return [event for batch in batches for event in stage.feed(batch)]


def test_a_call_in_the_text_becomes_a_call() -> None:
    found: list[Call] = []
    told = staged([TextDelta("Now:\n" + CALL[:20])], [TextDelta(CALL[20:])], [USAGE, DONE], found=found)
    assert told == [TextDelta("Now:\n"), USAGE, *TAKEN, Finished("tool_use")]
    assert [(call.name, call.family) for call in found] == [("Bash", "hermes")]


def test_each_call_gets_an_id_of_its_own() -> None:
    told = staged([TextDelta(CALL + CALL), DONE])
    assert [event.id for event in told if isinstance(event, ToolCallStart)] == ["id_1", "id_2"]


def test_text_goes_through_as_it_is() -> None:
    events: list[ModelEvent] = [TextDelta("Hello"), TextDelta(" <b> there"), USAGE, DONE]
    assert staged(events) == events
    assert staged(*([event] for event in events)) == events


def test_thinking_in_the_text_becomes_thinking() -> None:
    told = staged([TextDelta("<think>\nhm")], [TextDelta("m</think>\n\nYes"), DONE])
    assert told == [ThinkingDelta("hm"), ThinkingDelta("m"), TextDelta("Yes"), DONE]


def test_thinking_that_the_template_opened() -> None:
    assert staged([TextDelta("hm</think>Yes"), DONE], opened=True) == [ThinkingDelta("hm"), TextDelta("Yes"), DONE]


def test_a_server_that_tells_thinking_itself_is_believed() -> None:
    events: list[ModelEvent] = [ThinkingDelta("hm"), ThinkingSignature("s"), TextDelta("Yes"), DONE]
    assert staged(events, opened=True) == events


@pytest.mark.parametrize("reason", ["max_tokens", "stop_sequence", "refusal"])
def test_an_answer_that_was_ended_from_outside_has_no_call(reason: StopReason) -> None:
    finished = Finished(reason, "x" if reason == "stop_sequence" else None)
    assert staged([TextDelta(CALL), finished]) == [TextDelta(CALL), finished]


def test_a_lost_call_is_found_again() -> None:
    """A server that could not parse a call says `tool_calls` all the same."""
    assert staged([TextDelta(CALL), Finished("tool_use")]) == [*TAKEN, Finished("tool_use")]


def test_what_is_held_when_an_answer_fails_is_dropped() -> None:
    failed = Failed(UpstreamBroken("gone"))
    assert staged([TextDelta("Hi.\n" + CALL[:30])], [failed]) == [TextDelta("Hi.\n"), failed]


def test_the_same_call_made_as_well_is_a_duplicate() -> None:
    told = staged([TextDelta(CALL)], MADE, [Finished("tool_use")])
    assert told == [*MADE, TextDelta(CALL), Finished("tool_use")]
    told = staged(MADE, [TextDelta(CALL)], [Finished("tool_use")])
    assert told == [*MADE, TextDelta(CALL), Finished("tool_use")]


def test_another_call_beside_one_that_was_made_is_one_more() -> None:
    other = CALL.replace("ls", "pwd")
    told = staged([TextDelta(other)], MADE, [Finished("tool_use")])
    assert told == [*MADE, ToolCallStart("id_1", "Bash"), ToolArgsDelta('{"command":"pwd"}'), Finished("tool_use")]


def test_half_a_call_before_one_that_was_made_is_text() -> None:
    told = staged([TextDelta(CALL[:30])], MADE, [Finished("tool_use")])
    assert told == [TextDelta(CALL[:30]), *MADE, Finished("tool_use")]


def test_text_keeps_its_place_before_thinking() -> None:
    told = staged([TextDelta("a <tool")], [ThinkingDelta("b")], [TextDelta("c"), DONE])
    assert told == [TextDelta("a "), TextDelta("<tool"), ThinkingDelta("b"), TextDelta("c"), DONE]


@pytest.mark.parametrize(
    ("choice", "names"),
    [
        (None, ["Bash", "Read"]),
        ({"type": "auto"}, ["Bash", "Read"]),
        ({"type": "none"}, []),
        ({"type": "tool", "name": "Read"}, ["Read"]),
    ],
)
def test_the_tools_that_may_be_called(choice: Any, names: list[str]) -> None:
    offered = [
        {"name": "Bash", "input_schema": {}},
        {"name": "Read"},
        {"type": "web_search_20250305", "name": "web_search"},
    ]
    assert list(declared_tools({"tools": offered, "tool_choice": choice})) == names
    assert declared_tools({}) == {}
