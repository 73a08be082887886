"""Which node computes which prefix ahead, and when. Decisions; the requests are made by who asks for them.

A prefix that was used at least twice goes to an idle node that lacks it, so that the next session finds it there. What
only a node that is to be drained holds goes to its successor first. A node warms one prefix at a time, and the whole
cluster begins at most one in an interval: warming is work that nobody waits for.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from anyclaude.cluster.estimates import Candidate, fleet_tps, speed
from anyclaude.cluster.node import Ask
from anyclaude.cluster.prefix_index import PrefixIndex
from anyclaude.cluster.strategies import Candidates

INTERVAL: Final = 30.0
"""Seconds between the beginnings of two warms in the cluster."""

MIN_USES: Final = 2
USED_WITHIN: Final = 1800.0
"""Seconds since its last use that a prefix is worth warming."""

GIVEN_UP: Final = 600.0
"""Seconds after which a warm that has not been told of counts as over, and one that failed may be tried again."""

MIN_TOKENS: Final = 2_000
"""A shorter prefix is computed quickly enough."""

MOST_PREFIXES: Final = 64


@dataclass(frozen=True, slots=True)
class Warm:
    """A node is to compute a prefix of about so many tokens."""

    node: str
    prefix: str
    tokens: int
    reason: str


@dataclass(slots=True)
class _Used:
    tokens: int
    uses: int
    at: float


class Warming:
    """interval: seconds."""

    def __init__(self, index: PrefixIndex, interval: float = INTERVAL) -> None:
        self._index = index
        self._interval = interval
        self._used: OrderedDict[str, _Used] = OrderedDict()
        self._running: dict[str, tuple[Warm, float]] = {}
        self._failed: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._draining: dict[str, None] = {}
        self._last = float("-inf")

    def used(self, ask: Ask, now: float) -> None:
        """A request with this prefix was sent somewhere."""
        if ask.prefix_tokens < MIN_TOKENS:
            return
        known = self._used.pop(ask.prefix, None)
        self._used[ask.prefix] = _Used(ask.prefix_tokens, known.uses + 1 if known else 1, now)
        if len(self._used) > MOST_PREFIXES:
            self._used.popitem(last=False)

    def wanted(self, prefix: str) -> bool:
        """Whether its text should be kept, because a node may have to be asked to compute it."""
        return prefix in self._used

    def drain(self, node: str) -> None:
        """This node is to be drained: what only it holds is to be computed elsewhere."""
        self._draining[node] = None

    def undrain(self, node: str) -> None:
        """It stays after all, or it has gone."""
        self._draining.pop(node, None)

    def next(self, nodes: Candidates, now: float) -> Warm | None:
        """What to begin now; `done` must be told of its end. nodes: those that may be asked and can compute ahead."""
        self._expire(now)
        if now < self._last + self._interval:
            return None
        free = {name: each for name, each in nodes.items() if name not in self._running and name not in self._draining}
        found = self._successor(free, nodes, now) or self._idle(free, now)
        if found is not None:
            self._last = now
            self._running[found.node] = (found, now)
        return found

    def done(self, warm: Warm, ok: bool, now: float) -> None:
        """It is over. One that failed is not tried again at that node for a while."""
        self._running.pop(warm.node, None)
        if not ok:
            self._failed[warm.node, warm.prefix] = now
            if len(self._failed) > MOST_PREFIXES:
                self._failed.popitem(last=False)

    def prepared(self, draining: str, nodes: Candidates, now: float) -> bool:
        """Whether all that a draining node holds and that is used is held by another too."""
        return not self._only_at(draining, nodes, now)

    def _successor(self, free: Candidates, nodes: Candidates, now: float) -> Warm | None:
        """A busy node will do; it computes ahead when it has nothing better to do."""
        for draining in self._draining:
            for prefix in self._only_at(draining, nodes, now):
                if any(warm.prefix == prefix for warm, _ in self._running.values()):
                    continue
                names = [name for name in free if self._may(name, prefix)]
                if names:
                    return self._warm(self._quickest(names, free, now), prefix, f"{draining} is to be drained")
        return None

    def _idle(self, free: Candidates, now: float) -> Warm | None:
        """The prefix that was used most goes first, to the fastest of the idle."""
        idle = [name for name, each in free.items() if _is_idle(each)]
        worth = [prefix for prefix in self._by_use(now) if self._used[prefix].uses >= MIN_USES] if idle else []
        for prefix in worth:
            lacking = [name for name in idle if self._may(name, prefix) and not self._holds(name, prefix, now)]
            if lacking:
                return self._warm(self._quickest(lacking, free, now), prefix, f"used {self._used[prefix].uses} times")
        return None

    def _only_at(self, draining: str, nodes: Candidates, now: float) -> list[str]:
        held = [prefix for prefix in self._by_use(now) if self._holds(draining, prefix, now)]
        others = [name for name in nodes if name not in self._draining]
        return [prefix for prefix in held if not any(self._holds(name, prefix, now) for name in others)]

    def _by_use(self, now: float) -> list[str]:
        recent = [prefix for prefix, used in self._used.items() if used.at >= now - USED_WITHIN]
        return sorted(recent, key=lambda prefix: -self._used[prefix].uses)

    def _holds(self, node: str, prefix: str, now: float) -> bool:
        return self._index.holds(node, prefix, now)

    def _may(self, node: str, prefix: str) -> bool:
        return (node, prefix) not in self._failed

    def _warm(self, node: str, prefix: str, reason: str) -> Warm:
        return Warm(node, prefix, self._used[prefix].tokens, reason)

    def _quickest(self, names: list[str], nodes: Candidates, now: float) -> str:
        fallback = fleet_tps(nodes.values())
        seconds: Callable[[str], float] = lambda name: (  # noqa: E731
            (nodes[name].pending_tokens(now) + MIN_TOKENS) / speed(nodes[name], fallback)
        )
        return min(names, key=seconds)

    def _expire(self, now: float) -> None:
        self._running = {node: (warm, at) for node, (warm, at) in self._running.items() if at > now - GIVEN_UP}
        while self._failed and next(iter(self._failed.values())) <= now - GIVEN_UP:
            self._failed.popitem(last=False)


def _is_idle(node: Candidate) -> bool:
    report = node.report
    return report.state == "ready" and report.active == report.waiting == node.in_flight == 0
