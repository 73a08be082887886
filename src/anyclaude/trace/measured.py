"""What a request cost in time and tokens, as far as its record tells, and what broke its prompt."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from anyclaude.trace.change import Change, change
from anyclaude.trace.parts import mapping, notes, number, request_body, upstream_body, word
from anyclaude.trace.tokens import Tokens, count, tokens_of
from anyclaude.trace.waterfall import Span, SpanName, spans


@dataclass(frozen=True, slots=True)
class Noted:
    """What anyclaude noted of the prompt: it began with kept_bytes of the last one's before_bytes. cause: what broke
    it, empty where nothing did.
    """

    kept_bytes: int
    before_bytes: int
    cause: str
    block: str

    @property
    def share(self) -> float:
        return self.kept_bytes / self.before_bytes if self.before_bytes else 1.0


@dataclass(frozen=True, slots=True)
class Measured:
    """end: ms, None where the record does not say. change: what broke the prompt since the request before. noted: what
    anyclaude said of that when it happened.
    """

    spans: tuple[Span, ...]
    end: float | None
    tokens: Tokens
    change: Change | None
    noted: Noted | None

    def ms(self, *names: SpanName) -> float:
        """How long these spans took together."""
        return sum(span.ms for span in self.spans if span.name in names)

    @property
    def waited(self) -> float:
        """Milliseconds from the last attempt to the first token."""
        return self.ms("connect", "prefill", "first token")

    @property
    def prefill_rate(self) -> float | None:
        """Prompt tokens computed a second, None where that is not known."""
        return _rate(self.tokens.computed, self.waited)

    @property
    def decode_rate(self) -> float | None:
        """Tokens written a second, None where that is not known."""
        return _rate(self.tokens.output, self.ms("decode"))


def measured(record: Mapping[str, Any], before: Mapping[str, Any] | None = None) -> Measured:
    """before: the agent's request before, if there is one. Never raises."""
    end = number(mapping(record.get("timings_ms")).get("end"))
    return Measured(spans(record), end, tokens_of(record), _changed(record, before), _noted(record))


def _rate(count: int | None, ms: float) -> float | None:
    return count / ms * 1000 if count and ms > 0 else None


def _changed(record: Mapping[str, Any], before: Mapping[str, Any] | None) -> Change | None:
    """By what went upstream where one model got both, else by what Claude Code sent."""
    if before is None:
        return None
    then, now = upstream_body(before), upstream_body(record)
    if then and now and then.get("model") == now.get("model"):
        return change(then, now)
    return change(request_body(before), request_body(record))


def _noted(record: Mapping[str, Any]) -> Noted | None:
    for note in reversed(notes(record, "prefix")):
        kept, of = count(note, "kept_bytes"), count(note, "before_bytes")
        if kept is not None and of is not None:
            return Noted(kept, of, word(note.get("cause")), word(note.get("block")))
    return None
