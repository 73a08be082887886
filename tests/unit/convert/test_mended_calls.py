"""The calls of an answer, on their way from what a model wrote to what Claude Code takes."""

from collections.abc import Sequence
from typing import Any

import pytest

from anyclaude.convert.mended_calls import MendedCalls, Repair, schemas_of
from anyclaude.convert.tool_names import declared_name
from anyclaude.errors import UpstreamBroken
from anyclaude.wire.events import (
    Failed,
    Finished,
    ModelEvent,
    StopReason,
    TextDelta,
    ToolArgsDelta,
    ToolCallStart,
    UsageReport,
)

REQUEST: dict[str, Any] = {
    "tools": [
        {
            "name": "Bash",
            "input_schema": {
                "properties": {"command": {"type": "string"}, "timeout": {"type": "number"}},
                "additionalProperties": False,
            },
        },
        {"name": "mcp__demo__look", "input_schema": {"type": "object"}},
        {"type": "web_search_20250305", "name": "web_search"},
    ]
}


def read(*events: ModelEvent) -> tuple[list[ModelEvent], list[Repair]]:
    repairs: list[Repair] = []
    mending = MendedCalls(schemas_of(REQUEST), repairs.append)
    return [out for event in events for out in mending.feed([event])], repairs


def test_name_and_arguments_are_mended_and_told() -> None:
    events, repairs = read(
        ToolCallStart("1", "functions.bash"),
        ToolArgsDelta('{"command": "ls", '),
        ToolArgsDelta('"timeout": "5"'),
        UsageReport(1, 0, 1),
        Finished("tool_use"),
    )
    assert events[0] == ToolCallStart("1", "Bash")
    assert "".join(event.json for event in events if isinstance(event, ToolArgsDelta)) == (
        '{"command": "ls", "timeout": 5}'
    )
    assert events[-1] == Finished("tool_use")
    assert [(repair.tool, repair.what) for repair in repairs] == [
        ("Bash", "name 'functions.bash'"),
        ("Bash", "string for integer in 'timeout'"),
        ("Bash", "closing brace"),
    ]


@pytest.mark.parametrize("end", [Finished("max_tokens"), Finished("stop_sequence"), Failed(UpstreamBroken("gone"))])
def test_a_call_that_was_cut_stays_cut(end: Finished | Failed) -> None:
    events, repairs = read(ToolCallStart("1", "Bash"), ToolArgsDelta('{"command": "ls"'), end)
    assert events == [ToolCallStart("1", "Bash"), ToolArgsDelta('{"command": "ls"'), end]
    assert repairs == []


def test_each_call_is_mended_by_its_own_tool() -> None:
    events, _ = read(
        ToolCallStart("1", "Bash"),
        ToolArgsDelta('{"command": "ls"'),
        ToolCallStart("2", "mcp.demo.look"),
        ToolArgsDelta('{"anything": 1,}'),
        TextDelta("Done."),
        Finished("tool_use"),
    )
    assert events == [
        ToolCallStart("1", "Bash"),
        ToolArgsDelta('{"command": "ls"'),
        ToolArgsDelta("}"),
        ToolCallStart("2", "mcp__demo__look"),
        ToolArgsDelta('{"anything": 1}'),
        TextDelta("Done."),
        Finished("tool_use"),
    ]


def test_an_unknown_tool_is_left_to_the_client() -> None:
    call: list[ModelEvent] = [ToolCallStart("1", "Browse"), ToolArgsDelta("{'a': 1"), Finished("tool_use")]
    assert read(*call) == (call, [])


@pytest.mark.parametrize("reason", ["end_turn", "max_tokens"])
def test_an_answer_without_calls_is_the_very_same(reason: StopReason) -> None:
    mending = MendedCalls(schemas_of(REQUEST), lambda repair: None)
    batch: Sequence[ModelEvent] = [TextDelta("Hi"), UsageReport(1, 0, 1), Finished(reason)]
    assert mending.feed(batch) is batch


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("Bash", "Bash"),
        ("bash", "Bash"),
        ("functions.Bash", "Bash"),
        ("functions/Bash", "Bash"),
        ("default_api:Bash", "Bash"),
        ("Bash<|channel|>commentary", "Bash"),
        (" Bash ", "Bash"),
        ("`Bash`", "Bash"),
        ("mcp.demo.look", "mcp__demo__look"),
        ("mcp__Demo__Look", "mcp__demo__look"),
        ("task_list", "task_list"),
        ("TaskList", None),
        ("Bsh", None),
        ("", None),
        ("functions.", None),
    ],
)
def test_names(written: str, name: str | None) -> None:
    assert declared_name(written, ["Bash", "mcp__demo__look", "task_list", "Task_List"]) == name
