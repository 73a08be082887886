"""Who of a cluster is asked now: those that may be, and have room; the policies choose among them."""

import asyncio
from collections.abc import Callable, Collection

from anyclaude.backends.at_node import AtNode
from anyclaude.cluster.member import Member
from anyclaude.cluster.members import Members
from anyclaude.cluster.node import Ask
from anyclaude.cluster.routing import Routing


class Sender:
    """on_change: called when a node may have room for another request."""

    def __init__(self, members: Members, routing: Routing) -> None:
        self.on_change: Callable[[], None] = _nothing
        self._members = members
        self._routing = routing

    def send(self, ask: Ask, tried: Collection[str] = ()) -> AtNode | None:
        """Choose a node, and tell the policies that the request leaves; None when none is left that has room.

        tried: ids of those that are not asked.
        """
        now = self._now()
        usable = self._members.usable(now, tried)
        left = {member.id: member for member in usable.members if self._takes(member, ask.small, now)}
        full = {member.id for member in usable.members if member.id not in left}
        degraded = {name for name, member in left.items() if member.status(now) == "degraded"}
        while (choice := self._routing.choose(ask, left, now, degraded=degraded, full=full)) is not None:
            member = left.pop(choice.node)
            attempt = member.send(max(ask.tokens - choice.expected_cached, 0), now, choice.node in usable.forced)
            if attempt is not None:
                sent = self._routing.send(ask, choice, now)
                return AtNode(self._routing, member, attempt, sent, choice.reason, self._now, self._changed)
        return None

    def has_room(self, small: bool) -> bool:
        """Whether a node that is well would take one more request, small or not."""
        now = self._now()
        usable = self._members.usable(now)
        return usable.rule != "last" and any(self._takes(member, small, now) for member in usable.members)

    def is_busy(self, small: bool) -> bool:
        """Whether a node is well and only has no room, so that it is worth waiting."""
        now = self._now()
        return any(member.is_ready(now) and not self._takes(member, small, now) for member in self._members)

    def nobody_is_well(self) -> bool:
        now = self._now()
        return not any(member.is_ready(now) for member in self._members)

    def room_at(self) -> float | None:
        """When a node that is full may be asked again though nothing has ended there."""
        now = self._now()
        return self._routing.room_at((member.id for member in self._members if member.is_ready(now)), now)

    def _takes(self, member: Member, small: bool, now: float) -> bool:
        return self._routing.has_room(member.id, small, now)

    def _changed(self) -> None:
        self.on_change()

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _nothing() -> None: ...
