"""What a JSON text takes in memory once it is decoded, told before it is: two bytes, `{}`, become eighty.

What is counted are objects, lists and commas. A short text cannot hold too many; in a longer one that is quickly
bounded by counting them everywhere; only where that is too much, the strings are left out, which code is full of them.
Then it ends as soon as it is known to be too much, so that the worst text costs no more time than a good one.
"""

import re
from collections.abc import Iterator
from typing import Final

OBJECT: Final = 170
LIST: Final = 30
VALUE: Final = 70
"""Bytes, as CPython and orjson need them: for an object, a list, and whatever stands behind a comma."""

_STRING: Final = re.compile(rb'"[^"]*"')
_SLICE: Final = 1024 * 1024


def weighs_more(text: bytes, most: int) -> bool:
    """Whether the structure of a JSON text takes more than so many bytes. Of what is no JSON it may say anything."""
    if OBJECT * len(text) <= most or _weight(text) <= most:
        return False
    weight = 0
    for part in _without_strings(text):
        weight += _weight(part)
        if weight > most:
            return True
    return False


def _weight(text: bytes) -> int:
    return OBJECT * text.count(b"{") + LIST * text.count(b"[") + VALUE * text.count(b",")


def _without_strings(text: bytes) -> Iterator[bytes]:
    """What is left of each slice of a text."""
    inside = False
    for part in _slices(text):
        part = part.replace(b"\\\\", b"").replace(b'\\"', b"")
        if inside:
            _, quote, part = part.partition(b'"')
            inside = not quote
        part, quote, _ = _STRING.sub(b"", part).partition(b'"')
        inside = inside or bool(quote)
        yield part


def _slices(text: bytes) -> Iterator[bytes]:
    """None of them begins in an escape."""
    at = 0
    while at < len(text):
        end = at + _SLICE
        while text[end - 1 : end] == b"\\":
            end += 1
        yield text[at:end]
        at = end
