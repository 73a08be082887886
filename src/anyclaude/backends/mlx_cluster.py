"""The MLX cluster: many nodes as one backend. Who is asked is policy (`anyclaude.cluster`); here is what is done.

A request is offered to one node after another until one has something to say: the policies choose among those that are
well and have room, and hear how it went. When none has room it waits (`cluster_queue`). What the client has seen stays
with its node. A node that fails costs nobody a session, since any other can compute the prompt again. The nodes
themselves are looked after by the `Fleet`.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from anyclaude.backends.at_node import AtNode
from anyclaude.backends.base import Caller, EventBatches, ModelInfo
from anyclaude.backends.cluster_queue import NOBODY, ClusterQueue, Turn
from anyclaude.backends.cluster_status import cluster_status
from anyclaude.backends.fleet import Fleet
from anyclaude.backends.node import NodeBackend, session_of
from anyclaude.backends.own_words import OwnWords
from anyclaude.backends.prefix_names import PrefixNames
from anyclaude.backends.sending import Sender
from anyclaude.backends.status import BackendStatus
from anyclaude.backends.tokens import TokenEstimate, asked_bytes
from anyclaude.cluster.node import Ask
from anyclaude.cluster.places import full_for
from anyclaude.config.model import Deadlines
from anyclaude.config.profiles import NO_CHANGES, Changes
from anyclaude.config.upstreams import MlxCluster
from anyclaude.convert.roles import is_small
from anyclaude.errors import (
    Overloaded,
    RateLimited,
    SetupError,
    UpstreamBroken,
    UpstreamError,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnreachable,
)

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Way:
    """One request on its way to a node. tried: where it failed since it last waited; failures: all of them."""

    ask: Ask
    tried: set[str] = field(default_factory=set)
    failures: int = 0
    turn: Turn | None = None

    def failed_at(self, node: str) -> None:
        self.tried.add(node)
        self.failures += 1


class MlxClusterBackend:
    """The nodes that the settings name, or say how to find. drained: the addresses of those that a person took out.

    Raises SetupError when the settings do neither.
    """

    name = "mlx-cluster"

    def __init__(
        self,
        settings: MlxCluster,
        model: str | None,
        deadlines: Deadlines,
        changes: Changes = NO_CHANGES,
        drained: Callable[[], Collection[str]] = frozenset,
        own_words: OwnWords | None = None,
    ) -> None:
        own_words = own_words or OwnWords()
        at = partial(NodeBackend, model=model, deadlines=deadlines, changes=changes, own_words=own_words)
        self._names = PrefixNames(lambda request: self._any().body(request))
        self._fleet = Fleet(settings, at, self._names.named, drained)
        self._members, self._routing = self._fleet.members, self._fleet.routing
        self._tries = settings.routing.max_retries + 1
        self._strategy = settings.routing.strategy
        self._sender = Sender(self._members, self._routing)
        self._queue = ClusterQueue(self._sender, 0 if settings.fallback else settings.routing.max_wait_ms / 1000)
        self._fleet.on_news = self._queue.look
        self._pause = settings.routing.retry_delay_ms / 1000
        self._tokens = TokenEstimate()

    @asynccontextmanager
    async def stream(
        self, request: Mapping[str, Any], caller: Caller, model: str | None = None
    ) -> AsyncIterator[EventBatches]:
        """As `Backend.stream`, at the node that will most likely begin soonest, and at others when it fails."""
        await self._fleet.known()
        async with AsyncExitStack() as stack:
            yield await self._accepted(stack, request, caller)

    def sees(self, model: str | None) -> bool:
        """Whether the nodes' model takes images; workers take none, other servers where the person says so."""
        nodes = self._fleet.nodes.values()
        return bool(nodes) and all(node.sees(model) for node in nodes)

    def status(self) -> BackendStatus:
        """How the nodes are, as far as is known here."""
        return cluster_status(self.name, self._fleet, self._strategy, len(self._queue), self._now())

    async def models(self) -> list[ModelInfo]:
        """Those of the first node that answers. Raises UpstreamError."""
        await self._fleet.known()
        error: UpstreamError = Overloaded(NOBODY)
        for member in self._members.usable(self._now()).members:
            try:
                return await self._fleet.node(member.id).models()
            except UpstreamError as failure:
                error = failure
        raise error

    async def ready(self, model: str | None = None) -> ModelInfo:
        """The model that the nodes have in common, with the smallest of their windows.

        Raises SetupError, with what each node lacks, when none is ready.
        """
        found = [model for node in await self._fleet.ready() for model in (await node.models())[:1]]
        if not found:
            raise SetupError(self._fleet.why_nobody())
        return min(found, key=lambda model: model.context_window or float("inf"))

    async def count_tokens(self, request: Mapping[str, Any], model: str | None = None) -> int:
        """As `Backend.count_tokens`; an estimate while there is no node that could count."""
        await self._fleet.known()
        if not self._fleet.nodes:
            return self._tokens.estimate(asked_bytes(request))
        return await self._any().count_tokens(request, model)

    async def aclose(self) -> None:
        self._queue.aclose()
        await self._fleet.aclose()

    async def _accepted(self, stack: AsyncExitStack, request: Mapping[str, Any], caller: Caller) -> EventBatches:
        size = asked_bytes(request)
        way = _Way(self._ask(request, caller, size))
        error: UpstreamError = Overloaded(NOBODY)
        while way.failures < self._tries and (going := await self._next(way, caller)) is not None:
            node = going.member.id
            caller.journal.note("route", to=f"{self.name}:{node}", reason=going.reason)
            attempt = await stack.enter_async_context(AsyncExitStack())
            try:
                answer = self._fleet.node(node).stream(request, going.heard_by(caller))
                batches = await attempt.enter_async_context(answer)
            except BaseException as failure:
                going.end(failure)
                self._fleet.ended(node if isinstance(failure, UpstreamUnreachable) else None)
                if not isinstance(failure, UpstreamError) or not _is_worth_another(failure):
                    raise
                error = failure
                log.warning("node %s did not answer: %s", node, failure.message)
                caller.journal.note("fallback", failed=node, status=failure.status, error=failure.message)
                if full_for(failure) is None or not going.member.is_ready(self._now()):
                    way.failed_at(node)
                    await asyncio.sleep(self._pause)
            else:
                attempt.callback(self._end, going, size)
                going.begun()
                return going.watched(batches)
        raise self._given_up(error)

    async def _next(self, way: "_Way", caller: Caller) -> AtNode | None:
        """Where the request goes now, or once a busy node has room; None when nobody is left. Raises Overloaded."""
        self._queue.look()  # who waits goes first
        going = self._sender.send(way.ask, way.tried)
        if going is not None or not self._sender.is_busy(way.ask.small):
            return going
        way.tried.clear()
        way.turn = way.turn or self._queue.turn(way.ask)
        began, waiting = self._now(), len(self._queue)
        try:
            return await self._queue.wait(way.turn)
        finally:
            caller.journal.note("queue", seconds=round(self._now() - began, 3), others=waiting)

    def _given_up(self, error: UpstreamError) -> UpstreamError:
        """What to tell when nobody is left, the last of whom said `error`. Claude Code repeats what is overloaded."""
        if isinstance(error, RateLimited):
            return Overloaded(error.message, headers=error.headers)
        if not any(member.is_ready(self._now()) for member in self._members):
            return Overloaded(self._fleet.why_nobody())
        if isinstance(error, UpstreamUnreachable | UpstreamTimeout | UpstreamBroken):
            return Overloaded(f"no node of the cluster answers now: {error.message}")
        return error

    def _end(self, going: AtNode, size: int) -> None:
        going.end()
        self._fleet.ended()
        if going.usage is not None:
            self._tokens.learn(size, going.usage.prompt_tokens)

    def _ask(self, request: Mapping[str, Any], caller: Caller, size: int) -> Ask:
        prefix = self._names.of(request)
        return Ask(
            prefix=prefix.name,
            tokens=self._tokens.estimate(size),
            prefix_tokens=self._tokens.estimate(min(prefix.size, size)),
            session=session_of(caller),
            small=is_small(request),
        )

    def _any(self) -> NodeBackend:
        """Some node: what goes upstream is the same for all. Raises Overloaded when there is none."""
        if not self._fleet.nodes:
            raise Overloaded(NOBODY)
        return next(iter(self._fleet.nodes.values()))

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _is_worth_another(error: UpstreamError) -> bool:
    """A wrong request is wrong everywhere. A node that is full, loads or fails says nothing about the others."""
    return not isinstance(error, UpstreamRejected)
