"""Nodes of a cluster that a test plays, on real sockets: each answers by its path, or never."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from anyclaude.backends.mlx_cluster import MlxClusterBackend
from anyclaude.backends.node import NodeBackend
from anyclaude.cluster.node import Report
from anyclaude.config.model import Deadlines
from anyclaude.config.upstreams import Discovery, Health, MlxCluster, Node, Routing
from tests.support.raw_upstream import Connection, RawUpstream, framed, raw_upstream, sse, whole

SECONDS = 20.0

READY = {"state": "ready", "model": "m", "context_length": 32_768, "instance": "one"}


def chunk(finish: str | None = None, **delta: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


async def says_one_word(connection: Connection) -> None:
    await connection.stream(chunk(content="word"), end=False)
    await says_the_end(connection)


async def says_the_end(connection: Connection) -> None:
    await connection.send(framed(sse(chunk("stop"))), framed(sse("[DONE]")), b"0\r\n\r\n")


@dataclass
class Player:
    """A worker as a test wants it. hangs: paths that are never answered. heard: what was asked, as it comes.

    health: an object, or the bytes of the body. words: answers completions; else one word does. patience: seconds that
    a probe of it waits, however busy the others are.
    """

    hangs: tuple[str, ...] = ()
    health: Any = field(default_factory=lambda: dict(READY))
    heard: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    asked: list[str] = field(default_factory=list)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    words: Callable[[Connection], Any] | None = None
    patience: float = 15.0

    async def play(self, connection: Connection) -> None:
        path = connection.head.split(" ")[1]
        self.asked.append(path)
        self.heard.put_nowait(path)
        if path in self.hangs:
            await connection.gone()
            self.gone.set()
        elif path == "/health":
            body = self.health if isinstance(self.health, bytes) else json.dumps(self.health).encode()
            await connection.send(whole(200, body))
        elif path == "/v1/chat/completions":
            await (self.words or says_one_word)(connection)
        else:
            await connection.send(whole(200, b"{}"))

    async def until(self, path: str, times: int = 1) -> None:
        """What was asked before, and nobody waited for, counts too."""
        async with asyncio.timeout(SECONDS):
            while times:
                times -= await self.heard.get() == path

    async def again(self, path: str, times: int) -> None:
        """So many times from now on. Of probes, one that is under way counts: the second began after now, and is done
        when the third begins."""
        while not self.heard.empty():
            self.heard.get_nowait()
        await self.until(path, times)


@dataclass
class Played:
    backend: MlxClusterBackend
    players: list[Player]
    urls: list[str]


@asynccontextmanager
async def fleet_of(*players: Player, drained: Any = frozenset) -> AsyncIterator[Played]:
    async with AsyncExitStack() as stack:
        upstreams: list[RawUpstream] = [await stack.enter_async_context(raw_upstream(each.play)) for each in players]
        ids = {f"n{number}" for number, _ in enumerate(upstreams)}
        nodes = tuple(Node(id=f"n{number}", url=each.url) for number, each in enumerate(upstreams))
        settings = MlxCluster(
            discovery=Discovery(nodes=nodes),
            routing=Routing(retry_delay_ms=0),
            health=Health(check_interval_ms=100, timeout_ms=15_000),
        )
        backend = MlxClusterBackend(settings, None, Deadlines(), drained=drained)
        stack.push_async_callback(backend.aclose)
        at = backend._fleet._at
        backend._fleet._at = lambda node: _patient(at(node), players[int(node.id[1:])] if node.id in ids else None)
        await backend._fleet.known()
        yield Played(backend, list(players), [each.url for each in upstreams])


def _patient(node: NodeBackend, player: Player | None) -> NodeBackend:
    report = node.report

    async def patient(seconds: float) -> Report:
        return await report(min(seconds, player.patience) if player else seconds)

    node.report = patient  # type: ignore[method-assign]
    return node
