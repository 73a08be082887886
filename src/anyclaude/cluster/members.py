"""The nodes of a cluster: who has joined, who is lost, and which of them may be asked.

`usable` has the one rule that is about all of them. A node that is up, ready and not drained is ejected while its
breaker is open, but never more than half of those nodes: beyond that the fault is likelier the network's, the requests'
or ours, and the few that are left would be buried. Who failed at all others may ask an ejected one: he would come back
a moment later, when those others are known to be gone. Nodes that cannot be reached, that load or drain are not ejected
but absent: they are asked only when no other one is there. One that lies is never asked, because nobody would notice
that another model answered.

No task and no socket: whoever drives it asks `take_probes` what is due, and says what came of it.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from anyclaude.cluster.breaker import Breaker, BreakerRules
from anyclaude.cluster.health import Expected, Health, HealthRules, Status
from anyclaude.cluster.member import READY, Member
from anyclaude.cluster.node import Report

MOST_NODES: Final = 256


class Lifecycle(Protocol):
    """Told of each change once: joined, then lost and back in turns, then left. Must not raise."""

    def joined(self, node: str, report: Report) -> None:
        """It answered for the first time, and is what it should be."""

    def refused(self, node: str, reason: str) -> None:
        """It answers, but was never yet what it should be. Once for each reason in a row."""

    def lost(self, node: str, reason: str) -> None:
        """It does not answer any more, says that it is dead, or is no longer what it should be."""

    def back(self, node: str) -> None:
        """It was lost, and is as it was."""

    def restarted(self, node: str) -> None:
        """It was started anew: what it held in memory is gone."""

    def left(self, node: str, reason: str) -> None:
        """It was taken out, having joined before."""


class Unwatched:
    """A lifecycle that nobody follows."""

    def joined(self, node: str, report: Report) -> None: ...
    def refused(self, node: str, reason: str) -> None: ...
    def lost(self, node: str, reason: str) -> None: ...
    def back(self, node: str) -> None: ...
    def restarted(self, node: str) -> None: ...
    def left(self, node: str, reason: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Usable:
    """The nodes that may be asked: healthy ones first, then degraded ones, then those that should not be asked.

    forced: the ids of the last; their `send` needs `forced=True`. rule: "panic" when more than half would have been
    ejected, "last" when no node is ready. reason: for the log; empty when the rule is "normal".
    """

    members: tuple[Member, ...] = ()
    forced: frozenset[str] = frozenset()
    rule: Literal["normal", "panic", "last"] = "normal"
    reason: str = ""


class Members:
    """All nodes, by their ids, in the order in which they were added; at most `most`, so that nobody can fill memory.

    chance: a number from 0 to 1, such as `random.random`. Times are seconds of a monotone clock.
    """

    def __init__(
        self,
        chance: Callable[[], float],
        *,
        lifecycle: Lifecycle | None = None,
        health: HealthRules | None = None,
        breaker: BreakerRules | None = None,
        most: int = MOST_NODES,
    ) -> None:
        self._chance = chance
        self._lifecycle = lifecycle or Unwatched()
        self._health = health
        self._breaker = breaker
        self._most = most
        self._members: dict[str, Member] = {}
        self._refused: dict[str, str] = {}

    def __iter__(self) -> Iterator[Member]:
        return iter(tuple(self._members.values()))

    def __len__(self) -> int:
        return len(self._members)

    def get(self, node: str) -> Member | None:
        return self._members.get(node)

    def add(self, node: str, expected: Expected | None = None) -> Member | None:
        """The member of that id, a new one where there is none; None when the cluster is full.

        It may be asked from then on, before its first probe when there is no other: who was only heard of is to prove
        first that it knows the cluster's key.
        """
        if node not in self._members:
            if len(self._members) >= self._most:
                return None
            health, breaker = Health(self._health, expected), Breaker(self._chance, self._breaker)
            self._members[node] = Member(node, health, breaker)
        return self._members[node]

    def remove(self, node: str, reason: str) -> None:
        """It is no part of the cluster any more. What is under way there may go on."""
        member = self._members.pop(node, None)
        self._refused.pop(node, None)
        if member is not None and member.health.ever_up:
            self._lifecycle.left(node, reason)

    # Probes

    def take_probes(self, now: float) -> tuple[Member, ...]:
        """The members to be probed now. A probe is under way until `probed` or `missed` says what it brought."""
        due = tuple(member for member in self if member.probe_at(now) <= now)
        for member in due:
            member.health.probe_began(now)
        return due

    def next_probe_at(self, now: float) -> float | None:
        """When the next probe is due if nothing happens before; None when there is nobody. A failure may advance it."""
        return min((member.probe_at(now) for member in self), default=None)

    def probed(self, node: str, report: Report, now: float) -> None:
        """A node answered its probe, whatever state it reports. Nothing happens for one that has left."""
        if (member := self._members.get(node)) is None:
            return
        health = member.health
        was_up, had_joined = health.up, health.ever_up
        restarted = health.probed(report, now)
        if report.state == "ready" and not health.lies:
            member.breaker.probed(now)
        if restarted and had_joined:
            self._lifecycle.restarted(node)
        if health.up and not had_joined:
            self._lifecycle.joined(node, report)
        elif health.up != was_up:
            self._tell_change(member, now)
        elif health.lies and not had_joined:
            self._tell_refused(node, health.reason(now))

    def missed(self, node: str, error: str, now: float) -> None:
        """A node did not answer its probe, not in time or not in a way that can be read. error: why, in a few words."""
        if (member := self._members.get(node)) is None:
            return
        was_up = member.health.up
        member.health.missed(error, now)
        member.breaker.missed(now)
        if member.health.up != was_up:
            self._tell_change(member, now)

    def _tell_change(self, member: Member, now: float) -> None:
        if member.health.up:
            member.breaker.returned(now)
            self._lifecycle.back(member.id)
        else:
            self._lifecycle.lost(member.id, member.health.reason(now))

    def _tell_refused(self, node: str, reason: str) -> None:
        if self._refused.get(node) != reason:
            self._refused[node] = reason
            self._lifecycle.refused(node, reason)

    # Who may be asked

    def usable(self, now: float, tried: Collection[str] = ()) -> Usable:
        """Those that may be asked. tried: ids of those that the request was already sent to; they are left out."""
        ready = {member: status for member in self if (status := member.status(now)) in READY}
        if not ready:
            return self._last(now, tried)
        admitted, ejected = _parted(ready, now)
        kept = ejected[: max(0, len(ejected) - len(ready) // 2)]
        members = tuple(member for member in (*admitted, *kept) if member.id not in tried)
        if not members and (left := [member for member in ejected if member.id not in tried]):
            return Usable((left[0],), _ids(left[:1]), "last", f"the others failed: {left[0].id} is asked all the same")
        if not members:
            return self._last(now, tried, ("unhealthy",))  # one that is just back may be among them
        if not kept:
            return Usable(members)
        return Usable(members, _ids(kept), "panic", _panic(len(ready), len(ejected), kept))

    def _last(
        self, now: float, tried: Collection[str], kinds: Sequence[Status] = ("draining", "loading", "unhealthy")
    ) -> Usable:
        """Nobody is ready, or they were all tried: the first kind of the others of which there is any."""
        rest = [member for member in self if not (member.id in tried or member.health.lies)]
        for status in kinds:
            if found := tuple(member for member in rest if member.status(now) == status):
                reason = f"no node is ready: {_names(found)} ({status}) is asked all the same"
                return Usable(found, _ids(found), "last", reason)
        return Usable((), rule="last", reason="no node is ready, and none is left that could be asked all the same")


def _parted(ready: Mapping[Member, Status], now: float) -> tuple[list[Member], list[Member]]:
    """Those whose breakers admit, healthy ones first, and the others, the least bad first."""
    admitted: list[Member] = []
    ejected: list[Member] = []
    for member in ready:
        (admitted if member.breaker.admits(now) else ejected).append(member)
    admitted.sort(key=lambda member: ready[member] != "healthy")
    ejected.sort(key=lambda member: member.badness(now))
    return admitted, ejected


def _ids(members: Collection[Member]) -> frozenset[str]:
    return frozenset(member.id for member in members)


def _names(members: Collection[Member]) -> str:
    return ", ".join(sorted(_ids(members)))


def _panic(ready: int, ejected: int, forced: Collection[Member]) -> str:
    return (
        f"requests fail at {ejected} of {ready} nodes that are ready, more than half: {_names(forced)} "
        "will be tried again soonest and is asked all the same"
    )
