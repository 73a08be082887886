"""JSON at our borders: strict on a client, lenient on an upstream, total on what we write.

orjson does the work. It refuses NaN, lone surrogates, invalid UTF-8, a byte order mark and nesting beyond
1,024 levels, all in linear time. What is left to do here: say its refusals in one sentence, and close the gap
between what it reads and what it writes, which is at most 254 levels, no integer beyond 64 bits, no lone
surrogate. Writing a value back is the depth check, because that costs a quarter of reading it. Where orjson
gives up, a slower path in Python takes over.
"""

import json
import math
from collections.abc import Mapping
from itertools import chain
from typing import Any, Final

import orjson

from anyclaude.errors import InternalError, InvalidRequest

MAX_DEPTH: Final = 254
"""Levels of nesting that we accept: as many as orjson writes."""

_TOO_DEEP: Final = f"it is nested more than {MAX_DEPTH} levels deep"
# orjson's words on the left; those that are not here are said as they are.
_OF_THE_WHOLE: Final = {
    "input data is empty": "it is empty",
    "Input is a zero-length, empty document": "it is empty",
    "depth limit exceeded": _TOO_DEEP,
    "str is not valid UTF-8: surrogates not allowed": "it is not UTF-8 text",
    "UTF-8 byte order mark (BOM) is not supported": "it starts with a byte order mark",
}
_OF_A_PLACE: Final = {
    "number is infinity when parsed as double": "a number is too large",
    "no low surrogate in string": "a surrogate escape stands alone in a string",
    "invalid high surrogate in string": "a surrogate escape stands alone in a string",
}
_HALF_CHARACTERS: Final = ("no low surrogate in string", "invalid high surrogate in string")
_NOT_NUMBERS: Final = ("NaN", "Infinity")


def decode_object(body: bytes) -> dict[str, Any]:
    """The JSON object that a client sent. The last of duplicate keys wins.

    An integer beyond 64 bits becomes the nearest double, as in the JavaScript that wrote it: a model's
    20-digit number comes back with every later request, and refusing it would end the conversation. Beyond
    the range of a double it is refused. Half a surrogate pair becomes U+FFFD: Claude Code sends what its tools cut in
    two (anthropics/claude-code 3277, 6376), with every later request too.

    Raises InvalidRequest, and nothing else, in time and memory linear in the body.
    """
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        value = _with_halves_mended(body) if error.msg in _HALF_CHARACTERS else None
        if value is None:
            raise InvalidRequest(f"The request body is not valid JSON: {_reason(error)}.") from None
    if not isinstance(value, dict):
        raise InvalidRequest("The request body must be a JSON object.")
    if _is_too_deep(value):
        raise InvalidRequest(f"The request body is not valid JSON: {_TOO_DEEP}.")
    return value


def decode_lenient(text: str | bytes) -> Any | None:
    """What an upstream wrote, or None when it is not JSON that can be used.

    Beyond orjson it takes what real servers write: lone surrogate escapes (one character cut over two
    deltas), NaN, raw control characters, integers of any size. Invalid UTF-8 and too deep nesting give None.
    """
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return _decode_slowly(text)
    # A level costs two bytes, so a short text cannot be too deep.
    return None if len(text) > 2 * MAX_DEPTH and _is_too_deep(value) else value


def encode(value: object) -> bytes:
    """Compact UTF-8 JSON. Surrogates are mended as by `mend`, NaN and infinities become null.

    Raises InternalError for what is not JSON at all (bytes, objects, keys that are not strings).
    """
    try:
        return orjson.dumps(value)
    except TypeError:
        return _encode_slowly(value)


def encode_with(value: Mapping[str, Any], encoded: Mapping[str, bytes]) -> bytes:
    """As `encode`, for an object of which some members are encoded already."""
    try:
        return orjson.dumps({**value, **{name: orjson.Fragment(part) for name, part in encoded.items()}})
    except TypeError:
        return _encode_slowly(value)


def mend(text: str) -> str:
    """The text as UTF-8 can carry it: halves of a surrogate pair joined, lone ones replaced by U+FFFD."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def whole_characters(text: str) -> tuple[str, str]:
    """The text, its halves of characters joined, and a first half at its end, whose second half is still to come.

    JSON may escape one character as two halves, and a server may send them in two chunks.
    """
    if text.isascii():
        return text, ""
    joined = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    return (joined[:-1], joined[-1]) if "\ud800" <= joined[-1] <= "\udbff" else (joined, "")


def _is_too_deep(value: object) -> bool:
    """Of a value that orjson has read: depth is then the one thing for which orjson refuses to write it."""
    try:
        orjson.dumps(value)
    except TypeError:
        return True
    return False


def _reason(error: orjson.JSONDecodeError) -> str:
    if error.msg in _OF_THE_WHOLE:
        return _OF_THE_WHOLE[error.msg]
    reason = _OF_A_PLACE.get(error.msg, error.msg)
    if error.doc.startswith(_NOT_NUMBERS, error.pos):
        reason = "NaN and Infinity are not JSON"
    return f"{reason} at line {error.lineno}, column {error.colno}"


def _with_halves_mended(body: bytes) -> object:
    """The value of a JSON text that is right but for half characters; None for any other."""
    try:
        value = json.loads(body.decode(), parse_constant=_finite, parse_float=_finite)
        return orjson.loads(_encode_slowly(value)) if _depth(value, MAX_DEPTH + 1) <= MAX_DEPTH else None
    except (ValueError, RecursionError):  # an integer beyond the range of a double, too
        return None


def _finite(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError(f"{text} is not a number of JSON's")
    return number


def _decode_slowly(text: str | bytes) -> object:
    try:
        value = json.loads(text if isinstance(text, str) else text.decode(), strict=False)
    except (ValueError, RecursionError):
        return None
    return None if _depth(value, MAX_DEPTH + 1) > MAX_DEPTH else value


def _depth(value: object, limit: int) -> int:
    """Levels of nesting, counted up to `limit`. Goes breadth first, so that depth costs no stack."""
    level = [value] if isinstance(value, dict | list) else []
    depth = 0
    while level and depth < limit:
        depth += 1
        members = chain.from_iterable(one.values() if isinstance(one, dict) else one for one in level)
        level = [member for member in members if isinstance(member, dict | list)]
    return depth


def _encode_slowly(value: object) -> bytes:
    try:
        return json.dumps(_writable(value), ensure_ascii=False, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InternalError(f"A value cannot be written as JSON: {error}") from error


def _writable(value: object) -> object:
    match value:
        case str():
            return mend(value)
        case Mapping():
            return {_key(name): _writable(member) for name, member in value.items()}
        case list() | tuple():
            return [_writable(member) for member in value]
        case float() if not math.isfinite(value):
            return None
        case _:
            return value


def _key(name: object) -> str:
    if not isinstance(name, str):
        raise TypeError(f"a key is of type {type(name).__name__}")
    return mend(name)
