"""Requests that are small on the wire and large in memory: what JSON makes of few bytes."""

import base64
import random
from collections.abc import Callable, Mapping
from typing import Final

_HEAD: Final = b'{"model":"m","max_tokens":1,"messages":['
_TAIL: Final = b'{"role":"user","content":"Hi"}]}'
_CALL: Final = b'{"role":"assistant","content":[{"type":"tool_use","id":"toolu_1","name":"Read","input":{"a":['
_RESULT: Final = b']}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_1","content":"ok"}]}]}'


def _repeated(piece: bytes, size: int, head: bytes = _HEAD, tail: bytes = _TAIL) -> bytes:
    """piece: ends in a comma."""
    return head + piece * ((size - len(head) - len(tail)) // len(piece)) + tail


def _in_a_call(piece: bytes) -> Callable[[int], bytes]:
    return lambda size: _repeated(piece, size, _HEAD + _CALL, piece[:-1] + _RESULT)


def _text(letters: bytes) -> Callable[[int], bytes]:
    head, tail = _HEAD + b'{"role":"user","content":"', b'"}]}'
    return lambda size: head + (letters * (size // len(letters)))[: size - (size % len(letters))] + tail


def _blocks(size: int) -> bytes:
    head, tail = _HEAD + b'{"role":"user","content":[', b'{"type":"text","text":"x"}]}]}'
    return _repeated(b'{"type":"text","text":"x"},', size, head, tail)


def _tools(size: int) -> bytes:
    head = b'{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"Hi"}],"tools":['
    tail = b'{"name":"last","input_schema":{"type":"object"}}]}'
    room, pieces, number = size - len(head) - len(tail), [], 0
    while room > 0:
        pieces.append(b'{"name":"t%d","input_schema":{"type":"object"}},' % number)
        room -= len(pieces[-1])
        number += 1
    return head + b"".join(pieces) + tail


def _image(size: int) -> bytes:
    head = (
        _HEAD + b'{"role":"user","content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"'
    )
    return head + base64.b64encode(random.Random(1).randbytes(size * 3 // 4)) + b'"}}]}]}'


def _turns(size: int) -> bytes:
    return _repeated(b'{"role":"user","content":"x"},{"role":"assistant","content":"y"},', size)


WORST: Final[Mapping[str, Callable[[int], bytes]]] = {
    "one text": _text(b"word "),
    "one text beyond the basic plane": _text("\U0001f600 and so on; ".encode()),
    "one text of escapes": _text(b"\\u00e9"),
    "quotes and backslashes": _text(b'\\"\\\\'),
    "an image": _image,
    "short turns": _turns,
    "blocks of one letter": _blocks,
    "empty lists": _in_a_call(b"[],"),
    "empty objects": _in_a_call(b"{},"),
    "objects of one key": _in_a_call(b'{"a":1},'),
    "whole numbers": _in_a_call(b"7,"),
    "large numbers": _in_a_call(b"7777777777,"),
    "fractions": _in_a_call(b"1.5,"),
    "strings of one letter": _in_a_call(b'"a",'),
    "lists as deep as they may be": _in_a_call(b"[" * 90 + b"]" * 90 + b","),
    "tools": _tools,
}
"""Each makes a body of about so many bytes."""
