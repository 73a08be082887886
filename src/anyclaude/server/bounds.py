"""What a request may take in memory: a few times its own bytes, whatever it is made of.

A body of nothing but braces, or of thousands of tiny calls, takes fifty times its size while it is read, converted and
sent on. No real request comes near the bound: it is met by more than ten thousand calls of a hundred tokens each.
"""

from collections.abc import Mapping
from typing import Any, Final

from anyclaude.errors import RequestTooLarge
from anyclaude.wire.weight import weighs_more

_FREE: Final = 16 * 1024 * 1024
_FOR_EACH_BYTE: Final = 4

_MESSAGE: Final = 900
_TOOL: Final = 600
_BLOCK: Final = 250
_CALL: Final = 2300
"""Bytes that each takes from its reading to its being sent on, beside its texts; measured."""

_SAID: Final = "the request is made of more and smaller parts than its size allows; send fewer of them"


def check_parts(body: bytes) -> None:
    """Of a body that is not decoded yet. Raises RequestTooLarge."""
    if weighs_more(body, _most(len(body))):
        raise RequestTooLarge(_SAID)


def check_conversation(request: Mapping[str, Any], size: int) -> None:
    """Of a valid Messages request, whose body had `size` bytes. Raises RequestTooLarge."""
    messages = request["messages"]
    weight = _MESSAGE * len(messages) + _TOOL * len(request.get("tools") or ())
    weight += sum(_weight(message["content"]) for message in messages)
    if weight > _most(size):
        raise RequestTooLarge(_SAID)


def _most(size: int) -> int:
    return _FREE + _FOR_EACH_BYTE * size


def _weight(content: str | list[Mapping[str, Any]]) -> int:
    if isinstance(content, str):
        return 0
    return sum(_CALL if block["type"] == "tool_use" else _BLOCK for block in content)
