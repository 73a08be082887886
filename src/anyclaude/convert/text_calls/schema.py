"""Whether a value fits a JSON schema, and what a written value means by one.

A bounded check of the keywords that tool schemas use; what it does not know, it lets pass, since Claude Code checks
every call again. Source: https://json-schema.org/draft/2020-12/json-schema-validation
"""

import json
from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any, Final

Schema = Mapping[str, Any]
_DEEPEST: Final = 64

_IS: Final[Mapping[str, Callable[[Any], bool]]] = {
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "integer": lambda value: not isinstance(value, bool) and (isinstance(value, int) or _is_whole(value)),
}


def _is_whole(value: Any) -> bool:
    return isinstance(value, float) and value.is_integer()


def fits(value: Any, schema: Any, root: Any = None, depth: int = 0) -> bool:
    """root: the schema that `$ref` points into."""
    root = schema if root is None else root
    if not isinstance(schema, Mapping) or depth > _DEEPEST:
        return schema is not False
    return (
        _is_named(value, schema)
        and _fits_references(value, schema, root, depth + 1)
        and _fits_bounds(value, schema)
        and (not isinstance(value, dict) or _fits_object(value, schema, root, depth + 1))
        and (not isinstance(value, list) or _fits_list(value, schema, root, depth + 1))
    )


def _is_named(value: Any, schema: Schema) -> bool:
    named = schema.get("type")
    kinds = [named] if isinstance(named, str) else named if isinstance(named, list) else []
    if kinds and not any(_IS.get(kind, _anything)(value) for kind in kinds if isinstance(kind, str)):
        return False
    if isinstance(choices := schema.get("enum"), list) and not any(_same(value, choice) for choice in choices):
        return False
    return "const" not in schema or _same(value, schema["const"])


def _anything(value: Any) -> bool:
    return True


def _same(one: Any, other: Any) -> bool:
    """Equal, but true is not 1."""
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _fits_references(value: Any, schema: Schema, root: Any, depth: int) -> bool:
    if isinstance(pointer := schema.get("$ref"), str) and not fits(value, resolved(pointer, root), root, depth):
        return False
    for keyword in ("anyOf", "oneOf"):
        some = schema.get(keyword)
        if isinstance(some, list) and some and not any(fits(value, one, root, depth) for one in some):
            return False
    every = schema.get("allOf")
    return not isinstance(every, list) or all(fits(value, one, root, depth) for one in every)


def resolved(pointer: str, root: Any) -> Any:
    """What a local `$ref` points to; anything, for one that leads elsewhere."""
    if not pointer.startswith("#"):
        return True
    found = root
    for step in pointer[1:].split("/")[1:]:
        found = found.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(found, Mapping) else None
    return True if found is None else found


_BOUNDS: Final[tuple[tuple[str, str, Callable[[Any, Any], bool]], ...]] = (
    ("minimum", "number", lambda value, bound: value >= bound),
    ("maximum", "number", lambda value, bound: value <= bound),
    ("exclusiveMinimum", "number", lambda value, bound: value > bound),
    ("exclusiveMaximum", "number", lambda value, bound: value < bound),
    ("minLength", "string", lambda value, bound: len(value) >= bound),
    ("maxLength", "string", lambda value, bound: len(value) <= bound),
    ("minItems", "array", lambda value, bound: len(value) >= bound),
    ("maxItems", "array", lambda value, bound: len(value) <= bound),
)


def _fits_bounds(value: Any, schema: Schema) -> bool:
    return all(
        holds(value, schema[keyword])
        for keyword, kind, holds in _BOUNDS
        if keyword in schema and _IS["number"](schema[keyword]) and _IS[kind](value)
    )


def _fits_object(value: dict[str, Any], schema: Schema, root: Any, depth: int) -> bool:
    required, properties = schema.get("required"), schema.get("properties")
    if isinstance(required, list) and any(isinstance(key, str) and key not in value for key in required):
        return False
    known = properties if isinstance(properties, Mapping) else {}
    if any(key in value and not fits(value[key], one, root, depth) for key, one in known.items()):
        return False
    rest = schema.get("additionalProperties", True)
    if rest is True or schema.get("patternProperties"):
        return True
    return all(fits(one, rest, root, depth) for key, one in value.items() if key not in known)


def _fits_list(value: list[Any], schema: Schema, root: Any, depth: int) -> bool:
    first, rest = schema.get("prefixItems"), schema.get("items", True)
    first = first if isinstance(first, list) else []
    places = zip(value, first, strict=False)
    if not all(fits(one, wanted, root, depth) for one, wanted in places):
        return False
    return rest is True or all(fits(one, rest, root, depth) for one in value[len(first) :])


# -- values without quotes ------------------------------------------------------------------------------------------


def meant(text: str, schema: Any, root: Any) -> Any:
    """What a value that is written without quotes stands for: a text, unless the schema asks for something else.

    Python's True, False and None, which templates print, are understood. What cannot be meant stays a text.
    """
    kinds = kinds_of(schema, root)
    if not kinds or kinds == {"string"}:
        return text
    word = text.strip()
    if "string" in kinds and not ({"object", "array"} & kinds and word[:1] in ("{", "[")):
        return None if word == "null" and "null" in kinds else text
    value = read_json({"True": "true", "False": "false", "None": "null"}.get(word, word))
    wanted = any(_IS.get(kind, _anything)(value) for kind in kinds - {"string"})
    return value if wanted else text


def read_json(text: str) -> Any:
    """The value, or `...` for what is not JSON. Line breaks within strings are understood."""
    try:
        return json.loads(text, strict=False, parse_constant=_refuse, parse_float=_finite)
    except (ValueError, RecursionError):
        return ...


def _refuse(word: str) -> Any:
    raise ValueError(word)


def _finite(number: str) -> float:
    """Beyond the range of a double there is nothing that JSON could say."""
    if not isfinite(value := float(number)):
        raise ValueError(number)
    return value


def kinds_of(schema: Any, root: Any, depth: int = 0) -> set[str]:
    """The JSON types that a schema names, in `type`, in alternatives or by its values; empty: it does not say."""
    if not isinstance(schema, Mapping) or depth > _DEEPEST:
        return set()
    named = schema.get("type")
    if isinstance(named, str):
        return {named}
    if isinstance(named, list):
        return {kind for kind in named if isinstance(kind, str)}
    if isinstance(pointer := schema.get("$ref"), str):
        return kinds_of(resolved(pointer, root), root, depth + 1)
    values = schema["enum"] if isinstance(schema.get("enum"), list) else [schema["const"]] if "const" in schema else []
    if values:
        return {kind for kind in _IS if kind != "number" for value in values if _IS[kind](value)}
    alternatives = schema.get("anyOf") or schema.get("oneOf")
    found = [kinds_of(one, root, depth + 1) for one in alternatives] if isinstance(alternatives, list) else []
    return set().union(*found) if all(found) else set()
