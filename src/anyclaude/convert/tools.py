"""Tool definitions, tool choice and the arguments of past calls, as Chat Completions wants them.

The order of tools is the client's: they are the longest part of the prompt, and a new order is a new prefix.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from anyclaude.convert.deferred import is_deferred
from anyclaude.convert.profile import Profile
from anyclaude.convert.schemas import plain_schema
from anyclaude.wire.json import encode

_UNPARSED = "__unparsed"


def tool_fields(request: Mapping[str, Any], profile: Profile) -> dict[str, Any]:
    """`tools`, `tool_choice` and `parallel_tool_calls`; empty where there is nothing to call.

    A choice of `none` drops the tools unless the server enforces it (`profile.none_tool_choice`) and the model takes
    the parameter: llama.cpp hands the calls out as text instead, and without the parameter tools are free to be called.
    That costs the cached prefix of this request, and a wrong answer costs more.
    """
    functions = _functions(request.get("tools") or (), profile) if profile.tools else []
    if not functions:
        return {}
    choice = request.get("tool_choice") or {}
    kind = choice.get("type")
    if kind == "none" and not (profile.none_tool_choice and profile.takes("tool_choice")):
        return {}
    fields: dict[str, Any] = {"tools": functions}
    if kind == "tool":
        fields |= _named_choice(choice["name"], functions, profile)
    elif kind is not None:
        fields["tool_choice"] = "required" if kind == "any" else kind
    if choice.get("disable_parallel_tool_use") is True and profile.parallel_tool_calls:
        fields["parallel_tool_calls"] = False
    return fields


def _named_choice(name: str, functions: list[dict[str, Any]], profile: Profile) -> dict[str, Any]:
    named = [function for function in functions if function["function"]["name"] == name]
    if not named:
        return {}
    if profile.named_tool_choice:
        return {"tool_choice": {"type": "function", "function": {"name": name}}}
    return {"tools": named, "tool_choice": "required"}


def _functions(tools: Iterable[dict[str, Any]], profile: Profile) -> list[dict[str, Any]]:
    functions: dict[str, dict[str, Any]] = {}
    for tool in tools:
        if is_client_tool(tool):
            functions.setdefault(tool["name"], _function(tool, profile))
    return list(functions.values())


def is_client_tool(tool: Mapping[str, Any]) -> bool:
    """Whether the client runs this tool. Anthropic's server tools have a type of their own and no schema."""
    return tool.get("type") in (None, "custom") or "input_schema" in tool


def _function(tool: Mapping[str, Any], profile: Profile) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool["name"]}
    if tool.get("description"):
        function["description"] = tool["description"]
    parameters = _parameters(tool.get("input_schema") or {})
    function["parameters"] = plain_schema(parameters) if profile.plain_schemas else parameters
    shape = {"type": "function", "function": function}
    return shape | {"defer_loading": True} if profile.deferred_tools and is_deferred(tool) else shape


def _parameters(schema: dict[str, Any]) -> dict[str, Any]:
    if "type" in schema and "properties" in schema:
        return schema
    return {"type": "object", "properties": {}} | schema


def arguments_text(value: object) -> str:
    """The `input` of a past call as the text of one JSON object, keys in their order.

    It is not always an object: Claude Code hands back a string or list when the model wrote one, and
    `{"__unparsedToolInput": {"raw": ...}}` for text that is no JSON (observed with 2.1.197). llama.cpp
    answers 500 to arguments that are no JSON object, so such a value is wrapped into one.
    """
    match value:
        case {"__unparsedToolInput": {"raw": str(raw)}}:
            return _object_text(raw)
        case dict():
            return _text(value)
        case str():
            return _object_text(value)
    return _text({_UNPARSED: value} if value is not None else {})


def _object_text(raw: str) -> str:
    try:
        if isinstance(orjson.loads(raw), dict):
            return raw
    except orjson.JSONDecodeError:
        pass
    return _text({_UNPARSED: raw})


def _text(value: dict[str, Any]) -> str:
    return encode(value).decode()
