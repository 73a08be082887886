"""Slimmer tools: what goes, what stays, and that a schema stays one."""

from typing import Any

import pytest

from anyclaude.prompt.tools import allowed, names, shortened, slim
from tests.unit.prompt.prompts import EDIT, READ, request


def test_noise_leaves_a_schema_from_tools_and_no_more() -> None:
    tool = slim([READ], "noise")[0]
    assert set(tool["input_schema"]) == {"type", "properties", "required", "additionalProperties"}
    assert tool["input_schema"]["properties"]["$schema"] == {"type": "integer", "minimum": 1}
    assert tool["description"] == READ["description"]


def test_short_also_cuts_descriptions_at_a_sentence() -> None:
    tool = slim([READ], "short")[0]
    assert 120 <= len(tool["description"]) <= 600
    assert tool["description"].endswith("one by one.")
    assert len(tool["input_schema"]["properties"]["description"]["description"]) <= 200


def test_a_description_is_cut_wherever_a_schema_may_stand() -> None:
    said = {"type": "string", "description": "Long words. " * 40}
    places: dict[str, Any] = {
        "properties": {"a": said},
        "$defs": {"a": said},
        "anyOf": [said],
        "items": said,
        "additionalProperties": said,
    }
    schema = slim([{"name": "t", "input_schema": places}], "short")[0]["input_schema"]
    found = [schema["properties"]["a"], schema["$defs"]["a"], schema["anyOf"][0], schema["items"]]
    assert [len(value["description"]) for value in (*found, schema["additionalProperties"])] == [191] * 5


def test_what_a_model_must_keep_to_stays() -> None:
    schema = {
        "type": "object",
        "properties": {
            "kind": {"enum": ["a", "b"], "default": "a"},
            "count": {"type": "integer", "minimum": 1, "maximum": 9, "multipleOf": 2},
            "name": {"type": "string", "pattern": "^a", "minLength": 1, "format": "uri", "const": "a"},
            "open": {"type": "object", "additionalProperties": {"type": "string"}},
        },
        "required": ["kind"],
    }
    tools = [{"name": "t", "input_schema": schema}]
    assert slim(tools, "short") is tools


def test_strict_and_server_tools_keep_their_schemas() -> None:
    tools = [{**READ, "strict": True}, {"type": "web_search_20250305", "name": "web_search", "$schema": "x"}]
    assert slim(tools, "noise") is tools


@pytest.mark.parametrize("tools", [None, 3, "a", [], [1, {}, {"name": 5}, {"name": "a", "input_schema": 4}]])
def test_odd_tools_pass(tools: Any) -> None:
    assert slim(tools, "short") is tools
    assert slim([EDIT], "off") == [EDIT]


def test_a_schema_that_is_very_deep_is_left_from_there_on() -> None:
    schema: dict[str, Any] = {"$comment": "deep"}
    for _ in range(200):
        schema = {"items": schema}
    assert slim([{"name": "t", "input_schema": schema}], "noise") == [{"name": "t", "input_schema": schema}]


def test_names_are_those_that_are_text() -> None:
    assert names([READ, {"name": 4}, 5, {}, EDIT]) == ("Read", "Edit")
    assert names(None) == ()


def test_the_allow_list_leaves_tools_out_but_never_the_chosen_one() -> None:
    assert allowed(request(), {"Edit"}) == ([EDIT], ("Read",))
    chosen = request(tool_choice={"type": "tool", "name": "Read"})
    assert allowed(chosen, {"Edit"}) == (chosen["tools"], ())


def test_an_allow_list_without_any_of_them_leaves_all_where_one_has_to_be_called() -> None:
    assert allowed(request(), {"x"}) == ([], ("Read", "Edit"))
    assert allowed(request(tool_choice={"type": "any"}), {"x"})[1] == ()


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("Short.", "Short."),
        ("First. " + "x" * 200 + "\n\nSecond.", "First."),
        ("x" * 150 + "\n\nSecond.", "x" * 130),
        ("Is. " * 40, ("Is. " * 40)[:127]),
        ("A title\n\n" + "B is long. " * 20 + "\n\nC", ("A title\n\n" + "B is long. " * 11)[:129]),
        ("word " * 40, ("word " * 26).strip()),
        ("", ""),
    ],
)
def test_a_text_is_cut_where_it_says_enough(text: str, short: str) -> None:
    assert shortened(text, 130) == short
