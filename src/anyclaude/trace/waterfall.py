"""Where the time of a request went: the spans of its waterfall.

The time is cut at the moments that were recorded, and each span is called by the moment that ends it: so the spans
always add up, and of a moment that is not recorded nothing is said.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, Literal

from anyclaude.trace.parts import mapping, mappings, notes, number

SpanName = Literal["prepare", "queue", "failed attempt", "connect", "prefill", "first token", "decode", "answer"]

MEANING: Final[Mapping[SpanName, str]] = {
    "prepare": "anyclaude made the request ready",
    "queue": "it waited until a node had room",
    "failed attempt": "an attempt that came to nothing, and the pause after it",
    "connect": "until the upstream said that it answers; many compute the prompt first",
    "prefill": "until the first event: the upstream computed the prompt",
    "first token": "from the first event to the first token",
    "decode": "the model wrote",
    "answer": "the rest; when its first token came is not recorded",
}


@dataclass(frozen=True, slots=True)
class Span:
    """Milliseconds since the request came."""

    name: SpanName
    began: float
    ended: float

    @property
    def ms(self) -> float:
        return self.ended - self.began


def spans(record: Mapping[str, Any]) -> tuple[Span, ...]:
    """They touch, from 0 to the end of the request; none where the record tells no end. Never raises."""
    timings = mapping(record.get("timings_ms"))
    end = number(timings.get("end"))
    if end is None:
        return ()
    sent = _sent(record)
    moments = [*_before(record, sent), *(_answered(timings, max(sent)) if sent else ())]
    told = sorted((moment for moment in moments if 0 <= moment[0] <= end), key=lambda moment: moment[0])
    wrote = any(name == "first token" for _, name in told)
    return _joined([*told, (end, "decode" if wrote else "answer")])


_Moment = tuple[float, SpanName]


def _sent(record: Mapping[str, Any]) -> Sequence[float]:
    """When each attempt went upstream."""
    found = (number(attempt.get("at_ms")) for attempt in mappings(record.get("upstream")))
    return [at for at in found if at is not None]


def _before(record: Mapping[str, Any], sent: Sequence[float]) -> Iterator[_Moment]:
    """Until the last attempt. What waits in a queue is told when it has waited."""
    first = min(sent, default=math.inf)
    yield from ((at, "prepare" if at == first else "failed attempt") for at in sent)
    for note in notes(record, "queue"):
        at, seconds = number(note.get("at_ms")), number(note.get("seconds"))
        if at is not None and seconds is not None and seconds >= 0:
            began = max(0.0, at - seconds * 1000)
            yield began, "prepare" if began <= first else "failed attempt"
            yield at, "queue"


def _answered(timings: Mapping[str, Any], last: float) -> Iterator[_Moment]:
    """Since the last attempt. A head may have come of one before it."""
    ended_by: Mapping[str, SpanName] = {"accepted": "connect", "first_event": "prefill", "first_token": "first token"}
    for moment, name in ended_by.items():
        at = number(timings.get(moment))
        if at is not None and at >= last:
            yield at, name


def _joined(moments: Sequence[_Moment]) -> tuple[Span, ...]:
    """Spans from 0 to each moment in turn; neighbours of one name are one, and none is empty."""
    found: list[Span] = []
    for (began, _), (ended, name) in pairwise([(0.0, "prepare"), *moments]):
        if found and found[-1].name == name:
            found[-1] = Span(name, found[-1].began, ended)
        elif ended > began:
            found.append(Span(name, began, ended))
    return tuple(found)
