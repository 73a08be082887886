"""The default strategy: a session stays where its prompt has been computed, and new ones go where there is room.

A new session is placed by capacity: the node whose sessions, the new one counted, weigh least on its speed, with what
waits there now; equals go to who holds the prefix. A known session stays at home, unless the first token would come
clearly sooner elsewhere: small gains are never worth computing a whole history again. Greedy choice of the cheapest
node for each request does worse, because it pays that price for gains of a second.

A home that is only full is not lost: its session is a guest elsewhere for this request. Next time both hold a part of
its history, the guest's host the larger one, and the same rule decides whether that is worth moving for.
"""

from collections.abc import Callable, Collection
from typing import Final

from anyclaude.cluster.homes import Home, Homes
from anyclaude.cluster.node import Answered, Ask
from anyclaude.cluster.prefix_index import PrefixIndex
from anyclaude.cluster.strategies import TYPICAL_TOKENS, Candidates, Choice, Outlook, burdened, least_of

HYSTERESIS: Final = 5.0
"""Seconds by which another node must be quicker before a session moves."""

MIN_HIT_RATE: Final = 0.7
"""The seed's `minCacheHitRate`."""

SESSION_TOKENS: Final = TYPICAL_TOKENS
"""What a session that lives at a node weighs when another is placed."""

EQUAL: Final = 3.0
"""Seconds within which two places count as equal: about what one session weighs."""


class CacheAware:
    """min_hit_rate: a home that holds less than this share of what it computed for a session has lost the session,
    which is then placed like a new one; and a node that holds as much of a session without a home becomes its home.

    Requests marked small go where they are answered soonest and neither make a home nor move one.
    """

    def __init__(
        self,
        index: PrefixIndex,
        *,
        min_hit_rate: float = MIN_HIT_RATE,
        hysteresis: float = HYSTERESIS,
        homes: Homes | None = None,
    ) -> None:
        self._index = index
        self._min_hit_rate = min_hit_rate
        self._hysteresis = hysteresis
        self._homes = homes or Homes()

    def choose(self, ask: Ask, candidates: Candidates, now: float, full: Collection[str] = ()) -> Choice:
        outlook = Outlook(ask, candidates, self._index, now)
        if ask.small:
            return outlook.choice(outlook.quickest(), "small, and soonest there")
        if ask.session is None:
            return outlook.choice(self._place(outlook), "placed, of no session")
        home = self._homes.of(ask.session, now)
        if home is not None and home.node in full:
            return self._as_guest(outlook, ask.session, home)
        node, reason = self._of_known(outlook, home) if home else self._of_new(outlook, "new session")
        self._homes.settle(ask.session, node, now)
        return outlook.choice(node, reason)

    def answered(self, node: str, ask: Ask, uncached: int, answered: Answered, now: float) -> None:
        if ask.session is not None and not ask.small:
            self._homes.computed(ask.session, node, ask.tokens)

    def forget(self, node: str) -> None:
        """Homes there stay: the node may come back, and its sessions find out when they ask."""

    def _as_guest(self, outlook: Outlook, session: str, home: Home) -> Choice:
        """Elsewhere for once. Who was a guest somewhere before is so there again, where most of its history is."""
        self._homes.settle(session, home.node, outlook.now)
        return outlook.choice(*self._of_new(outlook, "its home is full"))

    def _of_known(self, outlook: Outlook, home: Home) -> tuple[str, str]:
        if home.node not in outlook.candidates:
            return self._of_new(outlook, "its home is away")
        if outlook.cached(home.node) < self._min_hit_rate * min(home.tokens, outlook.ask.tokens):
            return self._of_new(outlook, "its home has lost it")
        here = outlook.seconds(home.node)
        if here <= self._hysteresis:
            return home.node, "at home"
        best = outlook.quickest()
        if here <= outlook.seconds(best) + self._hysteresis:
            return home.node, "at home"
        return best, "its home is busy"

    def _of_new(self, outlook: Outlook, reason: str) -> tuple[str, str]:
        holder = self._holder(outlook)
        if holder is not None and outlook.seconds(holder) <= outlook.seconds(outlook.quickest()) + self._hysteresis:
            return holder, "holds its history"
        return self._place(outlook), reason

    def _holder(self, outlook: Outlook) -> str | None:
        """Who holds most of this very prompt, and not just its prefix: another proxy may have sent it there."""
        wanted = max(self._min_hit_rate * outlook.ask.tokens, outlook.ask.prefix_tokens + 1)
        holders = [node for node in outlook.candidates if outlook.cached(node) >= wanted]
        return min(holders, key=outlook.seconds, default=None)

    def _place(self, outlook: Outlook) -> str:
        costs = {node: self._cost(node, outlook) for node in outlook.candidates}
        equals = least_of(costs, costs, EQUAL)
        best: Callable[[str], tuple[int, float]] = lambda node: (-outlook.cached(node), costs[node])  # noqa: E731
        return min(equals, key=best)

    def _cost(self, node: str, outlook: Outlook) -> float:
        """Seconds: what waits there, and a turn of every session that would live there."""
        candidate = outlook.candidates[node]
        living = self._homes.residents(node, outlook.now) + 1
        tokens = living * SESSION_TOKENS + candidate.pending_tokens(outlook.now)
        return burdened(candidate, tokens / outlook.tps(node) + candidate.rtt)
