"""A JSON value as models write it, made strict: single quotes, bare keys, Python's words, commas too many.

Nothing is guessed: what is neither JSON nor one of these is None, and so is everything that was cut.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

from anyclaude.wire.json import decode_lenient, encode

_WORD: Final = re.compile(
    r"""\s+ | "(?:[^"\\]|\\.)*" | '(?:[^'\\]|\\.)*' | [{}\[\],:] | [^\s{}\[\],:"']+""", re.DOTALL | re.VERBOSE
)
_ESCAPE: Final = re.compile(r"""\\(u[0-9a-fA-F]{4}|.)|([\x00-\x1f"])""", re.DOTALL)
_BARE_KEY: Final = re.compile(r"[A-Za-z_$][\w$-]*")
_CONSTANTS: Final = {"True": "true", "False": "false", "None": "null", "undefined": "null"}
_ESCAPED: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f", '"': '\\"'}
LARGEST: Final = 1024 * 1024
"""Characters of a value that is looked at."""


def lenient_value(text: str) -> Any | None:
    """The value of a text; None where it has none that is certain (and for `null`)."""
    value = decode_lenient(text)
    if value is not None or len(text) > LARGEST:
        return value
    strict = " ".join(_strict(text))
    return decode_lenient(strict) if strict else None


def escaped(inside: str) -> str:
    """What stands between the quotes of a string, as JSON allows it: control characters and wrong escapes escaped."""
    return _ESCAPE.sub(
        lambda match: escape(match[1]) if match[1] else _ESCAPED.get(match[2]) or _code(match[2]), inside
    )


def escape(after: str) -> str:
    """A backslash and what follows it. One that begins no escape of JSON's stands for itself."""
    if after in _ESCAPED:  # a line break that is continued, or a quote
        return _ESCAPED[after]
    if after == "'":
        return "'"
    return f"\\{after}" if after[0] in "\\/bfnrt" or len(after) == 5 else f"\\\\{after}"


def _code(character: str) -> str:
    return f"\\u{ord(character):04x}"


def _strict(text: str) -> Iterator[str]:
    """The words as JSON has them; none where the text is not made of words."""
    words = _words(text)
    for word, following in zip(words, [*words[1:], ""], strict=False):
        if not (word == "," and following in ("}", "]")):
            yield _strict_word(word, is_key=following == ":")


def _words(text: str) -> list[str]:
    words: list[str] = []
    end = 0
    for match in _WORD.finditer(text):
        if match.start() != end:
            return []
        end = match.end()
        if not match[0].isspace():
            words.append(match[0])
    return words if end == len(text) else []


def _strict_word(word: str, *, is_key: bool) -> str:
    if word[0] in "\"'":
        return f'"{escaped(word[1:-1])}"'
    if word in _CONSTANTS and not is_key:
        return _CONSTANTS[word]
    if is_key and _BARE_KEY.fullmatch(word):
        return encode(word).decode()
    return word
