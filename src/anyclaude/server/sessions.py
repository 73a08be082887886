"""The last turn of each session, for whoever shows it beside the session: Claude Code's status line.

A turn is an answer of the conversation itself, not of a subagent and none of the small jobs beside it. What a session
cost counts them all. No word of a conversation is kept, and no more than the sessions that were used last.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

MOST: Final = 256
"""Sessions of which the last turn is kept."""

LONGEST_ID: Final = 200
"""Characters. Claude Code's ids are UUIDs."""

_SHORTEST: Final = 0.05
"""Seconds. In less nothing was streamed that a speed could be told of."""


@dataclass(slots=True)
class Turn:
    """One answer, as far as it is known; None where it is not.

    model: the upstream's name. context_window: of the model, in tokens. cost: US dollars. first_event: seconds from the
    request to the first event of a stream, less those that it waited for a node; streamed: from there to its end.
    """

    backend: str = ""
    model: str | None = None
    context_window: int | None = None
    prompt_tokens: int | None = None
    cached_tokens: int | None = None
    output_tokens: int = 0
    cost: float | None = None
    first_event: float | None = None
    streamed: float | None = None

    @property
    def tokens_per_second(self) -> float | None:
        """Of the answer, from its first event on."""
        if self.streamed is None or self.streamed < _SHORTEST or not self.output_tokens:
            return None
        return self.output_tokens / self.streamed


@dataclass(slots=True)
class Session:
    """turns: how many were answered whole. cost: US dollars of all its requests, None where nobody tells."""

    turns: int = 0
    cost: float | None = None
    last: Turn = field(default_factory=Turn)


class Sessions:
    """The sessions that were used last, by Claude Code's ids."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Session] = OrderedDict()

    def answered(self, session: str, turn: Turn, *, beside: bool) -> None:
        """A request was answered whole. beside: not of the conversation itself."""
        if len(session) > LONGEST_ID:
            return
        kept = self._kept.setdefault(session, Session())
        self._kept.move_to_end(session)
        if turn.cost is not None:
            kept.cost = (kept.cost or 0.0) + turn.cost
        if not beside:
            kept.turns += 1
            kept.last = turn
        if len(self._kept) > MOST:
            self._kept.popitem(last=False)

    def of(self, session: str) -> Session | None:
        """None for one that is not known, or not any more."""
        return self._kept.get(session)
