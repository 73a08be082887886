"""What is known to be where: which node holds how much of a session, and which prefixes.

Own records are made by answers, and are hints. They age, the least recently used go when a node would hold more than it
may, and the node itself is believed before them: what it reports (`Report.sessions`, `Report.systems`) and what it says
that it took from its cache (`Answered.cached`). A node that was started again holds nothing.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final, Literal

from anyclaude.cluster.node import Answered, Ask, Report

MAX_AGE: Final = 3600.0
"""Seconds that a record counts without being used; the seed's `maxCacheAgeSec`."""

MAX_TOKENS: Final = 1_000_000
"""Tokens that one node is believed to hold; the seed's `maxCacheSizeTokens`."""

MAX_RECORDS: Final = 10_000
"""Of one node."""

REPORT_LAG: Final = 5.0
"""Seconds by which a report may be older than an answer."""

MUCH_LESS: Final = 0.5
SHRINK: Final = 0.75
GROWTH: Final = 1_000
"""Tokens of room more for every answer that took from the cache what was expected."""

MISSES: Final = 3
"""So many answers in a row that took much less from the cache than expected: the node keeps nothing."""

Key = tuple[Literal["session", "prefix"], str]


@dataclass(slots=True)
class _Record:
    """tokens: from the start of the prompt. cost: of these, what no other record counts."""

    tokens: int
    cost: int
    at: float


@dataclass(slots=True)
class _Holding:
    """What one node is believed to hold, the least recently used first. room: in tokens; found out by its misses."""

    room: int
    records: OrderedDict[Key, _Record] = field(default_factory=OrderedDict)
    tokens: int = 0
    misses: int = 0
    report: Report = field(default_factory=Report)

    def note(self, key: Key, tokens: int, cost: int, now: float) -> None:
        self.drop(key)
        self.records[key] = _Record(tokens, cost, now)
        self.tokens += cost

    def drop(self, key: Key) -> None:
        record = self.records.pop(key, None)
        if record is not None:
            self.tokens -= record.cost

    def clear(self) -> None:
        self.records.clear()
        self.tokens = self.misses = 0

    def trim(self, oldest: float) -> None:
        while self.records:
            key, record = next(iter(self.records.items()))
            if self.tokens <= self.room and len(self.records) <= MAX_RECORDS and record.at >= oldest:
                return
            self.drop(key)


class PrefixIndex:
    """max_age: seconds; max_tokens: for each node. Sums are in the tokens of `Ask`, which are estimates."""

    def __init__(self, max_age: float = MAX_AGE, max_tokens: int = MAX_TOKENS) -> None:
        self._max_age = max_age
        self._max_tokens = max_tokens
        self._nodes: dict[str, _Holding] = {}

    def expected(self, node: str, ask: Ask, now: float) -> int:
        """How many tokens of the prompt the node will probably take from its cache, 0 to all of them."""
        holding = self._nodes.get(node)
        if holding is None or holding.misses >= MISSES:
            return 0
        session = 0 if ask.small or ask.session is None else self._of_session(holding, ask.session, ask, now)
        return max(session, self._of_prefix(holding, ask, now))

    def holds(self, node: str, prefix: str, now: float) -> bool:
        """Whether a node is believed to hold a prefix."""
        holding = self._nodes.get(node)
        if holding is None:
            return False
        return prefix in holding.report.systems or self._record(holding, ("prefix", prefix), now) is not None

    def prefixes(self, node: str, now: float) -> list[str]:
        """Names of the prefixes that a node is believed to hold."""
        holding = self._nodes.get(node, _Holding(0))
        own = [name for kind, name in holding.records if kind == "prefix" and self.holds(node, name, now)]
        return own + sorted(holding.report.systems - set(own))

    def tokens(self, node: str) -> int:
        """How many tokens this proxy believes the node to hold; at most `max_tokens`."""
        return self._nodes[node].tokens if node in self._nodes else 0

    def computed(self, node: str, ask: Ask, now: float) -> None:
        """A node has computed a prompt: its first token is there, or a warm is done."""
        holding = self._holding(node)
        if ask.session is not None and not ask.small:
            holding.note(("session", ask.session), ask.tokens, max(0, ask.tokens - ask.prefix_tokens), now)
        if ask.prefix_tokens:
            holding.note(("prefix", ask.prefix), ask.prefix_tokens, ask.prefix_tokens, now)
        holding.trim(now - self._max_age)

    def answered(self, node: str, ask: Ask, expected: int, answered: Answered, now: float) -> None:
        """What a node said that it took from its cache, against what was expected of it when it was chosen."""
        holding = self._holding(node)
        if answered.cached is not None:
            self._compare(holding, ask, min(expected, answered.prompt), answered.cached)
        self.computed(node, ask, now)

    def reported(self, node: str, report: Report, now: float) -> None:
        """What a node says that it holds. Records that it does not confirm go; it may say nothing of either kind."""
        holding = self._holding(node)
        if report.instance != holding.report.instance and holding.report.instance is not None:
            holding.clear()
        holding.report = report
        old = [key for key, record in holding.records.items() if record.at < now - REPORT_LAG]
        for kind, name in old:
            listed = report.sessions if kind == "session" else report.systems
            if listed and name not in listed:
                holding.drop((kind, name))

    def forget(self, node: str) -> None:
        """The node has left, or has lost what it held."""
        self._nodes.pop(node, None)

    def _of_session(self, holding: _Holding, session: str, ask: Ask, now: float) -> int:
        record = self._record(holding, ("session", session), now)
        if record is None:
            return min(holding.report.sessions.get(session, 0), ask.tokens)
        return record.tokens if record.tokens <= ask.tokens else 0  # a shorter prompt is a history written anew

    def _of_prefix(self, holding: _Holding, ask: Ask, now: float) -> int:
        if ask.prefix in holding.report.systems or self._record(holding, ("prefix", ask.prefix), now):
            return min(ask.prefix_tokens, ask.tokens)
        return 0

    def _record(self, holding: _Holding, key: Key, now: float) -> _Record | None:
        record = holding.records.get(key)
        return record if record is not None and record.at >= now - self._max_age else None

    def _compare(self, holding: _Holding, ask: Ask, expected: int, cached: int) -> None:
        """A miss means that the node has let go of what was used longest ago: it has less room than was thought."""
        if cached < MUCH_LESS * expected:
            holding.misses += cached == 0
            room = max(SHRINK * holding.tokens, ask.tokens)
        else:
            room = max(holding.room, ask.tokens) + GROWTH
        holding.room = min(self._max_tokens, int(room))
        if cached:
            holding.misses = 0

    def _holding(self, node: str) -> _Holding:
        found = self._nodes.get(node)
        if found is None:
            found = self._nodes[node] = _Holding(self._max_tokens)
        return found
