"""Answers as `--test-model` collects them, made by hand."""

import json
from typing import Any

from anyclaude.diagnosis.collected import Collected
from anyclaude.errors import AnyclaudeError
from anyclaude.wire.events import (
    Finished,
    ModelEvent,
    StopReason,
    TextDelta,
    ToolArgsDelta,
    ToolCallStart,
    UsageReport,
)


def answer(
    text: str = "",
    *calls: tuple[str, dict[str, Any] | str],
    finish: StopReason = "end_turn",
    times: tuple[float, ...] = (0.1, 0.2),
    usage: UsageReport | None = None,
    sent: dict[str, Any] | None = None,
) -> Collected:
    """A whole answer. Its text comes in as many pieces as there are times, its calls with the last of them."""
    events: list[list[ModelEvent]] = [
        [TextDelta(text[place :: len(times)])] if text else [] for place in range(len(times))
    ]
    for number, (name, arguments) in enumerate(calls):
        given = arguments if isinstance(arguments, str) else json.dumps(arguments)
        events[-1] += [ToolCallStart(f"call{number}", name), ToolArgsDelta(given)]
    made = Collected(sent=sent or {})
    for at, batch in zip(times, events, strict=True):
        made.feed(batch, at)
    made.text = text
    ending: list[ModelEvent] = [usage] if usage else []
    made.feed([*ending, Finished(finish)], times[-1])
    return made


def broken(error: AnyclaudeError, **fields: Any) -> Collected:
    """An answer that ended in an error before it began."""
    return Collected(error=error, **fields)
