"""The recorder that counts (`server.figures`), in front of the one that keeps.

It hears of a request all that there is to count: its routes, its first event, its token counts, its end. A few
additions a request, and two for each read of an answer.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from anyclaude.convert.roles import is_beside
from anyclaude.server.figures import Figures
from anyclaude.server.sessions import Turn
from anyclaude.trace.record import Recorder, Recording

TOKENS: Final = "tokens"
"""The kind of note that brings the counts of a relayed answer. It goes no further than here."""


class CountingRecording:
    """Recorders of requests that count, in front of those that keep."""

    def __init__(self, kept: Recording, figures: Figures) -> None:
        self._kept = kept
        self._figures = figures
        figures.traces_lost = lambda: kept.lost

    @property
    def lost(self) -> int:
        return self._kept.lost

    def begin(self, request_id: str, path: str, headers: Mapping[str, str], body: Mapping[str, Any]) -> Recorder:
        kept = self._kept.begin(request_id, path, headers, body)
        return CountingRecorder(kept, self._figures, headers, body)


class CountingRecorder:
    """One request. sent is that of the recorder behind it."""

    def __init__(self, kept: Recorder, figures: Figures, headers: Mapping[str, str], body: Mapping[str, Any]) -> None:
        self._kept = kept
        self._figures = figures
        self._headers = headers
        self._body = body
        self._stream = body.get("stream") is True
        self._began = figures.now()
        self._waited = 0.0
        self._to = ""
        self._of = figures.nobody
        self._events = 0
        named = body.get("model")
        self._turn = Turn(model=named if isinstance(named, str) else None)
        self.sent = kept.sent
        figures.began(self._stream)

    def feed(self, events: Sequence[Mapping[str, Any]]) -> None:
        self._events += len(events)
        self._of.events += len(events)
        self._kept.feed(events)

    def note(self, kind: str, **facts: Any) -> None:
        if kind == "route":
            self._goes(facts["to"])
        elif kind == "model":
            self._turn.model, self._turn.context_window = facts["name"], facts["context_window"]
        elif kind in ("usage", TOKENS):
            self._spent(facts)
        elif kind == "fallback":
            self._fell(facts["failed"])
        elif kind == "queue":
            self._waited_for(facts["seconds"])
        elif kind == "repair":
            self._of.repairs += 1
        elif kind == "prefix":
            self._began_with(facts)
        if kind != TOKENS:
            self._kept.note(kind, **facts)

    def mark(self, moment: str) -> None:
        if moment == "first_event":
            seconds = self._figures.now() - self._began
            self._of.first_event.add(seconds)
            self._turn.first_event = max(0.0, seconds - self._waited)
        self._kept.mark(moment)

    def whole(self, body: Mapping[str, Any]) -> None:
        self._kept.whole(body)

    def finish(self, status: int, outcome: str, error: str | None = None) -> None:
        self._figures.ended(self._turn.backend, self._stream, status, outcome, error)
        if outcome == "complete" and self._turn.prompt_tokens is not None:
            self._answered()
        self._kept.finish(status, outcome, error)

    def _goes(self, to: str) -> None:
        self._to = to
        backend = to.partition(":")[0]
        if backend != self._turn.backend:
            self._turn.backend, self._of = backend, self._figures.of(backend)

    def _fell(self, failed: str) -> None:
        """A node is named by its own name, what a plan holds as the route was."""
        if self._to.partition(":")[2] == failed:
            self._of.retries += 1
        else:
            self._of.fallbacks += 1

    def _waited_for(self, seconds: float) -> None:
        self._waited += seconds
        self._of.waits += 1
        self._of.waited += seconds

    def _began_with(self, facts: Mapping[str, Any]) -> None:
        """The causes are those of `convert.prefix_change`, a small number."""
        self._of.prompts += 1
        self._of.kept_bytes += facts["kept_bytes"]
        self._of.before_bytes += facts["before_bytes"]
        if facts["cause"] is not None:
            self._of.broken[facts["cause"]] += 1

    def _spent(self, facts: Mapping[str, Any]) -> None:
        turn = self._turn
        turn.prompt_tokens = _count(facts.get("prompt_tokens"))
        cached = facts.get("cached_tokens")
        turn.cached_tokens = None if cached is None else _count(cached)
        turn.output_tokens = _count(facts.get("output_tokens"))
        turn.cost = facts.get("cost")
        self._of.prompt_tokens += turn.prompt_tokens
        self._of.cached_tokens += turn.cached_tokens or 0
        self._of.output_tokens += turn.output_tokens

    def _answered(self) -> None:
        """The whole answer, of which the tokens are known."""
        turn = self._turn
        if turn.first_event is not None:
            turn.streamed = self._figures.now() - self._began - self._waited - turn.first_event
            if turn.cached_tokens is not None:
                self._of.prefill.add((turn.prompt_tokens or 0) - turn.cached_tokens, turn.first_event)
            self._of.decode.add(turn.output_tokens, turn.streamed)
            self._of.whole_events += self._events
        session = self._headers.get("X-Claude-Code-Session-Id")
        if session:
            beside = bool(self._headers.get("x-claude-code-agent-id")) or is_beside(self._body)
            self._figures.sessions.answered(session, turn, beside=beside)


def _count(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0
