"""One request's recorder: it writes down what it is told in a draft, and gives that away at the end.

It runs on the event loop, once a request and once a read of the answer, so it only keeps: bodies encoded as they are
now, events and bytes by reference. The draft is folded, redacted and written by the store's thread.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from anyclaude.trace.draft import Draft, encode_record

MOST_NOTES: Final = 200
MOST_ATTEMPTS: Final = 10


class TraceRecorder:
    """A `Recorder`. take: gets the draft, once. now: seconds on a clock that never goes back."""

    def __init__(self, draft: Draft, take: Callable[[Draft], None], now: Callable[[], float] = time.monotonic) -> None:
        """draft: with what is known at the beginning."""
        self._draft = draft
        self._take = take
        self._now = now
        self._began = now()
        self._notes: list[dict[str, Any]] = []
        self._silent = True

    def note(self, kind: str, **facts: Any) -> None:
        if len(self._notes) < MOST_NOTES:
            self._notes.append({**facts, "kind": kind, "at_ms": self._at()})

    def sent(self, body: Mapping[str, Any] | bytes) -> None:
        if len(self._draft.upstream) < MOST_ATTEMPTS:
            try:
                self._draft.upstream.append((self._at(), self._draft.keep(body)))
            except Exception as failure:  # nothing that is recorded may cost an answer
                self._draft.failed(failure)

    def mark(self, moment: str) -> None:
        self._draft.timings.setdefault(moment, self._at())

    def feed(self, events: Iterable[Mapping[str, Any]]) -> None:
        try:
            if self._silent:
                self._look_for_a_token(events := list(events))
            self._draft.feed(events)
        except Exception as failure:  # as above
            self._draft.failed(failure)

    def whole(self, body: Mapping[str, Any]) -> None:
        try:
            self._draft.whole(body)
        except Exception as failure:  # as above
            self._draft.failed(failure)

    def finish(self, status: int, outcome: str, error: str | None = None) -> None:
        draft = self._draft
        draft.status, draft.outcome, draft.error = status, outcome, error
        draft.timings["end"] = self._at()
        try:
            draft.notes = encode_record(self._notes)
            draft.close()
            self._take(draft)
        except Exception as failure:  # as above
            draft.failed(failure)

    def _look_for_a_token(self, events: Iterable[Mapping[str, Any]]) -> None:
        if any(event.get("type") == "content_block_delta" for event in events):
            self._silent = False
            self.mark("first_token")

    def _at(self) -> float:
        return round((self._now() - self._began) * 1000, 1)
