"""Where each session is at home, and how many sessions live at each node.

A session counts as living somewhere while it asks now and then; subagents, which ask a few times and never again, stop
counting soon. Much later a silent session is forgotten. Both orders are kept by last use, so that every step is O(1).
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

ACTIVE: Final = 300.0
"""Seconds since its last request that a session counts as a load on its node."""

KEPT: Final = 3600.0
"""Seconds since its last request that a session has a home."""

MOST: Final = 100_000


@dataclass(slots=True)
class Home:
    """tokens: of the last prompt that this node computed for the session; 0 before the first."""

    node: str
    at: float
    tokens: int = 0


class Homes:
    """active, kept: seconds; most: sessions."""

    def __init__(self, active: float = ACTIVE, kept: float = KEPT, most: int = MOST) -> None:
        self._active_for = active
        self._kept_for = max(active, kept)
        self._most = most
        self._active: OrderedDict[str, Home] = OrderedDict()
        self._quiet: OrderedDict[str, Home] = OrderedDict()
        self._residents: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._active) + len(self._quiet)

    def of(self, session: str, now: float) -> Home | None:
        self._age(now)
        return self._active.get(session) or self._quiet.get(session)

    def residents(self, node: str, now: float) -> int:
        """Sessions that live there and asked lately."""
        self._age(now)
        return self._residents.get(node, 0)

    def settle(self, session: str, node: str, now: float) -> None:
        """The session asks, and this node is its home from now on."""
        self._age(now)
        home = self._leave(session)
        if home is None or home.node != node:
            home = Home(node, now)
        home.at = now
        self._active[session] = home
        self._residents[node] = self._residents.get(node, 0) + 1
        if len(self) > self._most:
            self._leave(next(iter(self._quiet or self._active)))

    def computed(self, session: str, node: str, tokens: int) -> None:
        """Its home has computed a prompt of so many tokens."""
        home = self._active.get(session) or self._quiet.get(session)
        if home is not None and home.node == node:
            home.tokens = tokens

    def _leave(self, session: str) -> Home | None:
        home = self._active.pop(session, None)
        if home is None:
            return self._quiet.pop(session, None)
        self._count_out(home.node)
        return home

    def _age(self, now: float) -> None:
        while self._active and next(iter(self._active.values())).at < now - self._active_for:
            session, home = self._active.popitem(last=False)
            self._quiet[session] = home
            self._count_out(home.node)
        while self._quiet and next(iter(self._quiet.values())).at < now - self._kept_for:
            self._quiet.popitem(last=False)

    def _count_out(self, node: str) -> None:
        self._residents[node] -= 1
        if not self._residents[node]:
            del self._residents[node]
