"""The name of what a conversation starts with: its system prompt and its tools.

A worker says by these names what it has computed, a proxy asks for them; so both hash one request with the one function
here. What is hashed is the request as it is sent, in OpenAI's shape, before any chat template:

    sha256 of {"system":<text>,"tools":[...]} as JSON without spaces, keys sorted, UTF-8; the first 32 hex digits

Equal names mean the same words and tools. They are a hint where a request is quick, and never tell two users apart.
"""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from itertools import takewhile
from typing import Any, Final, TypeVar

import orjson

from anyclaude.wire.json import encode

T = TypeVar("T", str, bytes, Sequence[int])

SYSTEM_ROLES: Final = ("system", "developer")


def prefix_hash(system_text: str, tools: Sequence[Any] | None = None) -> str:
    """32 hex digits. tools: OpenAI's tool definitions as they are sent, in their order; none and an empty list are one.

    Raises InternalError for what is not JSON at all.
    """
    return sha256(_canonical({"system": system_text, "tools": list(tools or ())})).hexdigest()[:32]


def prefix_hash_of(request: Mapping[str, Any]) -> str:
    """The name for a whole Chat Completions request: of its leading system messages, and of its tools.

    With `tool_choice` none the model does not get to see the tools, so they do not count; nor do deferred ones.
    """
    tools = request.get("tools") if request.get("tool_choice") != "none" else None
    return prefix_hash(system_text_of(request.get("messages") or ()), shown_tools(tools or ()))


def shown_tools(tools: Sequence[Any]) -> list[Any]:
    """Those that the model sees in its prompt: one with `defer_loading` can be called, but was told of elsewhere."""
    return [tool for tool in tools if not (isinstance(tool, Mapping) and tool.get("defer_loading") is True)]


def system_text_of(messages: Sequence[Mapping[str, Any]]) -> str:
    """The text of the system messages that come first: parts on lines of their own, messages a blank line apart."""
    leading = takewhile(lambda message: message.get("role") in SYSTEM_ROLES, messages)
    return "\n\n".join(text_of(message.get("content")) for message in leading)


def text_of(content: object) -> str:
    """One string for one message: a plain string, or the texts of a list of parts, each on a line of its own."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "\n".join(part["text"] for part in parts if isinstance(part, Mapping) and isinstance(part.get("text"), str))


def shared_prefix(one: T, other: T) -> int:
    """The length of the common beginning, by bisection on slices: fast on long strings and lists."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _canonical(value: object) -> bytes:
    """What `encode` would write, its keys sorted. The detour is for values that cannot be written as they are."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        return orjson.dumps(orjson.loads(encode(value)), option=orjson.OPT_SORT_KEYS)
