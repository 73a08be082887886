"""Simulated conversations as Claude Code holds them: a shared prefix, tool loops, subagents, small side requests.

An agent's prompt grows by its answer and the tool's result, until it is compacted. Now and then it starts subagents,
which have another prefix and a history of their own, and waits for them.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from cluster_sim_nodes import Job, Later

from anyclaude.cluster.node import Ask

MAIN_PREFIX: Final = 20_000
AGENT_PREFIXES: Final = {"explore": 9_000, "plan": 12_000, "general": 15_000}
SMALL_PREFIX: Final = 700
OUTPUTS: Final = (60, 120, 200, 600)
RESULTS: Final = (200, 800, 2_500, 6_000)
COMPACTED_AT: Final = 150_000
THINKING: Final = 4.0
"""Seconds between an answer and the next request, on average: the tool, or the person."""

SUBAGENTS: Final = 0.06
SIDE_REQUESTS: Final = 0.1


@dataclass(slots=True)
class World:
    """What agents need: the event queue, and somebody who takes their requests.

    Each agent draws from its own numbers, so that every strategy gets the same conversations.
    """

    seed: int
    later: Later
    ask: Callable[[Job, float], None]


@dataclass(slots=True)
class Agent:
    """One conversation. ended(now): called after its last answer. skew: how far its estimates of tokens are off."""

    world: World
    name: str
    prefix: str
    prefix_tokens: int
    turns: int
    ended: Callable[[float], None]
    tokens: int = 0
    history: int = 0
    waits_for: int = 0
    children: int = 0
    skew: float = 1.0
    main: bool = False
    rng: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.rng = random.Random(f"{self.world.seed} {self.name}")

    def start(self, now: float) -> None:
        self.tokens = self.prefix_tokens + self.rng.randint(500, 3000)
        self.skew = self.rng.uniform(0.95, 1.05)
        if self.main:
            self._side(now)
        self._request(now)

    def _request(self, now: float) -> None:
        self.turns -= 1
        self.world.ask(self._job(now, self.tokens, self.prefix, self.prefix_tokens, self._answered), now)

    def _job(
        self,
        now: float,
        tokens: int,
        prefix: str,
        shared: int,
        done: Callable[[Job, bool, float], None],
        small: bool = False,
    ) -> Job:
        ask = Ask(prefix, int(tokens * self.skew), int(shared * self.skew), self.name, small)
        output = 20 if small else self.rng.choice(OUTPUTS)
        return Job(ask, tokens, shared, self.history, output, now, done)

    def _side(self, now: float) -> None:
        tokens = SMALL_PREFIX + self.rng.randint(50, 600)
        self.world.ask(self._job(now, tokens, "small", SMALL_PREFIX, _nothing, small=True), now)

    def _answered(self, job: Job, whole: bool, now: float) -> None:
        if not whole:  # Claude Code asks again
            job.asked_at = now + 1.0
            self.world.later(now + 1.0, lambda at: self.world.ask(job, at))
            return
        self.tokens += job.output + self.rng.choice(RESULTS)
        if self.tokens > COMPACTED_AT:
            self.tokens, self.history = self.prefix_tokens + 5_000, self.history + 1
        if self.turns <= 0:
            self.ended(now)
        elif self.main and self.rng.random() < SUBAGENTS:
            self._delegate(self.rng.randint(1, 3), now)
        else:
            self._think(now)

    def _think(self, now: float) -> None:
        if self.main and self.rng.random() < SIDE_REQUESTS:
            self._side(now)
        self.world.later(now + self.rng.expovariate(1 / THINKING), self._request)

    def _delegate(self, count: int, now: float) -> None:
        self.waits_for = count
        for _ in range(count):
            self.children += 1
            kind = self.rng.choice(list(AGENT_PREFIXES))
            child = Agent(
                self.world,
                f"{self.name}/{self.children}",
                kind,
                AGENT_PREFIXES[kind],
                self.rng.randint(3, 8),
                self._child_ended,
            )
            self.world.later(now + self.rng.uniform(0.1, 1.0), child.start)

    def _child_ended(self, now: float) -> None:
        self.waits_for -= 1
        if not self.waits_for:
            self._think(now)


def _nothing(job: Job, whole: bool, now: float) -> None:
    pass
