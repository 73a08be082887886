"""What a tool's schema says of one parameter, and a value made to fit it where that is certain."""

import math
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from anyclaude.convert.lenient_value import lenient_value
from anyclaude.wire.json import encode

_MARKS: Final = re.compile(r"[\s_-]")
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
        yield from (_TYPES[type(each)] for each in (values if isinstance(values, list) else ()))


def parameter_meant(name: str, schema: Mapping[str, Any], taken: Collection[str]) -> str | None:
    """The parameter that a name stands for; None where the tool has none such, and takes no others.

    taken: the parameters that have their value.
    """
    properties = schema.get("properties")
    properties = properties if isinstance(properties, Mapping) else {}
    takes_others = schema.get("additionalProperties") is not False or "patternProperties" in schema or "$ref" in schema
    if name in properties or takes_others:
        return name
    alike = [each for each in properties if _plain(each) == _plain(name)]
    return alike[0] if len(alike) == 1 and alike[0] not in taken else None


def _plain(name: str) -> str:
    return _MARKS.sub("", name).casefold()


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
    turned = _turned(value, raw, types)
    written = encode(turned).decode()
    if orjson.loads(written) != turned:  # not a number, half a character, too many digits
        return Fitted(raw)
    if turned is not value:
        return Fitted(written, f"{_TYPES[type(value)]} for {_TYPES[type(turned)]}")
    return Fitted(raw) if _is_strict(raw) else Fitted(written, "spelling")


def _is_strict(raw: str) -> bool:
    try:
        orjson.loads(raw)
    except orjson.JSONDecodeError:
        return False
    return True


def _turned(value: Any, raw: str, types: frozenset[str]) -> Any:
    """The value in a type that is wanted; itself where it has one, or can be turned into none."""
    if not types or _fits(value, types):
        return value
    if isinstance(value, str):
        inner = lenient_value(value.strip())
        return value if inner is None or not _fits(inner, types) else inner
    if isinstance(value, float) and "integer" in types and math.isfinite(value) and value.is_integer():
        return int(value)
    if not isinstance(value, bool | int | float) or "string" not in types:
        return value
    return encode(value).decode() if isinstance(value, bool) else raw  # 1.10 may be a version


def _fits(value: Any, types: frozenset[str]) -> bool:
    return _TYPES.get(type(value)) in types or (type(value) is int and "number" in types)
