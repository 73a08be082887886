"""What is fuzzed: the decoder of server-sent events."""

from collections.abc import Sequence
from typing import Final

from anthropic._streaming import SSEDecoder as SdkDecoder

from anyclaude.errors import UpstreamBroken
from anyclaude.wire.sse import ServerEvent, SseDecoder
from tests.support.fuzzing.source import Source

_BOUND: Final = 200


def decoder(given: bytes) -> None:
    """Any cut gives the same events, or stops at the same one; of legal input the SDK's decoder makes the same."""
    source = Source(given)
    bound = _BOUND if source.byte() % 2 else 1 << 20
    pieces = source.cut(whole := source.rest())
    ours = _decoded([whole], bound)
    assert _decoded(pieces, bound) == ours
    assert _decoded([whole[at : at + 1] for at in range(len(whole))], bound) == ours
    if bound > _BOUND and _is_plain(whole):
        theirs = SdkDecoder().iter_bytes(iter([whole]))
        assert ours == [(event.event or None, event.data.encode()) for event in theirs], whole


def _decoded(pieces: Sequence[bytes], bound: int) -> list[ServerEvent | None]:
    reading, events = SseDecoder(bound), list[ServerEvent | None]()
    try:
        for piece in pieces:
            events += reading.feed(piece)
        events += reading.end()
    except UpstreamBroken:
        events.append(None)
    return events


def _is_plain(whole: bytes) -> bool:
    """What all decoders agree on: ASCII lines that end in LF, of data and names alone, each event with its data."""
    if not whole.isascii() or b"\r" in whole or b"\0" in whole or not whole.endswith(b"\n\n"):
        return False
    blocks = whole.split(b"\n\n")[:-1]
    return all(_is_plain_event(block) for block in blocks)


def _is_plain_event(block: bytes) -> bool:
    lines = block.split(b"\n")
    plain = all(line.startswith((b"data: ", b"event: ", b": ")) and line.isascii() for line in lines)
    odd = any(0x0A < byte < 0x20 for byte in block)  # text decoders split at some of them
    return plain and not odd and any(len(line) > 6 for line in lines if line.startswith(b"data: "))
