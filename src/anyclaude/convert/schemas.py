"""Tool schemas for servers whose grammar cannot hold them whole.

llama.cpp, and LM Studio since 0.4.20, turn the schemas of all tools into one grammar; a single bound that it cannot
express (`maxLength: 2000`, an object without properties, a pattern) makes it refuse the whole request with "failed to
parse grammar". Claude Code's own tools have such bounds. What is left out here only narrows a value that the tool
checks itself.

Sources: https://github.com/ggml-org/llama.cpp/issues/25923, /issues/27087,
https://github.com/lmstudio-ai/lmstudio-bug-tracker/issues/2220, /issues/2236
"""

from typing import Any, Final

_BOUNDS: Final = frozenset(("minLength", "maxLength", "minItems", "maxItems", "pattern", "format", "propertyNames"))
_NAMED: Final = frozenset(("properties", "$defs", "definitions"))
_VALUES: Final = frozenset(("enum", "const", "default", "examples", "required", "description", "title", "type"))


def plain_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema without bounds of values, and without the empty list of properties. Nothing in it is changed."""
    plain = {name: _member(name, value) for name, value in schema.items() if name not in _BOUNDS}
    if plain.get("properties") == {}:
        del plain["properties"]
        plain.pop("additionalProperties", None)
    return plain


def _member(name: str, value: Any) -> Any:
    """`properties` maps names to schemas: a property may well be called `pattern`, as that of Claude Code's Grep is."""
    if name in _VALUES:
        return value
    if name in _NAMED and isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return _plain(value)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return plain_schema(value)
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value
