"""A second pair of eyes on an answer that is handed on: it fills the trace, and knows whether the answer is whole.

Nothing that it sees changes a byte. What it cannot understand ends the watching, not the answer.
"""

import logging
from collections.abc import Mapping
from typing import Any, Final, Protocol

from anyclaude.errors import GrammarError, UpstreamBroken
from anyclaude.server.counting import TOKENS
from anyclaude.trace.record import Recorder
from anyclaude.wire.grammar import Grammar
from anyclaude.wire.json import decode_lenient
from anyclaude.wire.sse import ServerEvent, SseDecoder

log = logging.getLogger(__name__)

LARGEST_KEPT: Final = 8 * 1024 * 1024
"""Bytes of an answer in one piece that are held for its trace; a larger one has none of its body there."""

_LONGEST_END: Final = 64 * 1024
"""Bytes of the end of a stream that is no longer watched, in which its last event must stand."""

_TRUNCATED: Final = "Claude's answer ended before it was complete"
_LAST: Final = ("message_stop", "error")
_COUNTED: Final = ("message_start", "message_delta")


class Watch(Protocol):
    """Neither method changes anything of the answer.

    whole: its last event has come; what breaks later takes nothing from it.
    """

    whole: bool

    def feed(self, read: bytes) -> None:
        """Take what was read. Never raises."""

    def end(self) -> str | None:
        """The answer is over. What Claude says is wrong, None where nothing is. Raises UpstreamBroken for a cut one."""


class StreamWatch:
    """Reads a stream. Whole is one that ends in `message_stop` or says itself what went wrong."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._decoder: SseDecoder | None = SseDecoder()
        self._grammar: Grammar | None = Grammar()
        self._begun = False
        self._end = b""  # of a stream that is no longer watched
        self.whole = False
        self._failure: str | None = None
        self._usage: dict[str, Any] = {}

    def feed(self, read: bytes) -> None:
        if self._decoder is None:
            self._end = (self._end + read)[-_LONGEST_END:]
            return
        try:
            events = self._decoder.feed(read)
        except UpstreamBroken as error:
            log.warning("the stream is no longer watched: %s", error.message)
            self._decoder, self._end = None, read[-_LONGEST_END:]
            return
        self._take([decoded for event in events if (decoded := _decoded(event)) is not None])

    def end(self) -> str | None:
        self.feed(b"\n\n")  # an event that lacks its blank line was said all the same
        if not (self.whole or _ends_well(self._end)):
            raise UpstreamBroken(_TRUNCATED)
        note_tokens(self._recorder, self._usage)
        return self._failure

    def _take(self, events: list[Mapping[str, Any]]) -> None:
        if events and not self._begun:
            self._begun = True
            self._recorder.mark("first_event")
        for event in events:
            self._check(event)
        self._recorder.feed(events)

    def _check(self, event: Mapping[str, Any]) -> None:
        kind = event["type"]
        self.whole = self.whole or kind in _LAST
        if kind == "error":
            self._failure = _said(event)
        elif kind in _COUNTED:
            self._usage |= _usage(event)
        if self._grammar is None:
            return
        try:
            self._grammar.feed(event)
        except (GrammarError, KeyError, TypeError, AttributeError) as error:
            log.info("Claude's stream has something that is not known here: %s", error)
            self._recorder.note("warning", text="the stream holds something that is not known here", found=str(error))
            self._grammar = None


class WholeWatch:
    """Keeps an answer in one piece for the trace. Only the end of its body says that it is whole."""

    whole = False

    def __init__(self, recorder: Recorder, status: int) -> None:
        self._recorder = recorder
        self._status = status
        self._body: bytearray | None = bytearray()

    def feed(self, read: bytes) -> None:
        if self._body is not None and len(self._body) + len(read) <= LARGEST_KEPT:
            self._body += read
        else:
            self._body = None

    def end(self) -> str | None:
        body = decode_lenient(bytes(self._body or b""))
        if isinstance(body, Mapping):
            self._recorder.whole(body)
            note_tokens(self._recorder, _usage(body))
        return None if self._status < 400 else _said(body) or f"Claude answered with status {self._status}"


def _decoded(event: ServerEvent) -> Mapping[str, Any] | None:
    value = decode_lenient(event.data)
    return value if isinstance(value, Mapping) and isinstance(value.get("type"), str) else None


def _ends_well(end: bytes) -> bool:
    """Whether the end of a stream holds its last event. The first one there may be cut; that is no JSON."""
    decoder = SseDecoder()
    found = [_decoded(event) for event in decoder.feed(end) + decoder.end()]
    return any(event["type"] in _LAST for event in found if event is not None)


def _usage(event: Mapping[str, Any]) -> Mapping[str, Any]:
    """Anthropic's counts, of an event or of a message; where they stand twice the later ones hold."""
    holder = event.get("message", event)
    usage = holder.get("usage") if isinstance(holder, Mapping) else None
    return {name: value for name, value in usage.items() if value} if isinstance(usage, Mapping) else {}


def note_tokens(recorder: Recorder, usage: Mapping[str, Any]) -> None:
    """Tell a recorder that counts (`server.counting`) what an answer took; Anthropic counts the cached ones beside."""
    cached = usage.get("cache_read_input_tokens", 0)
    parts = (usage.get("input_tokens", 0), usage.get("cache_creation_input_tokens", 0), cached)
    if all(isinstance(part, int) for part in parts):
        recorder.note(TOKENS, prompt_tokens=sum(parts), cached_tokens=cached, output_tokens=usage.get("output_tokens"))


def _said(body: object) -> str:
    match body:
        case {"error": {"message": str() as message}}:
            return f"Claude said: {message[:600]}"
    return ""
