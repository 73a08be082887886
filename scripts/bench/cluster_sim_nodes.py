"""A simulated node: prompts computed one after the other, the shortest first as our worker does, answers beside them.

What it keeps is counted in tokens and goes least recently used first, sessions before prefixes. A node that fails loses
it all, and is another instance when it comes back.
"""

import heapq
import random
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Final

from anyclaude.cluster.estimates import Sent
from anyclaude.cluster.node import Ask, Report

AGEING: Final = 1.0
"""A prompt that has waited a second counts as so many seconds shorter."""

NEVER: Final = 1e9
OVERHEAD: Final = 0.05
_NUMBERS: Final = count()

TOGETHER: Final = 0.35
"""Each answer more that is written at the same time slows all by this share."""


@dataclass(frozen=True, slots=True)
class Spec:
    """Tokens a second, and the tokens of prompts that are kept."""

    prefill: float
    decode: float
    kept: int


@dataclass(slots=True, eq=False)
class Job:
    """A request at a node. tokens: really; `ask` has what the proxy estimates. history: another after a compaction.

    ahead: a prefix that nobody waits for; it is computed when there is nothing else.
    """

    ask: Ask
    tokens: int
    prefix_tokens: int
    history: int
    output: int
    asked_at: float
    done: Callable[["Job", bool, float], None]
    ahead: bool = False
    sent: Sent | None = None
    left: float = 0.0
    cached: int = -1
    first_at: float | None = None
    key: float = 0.0

    @property
    def session_key(self) -> tuple[str, int]:
        return (self.ask.session or "", self.history)


Later = Callable[[float, Callable[[float], None]], None]


@dataclass(slots=True)
class SimNode:
    """later(time, do): the event queue. first(job, now): its first token; over(job, now): its answer's end."""

    name: str
    spec: Spec
    rng: random.Random
    later: Later
    first: Callable[[Job, float], None]
    over: Callable[[Job, float], None]
    up: bool = True
    starts: int = 1
    kept: OrderedDict[object, int] = field(default_factory=OrderedDict)
    tokens: int = 0
    queue: list[tuple[float, int, Job]] = field(default_factory=list)
    current: Job | None = None
    began: float = 0.0
    pace: float = 1.0
    turn: int = 0
    decoding: dict[Job, None] = field(default_factory=dict)

    def hit(self, job: Job) -> int:
        session = 0 if job.ask.small else self.kept.get(job.session_key, 0)
        if session:
            return min(job.tokens, job.prefix_tokens + session)
        return job.prefix_tokens if job.ask.prefix in self.kept else 0

    def arrive(self, job: Job, now: float) -> None:
        job.left, job.cached, job.first_at = float(job.tokens - self.hit(job)), -1, None
        job.key = job.left / self.spec.prefill + AGEING * now + NEVER * job.ahead
        if self.current is not None and job.key < self._current_key(now):
            self._pause(now)
        heapq.heappush(self.queue, (job.key, next(_NUMBERS), job))
        if self.current is None:
            self._next(now)

    def fail(self, now: float) -> list[Job]:
        """Everything here is lost; the jobs that were."""
        lost = [job for _, _, job in self.queue] + ([self.current] if self.current else []) + list(self.decoding)
        self.up, self.current, self.tokens = False, None, 0
        self.turn += 1
        self.queue.clear()
        self.decoding.clear()
        self.kept.clear()
        return lost

    def recover(self) -> None:
        self.up, self.starts = True, self.starts + 1

    def report(self, now: float) -> Report:
        left = sum(job.left for _, _, job in self.queue)
        if self.current:
            left += max(0.0, self.current.left - (now - self.began) * self.pace)
        return Report(
            active=len(self.decoding) + (self.current is not None),
            waiting=len(self.queue),
            queued_tokens=int(left),
            prefill_tps=self.spec.prefill,
            systems=frozenset(key for key in self.kept if isinstance(key, str)),
            sessions={key[0]: tokens for key, tokens in self.kept.items() if isinstance(key, tuple)},
            instance=f"{self.name}.{self.starts}",
        )

    def hold(self, key: object, tokens: int) -> None:
        self.tokens += tokens - self.kept.pop(key, 0)
        self.kept[key] = tokens
        while self.tokens > self.spec.kept and len(self.kept) > 1:
            oldest = next((each for each in self.kept if isinstance(each, tuple) and each != key), None)
            self.tokens -= self.kept.pop(next(iter(self.kept)) if oldest is None else oldest)

    def _current_key(self, now: float) -> float:
        assert self.current is not None
        return self.current.key - (now - self.began) * self.pace / self.spec.prefill

    def _pause(self, now: float) -> None:
        job = self.current
        assert job is not None
        job.key = self._current_key(now)
        job.left = max(1.0, job.left - (now - self.began) * self.pace)
        self.current, self.turn = None, self.turn + 1
        heapq.heappush(self.queue, (job.key, next(_NUMBERS), job))

    def _next(self, now: float) -> None:
        if not self.queue:
            return
        self.turn += 1
        self.current = job = heapq.heappop(self.queue)[2]
        if job.cached < 0:
            job.cached = self.hit(job)
            job.left = float(job.tokens - job.cached)
        self.began, self.pace = now, self.spec.prefill * self.rng.uniform(0.9, 1.1)
        turn = self.turn
        self.later(now + OVERHEAD + job.left / self.pace, lambda at: self._computed(turn, at))

    def _computed(self, turn: int, now: float) -> None:
        job = self.current
        if turn != self.turn or job is None:
            return
        self.current, job.first_at = None, now
        self.hold(job.ask.prefix, job.prefix_tokens)
        if not job.ask.small:
            self.hold(job.session_key, job.tokens - job.prefix_tokens)
        self.decoding[job] = None
        self.first(job, now)
        starts, beside = self.starts, len(self.decoding) - 1
        seconds = job.output / (self.spec.decode / (1 + TOGETHER * beside))
        self.later(now + seconds, lambda at: self._written(job, starts, at))
        self._next(now)

    def _written(self, job: Job, starts: int, now: float) -> None:
        if starts == self.starts and job in self.decoding:
            del self.decoding[job]
            self.over(job, now)
