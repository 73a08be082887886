"""The breaker of a node: whether it may be asked after what came of the last requests.

Everything that is true of the order of states is in `TABLE`; an event that has no cell in a state leaves it. Time is
seconds of a monotone clock and is passed in, chance too.

                 too many failures            the time is over        /health is well
        CLOSED ────────────────────▶ OPEN ──────────────────▶ HALF_OPEN ─────────────▶ TRIAL
           ▲                          ▲  /health failed           │                     │ │
           │                          └───────────────────────────┴─────────────────────┘ │
           └──────────────────────────────────────────────── one real request answered ───┘

A node that was away and comes back goes from CLOSED to TRIAL. Half-open has two steps, because `/health` shows that a
process lives and only a real request that its engine computes.
A permit belongs to the state in which it was given: what was sent before a change says nothing after it, so ten
requests that die together double nothing, and a late success closes nothing.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from anyclaude.errors import Overloaded, RateLimited, UpstreamError, UpstreamRejected


class State(Enum):
    CLOSED = "closed"
    OPEN = "open"  # nothing is asked until its time is over
    HALF_OPEN = "half-open"  # one look at /health may go
    TRIAL = "trial"  # half-open too: one real request may go


class Event(Enum):
    FAILED = auto()  # a request did, in a way that counts
    TRIPPED = auto()  # so many of them did that it is enough
    ANSWERED = auto()
    DUE = auto()  # the time to stay open is over
    PROBED = auto()  # /health says ready
    MISSED = auto()  # /health does not answer
    BACK = auto()  # the node was away, and is there again


TABLE: Final[Mapping[State, Mapping[Event, State]]] = {
    State.CLOSED: {Event.TRIPPED: State.OPEN, Event.BACK: State.TRIAL},
    State.OPEN: {Event.DUE: State.HALF_OPEN},
    State.HALF_OPEN: {Event.PROBED: State.TRIAL, Event.MISSED: State.OPEN},
    State.TRIAL: {Event.ANSWERED: State.CLOSED, Event.FAILED: State.OPEN},
}

_LEAST_JITTER: Final = 0.05
_MOST_JITTER: Final = 0.20
"""Shares taken off the time to stay open: several proxies do not come back in step, and from the longest time there
are always six seconds left for the probe, so that a node that is well is asked again within two minutes."""


def counts(error: BaseException) -> bool:
    """Whether an error speaks against the node that was asked.

    Transport errors, 5xx, missed deadlines and broken streams do. A 4xx is about the request, a 429 and a 503 (loading,
    draining, full) are a state that the node tells in good order, and a cancel is the client's own.
    """
    return isinstance(error, UpstreamError) and not isinstance(error, UpstreamRejected | RateLimited | Overloaded)


@dataclass(frozen=True, slots=True)
class BreakerRules:
    """When a breaker opens and for how long. Seconds.

    failures: so many in a row open it. share: so many of the requests of the last `window` seconds open it, when there
    were `least` of them. first, longest: how long it stays open, doubled each time. proof: after so many answers in a
    row it stays open for `first` again the next time; more than `failures`, because a node that answers one request and
    fails at the next would be asked every ten seconds otherwise. lease: a trial of which nothing is heard for so long
    keeps no other one from going.
    """

    failures: int = 3
    share: float = 0.5
    least: int = 10
    window: float = 60.0
    first: float = 10.0
    longest: float = 120.0
    proof: int = 5
    lease: float = 60.0


class Window:
    """What went well lately: of the last `seconds`, and of no more than `most` outcomes."""

    def __init__(self, seconds: float, most: int = 128) -> None:
        self._seconds = seconds
        self._most = most
        self._outcomes: deque[tuple[float, bool]] = deque()
        self._failed = 0

    def add(self, well: bool, now: float) -> None:
        if len(self._outcomes) == self._most:
            self._drop()
        self._outcomes.append((now, well))
        self._failed += not well

    def clear(self) -> None:
        self._outcomes.clear()
        self._failed = 0

    def share(self, least: int, now: float) -> float:
        """The share that failed, 0 to 1; 0 when there are fewer than `least` outcomes."""
        while self._outcomes and now - self._outcomes[0][0] > self._seconds:
            self._drop()
        total = len(self._outcomes)
        return self._failed / total if total >= max(1, least) else 0.0

    def _drop(self) -> None:
        _, well = self._outcomes.popleft()
        self._failed -= not well


class Permit:
    """The leave to send one request. To be handed back with `Breaker.ended`, whatever came of it."""

    __slots__ = ("term", "trial")

    def __init__(self, term: int, trial: bool) -> None:
        self.term = term
        self.trial = trial


class Breaker:
    """The breaker of one node.

    chance: a number from 0 to 1, such as `random.random`.
    """

    def __init__(self, chance: Callable[[], float], rules: BreakerRules | None = None) -> None:
        self.rules = rules or BreakerRules()
        self._chance = chance
        self._state = State.CLOSED
        self._term = 0  # which of its states in a row this is
        self._until = 0.0  # when it has been open for long enough
        self._opened = 0  # times, since it was last proved well
        self._failures = 0  # in a row
        self._answers = 0  # in a row
        self._window = Window(self.rules.window)
        self._trial: tuple[Permit, float] | None = None  # the latest one under way, and since when

    def state(self, now: float) -> State:
        if self._state is State.OPEN and now >= self._until:
            self._take(Event.DUE, now)
        return self._state

    def until(self, now: float) -> float | None:
        """When it will have been open for long enough; None when it is not open."""
        return self._until if self.state(now) is State.OPEN else None

    def admits(self, now: float) -> bool:
        """Whether `permit` would give a permit."""
        state = self.state(now)
        return state is State.CLOSED or (state is State.TRIAL and not self._on_trial(now))

    def permit(self, now: float, forced: bool = False) -> Permit | None:
        """Leave to send a request; None when the node may not be asked.

        forced: somebody has to be asked. There is a permit then in any state, and what comes of it says nothing.
        """
        if not self.admits(now):
            return Permit(-1, trial=False) if forced else None
        permit = Permit(self._term, self._state is State.TRIAL)
        if permit.trial:
            self._trial = (permit, now)
        return permit

    def begun(self, permit: Permit, now: float) -> None:
        """The answer has begun: enough for a trial, whose answer may take minutes to its end."""
        if permit.trial and self._is_current(permit, now):
            self._take(Event.ANSWERED, now)
            permit.term, permit.trial = self._term, False  # its end counts like that of any other

    def ended(self, permit: Permit, error: BaseException | None, now: float) -> None:
        """A request is over. error: None when it was answered whole."""
        if not self._is_current(permit, now):
            return
        if self._trial and self._trial[0] is permit:
            self._trial = None
        if error is None:
            self._answered(now)
        elif counts(error):
            self._failed(now)

    def probed(self, now: float) -> None:
        """`/health` answered, and says that the node is ready."""
        self.state(now)
        self._take(Event.PROBED, now)

    def missed(self, now: float) -> None:
        """`/health` did not answer. In a trial the real request decides: a node that computes may be slow to tell."""
        self.state(now)
        self._take(Event.MISSED, now)

    def returned(self, now: float) -> None:
        """The node was away and is back: one request goes first, however few had failed when it went."""
        self.state(now)
        self._take(Event.BACK, now)

    def _is_current(self, permit: Permit, now: float) -> bool:
        self.state(now)
        return permit.term == self._term

    def _on_trial(self, now: float) -> bool:
        return self._trial is not None and now - self._trial[1] < self.rules.lease

    def _answered(self, now: float) -> None:
        self._take(Event.ANSWERED, now)
        self._window.add(True, now)
        self._failures = 0
        self._answers += 1
        if self._answers >= self.rules.proof:
            self._opened = 0

    def _failed(self, now: float) -> None:
        self._window.add(False, now)
        self._answers = 0
        self._failures += 1
        enough = self._failures >= self.rules.failures
        bad = self._window.share(self.rules.least, now) >= self.rules.share
        self._take(Event.TRIPPED if self._state is State.CLOSED and (enough or bad) else Event.FAILED, now)

    def _take(self, event: Event, now: float) -> None:
        following = TABLE[self._state].get(event, self._state)
        if following is self._state:
            return
        self._state = following
        self._term += 1
        self._trial = None
        if following is State.OPEN:
            self._open(now)
        elif following is State.CLOSED:
            self._failures = self._answers = 0
            self._window.clear()

    def _open(self, now: float) -> None:
        nominal = min(self.rules.longest, self.rules.first * 2.0 ** min(self._opened, 32))
        jitter = _LEAST_JITTER + (_MOST_JITTER - _LEAST_JITTER) * self._chance()
        self._until = now + nominal * (1 - jitter)
        self._opened += 1
