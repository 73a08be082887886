"""What stands at a place of a conversation: the whole of what a page shows a part of."""

import binascii
from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from anyclaude.trace.conversation import (
    Block,
    Call,
    Document,
    Failure,
    Image,
    Link,
    Other,
    Result,
    Said,
    Text,
    Thinking,
)
from anyclaude.trace.parts import pretty, word

_PICTURES: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
)


def at(said: Sequence[Said], place: str) -> Block | str | None:
    """What stands at a place that an `Item` or `Words` names; None where there is nothing."""
    message, block, *rest = [*place.split("."), "", ""]
    found: Block | str | None = _nth(_nth(said, message), block)
    steps = [step for step in rest if step]
    if not steps:
        return found
    match found, steps:
        case Call(result=Result() as result), ["result", number]:
            found = _nth(result, number)
        case Call(arguments=given), ["argument", number]:
            found = _nth([text for _, text in arguments_of(given)], number)
        case _:
            found = None
    return found


def plain(block: Block | str) -> str:
    """The whole of a block as text."""
    match block:
        case str():
            return block
        case Text(text) | Thinking(text) | Failure(text):
            return text
        case Document():
            return block.text
        case Other():
            return block.json
        case Link():
            return f"{block.title}\n{block.url}\n\n{block.text}"
        case Call():
            return "\n\n".join(f"{name}:\n{text}" for name, text in arguments_of(block.arguments))
        case Result():
            return "\n\n".join(map(plain, block.blocks))
    return ""


def picture(block: Block | str | None) -> tuple[bytes, str] | None:
    """The bytes of an image and its type by those bytes, whatever the record says; None for all that is no picture."""
    if not isinstance(block, Image) or (kind := kind_of(block)) is None:
        return None
    content = _decoded(block.data)
    return None if content is None else (content, kind)


def kind_of(image: Image) -> str | None:
    """Its media type, by its first bytes."""
    begins = _decoded(image.data[:16]) or b""
    if begins[:4] == b"RIFF" and begins[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for magic, kind in _PICTURES if begins.startswith(magic)), None)


def _decoded(base64: str) -> bytes | None:
    try:
        return b64decode(base64, validate=True)
    except (binascii.Error, ValueError):
        return None


def arguments_of(given: Any) -> Iterator[tuple[str, str]]:
    """Names and values of a call's arguments, values that are no text as JSON."""
    if not isinstance(given, Mapping):
        yield "arguments", given if isinstance(given, str) else pretty(given)
        return
    for name, value in given.items():
        yield word(name), value if isinstance(value, str) else pretty(value)


def _nth(found: Any, number: str) -> Any:
    """The message, block or argument of that number, None where there is none."""
    if not number.isascii() or not number.isdigit() or len(number) > 6:
        return None
    among = found.blocks if isinstance(found, Said | Result) else found
    return among[int(number)] if isinstance(among, Sequence) and int(number) < len(among) else None
