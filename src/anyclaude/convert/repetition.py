"""Answers that go round in circles: a text that repeats itself without end, and calls that bring the same again.

Small models get caught in both, and a session left alone then computes all night for nothing (peers' users report loops
of hours). What is found here ends the turn with a sentence; the person can say how to go on.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice, takewhile
from typing import Any, Final

from anyclaude.wire.events import (
    Finished,
    ModelEvent,
    TextDelta,
    ThinkingDelta,
    ToolArgsDelta,
    ToolCallStart,
    UsageReport,
)
from anyclaude.wire.json import encode

_REPEATED: Final = 12_000
_LONGEST_PERIOD: Final = 2_000
_CHECKED_EVERY: Final = 500
_PROBE: Final = 100
"""Characters: what has to repeat itself, and how long one repetition may be; how often it is looked for, and by how
long a piece of the end. Boards, tables of zeros, rows of test records and lines that were asked for a hundred times
stay below: a good answer that is lost is worse than some minutes."""

SAME_CALLS: Final = 3
_WAITING: Final = ("TaskOutput", "BashOutput", "TaskGet", "TaskList", "Monitor")
"""Tools that are called again to see whether something has changed."""


class CirclingText:
    """A stage that ends an answer whose text or thinking repeats itself at length."""

    def __init__(self) -> None:
        self._tail = ""
        self._pieces: list[str] = []  # that came since it was looked at
        self._unseen = 0  # characters of them
        self._called = False
        self._over = False

    def feed(self, events: Sequence[ModelEvent]) -> Sequence[ModelEvent]:
        if self._over:
            return ()
        for event in events:
            if isinstance(event, TextDelta | ThinkingDelta):
                self._add(event.text)
            elif isinstance(event, ToolCallStart | ToolArgsDelta):
                self._tail, self._pieces, self._unseen = "", [], 0
                self._called = True
        period = self._period() if self._unseen >= _CHECKED_EVERY else None
        if period is None:
            return events
        self._over = True
        return [
            *_before_the_end(events),
            TextDelta(_said(period)),
            Finished("tool_use" if self._called else "end_turn"),
        ]

    def _add(self, text: str) -> None:
        self._pieces.append(text)
        self._unseen += len(text)

    def _period(self) -> str | None:
        """What the end of the text repeats, if it does."""
        tail = self._tail = "".join((self._tail, *self._pieces))[-_REPEATED:]
        self._pieces, self._unseen = [], 0
        before = tail.rfind(tail[-_PROBE:], 0, len(tail) - 1)
        length = len(tail) - _PROBE - before
        if before < 0 or len(tail) < _REPEATED or length > _LONGEST_PERIOD or tail[length:] != tail[:-length]:
            return None
        return tail[-length:]


def _before_the_end(events: Sequence[ModelEvent]) -> Iterator[ModelEvent]:
    return takewhile(lambda event: not isinstance(event, UsageReport | Finished), events)


def _said(period: str) -> str:
    shown = " ".join(period.split())[:60]
    return (
        f"\n\n[anyclaude ended this answer: the model repeated itself without end ({shown!r}). "
        "Say how to go on, or choose another model; `repairs` in the model's profile turns this off.]"
    )


def same_call_again(request: Mapping[str, Any]) -> str | None:
    """The sentence that ends a turn in which the model made the same call three times and got the same result; None
    while it goes on. Whatever the person says begins a new turn; tools that wait for something are called again."""
    rounds = list(islice(_rounds_from_the_end(request["messages"]), SAME_CALLS))
    if len(rounds) < SAME_CALLS or any(each != rounds[0] for each in rounds):
        return None
    names = sorted({name for name, _, _ in rounds[0]})
    if any(name in _WAITING or b"sleep" in written for name, written, _ in rounds[0]):
        return None
    return (
        f"[anyclaude ended this turn: the model called {', '.join(names)} {SAME_CALLS} times with the same arguments "
        "and got the same result each time. Say how to go on, or choose another model; "
        "`repairs` in the model's profile turns this off.]"
    )


Round = tuple[tuple[str, bytes, bytes], ...]
"""The calls of one answer, each with its name, and its input and its result as JSON."""


def _rounds_from_the_end(messages: Sequence[Mapping[str, Any]]) -> Iterator[Round]:
    """The last answers that only called, as long as nothing but results came between them."""
    said = [message for message in messages if message["role"] != "system"]
    while len(said) >= 2:
        results, calls = _results(said[-1]), _calls(said[-2])
        if not calls or results is None or set(calls) != set(results):
            return
        yield tuple((name, written, results[call]) for call, (name, written) in calls.items())
        said = said[:-2]


def _calls(message: Mapping[str, Any]) -> dict[str, tuple[str, bytes]]:
    content = message["content"]
    if message["role"] != "assistant" or isinstance(content, str):
        return {}
    return {
        str(block.get("id")): (str(block.get("name")), encode(block.get("input")))
        for block in content
        if block["type"] == "tool_use"
    }


def _results(message: Mapping[str, Any]) -> dict[str, bytes] | None:
    """The results by their calls; None where the person says something."""
    content = message["content"]
    if message["role"] != "user" or isinstance(content, str):
        return None
    results = {}
    for block in content:
        if block["type"] == "tool_result":
            results[str(block.get("tool_use_id"))] = encode(block.get("content"))
        elif not str(block.get("text", "")).lstrip().startswith("<system-reminder>"):
            return None
    return results
