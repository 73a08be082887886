"""The nodes of a cluster as they come and go: found, probed, drained, had compute ahead. One task does it all.

The policies (`anyclaude.cluster`) say when and whom; here they are asked, and told what came of it.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from typing import Final

from anyclaude.backends.finding import NodeFinder
from anyclaude.backends.node import NodeBackend
from anyclaude.backends.prefix_names import Prefix
from anyclaude.cluster.breaker import BreakerRules
from anyclaude.cluster.discovery import Change, Known
from anyclaude.cluster.draining import Draining
from anyclaude.cluster.health import HealthRules
from anyclaude.cluster.member import Member
from anyclaude.cluster.members import Members, Unwatched
from anyclaude.cluster.node import Report
from anyclaude.cluster.prefix_index import PrefixIndex
from anyclaude.cluster.routing import Routing, make_strategy
from anyclaude.config.drained import address_of
from anyclaude.config.upstreams import MlxCluster, Node
from anyclaude.errors import AnyclaudeError, SetupError, UpstreamError

_SHORTEST: Final = 0.05
_LONGEST: Final = 60.0
"""Seconds between two looks at what is due."""

_AFTER_A_FAULT: Final = 1.0  # seconds

_FINDING: Final = 10.0
"""Seconds that a launch waits for a first node to be found."""

_KEPT: Final = 64
"""Nodes that have left whose connections are kept for what is under way there."""

log = logging.getLogger(__name__)


class Fleet:
    """nodes: by id, those that are known now. at: makes the backend of a node. prefix: what a name stands for.

    drained: the addresses of those that a person has taken out. Raises SetupError where no node is named or looked for.
    """

    def __init__(
        self,
        settings: MlxCluster,
        at: Callable[[Node], NodeBackend],
        prefix: Callable[[str], Prefix | None],
        drained: Callable[[], Collection[str]],
    ) -> None:
        if settings.is_empty:
            raise SetupError("the cluster has no node; name some in MLX_CLUSTER_NODES or mlx-cluster.json")
        self.nodes: dict[str, NodeBackend] = {}
        self.members = Members(
            random.random, lifecycle=_ToldInLog(), health=_health_rules(settings), breaker=_breaker_rules(settings)
        )
        index = PrefixIndex(settings.cache.max_cache_age_sec, settings.cache.max_cache_size_tokens)
        rate = settings.cache.min_cache_hit_rate
        self.routing = Routing(make_strategy(settings.routing.strategy, index, min_hit_rate=rate), index)
        self._at, self._prefix, self._drained = at, prefix, drained
        self._draining = Draining(self.members, self.routing)
        self._finder = NodeFinder(settings.discovery, self._changed)
        self._timeout = settings.health.timeout_ms / 1000
        self._left: list[NodeBackend] = []
        self._probed: set[str] = set()
        self._round = asyncio.Event()  # of probes, is done
        self._news = asyncio.Event()  # something happened that may bring the next probe forward
        self._watching: asyncio.Task[None] | None = None

    async def known(self) -> None:
        """Return when there is a node, or none could be found for now; begin to look after them."""
        self._watch()
        if not self.nodes:
            await self._finder.first(self._timeout)
        self._follow_drained()

    async def ready(self) -> list[NodeBackend]:
        """Those that may be asked, once every node has been. Raises SetupError, with what each lacks, without any."""
        self._watch()
        if not await self._finder.first(_FINDING):
            raise SetupError("no node of the cluster is found; see that a worker runs and announces itself, or name it")
        with suppress(TimeoutError):
            async with asyncio.timeout(self._timeout + 1):
                while not self._probed >= self.nodes.keys():
                    await self._round.wait()
                    self._round.clear()
        ready = [self.nodes[member.id] for member in self.members if member.is_ready(self._now())]
        if not ready:
            raise SetupError(self.why_nobody())
        return ready

    def why_nobody(self) -> str:
        """What each node lacks, as one sentence with the next step."""
        now = self._now()
        reasons = "; ".join(f"{member.id}: {member.reason(now) or 'it has no model'}" for member in self.members)
        return f"no node of the cluster is ready ({reasons}); start their workers, or correct their addresses"

    def ended(self, unreachable: str | None = None) -> None:
        """A request is over. unreachable: the node that was not there."""
        self._news.set()
        if unreachable is not None:
            self._finder.doubt(unreachable)

    async def aclose(self) -> None:
        """Close every connection, and look after nobody any more."""
        if self._watching is not None:
            self._watching.cancel()
            with suppress(asyncio.CancelledError):
                await self._watching
        await asyncio.gather(*(node.aclose() for node in (*self.nodes.values(), *self._left)))

    def _watch(self) -> None:
        if self._watching is None:
            self._watching = asyncio.create_task(self._watch_nodes(), name="cluster")

    async def _watch_nodes(self) -> None:
        async with self._finder:
            while True:
                try:
                    await self._look()
                except Exception:  # nobody would look after the nodes any more, and nobody would know
                    log.exception("looking after the nodes failed; it goes on")
                    await asyncio.sleep(_AFTER_A_FAULT)
                await self._rest()

    async def _look(self) -> None:
        """One round of what is due."""
        await asyncio.gather(*(self._probe(member) for member in self.members.take_probes(self._now())))
        self._follow_drained()
        self._round.set()
        await self._warm()
        await self._forget_the_oldest()

    async def _rest(self) -> None:
        """Until the next probe is due, or something happens."""
        now = self._now()
        due = self.members.next_probe_at(now)
        with suppress(TimeoutError):
            async with asyncio.timeout(_LONGEST if due is None else max(due - now, _SHORTEST)):
                await self._news.wait()
        self._news.clear()

    def _changed(self, changes: Sequence[Change]) -> None:
        """Nodes were found, or are none any more. What is under way at one that has left may go on."""
        for change in changes:
            node = change.found.node
            if isinstance(change, Known):
                self.nodes[node.id] = self._at(node)
                self.members.add(node.id)
            elif (gone := self.nodes.pop(node.id, None)) is not None:
                self._left.append(gone)
                self._probed.discard(node.id)
                self.members.remove(node.id, "it is not found any more")
                self.routing.forget(node.id)
        self._news.set()

    async def _forget_the_oldest(self) -> None:
        while len(self._left) > _KEPT:
            await self._left.pop(0).aclose()

    def _follow_drained(self) -> None:
        """Before each request, so that it counts at once; while there is none, with the probes."""
        drained = self._drained()
        wanted = {name for name, backend in self.nodes.items() if address_of(backend.node) in drained}
        self._draining.follow(wanted, self._now())

    async def _probe(self, member: Member) -> None:
        began, node = self._now(), self.nodes.get(member.id)
        if node is None:
            return  # it has left meanwhile
        try:
            report = await node.report(self._timeout)
        except Exception as error:  # whatever a node answers, the others are probed all the same
            said = error.message if isinstance(error, AnyclaudeError) else type(error).__name__
            self.members.missed(member.id, said, self._now())
        else:
            self.members.probed(member.id, report, self._now())
            self.routing.reported(member.id, report, self._now(), self._now() - began)
        self._probed.add(member.id)

    async def _warm(self) -> None:
        """Have one node compute ahead what it will most likely be asked for."""
        ready = [member.id for member in self.members if member.is_ready(self._now())]
        warm = self.routing.next_warm(ready, self._now())
        if warm is None:
            return
        prefix, node = self._prefix(warm.prefix), self.nodes.get(warm.node)
        done = prefix is not None and node is not None
        try:
            if prefix is not None and node is not None:
                await node.warm(prefix.system, prefix.tools, self._timeout)
        except UpstreamError as error:
            log.info("node %s does not compute ahead: %s", warm.node, error.message)
            done = False
        self.routing.warmed(warm, done, self._now())

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _health_rules(settings: MlxCluster) -> HealthRules:
    interval, timeout = settings.health.check_interval_ms / 1000, settings.health.timeout_ms / 1000
    return HealthRules(interval=interval, quick=min(interval, HealthRules().quick), timeout=timeout)


def _breaker_rules(settings: MlxCluster) -> BreakerRules:
    return BreakerRules(failures=settings.health.max_consecutive_failures, share=settings.health.unhealthy_threshold)


class _ToldInLog(Unwatched):
    """Changes of the cluster, for the log."""

    def joined(self, node: str, report: Report) -> None:
        log.info("node %s has joined: model %s, context %s", node, report.model, report.context_length)

    def refused(self, node: str, reason: str) -> None:
        log.warning("node %s is not asked: %s", node, reason)

    def lost(self, node: str, reason: str) -> None:
        log.warning("node %s is lost: %s", node, reason)

    def back(self, node: str) -> None:
        log.info("node %s is back", node)

    def restarted(self, node: str) -> None:
        log.info("node %s was started anew", node)

    def left(self, node: str, reason: str) -> None:
        log.info("node %s has left: %s", node, reason)
