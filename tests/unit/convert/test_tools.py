import json
from typing import Any

import pytest

from anyclaude.convert.profile import Profile
from anyclaude.convert.tools import arguments_text, tool_fields

SCHEMA = {"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "properties": {"a": {}}}
BASH = {"name": "Bash", "description": "Runs.", "input_schema": SCHEMA}
READ = {"name": "Read"}
BASH_FUNCTION = {"type": "function", "function": {"name": "Bash", "description": "Runs.", "parameters": SCHEMA}}
READ_FUNCTION = {"type": "function", "function": {"name": "Read", "parameters": {"type": "object", "properties": {}}}}
SEARCH = {"type": "web_search_20250305", "name": "web_search", "max_uses": 8}


def fields(choice: Any = None, tools: Any = (BASH, READ), **abilities: Any) -> dict[str, Any]:
    request = {"tools": list(tools), **({"tool_choice": choice} if choice else {})}
    return tool_fields(request, Profile(**abilities))


def test_tools_are_functions_in_their_order() -> None:
    assert fields() == {"tools": [BASH_FUNCTION, READ_FUNCTION]}


def test_unknown_fields_of_a_tool_are_left_out() -> None:
    noisy = BASH | {"cache_control": {"type": "ephemeral"}, "defer_loading": True, "eager_input_streaming": True}
    assert fields(tools=[noisy]) == {"tools": [BASH_FUNCTION]}


def test_a_schema_without_type_or_properties_gets_them() -> None:
    tool = {"name": "Read", "input_schema": {"anyOf": [{"required": ["a"]}]}}
    parameters = fields(tools=[tool])["tools"][0]["function"]["parameters"]
    assert parameters == {"type": "object", "properties": {}, "anyOf": [{"required": ["a"]}]}


def test_a_name_that_comes_twice_is_one_function() -> None:
    assert fields(tools=[BASH, BASH | {"description": "Other."}]) == {"tools": [BASH_FUNCTION]}


@pytest.mark.parametrize("tools", [[], [SEARCH], [{"type": "mcp_toolset", "mcp_server_name": "x"}]])
def test_without_a_function_nothing_is_sent(tools: list[Any]) -> None:
    assert fields({"type": "any", "disable_parallel_tool_use": True}, tools) == {}


def test_a_server_tool_is_not_sent_as_a_function() -> None:
    assert fields(tools=[SEARCH, BASH]) == {"tools": [BASH_FUNCTION]}


def test_a_model_without_a_tool_template_gets_no_tools() -> None:
    assert tool_fields({"tools": [BASH], "tool_choice": {"type": "any"}}, Profile(tools=False)) == {}


@pytest.mark.parametrize(("kind", "sent"), [("auto", "auto"), ("any", "required")])
def test_a_choice_has_its_own_word(kind: str, sent: str) -> None:
    assert fields({"type": kind}) == {"tools": [BASH_FUNCTION, READ_FUNCTION], "tool_choice": sent}


def test_a_choice_of_none_drops_them_unless_the_server_enforces_it() -> None:
    assert fields({"type": "none"}) == {}
    assert fields({"type": "none"}, none_tool_choice=True) == {
        "tools": [BASH_FUNCTION, READ_FUNCTION],
        "tool_choice": "none",
    }


def test_a_named_choice_names_the_function_or_leaves_no_other() -> None:
    choice = {"type": "tool", "name": "Read"}
    assert fields(choice)["tool_choice"] == {"type": "function", "function": {"name": "Read"}}
    assert fields(choice, named_tool_choice=False) == {"tools": [READ_FUNCTION], "tool_choice": "required"}


def test_a_choice_of_a_tool_that_is_not_sent_is_not_sent() -> None:
    assert fields({"type": "tool", "name": "web_search"}, [BASH, SEARCH]) == {"tools": [BASH_FUNCTION]}


def test_parallel_calls_are_switched_off_where_the_server_takes_it() -> None:
    choice = {"type": "auto", "disable_parallel_tool_use": True}
    assert fields(choice)["parallel_tool_calls"] is False
    assert "parallel_tool_calls" not in fields(choice, parallel_tool_calls=False)
    assert "parallel_tool_calls" not in fields({"type": "auto", "disable_parallel_tool_use": False})


@pytest.mark.parametrize(
    ("value", "arguments"),
    [
        ({"b": 1, "a": "ä"}, '{"b":1,"a":"ä"}'),
        ({}, "{}"),
        (None, "{}"),
        ('{"a": 1}', '{"a": 1}'),
        ("echo hi", '{"__unparsed":"echo hi"}'),
        ("[1]", '{"__unparsed":"[1]"}'),
        ("", '{"__unparsed":""}'),
        ([1, "x"], '{"__unparsed":[1,"x"]}'),
        (5, '{"__unparsed":5}'),
        ({"__unparsedToolInput": {"raw": "{command: echo hi}", "len": 18}}, '{"__unparsed":"{command: echo hi}"}'),
        ({"__unparsedToolInput": {"raw": '{"a": 1}', "len": 8}}, '{"a": 1}'),
        ({"__unparsedToolInput": 1}, '{"__unparsedToolInput":1}'),
        ({"n": 2**70}, '{"n":1180591620717411303424}'),
    ],
)
def test_arguments_are_the_text_of_one_object(value: Any, arguments: str) -> None:
    assert arguments_text(value) == arguments
    assert isinstance(json.loads(arguments), dict)


@pytest.mark.parametrize("unwilling", [{"parameters": frozenset({"tools"})}, {"refused": frozenset({"tool_choice"})}])
def test_a_choice_of_none_that_cannot_be_sent_drops_the_tools(unwilling: dict[str, Any]) -> None:
    """Left out of the request, it would leave the model free to call."""
    assert fields({"type": "none"}, none_tool_choice=True, **unwilling) == {}
    assert fields({"type": "auto"}, none_tool_choice=True, **unwilling)["tools"]
