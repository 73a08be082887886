"""A request's record as it was told: references and bytes, which cost the event loop next to nothing.

What may change later was encoded when it was told; everything else (folding the answer, parsing bytes, taking the
secrets out, half a megabyte of it) waits for `encoded`, which the store's thread calls.
"""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import orjson

from anyclaude.trace.fold import Fold
from anyclaude.trace.redact import Redactor
from anyclaude.wire.json import decode_lenient, encode

MOST_UNFOLDED: Final = 1000
"""Events of an answer that are kept as they are. What is folded takes less memory."""

_EVENT: Final = 600
"""Bytes of memory that an unfolded event takes, about."""

Body = orjson.Fragment | bytes
Event = Mapping[str, Any]

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Draft:
    """One request. began: seconds since 1970. size: bytes that are held, about. upstream: (at_ms, body) by attempt."""

    id: str
    mode: str
    path: str
    began: float
    headers: tuple[tuple[str, str], ...] = ()
    body: Body = b""
    size: int = 0
    upstream: list[tuple[float, Body]] = field(default_factory=list)
    notes: bytes = b"[]"
    timings: dict[str, float] = field(default_factory=dict)
    status: int = 0
    outcome: str = ""
    error: str | None = None
    _whole: bytes | None = None
    _events: list[Event] = field(default_factory=list)
    _fold: Fold = field(default_factory=Fold)
    _failed: bool = False

    def keep(self, body: Mapping[str, Any] | bytes) -> Body:
        """A body as it is now. Bytes are kept as they are; they are looked into later. Raises InternalError."""
        encoded = body if isinstance(body, bytes) else encode(body)
        self.size += len(encoded)
        return encoded if isinstance(body, bytes) else orjson.Fragment(encoded)

    def feed(self, events: Iterable[Event]) -> None:
        """Events of the answer. Raises whatever iterating them raises."""
        self._events.extend(events)
        if len(self._events) > MOST_UNFOLDED:
            self._fold_events()

    def whole(self, message: Mapping[str, Any]) -> None:
        """The message, in place of events. Raises InternalError when it is no JSON."""
        self._whole = encode(message)
        self.size += len(self._whole)

    def close(self) -> None:
        """Nothing more will be told."""
        self.size += self._fold.size + _EVENT * len(self._events)

    def failed(self, failure: Exception) -> None:
        """Something is missing from this record: say so once."""
        if not self._failed:
            log.warning("the trace of a request is not whole: %s", type(failure).__name__)
        self._failed = True

    def encoded(self, redactor: Redactor) -> bytes:
        """The record as one line of JSON, without secrets. Raises InternalError and ValueError for what is no JSON."""
        names = {name.lower(): value for name, value in self.headers}
        message = self._message()
        notes = orjson.loads(self.notes)
        record = {
            "id": self.id,
            "time": datetime.fromtimestamp(self.began).astimezone().isoformat(timespec="milliseconds"),
            "mode": self.mode,
            "session": names.get("x-claude-code-session-id"),
            "agent": names.get("x-claude-code-agent-id"),
            "request": {
                "method": "POST",
                "path": self.path,
                "headers": redactor.headers(dict(self.headers)),
                "body": _parsed(self.body),
            },
            "upstream": [{"at_ms": at, "body": _parsed(body)} for at, body in self.upstream],
            "response": {"status": self.status, "body": message},
            "timings_ms": self.timings,
            "usage": _usage(message, notes),
            "notes": notes,
            "outcome": self.outcome,
            "error": self.error,
        }
        return redactor.json(encode_record(record)) + b"\n"

    def _message(self) -> dict[str, Any]:
        if self._whole is not None:
            return {"content": [], **orjson.loads(self._whole)}
        self._fold_events()
        return self._fold.message()

    def _fold_events(self) -> None:
        events, self._events = self._events, []
        try:
            self._fold.feed(events)
        except Exception as failure:  # events may be anything; what was folded before is kept
            self.failed(failure)


def encode_record(value: object) -> bytes:
    """JSON of a record or a part of it; facts that JSON has no word for become text. Raises ValueError."""
    return orjson.dumps(value, default=_plain, option=orjson.OPT_NON_STR_KEYS)


def _plain(value: object) -> object:
    return sorted(value) if isinstance(value, set | frozenset) else str(value)


def _parsed(body: Body) -> object:
    """Bytes that are no JSON become a string."""
    if not isinstance(body, bytes):
        return body
    parsed = decode_lenient(body)
    return body.decode("utf-8", "replace") if parsed is None else orjson.Fragment(encode(parsed))


def _usage(message: Mapping[str, Any], notes: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The client's counts, and of the notes called `usage` what they add, such as the cost."""
    usage = dict(message.get("usage") or {})
    told = (note for note in notes if note["kind"] == "usage")
    for facts in told:
        usage |= {**(facts.get("report") or {}), **facts}
    return {key: value for key, value in usage.items() if key not in ("kind", "at_ms", "report")}
