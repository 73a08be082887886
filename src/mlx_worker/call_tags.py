"""Calls whose arguments are written between tags, read while they are written: they become JSON here, a text character
for character, anything else when it is whole. The schema says what is a text."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlx_worker.call_reader import CallReader, Reading


@dataclass(frozen=True, slots=True)
class Tags:
    """`call_open NAME name_end (param_open KEY key_end value_open VALUE param_close)* call_close`.

    Where name_end or call_close is empty, what follows ends the name or the arguments. lines: a line break after a
    value's opening and before its closing is layout, no part of it.
    """

    call_open: str
    name_end: str
    param_open: str
    key_end: str
    param_close: str
    call_close: str
    value_open: str = ""
    lines: bool = True


def tagged_values(reader: CallReader, tags: Tags, end: str, schemas: Mapping[str, Mapping[str, Any]]) -> Reading:
    """`schemas`: of the arguments, by tool; it says which values are texts."""
    yield from reader.until(tags.call_open)
    closing = tags.call_close or end
    name, met = yield from reader.until(*([tags.name_end] if tags.name_end else [tags.param_open, closing]))
    reader.begin(name.strip())
    reader.arguments("{")
    properties = schemas.get(name.strip(), {}).get("properties") or {}
    separator = ""
    while True:
        if met not in (tags.param_open, closing):
            _, met = yield from reader.until(tags.param_open, closing)
        if met == closing:
            break
        key, met = yield from reader.until(tags.key_end)
        reader.arguments(f"{separator}{json.dumps(key.strip(), ensure_ascii=False)}: ")
        separator = ", "
        yield from reader.until(tags.value_open)
        yield from _tagged_value(reader, tags, properties.get(key.strip()))
    reader.arguments("}")
    reader.close()
    if tags.call_close:
        yield from reader.until(end)


def _tagged_value(reader: CallReader, tags: Tags, schema: Any) -> Reading:
    if is_text(schema):
        reader.arguments('"')
        yield from reader.text(tags.param_close, lines=tags.lines)
        reader.arguments('"')
    else:
        value, _ = yield from reader.until(tags.param_close)
        reader.arguments(as_json(value, schema, lines=tags.lines))


def is_text(schema: Any) -> bool:
    """Whether the value is written without quotes: the schema allows a string and nothing else."""
    return types_of(schema) == {"string"}


def types_of(schema: Any) -> set[str]:
    """The JSON types that a schema names itself, in an `enum` or in alternatives; empty: it does not say."""
    if not isinstance(schema, Mapping):
        return set()
    if isinstance(named := schema.get("type"), str):
        return {named}
    if isinstance(named, Sequence):
        return {str(one) for one in named}
    values = schema["enum"] if isinstance(schema.get("enum"), list) else [schema["const"]] if "const" in schema else []
    if values:
        return {_type_of(value) for value in values}
    alternatives = schema.get("anyOf") or schema.get("oneOf")
    found = [types_of(one) for one in alternatives] if isinstance(alternatives, list) else []
    return set().union(*found) if all(found) else set()


def _type_of(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    named: dict[type, str] = {str: "string", int: "integer", float: "number", dict: "object", list: "array"}
    return named.get(type(value), "null")


def as_json(value: str, schema: Any, *, lines: bool = True) -> str:
    """A value that is no plain text, as JSON: what it says, if that is JSON of a type that the schema allows, or its
    text. Python's True, False and None, which templates print, are understood."""
    value = value.removeprefix("\n").removesuffix("\n") if lines else value
    literal = {"True": "true", "False": "false", "None": "null"}.get(value.strip(), value.strip())
    allowed = types_of(schema)
    try:
        parsed = json.loads(literal)
    except (ValueError, RecursionError):
        return json.dumps(value, ensure_ascii=False)
    kind = _type_of(parsed)
    fits = not allowed or kind in allowed or (kind == "integer" and "number" in allowed)
    return literal if fits or "string" not in allowed else json.dumps(value, ensure_ascii=False)
