"""One node of the cluster: its health, its breaker, and what we have under way there.

What a request costs a node and how soon it would answer is not told here (`cluster.estimates`), only whether it may be
asked. Time is seconds of a monotone clock and is passed in.
"""

from dataclasses import dataclass
from math import ceil
from typing import Final

from anyclaude.cluster.breaker import Breaker, Permit, State
from anyclaude.cluster.health import Health, Status
from anyclaude.cluster.lately import Lately
from anyclaude.cluster.node import Report

READY: Final[tuple[Status, ...]] = ("healthy", "degraded")
_BEST_FIRST: Final = (State.CLOSED, State.TRIAL, State.HALF_OPEN, State.OPEN)


@dataclass(slots=True, eq=False)
class Attempt:
    """A request of ours at a node. uncached: tokens of its prompt that the node has still to compute."""

    permit: Permit
    uncached: int


class Member:
    """A node by its id. drained: by us; it is asked for nothing new, and what is under way goes on.

    lately: how its requests went, for whoever watches.
    """

    def __init__(self, node: str, health: Health, breaker: Breaker) -> None:
        self.id = node
        self.health = health
        self.breaker = breaker
        self.drained = False
        self.lately = Lately()
        self._attempts: set[Attempt] = set()

    @property
    def report(self) -> Report | None:
        """The latest, however old (`health.trust`)."""
        return self.health.report

    @property
    def in_flight(self) -> int:
        return len(self._attempts)

    @property
    def pending_tokens(self) -> int:
        """Tokens of our prompts there that are still to be computed."""
        return sum(attempt.uncached for attempt in self._attempts)

    def status(self, now: float) -> Status:
        status = self.health.status(now)
        return "draining" if self.drained and status in READY else status

    def reason(self, now: float) -> str:
        """Why it is not healthy, or not asked; empty when there is nothing to say."""
        status, until = self.status(now), self.breaker.until(now)
        if status == "draining" and self.drained:
            return "it is drained"
        if until is not None and status in READY:
            return f"its last requests failed; it is tried again in {ceil(until - now)} s"
        return self.health.reason(now)

    def is_ready(self, now: float) -> bool:
        """Whether it takes requests by its own word and by ours, whatever came of the last ones."""
        return self.status(now) in READY

    def badness(self, now: float) -> tuple[int, float]:
        """For the order of nodes whose breakers do not admit anyone: the least bad first."""
        return _BEST_FIRST.index(self.breaker.state(now)), self.breaker.until(now) or 0.0

    # Requests

    def send(self, uncached: int, now: float, forced: bool = False) -> Attempt | None:
        """A request leaves; None when none may. Each one is handed back with `ended`. forced: see `Usable`."""
        permit = self.breaker.permit(now, forced)
        if permit is None:
            return None
        attempt = Attempt(permit, uncached)
        self._attempts.add(attempt)
        return attempt

    def begun(self, attempt: Attempt, now: float) -> None:
        """Its first content is there, so its prompt is computed."""
        attempt.uncached = 0
        self.health.gave_sign()
        self.breaker.begun(attempt.permit, now)

    def ended(self, attempt: Attempt, error: BaseException | None, now: float) -> None:
        """It is over; said again, nothing happens. error: None when it was answered whole; a cancel is one too."""
        if attempt not in self._attempts:
            return
        self._attempts.remove(attempt)
        self.breaker.ended(attempt.permit, error, now)
        if error is None:
            self.health.answered(now)
        else:
            self.health.failed(error, now)

    # Probes

    def probe_at(self, now: float) -> float:
        """When the next probe is due: soon when the breaker waits for it, else as the health has it."""
        state, until = self.breaker.state(now), self.breaker.until(now)
        at = self.health.probe_at(now, soon=state is State.HALF_OPEN)
        return at if until is None else min(at, max(until, self.health.probe_at(now, soon=True)))
