"""Whether a value has the shape that a tool's schema asks for: the few words of JSON Schema that our exercises use."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

_TYPES: Final[Mapping[str, type | tuple[type, ...]]] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
}


def fault(value: object, schema: Mapping[str, Any], where: str = "") -> str | None:
    """The first thing that is wrong with the value, with its place; None when there is none."""
    return next(_faults(value, schema, where), None)


def _faults(value: object, schema: Mapping[str, Any], where: str) -> Iterator[str]:
    named = where or "the whole"
    kind = schema.get("type", "object")
    if not isinstance(value, _TYPES[kind]) or (isinstance(value, bool) and kind != "boolean"):
        yield f"{named} is not of type {kind}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{named} is none of {', '.join(schema['enum'])}"
    if isinstance(value, dict):
        yield from _of_object(value, schema, where)
    if isinstance(value, list):
        for number, entry in enumerate(value):
            yield from _faults(entry, schema.get("items", {}), f"{where}[{number}]")


def _of_object(value: Mapping[str, Any], schema: Mapping[str, Any], where: str) -> Iterator[str]:
    known = schema.get("properties", {})
    inside = f"{where}." if where else ""
    for name in schema.get("required", ()):
        if name not in value:
            yield f"{inside}{name} is missing"
    for name, entry in value.items():
        if name in known:
            yield from _faults(entry, known[name], f"{inside}{name}")
        elif schema.get("additionalProperties") is False:
            yield f"{inside}{name} is not asked for"
