"""The nodes of a cluster as they come and go: found, probed, drained, had compute ahead. One task looks what is due.

The policies (`anyclaude.cluster`) say when and whom; here they are asked, and told what came of it. Whatever waits for
a node is an errand of its own, so that one that hangs holds up nothing.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from functools import partial
from typing import Final

from anyclaude.backends.errands import Errands
from anyclaude.backends.finding import NodeFinder
from anyclaude.backends.lifecycle_log import LifecycleLog
from anyclaude.backends.node import NodeBackend
from anyclaude.backends.prefix_names import Prefix
from anyclaude.backends.probing import Probing
from anyclaude.cluster.breaker import BreakerRules
from anyclaude.cluster.discovery import Change, Known
from anyclaude.cluster.draining import Draining
from anyclaude.cluster.happened import Happened
from anyclaude.cluster.health import HealthRules
from anyclaude.cluster.member import Member
from anyclaude.cluster.members import Members
from anyclaude.cluster.prefix_index import PrefixIndex
from anyclaude.cluster.routing import Routing, make_strategy
from anyclaude.cluster.warming import Warm
from anyclaude.config.drained import address_of
from anyclaude.config.upstreams import MlxCluster, Node
from anyclaude.errors import SetupError, UpstreamError, UpstreamUnreachable

_SHORTEST: Final = 0.05
_LONGEST: Final = 60.0
"""Seconds between two looks at what is due."""

_AFTER_A_FAULT: Final = 1.0  # seconds

_FINDING: Final = 10.0
"""Seconds that a launch waits for a first node to be found."""

_KEPT: Final = 64
"""Nodes that have left whose connections are kept though nothing is under way there that we count."""

log = logging.getLogger(__name__)


class Fleet:
    """nodes: by id, those that are known now. at: makes the backend of a node. prefix: what a name stands for.

    on_news: called when nodes were found or lost, after each probe and each request.

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
        self.on_news: Callable[[], None] = _nothing
        self.happened = Happened(LifecycleLog())
        self.members = Members(
            random.random, lifecycle=self.happened, health=_health_rules(settings), breaker=_breaker_rules(settings)
        )
        index = PrefixIndex(settings.cache.max_cache_age_sec, settings.cache.max_cache_size_tokens)
        rate = settings.cache.min_cache_hit_rate
        self.routing = Routing(make_strategy(settings.routing.strategy, index, min_hit_rate=rate), index)
        self._at, self._prefix, self._drained = at, prefix, drained
        self._draining = Draining(self.members, self.routing)
        self._finder = NodeFinder(settings.discovery, self._changed)
        self._timeout = settings.health.timeout_ms / 1000
        self._left: list[tuple[Member | None, NodeBackend]] = []
        self._errands = Errands()
        self._probing = Probing(self.members, self.routing, self._errands, self._timeout, self._look_again)
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
                await self._probing.seen(self.nodes.keys())
        ready = [self.nodes[member.id] for member in self.members if member.is_ready(self._now())]
        if not ready:
            raise SetupError(self.why_nobody())
        return ready

    def node(self, name: str) -> NodeBackend:
        """Raises UpstreamUnreachable when it has left meanwhile."""
        if (found := self.nodes.get(name)) is None:
            raise UpstreamUnreachable(f"node {name} has left the cluster")
        return found

    def why_nobody(self) -> str:
        """What each node lacks, as one sentence with the next step."""
        now = self._now()
        reasons = "; ".join(f"{member.id}: {member.reason(now) or 'it has no model'}" for member in self.members)
        return f"no node of the cluster is ready ({reasons}); start their workers, or correct their addresses"

    def ended(self, unreachable: str | None = None) -> None:
        """A request is over. unreachable: the node that was not there."""
        self._look_again()
        if unreachable is not None:
            self._finder.doubt(unreachable)

    async def aclose(self) -> None:
        """Close every connection, and look after nobody any more."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        await self._errands.aclose()
        await asyncio.gather(*(node.aclose() for node in (*self.nodes.values(), *(node for _, node in self._left))))

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
        """One round of what is due. Nothing here waits for a node."""
        self._probing.begin(self.members.take_probes(self._now()), self.nodes)
        self._follow_drained()
        self._warm()
        await self._forget_the_oldest()

    async def _rest(self) -> None:
        """Until the next probe is due, or something happens."""
        now = self._now()
        due = self.members.next_probe_at(now)
        with suppress(TimeoutError):
            async with asyncio.timeout(_LONGEST if due is None else max(due - now, _SHORTEST)):
                await self._news.wait()
        self._news.clear()

    def _look_again(self) -> None:
        """Something happened that may bring what is due forward."""
        self._news.set()
        self.on_news()

    def _changed(self, changes: Sequence[Change]) -> None:
        """Nodes were found, or are none any more. What is under way at one that has left may go on."""
        for change in changes:
            node = change.found.node
            if isinstance(change, Known):
                self._join(node)
            elif (gone := self.nodes.pop(node.id, None)) is not None:
                self._left.append((self.members.get(node.id), gone))
                self._probing.forget(node.id)
                self._errands.drop(_warming(node.id))
                self.members.remove(node.id, "it is not found any more")
                self.routing.forget(node.id)
        self._look_again()

    def _join(self, node: Node) -> None:
        try:
            backend = self._at(node)
        except Exception:  # the finder would find no more nodes
            log.exception("node %s cannot be used", node.id)
            return
        if self.members.add(node.id) is None:
            log.warning("node %s is left out: the cluster has as many nodes as it may have", node.id)
            return
        self.nodes[node.id] = backend

    async def _forget_the_oldest(self) -> None:
        """An answer under way at a node that has left ends as it would have."""
        idle = [left for left in self._left if left[0] is None or not left[0].in_flight]
        for left in idle[: max(len(self._left) - _KEPT, 0)]:
            self._left.remove(left)
            await left[1].aclose()

    def _follow_drained(self) -> None:
        """Before each request, so that it counts at once; while there is none, with the probes."""
        drained = self._drained()
        wanted = {name for name, backend in self.nodes.items() if address_of(backend.node) in drained}
        self._draining.follow(wanted, self._now())

    def _warm(self) -> None:
        """Have one node compute ahead what it will most likely be asked for."""
        ready = [member.id for member in self.members if member.is_ready(self._now())]
        warm = self.routing.next_warm(ready, self._now())
        if warm is not None and not self._errands.begin(_warming(warm.node), partial(self._have_warmed, warm)):
            self.routing.warmed(warm, False, self._now())

    async def _have_warmed(self, warm: Warm) -> None:
        prefix, node = self._prefix(warm.prefix), self.nodes.get(warm.node)
        done = False
        try:
            if prefix is not None and node is not None:
                await node.warm(prefix.system, prefix.tools, self._timeout, prefix.switches)
                done = True
        except UpstreamError as error:
            log.info("node %s does not compute ahead: %s", warm.node, error.message)
        finally:
            self.routing.warmed(warm, done, self._now())

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _nothing() -> None: ...


def _warming(node: str) -> str:
    return f"warming {node}"


def _health_rules(settings: MlxCluster) -> HealthRules:
    interval, timeout = settings.health.check_interval_ms / 1000, settings.health.timeout_ms / 1000
    return HealthRules(interval=interval, quick=min(interval, HealthRules().quick), timeout=timeout)


def _breaker_rules(settings: MlxCluster) -> BreakerRules:
    return BreakerRules(failures=settings.health.max_consecutive_failures, share=settings.health.unhealthy_threshold)
