"""Tools that are loaded late: seen where they were loaded, callable, and no part of the prompt's beginning."""

from typing import Any

import pytest

from anyclaude.convert.profile import Profile
from anyclaude.convert.request import convert_request
from anyclaude.wire.prefix import prefix_hash_of

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
BASH = {"name": "Bash", "description": "Runs.", "input_schema": {"type": "object", "properties": {}}}
WEATHER = {"name": "mcp__demo__weather", "description": "Tells.", "input_schema": SCHEMA, "defer_loading": True}
REFERENCE = {"type": "tool_reference", "tool_name": "mcp__demo__weather"}
DEFERRING = Profile(deferred_tools=True)


def request(*tools: dict[str, Any], loaded: bool = True) -> dict[str, Any]:
    search = {"type": "tool_use", "id": "c1", "name": "ToolSearch", "input": {"query": "weather"}}
    result = {"type": "tool_result", "tool_use_id": "c1", "content": [REFERENCE]}
    turns = [{"role": "assistant", "content": [search]}, {"role": "user", "content": [result]}] if loaded else []
    messages = [{"role": "user", "content": "Weather?"}, *turns]
    return {"model": "m", "max_tokens": 9, "system": "Help.", "tools": list(tools), "messages": messages}


def test_a_loaded_tool_stands_in_the_result_and_behind_the_others() -> None:
    body = convert_request(request(BASH, WEATHER), DEFERRING, "m")
    first, late = body["tools"]
    assert "defer_loading" not in first
    assert late["defer_loading"] is True
    assert late["function"]["parameters"] == SCHEMA
    said = body["messages"][-1]["content"]
    assert '"name":"mcp__demo__weather"' in said
    assert '"city"' in said


def test_the_beginning_of_the_prompt_has_the_same_name_before_and_after() -> None:
    before = convert_request(request(BASH, loaded=False), DEFERRING, "m")
    after = convert_request(request(BASH, WEATHER), DEFERRING, "m")
    assert prefix_hash_of(before) == prefix_hash_of(after)
    assert after["messages"][: len(before["messages"])] == before["messages"]


def test_other_servers_get_the_tool_like_any_other() -> None:
    body = convert_request(request(BASH, WEATHER), Profile(), "m")
    assert [tool["function"]["name"] for tool in body["tools"]] == ["Bash", "mcp__demo__weather"]
    assert not any("defer_loading" in tool for tool in body["tools"])
    assert body["messages"][-1]["content"] == "[tool mcp__demo__weather is loaded]"


def test_a_reference_to_a_tool_that_is_gone_stays_readable() -> None:
    body = convert_request(request(BASH, {**WEATHER, "name": "other"}), DEFERRING, "m")
    assert body["messages"][-1]["content"] == "[tool mcp__demo__weather is loaded]"


@pytest.mark.parametrize(
    "odd", [{"type": "tool_reference", "tool_name": []}, {"type": "tool_result", "tool_use_id": "c1", "content": [5]}]
)
def test_what_is_not_understood_is_passed_over(odd: dict[str, Any]) -> None:
    asked = request(BASH, WEATHER, {"type": "mcp_toolset", "defer_loading": True})
    asked["messages"][-1]["content"][0]["content"] = [odd, REFERENCE]
    assert '"city"' in convert_request(asked, DEFERRING, "m")["messages"][-1]["content"]
