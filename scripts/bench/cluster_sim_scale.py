"""What a decision costs, and what is remembered, by the number of nodes: where one router stops being enough."""

import random
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from anyclaude.cluster.node import Answered, Ask, Report
from anyclaude.cluster.prefix_index import PrefixIndex
from anyclaude.cluster.routing import Routing, make_strategy

SESSIONS_A_NODE: Final = 5
DECISIONS: Final = 200
TPS: Final = 1500.0


@dataclass(frozen=True, slots=True)
class Cost:
    """Microseconds of CPU for a decision, at the median; kilobytes for each node with its sessions."""

    nodes: int
    at_home: float
    busy_home: float
    new: float
    small: float
    kilobytes: float


def cost(nodes: int) -> Cost:
    """A cluster of so many nodes, five sessions at each, nothing under way but at one node."""
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    routing, names = _filled(nodes)
    kilobytes = (tracemalloc.get_traced_memory()[0] - before) / 1000 / nodes
    tracemalloc.stop()
    now, count = 1000.0, nodes * SESSIONS_A_NODE

    def took(ask: Callable[[int], Ask]) -> float:
        samples = []
        for n in range(DECISIONS):
            question = ask(n)
            began = time.thread_time()
            routing.choose(question, names, now)
            samples.append(1e6 * (time.thread_time() - began))
        return sorted(samples)[DECISIONS // 2]

    at_home = took(lambda n: Ask("main", 41_000, 20_000, f"s{n % count}"))
    new = took(lambda n: Ask("main", 21_000, 20_000, f"new{n}"))
    small = took(lambda n: Ask("title", 900, 700, "s0", small=True))
    home = routing.choose(Ask("main", 41_000, 20_000, "s0"), names, now)
    assert home is not None
    routing.send(
        Ask("main", 8_000, 0), replace(home, expected_cached=0), now
    )  # more to wait for than five seconds, not enough to leave
    busy = took(lambda n: Ask("main", 41_000, 20_000, "s0"))
    return Cost(nodes, at_home, busy, new, small, kilobytes)


def _filled(nodes: int) -> tuple[Routing, list[str]]:
    index, names = PrefixIndex(), [f"n{n}" for n in range(nodes)]
    routing = Routing(make_strategy("cache-aware", index, rng=random.Random(1)), index)
    for name in names:
        routing.reported(name, Report(prefill_tps=TPS, instance=name), 0.0)
    for n in range(nodes * SESSIONS_A_NODE):
        ask = Ask("main", 40_000, 20_000, f"s{n}")
        choice = routing.choose(ask, [names[n % nodes]], 900.0)
        assert choice is not None
        sent = routing.send(ask, choice, 900.0)
        routing.answered(sent, Answered(seconds := sent.uncached / TPS, 40_000, sent.expected), 900.0 + seconds)
    return routing, names
