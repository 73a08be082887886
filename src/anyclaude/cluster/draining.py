"""Nodes that a person takes out: what only they hold is computed elsewhere first, then they get nothing new.

Waiting for that has an end, because a successor may be busy for long, and who drains a Mac wants to use it.
"""

from collections.abc import Collection
from typing import Final

from anyclaude.cluster.member import Member
from anyclaude.cluster.members import Members
from anyclaude.cluster.routing import Routing

LONGEST: Final = 120.0
"""Seconds that a node still gets requests while others compute what it holds."""


class Draining:
    """Sets `Member.drained`. Times are seconds of one clock that does not go back."""

    def __init__(self, members: Members, routing: Routing, longest: float = LONGEST) -> None:
        self._members = members
        self._routing = routing
        self._longest = longest
        self._since: dict[str, float] = {}

    def follow(self, wanted: Collection[str], now: float) -> None:
        """These nodes are to be out, and no others. To be called often: before requests, and with the probes."""
        for member in self._members:
            if member.id in wanted:
                self._drain(member, now)
            elif self._since.pop(member.id, None) is not None:
                member.drained = False
                self._routing.warming.undrain(member.id)

    def _drain(self, member: Member, now: float) -> None:
        if member.drained:
            return
        if member.id not in self._since:
            self._since[member.id] = now
            self._routing.warming.drain(member.id)
        late = now >= self._since[member.id] + self._longest
        member.drained = late or self._is_prepared(member, now)

    def _is_prepared(self, member: Member, now: float) -> bool:
        """Whether nothing is lost by taking it out; so it is where no other could take over."""
        others = {
            other.id: self._routing.standing(other.id)
            for other in self._members
            if other is not member and other.is_ready(now)
        }
        return not others or self._routing.warming.prepared(member.id, others, now)
