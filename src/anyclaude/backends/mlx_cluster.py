"""The MLX cluster: many nodes as one backend. Who is asked is policy (`anyclaude.cluster`); here is what is done.

A request is offered to one node after another until one has something to say: the policies choose among those that are
well, and hear how it went. What the client has seen stays with its node. A node that fails costs nobody a session,
since any other can compute the prompt again.

One task probes the nodes as the policies want it, and has them compute ahead, for as long as the backend is open.
"""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any, Final

from anyclaude.backends.at_node import AtNode
from anyclaude.backends.base import Caller, EventBatches, ModelInfo
from anyclaude.backends.node import NodeBackend, session_of
from anyclaude.backends.prefix_names import PrefixNames
from anyclaude.backends.roles import is_background
from anyclaude.backends.tokens import TokenEstimate
from anyclaude.cluster.breaker import BreakerRules
from anyclaude.cluster.draining import Draining
from anyclaude.cluster.health import HealthRules
from anyclaude.cluster.member import Member
from anyclaude.cluster.members import Members, Unwatched
from anyclaude.cluster.node import Ask, Report
from anyclaude.cluster.prefix_index import PrefixIndex
from anyclaude.cluster.routing import Routing, make_strategy
from anyclaude.config.drained import address_of
from anyclaude.config.model import Deadlines
from anyclaude.config.profiles import NO_CHANGES, Changes
from anyclaude.config.upstreams import MlxCluster
from anyclaude.errors import AnyclaudeError, Overloaded, SetupError, UpstreamError, UpstreamRejected
from anyclaude.wire.json import encode

_SHORTEST: Final = 0.05
"""Seconds between two looks at what is due."""

_NOBODY: Final = "no node of the cluster can be asked now; `anyclaude --check-setup` says why"

log = logging.getLogger(__name__)


class MlxClusterBackend:
    """The nodes of the settings. drained: the addresses of those that a person has taken out.

    Raises SetupError when there is none.
    """

    name = "mlx-cluster"

    def __init__(
        self,
        settings: MlxCluster,
        model: str | None,
        deadlines: Deadlines,
        changes: Changes = NO_CHANGES,
        drained: Callable[[], Collection[str]] = frozenset,
    ) -> None:
        if not settings.nodes:
            raise SetupError("the cluster has no node; name some in MLX_CLUSTER_NODES or mlx-cluster.json")
        self._nodes = {node.id: NodeBackend(node, model, deadlines, changes) for node in settings.nodes}
        self._first = next(iter(self._nodes.values()))
        self._tries = settings.routing.max_retries + 1
        self._pause = settings.routing.retry_delay_ms / 1000
        self._timeout = settings.health.timeout_ms / 1000
        self._members = Members(
            random.random, lifecycle=_ToldInLog(), health=_health_rules(settings), breaker=_breaker_rules(settings)
        )
        for node in self._nodes:
            self._members.add(node)
        index = PrefixIndex(settings.cache.max_cache_age_sec, settings.cache.max_cache_size_tokens)
        rate = settings.cache.min_cache_hit_rate
        self._routing = Routing(make_strategy(settings.routing.strategy, index, min_hit_rate=rate), index)
        self._draining = Draining(self._members, self._routing)
        self._drained = drained
        self._names = PrefixNames(self._first.body)
        self._tokens = TokenEstimate()
        self._news = asyncio.Event()  # a request has ended, which may bring the next probe forward
        self._watching: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def stream(
        self, request: Mapping[str, Any], caller: Caller, model: str | None = None
    ) -> AsyncIterator[EventBatches]:
        """As `Backend.stream`, at the node that will most likely begin soonest, and at others when it fails."""
        self._watch()
        self._follow_drained()
        async with AsyncExitStack() as stack:
            yield await self._accepted(stack, request, caller)

    async def models(self) -> list[ModelInfo]:
        """Those of the first node that answers. Raises UpstreamError."""
        error: UpstreamError = Overloaded(_NOBODY)
        for member in self._members.usable(self._now()).members:
            try:
                return await self._nodes[member.id].models()
            except UpstreamError as failure:
                error = failure
        raise error

    async def ready(self, model: str | None = None) -> ModelInfo:
        """The model that the nodes have in common, with the smallest of their windows.

        Raises SetupError, with what each node lacks, when none is ready.
        """
        await asyncio.gather(*(self._probe(member) for member in self._members.take_probes(self._now())))
        self._follow_drained()
        self._watch()
        ready = [member for member in self._members if member.is_ready(self._now())]
        if not ready:
            raise SetupError(self._why_nobody())
        found = [model for member in ready for model in (await self._nodes[member.id].models())[:1]]
        if not found:
            raise SetupError(self._why_nobody())
        return min(found, key=lambda model: model.context_window or float("inf"))

    async def count_tokens(self, request: Mapping[str, Any], model: str | None = None) -> int:
        return await self._first.count_tokens(request, model)

    async def aclose(self) -> None:
        """Close every connection, and end the probing."""
        if self._watching is not None:
            self._watching.cancel()
            with suppress(asyncio.CancelledError):
                await self._watching
        await asyncio.gather(*(node.aclose() for node in self._nodes.values()))

    # -- one request ------------------------------------------------------------------------------------------------

    async def _accepted(self, stack: AsyncExitStack, request: Mapping[str, Any], caller: Caller) -> EventBatches:
        size = len(caller.raw.body) if caller.raw else len(encode(request))
        ask = self._ask(request, caller, size)
        tried: set[str] = set()
        error: UpstreamError = Overloaded(_NOBODY)
        while len(tried) < self._tries and (going := self._sent(ask, tried)) is not None:
            node = going.member.id
            tried.add(node)
            caller.journal.note("route", to=f"{self.name}:{node}", reason=going.reason)
            attempt = await stack.enter_async_context(AsyncExitStack())
            try:
                batches = await attempt.enter_async_context(self._nodes[node].stream(request, caller))
            except BaseException as failure:
                going.end(failure)
                self._news.set()
                if not isinstance(failure, UpstreamError) or not _is_worth_another(failure):
                    raise
                error = failure
                log.warning("node %s did not answer: %s", node, failure.message)
                caller.journal.note("fallback", failed=node, status=failure.status, error=failure.message)
                await asyncio.sleep(self._pause)
            else:
                attempt.callback(self._end, going, size)
                going.begun()
                return going.watched(batches)
        raise error

    def _sent(self, ask: Ask, tried: set[str]) -> AtNode | None:
        """Choose a node, and tell the policies that the request leaves; None when nobody is left."""
        now = self._now()
        usable = self._members.usable(now, tried)
        left = {member.id: member for member in usable.members}
        while (choice := self._routing.choose(ask, left, now)) is not None:
            member = left.pop(choice.node)
            attempt = member.send(max(ask.tokens - choice.expected_cached, 0), now, choice.node in usable.forced)
            if attempt is not None:
                sent = self._routing.send(ask, choice, now)
                return AtNode(self._routing, member, attempt, sent, choice.reason, self._now)
        return None

    def _end(self, going: AtNode, size: int) -> None:
        going.end()
        self._news.set()
        if going.usage is not None:
            self._tokens.learn(size, going.usage.prompt_tokens)

    def _ask(self, request: Mapping[str, Any], caller: Caller, size: int) -> Ask:
        prefix = self._names.of(request)
        return Ask(
            prefix=prefix.name,
            tokens=self._tokens.estimate(size),
            prefix_tokens=self._tokens.estimate(min(prefix.size, size)),
            session=session_of(caller),
            small=is_background(request),
        )

    # -- the nodes --------------------------------------------------------------------------------------------------

    def _watch(self) -> None:
        if self._watching is None:
            self._watching = asyncio.create_task(self._watch_nodes(), name="cluster-probes")

    async def _watch_nodes(self) -> None:
        while True:
            now = self._now()
            await asyncio.gather(*(self._probe(member) for member in self._members.take_probes(now)))
            self._follow_drained()
            await self._warm()
            now = self._now()
            due = self._members.next_probe_at(now) or now
            self._news.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(max(due - now, _SHORTEST)):
                    await self._news.wait()

    def _follow_drained(self) -> None:
        """Before each request, so that it counts at once; while there is none, with the probes."""
        drained = self._drained()
        wanted = {name for name, backend in self._nodes.items() if address_of(backend.node) in drained}
        self._draining.follow(wanted, self._now())

    async def _probe(self, member: Member) -> None:
        began = self._now()
        try:
            report = await self._nodes[member.id].report(self._timeout)
        except Exception as error:  # whatever a node answers, the others are probed all the same
            said = error.message if isinstance(error, AnyclaudeError) else type(error).__name__
            self._members.missed(member.id, said, self._now())
        else:
            self._members.probed(member.id, report, self._now())
            self._routing.reported(member.id, report, self._now(), self._now() - began)

    async def _warm(self) -> None:
        """Have one node compute ahead what it will most likely be asked for."""
        ready = [member.id for member in self._members if member.is_ready(self._now())]
        warm = self._routing.next_warm(ready, self._now())
        if warm is None:
            return
        prefix = self._names.named(warm.prefix)
        try:
            if prefix is not None:
                await self._nodes[warm.node].warm(prefix.system, prefix.tools, self._timeout)
        except UpstreamError as error:
            log.info("node %s does not compute ahead: %s", warm.node, error.message)
            prefix = None
        self._routing.warmed(warm, prefix is not None, self._now())

    def _why_nobody(self) -> str:
        now = self._now()
        reasons = "; ".join(f"{member.id}: {member.reason(now) or 'it has no model'}" for member in self._members)
        return f"no node of the cluster is ready ({reasons}); start their workers, or correct their addresses"

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _is_worth_another(error: UpstreamError) -> bool:
    """A wrong request is wrong everywhere. A node that is full, loads or fails says nothing about the others."""
    return not isinstance(error, UpstreamRejected)


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
