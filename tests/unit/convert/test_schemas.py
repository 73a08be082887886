from copy import deepcopy
from typing import Any

from anyclaude.convert.profile import Profile
from anyclaude.convert.schemas import plain_schema
from anyclaude.convert.tools import tool_fields

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "pattern": {"type": "string", "description": "d", "pattern": "^wf_[a-z0-9-]{6,}$"},
        "script": {"type": "string", "maxLength": 524288, "minLength": 1},
        "files": {"type": "array", "maxItems": 256, "items": {"type": "string", "maxLength": 256}},
        "kind": {"anyOf": [{"enum": [{"maxLength": 1}]}, {"type": "string", "format": "uri"}]},
        "nothing": {"type": "object", "properties": {}, "additionalProperties": False},
        "open": {"type": "object", "additionalProperties": {"type": "string", "maxLength": 2000}},
    },
    "required": ["pattern"],
    "additionalProperties": False,
    "$defs": {"format": {"type": "string", "format": "date"}},
}


def test_bounds_are_left_out_and_all_else_stays() -> None:
    before = deepcopy(SCHEMA)
    assert plain_schema(SCHEMA) == {
        "type": "object",
        "properties": {
            "pattern": {"type": "string", "description": "d"},
            "script": {"type": "string"},
            "files": {"type": "array", "items": {"type": "string"}},
            "kind": {"anyOf": [{"enum": [{"maxLength": 1}]}, {"type": "string"}]},
            "nothing": {"type": "object"},
            "open": {"type": "object", "additionalProperties": {"type": "string"}},
        },
        "required": ["pattern"],
        "additionalProperties": False,
        "$defs": {"format": {"type": "string"}},
    }
    assert before == SCHEMA
    assert plain_schema(plain_schema(SCHEMA)) == plain_schema(SCHEMA)


def test_a_tool_without_parameters_is_an_object_of_any_kind() -> None:
    request = {"tools": [{"name": "TaskList", "input_schema": {"type": "object", "properties": {}}}, {"name": "Bare"}]}
    plain = tool_fields(request, Profile(plain_schemas=True))["tools"]
    assert [tool["function"]["parameters"] for tool in plain] == [{"type": "object"}, {"type": "object"}]
    whole = tool_fields(request, Profile())["tools"]
    assert [tool["function"]["parameters"]["properties"] for tool in whole] == [{}, {}]
