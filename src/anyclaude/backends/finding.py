"""Finding the nodes of a cluster: those that are named, the addresses that names have, and what announces itself.

Named nodes are believed. The others are candidates first (`backends.candidates`).
"""

import asyncio
import importlib
import logging
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from typing import Final, Self
from urllib.parse import urlsplit

from anyclaude.backends.candidates import Candidates, Pace, Place
from anyclaude.backends.proving import Prove, prove
from anyclaude.cluster.discovery import MOST_FOUND, Change, Found, KnownNodes, Sighting
from anyclaude.config.upstreams import Discovery, Node
from anyclaude.errors import SetupError
from anyclaude.wire.announcement import is_worker_address

log = logging.getLogger(__name__)

RESOLVE_AGAIN: Final = 30.0
MDNS: Final = "anyclaude.backends.mdns"
"""Imported where it is wanted: zeroconf takes longer to import than most of us together."""

STALE: Final = 20
"""Times in a row that a name may fail to resolve before its last addresses are forgotten."""

_RESOLVING: Final = 5.0  # seconds
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


async def resolve(name: str, port: int) -> Sequence[str]:
    """The addresses that a name has now. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(name, port, type=socket.SOCK_STREAM)
    addresses = [str(address[0]) for *_, address in found]
    return [address for address in addresses if "%" not in address]


class NodeFinder:
    """Use it as `async with`. `changed` is told, in order, of all that `nodes` gains and loses; it must not raise.

    resolve, prove, interfaces, pace, resolve_again: for tests. Raises SetupError when mDNS is wanted without a key.
    """

    def __init__(
        self,
        discovery: Discovery,
        changed: Callable[[Sequence[Change]], None],
        *,
        resolve: Resolve = resolve,
        prove: Prove = prove,
        interfaces: Sequence[str] | None = None,
        pace: Pace | None = None,
        resolve_again: float = RESOLVE_AGAIN,
    ) -> None:
        if discovery.found_by == "mdns" and discovery.key is None:
            raise SetupError("nodes found by mDNS must prove themselves: set MLX_CLUSTER_KEY to their MLX_WORKER_TOKEN")
        self._discovery = discovery
        self._changed = changed
        self._resolve = resolve
        self._interfaces = interfaces
        self._resolve_again = resolve_again
        self._known = KnownNodes()
        self._candidates = Candidates(discovery.key, prove, pace or Pace(), self._see)
        self._names: list[asyncio.Task[None]] = []
        self._open = AsyncExitStack()
        self._any = asyncio.Event()

    @property
    def nodes(self) -> tuple[Found, ...]:
        return self._known.nodes

    async def __aenter__(self) -> Self:
        if self._discovery.found_by == "dns":
            self._names = [asyncio.create_task(self._follow_name(node)) for node in self._discovery.nodes]
            return self
        self._see("settings", [Found(node) for node in self._discovery.nodes])
        if self._discovery.found_by == "mdns":
            await self._browse()
        return self

    async def __aexit__(self, *exc: object) -> None:
        for task in self._names:
            task.cancel()
        await asyncio.gather(*self._names, return_exceptions=True)
        await self._open.aclose()
        await self._candidates.aclose()

    async def first(self, seconds: float) -> bool:
        """Wait until there is a node. False when there is none after so long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._any.wait()
        return bool(self.nodes)

    def doubt(self, node_id: str) -> None:
        """Something is odd about this node: have it prove itself again now, unless it was named."""
        self._candidates.doubt(node_id)

    async def _browse(self) -> None:
        mdns = importlib.import_module(MDNS)
        browser: AbstractAsyncContextManager[object] = mdns.Browser(
            self._appeared, self._candidates.withdraw, self._interfaces
        )
        try:
            await self._open.enter_async_context(browser)
        except (OSError, RuntimeError) as error:  # the latter where there is no interface at all
            log.warning("this machine hears no announcements (%s); name the nodes in the settings", error)

    def _appeared(self, sighting: Sighting) -> None:
        key = self._discovery.key
        place = Place(sighting.label, sighting.addresses, sighting.port, "announced", token=key)
        self._candidates.offer(sighting.name, place, sighting.instance)

    async def _follow_name(self, node: Node) -> None:
        """Each address of a node's name is a candidate as long as the name has it."""
        failed, before = 0, set[Place]()
        while True:
            try:
                now = await self._places_of(node)
                failed = 0
            except (
                OSError,
                ValueError,
            ) as error:  # TimeoutError is one of the former, a name that cannot be of the latter
                failed += 1
                log.log(logging.WARNING if failed == 1 else logging.DEBUG, "%s does not resolve: %s", node.id, error)
                now = set() if failed >= STALE else before
            for place in before - now:
                self._candidates.withdraw(node.id, place)
            for place in sorted(now, key=lambda one: one.addresses):
                self._candidates.offer(node.id, place)
            before = now
            await asyncio.sleep(self._resolve_again)

    async def _places_of(self, node: Node) -> set[Place]:
        parts = urlsplit(node.url)
        port = parts.port or _DEFAULT_PORTS[parts.scheme]
        async with asyncio.timeout(_RESOLVING):
            found = await self._resolve(parts.hostname or "", port)
        addresses = sorted({one for one in found if is_worker_address(one)})[:MOST_FOUND]
        token = node.token or self._discovery.key
        return {Place(node.id, (one,), port, "resolved", parts.path, token) for one in addresses}

    def _see(self, source: str, found: Sequence[Found]) -> None:
        changes = self._known.see(source, found)
        if self._known.nodes:
            self._any.set()
        if changes:
            self._changed(changes)
