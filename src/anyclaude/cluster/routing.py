"""All that is known of the nodes, in one place, behind a few verbs: choose, send, taken, begun, and how it ended.

Who carries requests tells what happens, with the time; index, speeds, strategy and warming learn from it together.
"""

import random
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final

from anyclaude.cluster.cache_aware import MIN_HIT_RATE, CacheAware
from anyclaude.cluster.estimates import Sent, Standing, uncached_of
from anyclaude.cluster.node import Answered, Ask, Report
from anyclaude.cluster.prefix_index import PrefixIndex
from anyclaude.cluster.strategies import Choice, LatencyBased, LeastLoaded, RoundRobin, Strategy
from anyclaude.cluster.warming import Warm, Warming

STRATEGIES: Final[Mapping[str, Callable[[PrefixIndex, float, random.Random], Strategy]]] = {
    "cache-aware": lambda index, rate, rng: CacheAware(index, min_hit_rate=rate),
    "least-loaded": lambda index, rate, rng: LeastLoaded(index),
    "latency-based": lambda index, rate, rng: LatencyBased(index, rng),
    "round-robin": lambda index, rate, rng: RoundRobin(index),
}
"""By the names of the settings."""


def make_strategy(
    name: str, index: PrefixIndex, *, min_hit_rate: float = MIN_HIT_RATE, rng: random.Random | None = None
) -> Strategy:
    """Raises KeyError for a name that the settings do not have."""
    return STRATEGIES[name](index, min_hit_rate, rng or random.Random())  # noqa: S311 (no secret)


class Routing:
    """Times are seconds of one clock that does not go back."""

    def __init__(self, strategy: Strategy, index: PrefixIndex) -> None:
        self.strategy = strategy
        self.index = index
        self.warming = Warming(index)
        self._standings: dict[str, Standing] = {}

    def standing(self, node: str) -> Standing:
        """What is known of a node; made when it is first heard of."""
        found = self._standings.get(node)
        if found is None:
            found = self._standings[node] = Standing(node)
        return found

    def choose(
        self,
        ask: Ask,
        nodes: Iterable[str],
        now: float,
        *,
        degraded: Collection[str] = (),
        full: Collection[str] = (),
    ) -> Choice | None:
        """One of the nodes, which are all that may be asked now; None when there is none.

        Nodes that say that their context is smaller than the prompt are asked only when all are. degraded: those of
        them that count for less. full: others, which would be among them if they had room (`has_room`).
        """
        known = self._standings
        candidates = {node: known.get(node) or self.standing(node) for node in nodes}
        for node, standing in candidates.items():
            standing.degraded = node in degraded
        too_small = [
            node
            for node, each in candidates.items()
            if (window := each.report.context_length) is not None and window < ask.tokens
        ]
        if too_small and len(too_small) < len(candidates):
            for node in too_small:
                del candidates[node]
        return self.strategy.choose(ask, candidates, now, full) if candidates else None

    def has_room(self, node: str, small: bool, now: float) -> bool:
        """Whether a node would most likely take one more request, small or not."""
        return self.standing(node).has_room(small, now)

    def room_at(self, nodes: Iterable[str], now: float) -> float | None:
        """When the first of some nodes that are full may be asked again though nothing has ended there."""
        times = [self.standing(node).places.until for node in nodes]
        return min((at for at in times if at > now), default=None)

    def send(self, ask: Ask, choice: Choice, now: float) -> Sent:
        """The request leaves. `taken`, `begun`, then `answered`, `failed` or `refused`, must follow."""
        self.warming.used(ask, now)
        return self.standing(choice.node).sent(ask, choice.expected_cached, now)

    def taken(self, sent: Sent) -> None:
        """The node has let it in."""
        sent.standing.taken(sent)

    def begun(self, sent: Sent, now: float) -> None:
        """The first token is there: the prompt has been computed."""
        sent.standing.begun(sent, now)
        if self._known(sent):
            self.index.computed(sent.node, sent.ask, now)

    def answered(self, sent: Sent, answered: Answered, now: float) -> None:
        """The answer ended well."""
        sent.standing.answered(sent, answered, now)
        if self._known(sent):
            self.index.answered(sent.node, sent.ask, sent.expected, answered, now)
            self.strategy.answered(sent.node, sent.ask, uncached_of(sent, answered), answered, now)

    def failed(self, sent: Sent, now: float) -> None:
        """It ended otherwise, the client's leaving included. More than once, or after an answer, does nothing."""
        sent.standing.failed(sent, now)

    def refused(self, sent: Sent, seconds: float, now: float) -> None:
        """The node was full, and wants to be asked again after so many seconds."""
        sent.standing.refused(sent, seconds, now)

    def reported(self, node: str, report: Report, now: float, rtt: float | None = None) -> None:
        """What a probe brought; `rtt`: seconds that the probe took."""
        self.standing(node).reported(report, now, rtt)
        self.index.reported(node, report, now)

    def next_warm(self, nodes: Iterable[str], now: float) -> Warm | None:
        """What one of the nodes should compute ahead now; `warmed` must be told of its end."""
        return self.warming.next({node: self.standing(node) for node in nodes}, now)

    def warmed(self, warm: Warm, ok: bool, now: float) -> None:
        """A node has computed a prefix ahead, or could not."""
        self.warming.done(warm, ok, now)
        if ok and warm.node in self._standings:
            self.index.computed(warm.node, Ask(warm.prefix, warm.tokens, warm.tokens), now)

    def forget(self, node: str) -> None:
        """The node has left the cluster."""
        self._standings.pop(node, None)
        self.index.forget(node)
        self.strategy.forget(node)
        self.warming.undrain(node)

    def _known(self, sent: Sent) -> bool:
        """Whether the node of a request has not left since."""
        return self._standings.get(sent.node) is sent.standing
