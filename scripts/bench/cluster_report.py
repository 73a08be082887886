"""What a strategy came to on real workers: one line of a table, and the comparison with the others."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import mean
from typing import Any, Final

from cluster_nodes import Work

HEAD: Final = (
    "| strategy | mean | p95 | p99 | small, mean | from cache | computed a turn | CPU a turn | moves a session "
    "| until all is done |\n|---|---|---|---|---|---|---|---|---|---|"
)
BASE: Final = "cache-aware"


@dataclass(frozen=True, slots=True)
class Answer:
    """One request. who: the agent, of some kind; why: the choice of its node; at: when it was asked; first: seconds to
    its first token; prompt, cached, output: tokens."""

    who: str
    kind: str
    node: str
    why: str
    at: float
    first: float
    prompt: int
    cached: int
    output: int
    small: bool

    @property
    def computed(self) -> int:
        return self.prompt - self.cached


@dataclass(slots=True)
class Phase:
    """One strategy's run over all conversations. work: of the nodes; seconds: from the first question to the end.

    prefixes: tokens of each kind of agent's prefix.
    """

    prefixes: Mapping[str, int] = field(default_factory=dict)
    answers: list[Answer] = field(default_factory=list)
    work: Work = field(default_factory=Work)
    seconds: float = 0.0

    @property
    def turns(self) -> list[Answer]:
        return [answer for answer in self.answers if not answer.small]

    @property
    def moves(self) -> float:
        """How often an agent's request went to another node than the one before, by agents."""
        routes: dict[str, list[str]] = {}
        for answer in self.turns:
            routes.setdefault(answer.who, []).append(answer.node)
        return sum(one != other for route in routes.values() for one, other in pairwise(route)) / max(1, len(routes))


def row(strategy: str, phases: Sequence[Phase]) -> str:
    """All requests of all rounds together."""
    turns = [answer for phase in phases for answer in phase.turns]
    small = [answer.first for phase in phases for answer in phase.answers if answer.small]
    firsts = sorted(answer.first for answer in turns)
    prompt, cached = sum(answer.prompt for answer in turns), sum(answer.cached for answer in turns)
    cells = [
        strategy,
        f"{mean(firsts):.2f} s",
        f"{_at(firsts, 0.95):.2f} s",
        f"{_at(firsts, 0.99):.2f} s",
        f"{mean(small or [0.0]):.2f} s",
        f"{100 * cached / prompt:.1f} %",
        f"{(prompt - cached) / len(turns):.0f} of {prompt / len(turns):.0f}",
        f"{sum(phase.work.cpu for phase in phases) / len(turns):.2f} s",
        f"{mean(phase.moves for phase in phases):.1f}",
        f"{mean(phase.seconds for phase in phases):.0f} s",
    ]
    return f"| {' | '.join(cells)} |"


def compared(found: Mapping[Any, Sequence[Phase]]) -> str:
    """How many times more than cache-aware the others need."""
    return "\n".join(_comparisons(found)) if BASE in found else ""


def _comparisons(found: Mapping[Any, Sequence[Phase]]) -> Iterator[str]:
    base = _figures(found[BASE])
    for strategy, phases in found.items():
        if strategy != BASE:
            times, computed, cpu = (one / other for one, other in zip(_figures(phases), base, strict=True))
            yield (
                f"\n{strategy}: {times:.1f} times the seconds to the first token of {BASE}, "
                f"{computed:.1f} times the computed tokens, {cpu:.1f} times the CPU."
            )


def _figures(phases: Sequence[Phase]) -> tuple[float, float, float]:
    turns = [answer for phase in phases for answer in phase.turns]
    computed = sum(answer.prompt - answer.cached for answer in turns)
    return mean(answer.first for answer in turns), computed, sum(phase.work.cpu for phase in phases)


def _at(values: Sequence[float], share: float) -> float:
    return values[min(len(values) - 1, int(share * len(values)))]
