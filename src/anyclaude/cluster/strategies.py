"""Which node a request goes to. Policy: what is known is passed in, with the time; nothing here asks anybody.

round-robin: each in its turn, faster nodes more often, as smoothly as nginx does it. least-loaded: where the least is
left to compute, in seconds. latency-based: the better of two at random, by the time to the first token that was seen
for each thousand tokens that had to be computed. cache-aware, the default, has a file of its own.

A degraded node counts as slower in each of them (`burdened`): it is chosen when the healthy ones are clearly
worse, and not just because there is nobody at it.
"""

import random
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from anyclaude.cluster.estimates import Candidate, fleet_tps, seconds_to_first, speed
from anyclaude.cluster.node import Answered, Ask
from anyclaude.cluster.prefix_index import PrefixIndex

EXPLORATION: Final = 0.05
LEARNING: Final = 0.2
OVERHEAD_TOKENS: Final = 500
"""Every request costs about as much as so many tokens, so that short prompts do not make a node look slow."""

TYPICAL_TOKENS: Final = 4_000
"""What a usual turn has to compute."""

DEGRADED_FACTOR: Final = 2.0
DEGRADED_SECONDS: Final = 5.0
"""What a degraded node costs beyond a healthy one: some of what is asked there fails, and is computed elsewhere too."""

Candidates = Mapping[str, Candidate]
"""The nodes that may be chosen, by their ids; at least one."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A node and why. expected_cached: tokens of the prompt it probably has; expected_seconds: to the first token."""

    node: str
    reason: str
    expected_cached: int
    expected_seconds: float


class Strategy(Protocol):
    """Its state is bounded by the nodes there are and the sessions that were seen lately."""

    def choose(self, ask: Ask, candidates: Candidates, now: float, full: Collection[str] = ()) -> Choice:
        """One of the candidates. They must not be empty. full: nodes that would be among them if they had room."""
        ...

    def answered(self, node: str, ask: Ask, uncached: int, answered: Answered, now: float) -> None:
        """How a choice turned out; `uncached`: the tokens that the node had to compute."""
        ...

    def forget(self, node: str) -> None:
        """The node has left."""
        ...


@dataclass(slots=True)
class Outlook:
    """What is to be expected of each candidate for one request."""

    ask: Ask
    candidates: Candidates
    index: PrefixIndex
    now: float
    _fallback: float | None = None
    _cached: dict[str, int] = field(default_factory=dict)

    def cached(self, node: str) -> int:
        found = self._cached.get(node)
        if found is None:
            found = self._cached[node] = self.index.expected(node, self.ask, self.now)
        return found

    def tps(self, node: str) -> float:
        return speed(self.candidates[node], self.fallback)

    def seconds(self, node: str) -> float:
        """To the first token, as nodes are compared."""
        return burdened(self.candidates[node], self._expected(node))

    def quickest(self) -> str:
        """Where the first token would come soonest."""
        return min(self.candidates, key=self.seconds)

    def weights(self, nodes: Iterable[str]) -> dict[str, float]:
        """For turns: typical turns a second, in tokens."""
        return {node: self._weight(node) for node in nodes}

    def choice(self, node: str, reason: str) -> Choice:
        return Choice(node, reason, self.cached(node), self._expected(node))

    def _expected(self, node: str) -> float:
        return seconds_to_first(self.candidates[node], self.ask.tokens - self.cached(node), self.now, self.fallback)

    def _weight(self, node: str) -> float:
        tps, candidate = self.tps(node), self.candidates[node]
        return TYPICAL_TOKENS / burdened(candidate, TYPICAL_TOKENS / tps) if candidate.degraded else tps

    @property
    def fallback(self) -> float:
        if self._fallback is None:
            self._fallback = fleet_tps(self.candidates.values())
        return self._fallback


class Turns:
    """Weighted turns: of any 2n turns, those of a node are spread and not in a row (nginx's smooth weighted ones)."""

    def __init__(self) -> None:
        self._credit: dict[str, float] = {}

    def next(self, weights: Mapping[str, float]) -> str:
        """Whose turn it is. weights: above 0, at least one; who is not in it is forgotten when many are."""
        if len(self._credit) > 2 * len(weights) + 16:
            self._credit = {node: credit for node, credit in self._credit.items() if node in weights}
        for node, weight in weights.items():
            self._credit[node] = self._credit.get(node, 0.0) + weight
        chosen = max(weights, key=self._credit.__getitem__)
        self._credit[chosen] -= sum(weights.values())
        return chosen

    def forget(self, node: str) -> None:
        self._credit.pop(node, None)


class RoundRobin:
    """Weighted by speed; sees neither load nor caches."""

    def __init__(self, index: PrefixIndex) -> None:
        self._index = index
        self._turns = Turns()

    def choose(self, ask: Ask, candidates: Candidates, now: float, full: Collection[str] = ()) -> Choice:
        outlook = Outlook(ask, candidates, self._index, now)
        return outlook.choice(self._turns.next(outlook.weights(candidates)), "its turn")

    def answered(self, node: str, ask: Ask, uncached: int, answered: Answered, now: float) -> None:
        pass

    def forget(self, node: str) -> None:
        self._turns.forget(node)


class LeastLoaded:
    """The least uncomputed tokens, in seconds of that node; then the fewest requests; then turns."""

    def __init__(self, index: PrefixIndex) -> None:
        self._index = index
        self._turns = Turns()

    def choose(self, ask: Ask, candidates: Candidates, now: float, full: Collection[str] = ()) -> Choice:
        outlook = Outlook(ask, candidates, self._index, now)
        loads = {node: _load(each, outlook.tps(node), now) for node, each in candidates.items()}
        least = min(loads.values())
        equals = outlook.weights(node for node, load in loads.items() if load == least)
        return outlook.choice(self._turns.next(equals), "least to compute")

    def answered(self, node: str, ask: Ask, uncached: int, answered: Answered, now: float) -> None:
        pass

    def forget(self, node: str) -> None:
        self._turns.forget(node)


def _load(candidate: Candidate, tps: float, now: float) -> tuple[float, float]:
    """Rounded, so that what differs by nothing that anybody notices counts as equal."""
    return round(burdened(candidate, candidate.pending_tokens(now) / tps), 1), round(candidate.in_flight / tps, 6)


class LatencyBased:
    """Times to the first token as they were, for each thousand tokens that had to be computed."""

    def __init__(self, index: PrefixIndex, rng: random.Random | None = None) -> None:
        self._index = index
        self._random = rng or random.Random()  # noqa: S311 (a choice of nodes is no secret)
        self._pace: dict[str, float] = {}

    def choose(self, ask: Ask, candidates: Candidates, now: float, full: Collection[str] = ()) -> Choice:
        outlook = Outlook(ask, candidates, self._index, now)
        names = list(candidates)
        if self._random.random() < EXPLORATION:
            return outlook.choice(self._random.choice(names), "exploring")
        two = self._random.sample(names, min(2, len(names)))
        return outlook.choice(min(two, key=lambda node: self._predicted(node, outlook)), "quicker of two")

    def answered(self, node: str, ask: Ask, uncached: int, answered: Answered, now: float) -> None:
        sample = 1000 * answered.first_token / (max(0, uncached) + OVERHEAD_TOKENS)
        known = self._pace.get(node, sample)
        self._pace[node] = known + LEARNING * (sample - known)

    def forget(self, node: str) -> None:
        self._pace.pop(node, None)

    def _predicted(self, node: str, outlook: Outlook) -> float:
        """Seconds; a node that nothing is known of goes first."""
        uncached = outlook.ask.tokens - outlook.cached(node)
        return burdened(outlook.candidates[node], self._pace.get(node, 0.0) * (uncached + OVERHEAD_TOKENS) / 1000)


def burdened(candidate: Candidate, seconds: float) -> float:
    """What seconds at a node count for when nodes are compared: more, where some requests fail."""
    return DEGRADED_FACTOR * seconds + DEGRADED_SECONDS if candidate.degraded else seconds


def least_of(nodes: Iterable[str], costs: Mapping[str, float], slack: float) -> list[str]:
    """Those that cost at most `slack` more than the cheapest."""
    nodes = list(nodes)
    bound = min(costs[node] for node in nodes) + slack
    return [node for node in nodes if costs[node] <= bound]
