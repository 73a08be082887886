"""Nodes as a test says that they stand."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from anyclaude.cluster.node import Ask, Report


@dataclass
class FakeNode:
    """A Candidate whose figures are given."""

    id: str
    prefill_tps: float | None = 1000.0
    pending: float = 0.0
    in_flight: int = 0
    rtt: float = 0.0
    degraded: bool = False
    report: Report = field(default_factory=Report)

    def pending_tokens(self, now: float) -> float:
        return self.pending


def fleet(*nodes: FakeNode) -> dict[str, FakeNode]:
    return {node.id: node for node in nodes}


def equal_nodes(names: Iterable[str] = "abc") -> dict[str, FakeNode]:
    return fleet(*(FakeNode(name) for name in names))


def turn(session: str | None = "s", tokens: int = 30_000, prefix: str = "main", prefix_tokens: int = 20_000) -> Ask:
    """A request of a main agent."""
    return Ask(prefix, tokens, prefix_tokens, session)


def title(session: str = "s") -> Ask:
    return Ask("title", 900, 700, session, small=True)
