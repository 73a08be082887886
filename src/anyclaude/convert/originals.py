"""The arguments of a call as the model wrote them, in place of what Claude Code made of them.

Claude Code writes tool inputs anew before it sends them back (observed with 2.1.197): keys in its own order,
`replace_all` added, white space at the ends of lines and a leading `cd DIRECTORY && ` taken away, numbers made of
strings. The prompt then parts from what the server has computed where the model's last answer begins. Where both say
the same, the model's own words go back.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from anyclaude.wire.json import decode_lenient

Original = Callable[[str, Mapping[str, Any]], Mapping[str, Any] | None]
"""From the id of a call, and its input as it came, to the input as the model wrote it, where that is known."""

_CHANGED_DIRECTORY: Final = re.compile(r"""cd (?:"[^"\n]*"|'[^'\n]*'|[^\s;&|]+) && """)


def restored(request: Mapping[str, Any], original: Original) -> Mapping[str, Any]:
    """The request with the originals of all inputs that say the same.

    The very same request where there is none; nothing in it is changed.
    """
    messages = [_restored_message(message, original) for message in request["messages"]]
    if all(new is old for new, old in zip(messages, request["messages"], strict=True)):
        return request
    return {**request, "messages": messages}


def _restored_message(message: Mapping[str, Any], original: Original) -> Mapping[str, Any]:
    content = message["content"]
    if message["role"] != "assistant" or isinstance(content, str):
        return message
    blocks = [_restored_block(block, original) for block in content]
    return message if _are_same(blocks, content) else {**message, "content": blocks}


def _are_same(blocks: Iterable[object], others: Iterable[object]) -> bool:
    return all(one is other for one, other in zip(blocks, others, strict=True))


def _restored_block(block: Mapping[str, Any], original: Original) -> Mapping[str, Any]:
    now = block.get("input") if block["type"] == "tool_use" else None
    written = original(block["id"], now) if isinstance(now, Mapping) else None
    if now is None or written is None or not says_the_same(written, now):
        return block
    return {**block, "input": written}


def says_the_same(original: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Whether Claude Code may have made `now` of `original`, and left its meaning as it was."""
    added = [value for name, value in now.items() if name not in original]
    return (
        all(value is False for value in added)
        and len(now) - len(added) == len(original)
        and all(_is_same(value, now[name]) for name, value in original.items())
    )


def _is_same(original: object, now: object) -> bool:
    if type(original) is type(now):
        if isinstance(original, str) and isinstance(now, str):
            return _is_same_text(original, now)
        return original == now
    is_scalar = isinstance(now, bool | int | float)
    return isinstance(original, str) and is_scalar and _is_same(decode_lenient(original), now)


def _is_same_text(original: str, now: str) -> bool:
    if original == now:
        return True
    start = _CHANGED_DIRECTORY.match(original)
    return _stripped(original) == _stripped(now) or (start is not None and original[start.end() :] == now)


def _stripped(text: str) -> list[str]:
    return [line.rstrip() for line in text.rstrip().split("\n")]
