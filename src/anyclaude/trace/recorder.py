"""One request's record, from its beginning to the bytes that are written.

Bodies are encoded when they are told, so that what happens to them later changes nothing. The record is redacted as a
whole before it leaves this file: after the last byte of the answer, so no answer waits for its own record.
"""

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Final

import orjson

from anyclaude.trace.fold import Fold
from anyclaude.trace.redact import Redactor
from anyclaude.wire.json import decode_lenient, encode

MOST_NOTES: Final = 200
MOST_ATTEMPTS: Final = 10

log = logging.getLogger(__name__)


class TraceRecorder:
    """A `Recorder`. take: gets the record, redacted and encoded, once. now: seconds on a clock that never goes back."""

    def __init__(
        self,
        start: Mapping[str, Any],
        redactor: Redactor,
        take: Callable[[bytes], None],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """start: what is known at the beginning, of `beginning`."""
        self._record: dict[str, Any] = dict(start)
        self._redactor = redactor
        self._take = take
        self._now = now
        self._began = now()
        self._fold = Fold()
        self._marks: dict[str, float] = {}
        self._notes: list[dict[str, Any]] = []
        self._upstream: list[dict[str, Any]] = []
        self._whole = True

    def note(self, kind: str, **facts: Any) -> None:
        if len(self._notes) < MOST_NOTES:
            self._notes.append({**facts, "kind": kind, "at_ms": self._at()})

    def sent(self, body: Mapping[str, Any] | bytes) -> None:
        if len(self._upstream) < MOST_ATTEMPTS:
            self._guarded(self._send, body)

    def _send(self, body: Mapping[str, Any] | bytes) -> None:
        self._upstream.append({"at_ms": self._at(), "body": _fragment(body)})

    def mark(self, moment: str) -> None:
        self._marks.setdefault(moment, self._at())

    def feed(self, events: Iterable[Mapping[str, Any]]) -> None:
        self._guarded(self._fold.feed, events)

    def whole(self, body: Mapping[str, Any]) -> None:
        self._guarded(self._fold.whole, body)

    def finish(self, status: int, outcome: str, error: str | None = None) -> None:
        self._guarded(self._finish, status, outcome, error)

    def _finish(self, status: int, outcome: str, error: str | None) -> None:
        message = self._fold.message()
        self._record |= {
            "upstream": self._upstream,
            "response": {"status": status, "body": message},
            "timings_ms": {**self._marks, "end": self._at()},
            "usage": self._usage(message),
            "notes": self._notes,
            "outcome": outcome,
            "error": error,
        }
        encoded = orjson.dumps(self._record, default=_plain, option=orjson.OPT_NON_STR_KEYS)
        self._take(self._redactor.json(encoded) + b"\n")

    def _usage(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """The client's counts, and of the notes called `usage` what they add, such as the cost."""
        usage = dict(message.get("usage") or {})
        for note in self._notes:
            if note["kind"] == "usage":
                facts = orjson.loads(orjson.dumps(note, default=_plain))
                usage |= {**facts.pop("report", {}), **facts}
        return {key: value for key, value in usage.items() if key not in ("kind", "at_ms")}

    def _at(self) -> float:
        return round((self._now() - self._began) * 1000, 1)

    def _guarded(self, do: Callable[..., None], *args: Any) -> None:
        try:
            do(*args)
        except Exception as failure:  # nothing that is recorded may cost an answer
            if self._whole:
                log.warning("the trace of a request is not whole: %s", type(failure).__name__)
            self._whole = False


def beginning(
    request_id: str, mode: str, path: str, headers: Mapping[str, str], body: Mapping[str, Any], redactor: Redactor
) -> dict[str, Any]:
    """What a record begins with. Headers are redacted by name here, everything else at the end."""
    names = {name.lower(): value for name, value in headers.items()}
    return {
        "id": request_id,
        "time": datetime.now().astimezone().isoformat(timespec="milliseconds"),
        "mode": mode,
        "session": names.get("x-claude-code-session-id"),
        "agent": names.get("x-claude-code-agent-id"),
        "request": {"method": "POST", "path": path, "headers": redactor.headers(headers), "body": _fragment(body)},
    }


def _fragment(body: Mapping[str, Any] | bytes) -> orjson.Fragment:
    """A body as it is now. Bytes that are no JSON become a string."""
    if isinstance(body, bytes):
        parsed = decode_lenient(body)
        return orjson.Fragment(encode(body.decode("utf-8", "replace") if parsed is None else parsed))
    return orjson.Fragment(encode(body))


def _plain(value: object) -> object:
    """Facts of notes that JSON has no word for."""
    return sorted(value) if isinstance(value, set | frozenset) else str(value)
