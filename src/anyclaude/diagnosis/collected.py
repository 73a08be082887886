"""What came back for one request of `--test-model`: the events with their times, and what a judge asks of them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from anyclaude.errors import AnyclaudeError
from anyclaude.wire.events import (
    Failed,
    Finished,
    ModelEvent,
    TextDelta,
    ThinkingDelta,
    ToolArgsDelta,
    ToolCallStart,
    UsageReport,
)

_CONTENT: Final = (TextDelta, ThinkingDelta, ToolCallStart, ToolArgsDelta)


@dataclass(slots=True)
class Call:
    """One tool call. text: its arguments as they came."""

    name: str
    text: str = ""

    @property
    def arguments(self) -> dict[str, Any] | None:
        """The arguments as the object that they have to be, else None. No arguments at all are an empty object."""
        try:
            value = json.loads(self.text or "{}")
        except (ValueError, RecursionError):
            return None
        return value if isinstance(value, dict) else None


@dataclass(slots=True)
class Collected:
    """Times are seconds since the request was made.

    sent: the body as it went upstream. error: why the answer is not whole. late: the deadline was over before its end.
    """

    text: str = ""
    thought: bool = False
    calls: list[Call] = field(default_factory=list)
    finished: Finished | None = None
    usage: UsageReport | None = None
    sent: Mapping[str, Any] = field(default_factory=dict)
    error: AnyclaudeError | None = None
    late: bool = False
    content_at: list[float] = field(default_factory=list)
    events: int = 0
    ended: float = 0.0

    def feed(self, batch: Sequence[ModelEvent], at: float) -> None:
        """The events of one read."""
        self.ended = at
        if any(isinstance(event, _CONTENT) for event in batch):
            self.content_at.append(at)
        for event in batch:
            self._take(event)

    @property
    def first_token(self) -> float | None:
        """Seconds to the first content."""
        return self.content_at[0] if self.content_at else None

    @property
    def whole(self) -> bool:
        """The upstream said that the answer is complete."""
        return self.finished is not None and self.error is None and not self.late

    @property
    def tokens_per_second(self) -> float | None:
        """Of the answer after its first token; None where it is too short to tell."""
        if len(self.content_at) < 2 or self.content_at[-1] <= self.content_at[0]:
            return None
        tokens = self.usage.output_tokens if self.usage else self.events
        return max(tokens - 1, 1) / (self.content_at[-1] - self.content_at[0])

    def _take(self, event: ModelEvent) -> None:
        self.events += isinstance(event, _CONTENT)
        match event:
            case TextDelta(text):
                self.text += text
            case ThinkingDelta():
                self.thought = True
            case ToolCallStart(_, name):
                self.calls.append(Call(name))
            case ToolArgsDelta(piece) if self.calls:
                self.calls[-1].text += piece
            case UsageReport():
                self.usage = event
            case Finished():
                self.finished = event
            case Failed(error):
                self.error = error
