"""Sessions that ask a cluster through the whole proxy without a pause, and what became of each of their requests."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import aiohttp

from anyclaude.backends.base import Caller
from anyclaude.backends.mlx_cluster import MlxClusterBackend
from anyclaude.backends.node import NodeBackend
from anyclaude.config.model import Deadlines
from anyclaude.config.upstreams import Discovery, Health, MlxCluster, Node, Routing
from tests.support.clients import Client, decode, talking_to

MAX_TOKENS = 60


class Killable(Protocol):
    """A node that can be killed and started again at its address."""

    url: str

    def start(self) -> None: ...
    def kill(self) -> None: ...


def cluster_of(urls: Sequence[str], **health: Any) -> MlxClusterBackend:
    """Named n0, n1 and so on, probed often."""
    settings = MlxCluster(
        discovery=Discovery(nodes=tuple(Node(id=f"n{number}", url=url) for number, url in enumerate(urls))),
        routing=Routing(retry_delay_ms=0),
        health=Health(**{"check_interval_ms": 200, "timeout_ms": 2000, **health}),
    )
    return MlxClusterBackend(settings, None, Deadlines())


@dataclass(eq=False)
class Asked:
    """One request. Seconds of the loop's clock; outcome: `whole`, `cut` (told so once, after its first word), else why
    it was lost or what was wrong."""

    session: int
    at: float
    first_word: float | None = None
    ended: float | None = None
    outcome: str = ""


@dataclass(eq=False)
class Visit:
    """One request of the proxy to one node. alone: no other node could be asked."""

    node: str
    at: float
    alone: bool
    begun: float | None = None


@dataclass
class Load:
    client: Client
    asked: list[Asked] = field(default_factory=list)
    visits: list[Visit] = field(default_factory=list)
    told: asyncio.Event = field(default_factory=asyncio.Event)

    def outcomes(self) -> Counter[str]:
        return Counter(one.outcome for one in self.asked if one.outcome)

    async def until(self, reached: Callable[[], bool], seconds: float = 60.0) -> None:
        """Look after each word that comes and each request that ends. Raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while not reached():
                self.told.clear()
                await self.told.wait()

    async def session(self, number: int) -> None:
        """Ask without end."""
        while True:
            await self.ask(number)

    async def ask(self, session: int) -> Asked:
        one = Asked(session, _now())
        self.asked.append(one)
        body = {
            "model": "m",
            "max_tokens": MAX_TOKENS,
            "stream": True,
            "messages": [{"role": "user", "content": f"I am {session}."}],
        }
        headers = {"X-Claude-Code-Session-Id": f"session-{session}"}
        try:
            async with self.client.session.post(f"{self.client.url}/v1/messages", json=body, headers=headers) as answer:
                one.outcome = await self._outcome(one, answer)
        except (aiohttp.ClientError, AssertionError) as error:
            one.outcome = f"wrong: {type(error).__name__}: {error}"
        one.ended = _now()
        self.told.set()
        return one

    async def _outcome(self, one: Asked, answer: aiohttp.ClientResponse) -> str:
        if answer.status != 200:
            return f"lost: {answer.status} {(await answer.text())[:300]}"
        body = bytearray()
        async for piece in answer.content.iter_any():
            body += piece
            if one.first_word is None and b"content_block_delta" in body:
                one.first_word = _now()
                self.told.set()
        return _judged(decode(bytes(body)))

    def worst_elsewhere(self, killed: Sequence[float]) -> float:
        """The longest that a session which was waiting, or was cut, took from a kill to its next first word."""
        return max((self._elsewhere(at, session) for at in killed for session in self._sessions()), default=0.0)

    def _elsewhere(self, killed: float, session: int) -> float:
        """0 for a session whose answer went on."""
        own = [one for one in self.asked if one.session == session]
        waiting = [
            one
            for one in own
            if one.at <= killed and (one.first_word or killed + 1) > killed and not _over(one, killed)
        ]
        cut = [one for one in own if one.outcome == "cut" and one.at <= killed <= (one.ended or killed)]
        if not waiting and not cut:
            return 0.0
        words = [one.first_word for one in own if one.first_word is not None and one.first_word > killed]
        return min(words) - killed if words else 0.0

    def _sessions(self) -> set[int]:
        return {one.session for one in self.asked}


def _over(one: Asked, at: float) -> bool:
    return one.ended is not None and one.ended <= at


def _judged(events: Sequence[Mapping[str, Any]]) -> str:
    kinds = Counter(event["type"] for event in events)
    words = kinds["content_block_delta"]
    if kinds["message_stop"] and not kinds["error"]:
        return "whole"
    if kinds["error"] != 1 or kinds["message_stop"] or events[-1]["type"] != "error":
        return f"wrong: {dict(kinds)}"
    return "cut" if words else f"lost: {events[-1]['error']}"


def _now() -> float:
    return asyncio.get_running_loop().time()


def watch(backend: MlxClusterBackend, load: Load) -> None:
    """Write down each request to each node."""
    for node in backend._fleet.nodes.values():
        _watch(node, backend, load.visits)


def _watch(node: NodeBackend, backend: MlxClusterBackend, visits: list[Visit]) -> None:
    stream, name = node.stream, node.node.id

    @asynccontextmanager
    async def watched(request: Mapping[str, Any], caller: Caller, model: str | None = None) -> AsyncIterator[Any]:
        others = [member for member in backend._members if member.id != name and member.is_ready(_now())]
        visit = Visit(name, _now(), not any(member.breaker.admits(_now()) for member in others))
        visits.append(visit)
        async with stream(request, caller, model) as batches:
            visit.begun = _now()
            yield batches

    node.stream = watched  # type: ignore[method-assign]


@asynccontextmanager
async def loaded(backend: MlxClusterBackend, sessions: int) -> AsyncIterator[Load]:
    """The proxy before a cluster that is ready, under the load of so many sessions (none: ask by hand)."""
    async with AsyncExitStack() as stack:
        stack.push_async_callback(backend.aclose)
        await backend.ready()
        client = await stack.enter_async_context(talking_to(backend))
        load = Load(client)
        watch(backend, load)
        tasks = [asyncio.create_task(load.session(number)) for number in range(sessions)]
        try:
            yield load
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
