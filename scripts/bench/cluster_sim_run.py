"""One run of the simulation: the event queue, and a proxy that routes with the product's own code."""

import heapq
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from cluster_sim_agents import AGENT_PREFIXES, MAIN_PREFIX, Agent, World
from cluster_sim_nodes import Job, SimNode, Spec

from anyclaude.cluster.health import Health
from anyclaude.cluster.node import Answered, Ask
from anyclaude.cluster.prefix_index import PrefixIndex
from anyclaude.cluster.routing import Routing, make_strategy
from anyclaude.cluster.warming import Warm
from anyclaude.errors import UpstreamBroken

FOUND_WELL: Final = 4.0
"""Seconds after which a node that is back is asked again: two probes."""

FLAKY: Final = "n0"

PREFIXES: Final = (("main", MAIN_PREFIX), *AGENT_PREFIXES.items())


@dataclass(frozen=True, slots=True)
class Fleet:
    """nodes: a Spec for each. arrivals: seconds over which the sessions begin. telling: whether nodes report.

    failures: so many times a node fails, for `down` seconds each. warming: whether idle nodes compute prefixes ahead.
    flaky: the share of its requests that the first node fails when their first word is due; they are asked elsewhere.
    judged: whether the strategies hear from `cluster.health` that it is degraded.
    """

    name: str
    nodes: tuple[Spec, ...]
    sessions: int = 10
    turns: int = 25
    arrivals: float = 40.0
    prefixes: int = 1
    telling: bool = True
    report_seconds: float = 2.0
    failures: int = 0
    down: float = 60.0
    warming: bool = False
    proxies: int = 1
    flaky: float = 0.0
    judged: bool = True


@dataclass(slots=True)
class Result:
    """Seconds, tokens, counts; `decisions` in microseconds."""

    waits: list[float] = field(default_factory=list)
    small_waits: list[float] = field(default_factory=list)
    decisions: list[float] = field(default_factory=list)
    tokens: int = 0
    cached: int = 0
    moved: int = 0
    again: int = 0
    broken: int = 0
    ended: int = 0
    warmed: int = 0
    seconds: float = 0.0


class Run:
    """simulate() runs it to its end."""

    def __init__(self, fleet: Fleet, strategy: str, seed: int) -> None:
        self.fleet = fleet
        self.result = Result()
        self._seed = seed
        self._rng = random.Random(seed)
        self.routings = [_routing(strategy, seed + n) for n in range(1, fleet.proxies + 1)]
        self._events: list[tuple[float, int, Callable[[float], None]]] = []
        self._count = 0
        self.nodes = {
            f"n{n}": SimNode(f"n{n}", spec, random.Random(seed * 1000 + n), self.later, self._first, self._over)
            for n, spec in enumerate(fleet.nodes)
        }
        self._usable = dict.fromkeys(self.nodes)
        self._health = Health()
        self._stranded: list[Job] = []
        self._where: dict[str, str] = {}
        self._main: list[Agent] = []

    def later(self, at: float, do: Callable[[float], None]) -> None:
        self._count += 1
        heapq.heappush(self._events, (at, self._count, do))

    def simulate(self) -> Result:
        self._begin()
        while self.result.ended < self.fleet.sessions:
            now, _, do = heapq.heappop(self._events)
            self.result.seconds = now
            do(now)
        return self.result

    def _begin(self) -> None:
        world = World(self._seed, self.later, self._ask)
        for n in range(self.fleet.sessions):
            prefix = f"main{n % self.fleet.prefixes}"
            agent = Agent(world, f"s{n}", prefix, MAIN_PREFIX, self.fleet.turns, self._ended, main=True)
            self.later(self._rng.uniform(0, self.fleet.arrivals), agent.start)
        for n, node in enumerate(self.nodes.values()):
            if self.fleet.telling:
                self.later(self.fleet.report_seconds * n / len(self.nodes), partial(self._report, node))
        for n in range(self.fleet.failures):
            self.later(60.0 + n * 60.0, self._fail)
        if self.fleet.warming:
            self.later(1.0, self._warm)

    def _report(self, node: SimNode, now: float) -> None:
        if node.up:
            self._tell(node, now)
        self.later(now + self.fleet.report_seconds, lambda at: self._report(node, at))

    def _tell(self, node: SimNode, now: float) -> None:
        report = node.report(now)
        if node.name == FLAKY:
            self._health.probed(report, now)
        for routing in self.routings:
            routing.reported(node.name, report, now, rtt=0.001)

    def _routing_of(self, job: Job) -> Routing:
        """A conversation keeps to its proxy, subagents included."""
        agent = (job.ask.session or "s0").partition("/")[0]
        return self.routings[int(agent.removeprefix("s")) % len(self.routings)]

    def _ask(self, job: Job, now: float, without: str = "") -> None:
        routing = self._routing_of(job)
        usable = [name for name in self._usable if name != without] if without else self._usable
        degraded = self._degraded(now)
        began = time.thread_time()
        choice = routing.choose(job.ask, usable, now, degraded=degraded)
        self.result.decisions.append(1e6 * (time.thread_time() - began))
        if choice is None:
            self._stranded.append(job)
            return
        if not job.ask.small and job.ask.session is not None:
            last = self._where.get(job.ask.session)
            self.result.moved += last is not None and last != choice.node
            self._where[job.ask.session] = choice.node
        job.sent = routing.send(job.ask, choice, now)
        self.nodes[choice.node].arrive(job, now)

    def _degraded(self, now: float) -> tuple[str, ...]:
        judged = self.fleet.flaky and self.fleet.judged
        return (FLAKY,) if judged and self._health.status(now) == "degraded" else ()

    def _fails(self, job: Job, now: float) -> bool:
        """Whether a flaky node gives an error in place of the first word; the request is asked elsewhere then."""
        assert job.sent is not None
        if job.sent.node != FLAKY or self._rng.random() >= self.fleet.flaky:
            return False
        del self.nodes[FLAKY].decoding[job]
        self._routing_of(job).failed(job.sent, now)
        self._health.failed(UpstreamBroken("it broke"), now)
        self.result.again += 1
        self.later(now, lambda at: self._ask(job, at, without=FLAKY))
        return True

    def _first(self, job: Job, now: float) -> None:
        if job.ahead or self._fails(job, now):
            return
        assert job.sent is not None
        self._routing_of(job).begun(job.sent, now)
        (self.result.small_waits if job.ask.small else self.result.waits).append(now - job.asked_at)
        self.result.tokens += job.tokens
        self.result.cached += job.cached

    def _over(self, job: Job, now: float) -> None:
        if job.ahead:
            job.done(job, True, now)
            return
        assert job.sent is not None
        assert job.first_at is not None
        if job.sent.node == FLAKY:
            self._health.answered(now)
        first = job.first_at - job.sent.at
        self._routing_of(job).answered(job.sent, Answered(first, job.tokens, job.cached, job.output), now)
        job.done(job, True, now)

    def _warm(self, now: float) -> None:
        warm = self.routings[0].next_warm(self._usable, now)
        if warm is not None:
            tokens = next(size for name, size in PREFIXES if warm.prefix.startswith(name))
            ask = Ask(warm.prefix, warm.tokens, warm.tokens, small=True)
            done = partial(self._warmed, warm)
            self.nodes[warm.node].arrive(Job(ask, tokens, tokens, 0, 0, now, done, ahead=True), now)
        self.later(now + 1.0, self._warm)

    def _warmed(self, warm: Warm, job: Job, whole: bool, now: float) -> None:
        self.result.warmed += whole
        self.routings[0].warmed(warm, whole, now)

    def _ended(self, now: float) -> None:
        self.result.ended += 1

    def _fail(self, now: float) -> None:
        up = [node for node in self.nodes.values() if node.up]
        if len(up) < 2:
            return
        node = self._rng.choice(up)
        self._usable.pop(node.name, None)
        lost = node.fail(now)
        self.later(now + self.fleet.down, lambda at: self._back(node, at))
        for job in lost:
            if job.ahead:
                job.done(job, False, now)
                continue
            assert job.sent is not None
            self._routing_of(job).failed(job.sent, now)
            if job.first_at is None:
                self.result.again += 1
                self._ask(job, now)
            else:
                self.result.broken += 1
                job.done(job, False, now)

    def _back(self, node: SimNode, now: float) -> None:
        node.recover()
        self.later(now + FOUND_WELL, lambda at: self._usable_again(node, at))

    def _usable_again(self, node: SimNode, now: float) -> None:
        self._usable[node.name] = None
        if self.fleet.telling:
            self._tell(node, now)
        stranded, self._stranded = self._stranded, []
        for job in stranded:
            self._ask(job, now)


def _routing(strategy: str, seed: int) -> Routing:
    index = PrefixIndex()
    return Routing(make_strategy(strategy, index, rng=random.Random(seed)), index)
