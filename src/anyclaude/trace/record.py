"""The record of one request while it is being answered.

The server begins a recorder for every request and tells it what happens; backends add what they know through the
`Journal` of `backends.base`, which a recorder is. Every method is cheap and never raises: nothing that is recorded may
cost an answer.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol


class Recorder(Protocol):
    """One request. `finish` is called exactly once, as the last, also for a client that left."""

    def note(self, kind: str, **facts: Any) -> None:
        """Something worth knowing: `route`, `model`, `prompt`, `fallback`, `queue`, `learnt`, `repair`, `usage`,
        `warning`."""

    def sent(self, body: Mapping[str, Any] | bytes) -> None:
        """The body that goes upstream, after the chain and the conversion. Called again for every further attempt."""

    def mark(self, moment: str) -> None:
        """A moment: `accepted` (the upstream's head came), `first_event`. A recorder marks `first_token` itself."""

    def feed(self, events: Sequence[Mapping[str, Any]]) -> None:
        """Anthropic events as they went to the client; folded into the message of the record."""

    def whole(self, body: Mapping[str, Any]) -> None:
        """The message of an answer that was not streamed, in place of events."""

    def finish(self, status: int, outcome: str, error: str | None = None) -> None:
        """The end. outcome: `complete`, `error` or `left` (the client closed the connection)."""


class Recording(Protocol):
    """Where recorders come from. lost: of how many requests nothing could be kept."""

    @property
    def lost(self) -> int: ...

    def begin(self, request_id: str, path: str, headers: Mapping[str, str], body: Mapping[str, Any]) -> Recorder:
        """A recorder for a request: its headers and body as Claude Code sent them."""


class _NoRecorder:
    def note(self, kind: str, **facts: Any) -> None: ...
    def sent(self, body: Mapping[str, Any] | bytes) -> None: ...
    def mark(self, moment: str) -> None: ...
    def feed(self, events: Sequence[Mapping[str, Any]]) -> None: ...
    def whole(self, body: Mapping[str, Any]) -> None: ...
    def finish(self, status: int, outcome: str, error: str | None = None) -> None: ...


class NoRecording:
    """Records nothing, and so loses nothing."""

    lost = 0

    def begin(self, request_id: str, path: str, headers: Mapping[str, str], body: Mapping[str, Any]) -> Recorder:
        return _NoRecorder()
