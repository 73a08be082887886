"""What a tool's schema says of one parameter, and a value made to fit it where that is certain."""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from anyclaude.convert.lenient_value import lenient_value
from anyclaude.wire.json import encode

_NULLS: Final = frozenset({"null", "None", "undefined"})
_INTEGER: Final = re.compile(r"-?\d+")
_TYPES: Final[Mapping[type, str]] = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    dict: "object",
    list: "array",
    type(None): "null",
}


def types_of(schema: object) -> frozenset[str]:
    """The JSON types that a schema allows; none where it does not say (`$ref`, no type at all)."""
    if not isinstance(schema, Mapping) or "$ref" in schema:
        return frozenset()
    chosen = [schema[name] for name in ("anyOf", "oneOf") if isinstance(schema.get(name), list)]
    if chosen:
        found = [types_of(each) for each in chosen[0]]
        return frozenset().union(*found) if found and all(found) else frozenset()
    return frozenset(_named(schema))


def _named(schema: Mapping[str, Any]) -> Iterator[str]:
    named = schema.get("type")
    if isinstance(named, str):
        yield named
    elif isinstance(named, list):
        yield from (each for each in named if isinstance(each, str))
    else:
        values = schema.get("enum", [schema["const"]] if "const" in schema else [])
        yield from (_TYPES[type(each)] for each in values)


@dataclass(frozen=True, slots=True)
class Fitted:
    """text: what goes out, None where the parameter is better left out. repair: what was done, if anything."""

    text: str | None
    repair: str | None = None


def fitted(raw: str, schema: object, *, required: bool) -> Fitted:
    """A value as it was written, made to fit the schema of its parameter where nothing is lost by that."""
    types = types_of(schema)
    if raw in _NULLS:
        if types and "null" not in types and not required:
            return Fitted(None, "null")
        return Fitted("null", None if raw == "null" else "spelling of null")
    is_number = _INTEGER.fullmatch(raw) and not types.isdisjoint(("integer", "number"))
    value = None if is_number else lenient_value(raw)  # an integer of any size stays as it is
    if value is None:
        return Fitted(raw)
    turned = _turned(value, types)
    if turned is not value:
        return Fitted(encode(turned).decode(), f"{_TYPES[type(value)]} for {_TYPES[type(turned)]}")
    if _is_strict(raw):
        return Fitted(raw)
    return Fitted(encode(value).decode(), "spelling")


def _is_strict(raw: str) -> bool:
    try:
        orjson.loads(raw)
    except orjson.JSONDecodeError:
        return False
    return True


def _turned(value: Any, types: frozenset[str]) -> Any:
    """The value in a type that is wanted; itself where it has one, or can be turned into none."""
    if not types or _fits(value, types):
        return value
    if isinstance(value, str):
        inner = lenient_value(value.strip())
        return value if inner is None or not _fits(inner, types) else inner
    if isinstance(value, float) and "integer" in types and math.isfinite(value) and value.is_integer():
        return int(value)
    is_scalar = isinstance(value, bool | int | float)
    return encode(value).decode() if is_scalar and "string" in types else value


def _fits(value: Any, types: frozenset[str]) -> bool:
    return _TYPES.get(type(value)) in types or (type(value) is int and "number" in types)
