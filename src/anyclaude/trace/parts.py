"""What there is of a record, read without trust: a trace may be of an older version, cut, or written by somebody else.

Everything here takes any value and raises nothing. What is missing or of a wrong type counts as not there.
"""

from collections.abc import Mapping
from typing import Any, Final

import orjson

from anyclaude.errors import InternalError
from anyclaude.wire.json import encode

_SEPARATORS: Final = (0x2028, 0x2029)
_TURNS_TEXT: Final = (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
_CONTROLS: Final = dict.fromkeys((*range(9), *range(11, 32), *range(127, 160), *_SEPARATORS, *_TURNS_TEXT))
_LARGEST: Final = 1e15
_TOO_DEEP: Final = "(nested too deep to be shown)"


def mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def mappings(value: object) -> list[Mapping[str, Any]]:
    """Those of a list."""
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []


def number(value: Any, kind: Any = int | float) -> Any:
    """A number that can be counted with; None for what is none, for NaN and for what is beyond all measure."""
    known = isinstance(value, kind) and not isinstance(value, bool)
    return value if known and -_LARGEST < value < _LARGEST else None


def text(value: object) -> str:
    return value if isinstance(value, str) else ""


def word(value: object) -> str:
    """One line of at most 200 characters, without control characters."""
    return "" if value is None else " ".join(printable(str(value)).split())[:200]


def printable(words: str) -> str:
    """The text without control characters; lines and tabs stay."""
    return words.translate(_CONTROLS)


def compact(value: object) -> str:
    """JSON as it is sent."""
    try:
        return encode(value).decode()
    except InternalError:
        return _TOO_DEEP


def pretty(value: object) -> str:
    """JSON to be read."""
    try:
        return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS, default=str).decode()
    except TypeError:
        return _TOO_DEEP


def notes(record: Mapping[str, Any], kind: str | None = None) -> list[Mapping[str, Any]]:
    """What was noted on the way, all or of one kind."""
    return [note for note in mappings(record.get("notes")) if kind is None or note.get("kind") == kind]


def request_body(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """What Claude Code sent."""
    return mapping(mapping(record.get("request")).get("body"))


def upstream_body(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """What went upstream, at the last attempt."""
    attempts = mappings(record.get("upstream"))
    return mapping(attempts[-1].get("body")) if attempts else {}


def answer_body(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """The message that came of it."""
    return mapping(mapping(record.get("response")).get("body"))
