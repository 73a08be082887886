"""How soon a node would answer: what it has to compute first, and how fast it computes.

Speed is learnt from spells, not from single requests: a spell lasts while prompts of ours wait at the node without a
pause, and its tokens over its seconds are the speed, in whatever order the node took them. What a request took alone
would count the queue in front of it as slowness. What is left to compute falls with time at that speed, is corrected by
what the node says, and never falls far while requests have no answer.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import median
from typing import Final, Protocol

from anyclaude.cluster.node import Answered, Ask, Report
from anyclaude.cluster.places import Places

UNKNOWN_TPS: Final = 500.0
"""Tokens a second computed, where nobody in the fleet is known: a small Mac with a middling model."""

SHORTEST_SAMPLE: Final = 512
"""Tokens; with fewer, what every request costs counts more than the speed."""

FULL_SAMPLE: Final = 8_000
LEARNING: Final = 0.3
LONGEST_SPELL: Final = 60.0
STEEPEST: Final = 4.0
"""A sample counts as at most so many times faster or slower than what is known."""

LATE: Final = 0.25
"""The share of requests without an answer that counts as uncomputed, however long ago they were sent."""


class Candidate(Protocol):
    """What a strategy must know of a node. prefill_tps: as learnt; rtt: seconds; degraded: see `cluster.health`."""

    @property
    def id(self) -> str: ...
    @property
    def report(self) -> Report: ...
    @property
    def prefill_tps(self) -> float | None: ...
    @property
    def in_flight(self) -> int: ...
    @property
    def rtt(self) -> float: ...
    @property
    def degraded(self) -> bool: ...
    def pending_tokens(self, now: float) -> float:
        """Tokens that are computed before those of a request that is sent now."""
        ...


def fleet_tps(candidates: Iterable[Candidate]) -> float:
    """The speed to suppose of a node of which nothing is known: the median of the others, tokens a second."""
    return median([tps for each in candidates if (tps := _known_tps(each))] or [UNKNOWN_TPS])


def speed(candidate: Candidate, fallback: float) -> float:
    """Tokens of prompts a second: as learnt, as the node says, or the fallback."""
    return _known_tps(candidate) or fallback


def seconds_to_first(candidate: Candidate, uncached: float, now: float, fallback: float) -> float:
    """From sending to the first token of an answer, for so many tokens that the node has to compute."""
    return (candidate.pending_tokens(now) + uncached) / speed(candidate, fallback) + candidate.rtt


def _known_tps(candidate: Candidate) -> float | None:
    return candidate.prefill_tps or candidate.report.prefill_tps


@dataclass(slots=True, eq=False)
class Spell:
    """A time without a pause in computing prompts. unknown: requests in it that have not said what they computed."""

    began: float
    ended: float | None = None
    tokens: int = 0
    unknown: int = 0
    spoilt: bool = False


@dataclass(slots=True, eq=False)
class Sent:
    """A request on its way. expected: the cached tokens that its choice counted on; at, begun: seconds of the clock.

    place: how many of ours were there with it when it left.
    """

    standing: "Standing"
    ask: Ask
    expected: int
    at: float
    spell: Spell
    place: int = 1
    begun: float | None = None
    over: bool = False

    @property
    def node(self) -> str:
        return self.standing.id

    @property
    def uncached(self) -> int:
        return max(0, self.ask.tokens - self.expected)


@dataclass(slots=True, eq=False)
class Standing:
    """How one node stands, as this proxy sees it; a Candidate.

    Each request is told of by `sent`, then `taken` when the node lets it in, `begun` with its first token, and then
    `answered`, `failed` or `refused`, whatever came before. Times are seconds of one clock that does not go back.
    """

    id: str
    report: Report = field(default_factory=Report)
    rtt: float = 0.0
    prefill_tps: float | None = None
    decode_tps: float | None = None
    in_flight: int = 0
    degraded: bool = False
    places: Places = field(default_factory=Places)
    _waiting: dict[Sent, None] = field(default_factory=dict)
    _waiting_tokens: int = 0
    _others: float = 0.0
    _left: float = 0.0
    _at: float = 0.0
    _spell: Spell | None = None

    def pending_tokens(self, now: float) -> float:
        drained = max(0.0, now - self._at) * (_known_tps(self) or 0.0)
        return max(self._left - drained, LATE * self._waiting_tokens, 0.0)

    def reported(self, report: Report, now: float, rtt: float | None = None) -> None:
        """What the node says now. One without an `instance` says nothing of its queue."""
        self.report = report
        self.rtt = self.rtt if rtt is None else rtt
        self.places.reported(report.room, self.in_flight, now)
        if report.instance is None:
            return
        self._others = max(0.0, report.queued_tokens - self._waiting_tokens)
        self._left, self._at = float(report.queued_tokens), now
        if self._others and self._spell:
            self._spell.spoilt = True  # somebody else's prompts are computed among ours

    def sent(self, ask: Ask, expected: int, now: float) -> Sent:
        """A request leaves for this node, which is believed to hold `expected` tokens of it."""
        self._spell = self._spell or Spell(now, spoilt=self._others > 0)
        sent = Sent(self, ask, min(expected, ask.tokens), now, self._spell, self.in_flight + 1)
        self._spell.unknown += 1
        self._left, self._at = self.pending_tokens(now) + sent.uncached, now
        self._waiting[sent] = None
        self._waiting_tokens += sent.uncached
        self.in_flight += 1
        return sent

    def has_room(self, small: bool, now: float) -> bool:
        """Whether it would most likely take one more request."""
        return self.places.has_room(self.in_flight, small, now)

    def taken(self, sent: Sent) -> None:
        """The node has let it in; when it will begin is another question."""
        self.places.taken(min(sent.place, self.in_flight), sent.ask.small)

    def begun(self, sent: Sent, now: float) -> None:
        """Its first token is there."""
        if sent.begun is not None or sent.over:
            return
        sent.begun = now
        self._computed(sent, now)

    def answered(self, sent: Sent, answered: Answered, now: float) -> None:
        """It ended well."""
        self.begun(sent, min(now, sent.at + answered.first_token))
        if self._leave(sent):
            sent.spell.tokens += uncached_of(sent, answered)
            self._learn_prefill(sent.spell)
            if answered.output > 1 and sent.begun is not None and now > sent.begun:
                self.decode_tps = _mixed(self.decode_tps, (answered.output - 1) / (now - sent.begun), LEARNING)

    def failed(self, sent: Sent, now: float) -> None:
        """It ended otherwise: broken, given up by the client."""
        sent.spell.spoilt = True
        self._end(sent, now)

    def refused(self, sent: Sent, seconds: float, now: float) -> None:
        """The node was full, and wants to be asked again after so many seconds. Nothing of the request was computed."""
        self._end(sent, now)
        self.places.refused(self.in_flight, seconds, now)

    def _end(self, sent: Sent, now: float) -> None:
        if sent.begun is None and not sent.over:
            self._computed(sent, now)
        self._leave(sent)

    def _computed(self, sent: Sent, now: float) -> None:
        """Nothing of its prompt is left to compute."""
        if self._waiting.pop(sent, self) is self:
            return
        left = self.pending_tokens(now)
        self._waiting_tokens -= sent.uncached
        self._left, self._at = min(left, self._waiting_tokens + self._others), now
        if self._spell and (not self._waiting or now - self._spell.began > LONGEST_SPELL):
            self._end_spell(self._spell, now)

    def _end_spell(self, ended: Spell, now: float) -> None:
        """Requests that still wait go on in a new spell."""
        ended.ended = now
        self._spell = Spell(now, unknown=len(self._waiting), spoilt=self._others > 0) if self._waiting else None
        for sent in self._waiting:
            assert self._spell is not None
            sent.spell = self._spell
            ended.unknown -= 1

    def _leave(self, sent: Sent) -> bool:
        if sent.over:
            return False
        sent.over = True
        sent.spell.unknown -= 1
        self.in_flight -= 1
        return True

    def _learn_prefill(self, spell: Spell) -> None:
        if spell.ended is None or spell.unknown or spell.spoilt or spell.tokens < SHORTEST_SAMPLE:
            return
        seconds = spell.ended - spell.began - self.rtt
        if seconds > 0:
            self.prefill_tps = _mixed(
                self.prefill_tps, spell.tokens / seconds, min(1.0, spell.tokens / FULL_SAMPLE) * LEARNING
            )


def uncached_of(sent: Sent, answered: Answered) -> int:
    """The tokens that a node computed for a prompt; what was expected, where it does not say."""
    cached = sent.expected if answered.cached is None else answered.cached
    return max(0, answered.prompt - cached)


def _mixed(known: float | None, sample: float, weight: float) -> float:
    if known is None:
        return sample
    return known + weight * (min(max(sample, known / STEEPEST), known * STEEPEST) - known)
