"""Tool slimming: fewer tools where a list is given, and definitions without what no model reads.

Names, types, `required`, enumerations and the order of the tools never change. A tool that a server runs (one with a
`type` of its own) is left alone, and so is a strict one, whose schema a decoder may follow to the letter. That an
object takes no other keys stays: Claude Code refuses a call with one, and decoders hold a model to what is said.
"""

import re
from collections.abc import Collection, Mapping
from typing import Any, Final

from anyclaude.prompt.options import SlimTools

TOOL_BOUND: Final = 600
FIELD_BOUND: Final = 200
"""Characters that `short` leaves of the description of a tool, and of one in a schema."""

ENOUGH: Final = 120
"""Characters from which the first paragraphs of a description say enough."""

_NOISE: Final = frozenset({"$schema", "$id", "$comment"})
_SAFE_INTEGER: Final = 2**53 - 1
"""The bound that schema writers put on every integer; it tells a model nothing."""

_NAMED: Final = ("properties", "patternProperties", "$defs", "definitions")
_LISTED: Final = ("anyOf", "oneOf", "allOf", "prefixItems")
_SINGLE: Final = ("items", "additionalProperties")
_LOOKED_INTO: Final = frozenset((*_NAMED, *_LISTED, *_SINGLE, "description"))
_PERHAPS_NOISE: Final = _NOISE | {"propertyNames", "minimum", "maximum"}
_DEEPEST: Final = 64
_SENTENCE_END: Final = re.compile(r"[.!?](?=\s)")


def slim(tools: Any, level: SlimTools) -> Any:
    """The definitions at that level; the very same list where nothing changes."""
    if level == "off" or not isinstance(tools, list):
        return tools
    slimmed = [_tool(tool, level) for tool in tools]
    return tools if slimmed == tools else slimmed


def allowed(request: Mapping[str, Any], names: Collection[str] | None) -> tuple[Any, tuple[str, ...]]:
    """The tools with one of these names, and the names of the others. A tool that `tool_choice` asks for stays."""
    tools = request.get("tools")
    if names is None or not isinstance(tools, list):
        return tools, ()
    choice = request.get("tool_choice")
    chosen = choice.get("name") if isinstance(choice, dict) else None
    dropped = [tool for tool in tools if _is_ours(tool) and tool["name"] != chosen and tool["name"] not in names]
    if not dropped or (len(dropped) == len(tools) and isinstance(choice, dict)):
        return tools, ()
    return [tool for tool in tools if tool not in dropped], tuple(tool["name"] for tool in dropped)


def names(tools: Any) -> tuple[str, ...]:
    """The names of the tools, in their order."""
    found = [tool.get("name") for tool in tools if isinstance(tool, dict)] if isinstance(tools, list) else []
    return tuple(name for name in found if isinstance(name, str))


def shortened(text: str, bound: int) -> str:
    """The first paragraphs that say enough, cut at a sentence or a word where they are longer than the bound."""
    kept: list[str] = []
    for paragraph in re.split(r"\n\s*\n", text.strip()):
        kept.append(paragraph)
        if len("\n\n".join(kept)) >= ENOUGH:
            break
    short = "\n\n".join(kept)
    if len(short) > bound:
        ends = [end.end() for end in _SENTENCE_END.finditer(short, 0, bound)]
        short = short[: ends[-1]] if ends else short[:bound].rpartition(" ")[0].strip() or short[:bound]
    return short if len(short) < len(text) else text


def _is_ours(tool: Any) -> bool:
    return isinstance(tool, dict) and tool.get("type") in (None, "custom") and isinstance(tool.get("name"), str)


def _tool(tool: Any, level: SlimTools) -> Any:
    if not _is_ours(tool):
        return tool
    result = dict(tool)
    if level == "short" and isinstance(tool.get("description"), str):
        result["description"] = shortened(tool["description"], TOOL_BOUND)
    if not tool.get("strict"):
        result["input_schema"] = _schema(tool.get("input_schema"), level, 0)
    return result if "input_schema" in tool else {key: result[key] for key in tool}


def _schema(schema: Any, level: SlimTools, depth: int) -> Any:
    if not isinstance(schema, dict) or depth > _DEEPEST:
        return schema
    return {
        key: _value(key, value, level, depth + 1) if key in _LOOKED_INTO else value
        for key, value in schema.items()
        if key not in _PERHAPS_NOISE or not _is_noise(key, value)
    }


def _value(key: str, value: Any, level: SlimTools, depth: int) -> Any:
    if key in _NAMED and isinstance(value, dict):
        return {name: _schema(schema, level, depth) for name, schema in value.items()}
    if key in _LISTED and isinstance(value, list):
        return [_schema(schema, level, depth) for schema in value]
    if key in _SINGLE:
        return _schema(value, level, depth)
    if key == "description" and level == "short" and isinstance(value, str):
        return shortened(value, FIELD_BOUND)
    return value


def _is_noise(key: str, value: Any) -> bool:
    if key in _NOISE:
        return True
    if key == "propertyNames":
        return bool(value == {"type": "string"})
    return key in ("minimum", "maximum") and isinstance(value, int) and abs(value) == _SAFE_INTEGER
