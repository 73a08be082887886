"""Answers without an end: a server that does not keep to `max_tokens`, or lets a model write for ever."""

from collections.abc import Callable, Sequence
from typing import Final

from anyclaude.wire.events import Failed, Finished, ModelEvent, TextDelta, ThinkingDelta, ToolArgsDelta

_PER_TOKEN: Final = 32
_AT_LEAST: Final = 64 * 1024
"""Characters. A token has four on average and seldom over 16: a server that counts as it should comes nowhere near."""


class EndlessAnswer:
    """A stage that ends an answer far beyond what the request allowed it. tell: called when it does."""

    def __init__(self, max_tokens: int, tell: Callable[[], None]) -> None:
        self._left = max(max_tokens * _PER_TOKEN, _AT_LEAST)
        self._tell = tell

    def feed(self, events: Sequence[ModelEvent]) -> Sequence[ModelEvent]:
        self._left -= sum(map(_length, events))
        if self._left >= 0 or isinstance(events[-1], Finished | Failed):
            return events
        self._tell()
        return [*events, Finished("max_tokens")]


def _length(event: ModelEvent) -> int:
    match event:
        case TextDelta(text) | ThinkingDelta(text) | ToolArgsDelta(text):
            return len(text)
        case _:
            return 0
