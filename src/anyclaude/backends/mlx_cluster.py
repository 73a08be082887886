"""The MLX cluster: many nodes as one backend. Who is asked is policy (`anyclaude.cluster`); here is what is done.

A request is offered to one node after another until one has something to say: the policies choose among those that are
well, and hear how it went. What the client has seen stays with its node. A node that fails costs nobody a session,
since any other can compute the prompt again. The nodes themselves are looked after by the `Fleet`.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any, Final

from anyclaude.backends.at_node import AtNode
from anyclaude.backends.base import Caller, EventBatches, ModelInfo
from anyclaude.backends.cluster_status import cluster_status
from anyclaude.backends.fleet import Fleet
from anyclaude.backends.node import NodeBackend, session_of
from anyclaude.backends.prefix_names import PrefixNames
from anyclaude.backends.roles import is_background
from anyclaude.backends.status import BackendStatus
from anyclaude.backends.tokens import TokenEstimate
from anyclaude.cluster.node import Ask
from anyclaude.config.model import Deadlines
from anyclaude.config.profiles import NO_CHANGES, Changes
from anyclaude.config.upstreams import MlxCluster
from anyclaude.errors import Overloaded, SetupError, UpstreamError, UpstreamRejected, UpstreamUnreachable
from anyclaude.wire.json import encode

_NOBODY: Final = "no node of the cluster can be asked now; `anyclaude cluster status` says why"

log = logging.getLogger(__name__)


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
    ) -> None:
        at = partial(NodeBackend, model=model, deadlines=deadlines, changes=changes)
        self._names = PrefixNames(lambda request: self._any().body(request))
        self._fleet = Fleet(settings, at, self._names.named, drained)
        self._members, self._routing = self._fleet.members, self._fleet.routing
        self._tries = settings.routing.max_retries + 1
        self._strategy = settings.routing.strategy
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

    def status(self) -> BackendStatus:
        """How the nodes are, as far as is known here."""
        return cluster_status(self.name, self._fleet, self._strategy, None, self._now())

    async def models(self) -> list[ModelInfo]:
        """Those of the first node that answers. Raises UpstreamError."""
        await self._fleet.known()
        error: UpstreamError = Overloaded(_NOBODY)
        for member in self._members.usable(self._now()).members:
            try:
                return await self._fleet.nodes[member.id].models()
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
        await self._fleet.known()
        return await self._any().count_tokens(request, model)

    async def aclose(self) -> None:
        await self._fleet.aclose()

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
                batches = await attempt.enter_async_context(self._fleet.nodes[node].stream(request, caller))
            except BaseException as failure:
                going.end(failure)
                self._fleet.ended(node if isinstance(failure, UpstreamUnreachable) else None)
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
            small=is_background(request),
        )

    def _any(self) -> NodeBackend:
        """Some node: what goes upstream is the same for all. Raises Overloaded when there is none."""
        if not self._fleet.nodes:
            raise Overloaded(_NOBODY)
        return next(iter(self._fleet.nodes.values()))

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _is_worth_another(error: UpstreamError) -> bool:
    """A wrong request is wrong everywhere. A node that is full, loads or fails says nothing about the others."""
    return not isinstance(error, UpstreamRejected)
