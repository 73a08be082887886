"""A backend made of backends: which one answers a request, and who is asked when it does not.

The way of a request is a `Plan`, a list of candidates: the one that its role, its tier or its model's name leads to,
and behind it that one's fallbacks. Each candidate is asked once, with the prompt chain of its own backend, and only
until the first content is there: what the client has seen is never taken back.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

from anyclaude.backends.base import (
    Backend,
    Caller,
    EventBatches,
    ModelInfo,
    RawRequest,
    Relay,
    RelayedAnswer,
)
from anyclaude.backends.documents import Documents
from anyclaude.backends.fallback import Budget, Resting, falls_back
from anyclaude.backends.plans import Plan, Planner
from anyclaude.backends.preparing import Preparing
from anyclaude.backends.status import BackendStatus, status_of
from anyclaude.backends.titles import title_asked
from anyclaude.backends.vision import Descriptions
from anyclaude.backends.web_search import WebSearch
from anyclaude.config.model import Mode
from anyclaude.config.routes import Routes, Target
from anyclaude.convert.failures import convert_failure
from anyclaude.errors import AnyclaudeError, InternalError, SetupError, UpstreamBroken, UpstreamError
from anyclaude.prompt.options import Options
from anyclaude.wire.events import Failed, Finished, ModelEvent, TextDelta, UsageReport
from anyclaude.wire.json import encode

log = logging.getLogger(__name__)


class Router:
    """Several backends as one.

    fallbacks: for a target, whom to ask when it does not answer. documents: for backends whose models read no PDFs.
    web_search: answers Claude Code's web searches in place of backends that have none. own_titles: a session's title is
    its first words, and no model is asked for one.
    """

    def __init__(
        self,
        backends: Mapping[Mode, Backend],
        routes: Routes,
        fallbacks: Mapping[Target, Sequence[Target]] | None = None,
        options: Mapping[Mode, Options] | None = None,
        documents: Mapping[Mode, Documents] | None = None,
        web_search: WebSearch | None = None,
        *,
        own_titles: bool = False,
    ) -> None:
        self._backends = backends
        self._relays = {mode for mode, backend in backends.items() if isinstance(backend, Relay)}
        self._routes = routes
        self._planner = Planner(routes, fallbacks or {}, backends.keys())
        seeing = routes.vision
        descriptions = Descriptions(backends[seeing.backend], seeing.model, str(seeing)) if seeing else None
        self._preparing = Preparing(options or {}, documents or {}, descriptions)
        self._web_search = web_search or WebSearch()
        self._own_titles = own_titles
        self._resting = Resting()
        self._budget = Budget()
        self._main = backends[routes.main.backend]
        self.name = self._main.name

    def plan(self, request: Mapping[str, Any], caller: Caller) -> Plan:
        """Where this request goes; who failed lately is asked last."""
        plan = self._planner.plan(request, caller)
        return Plan(tuple(self._resting.last(plan.candidates)), plan.reason)

    def relays(self, plan: Plan) -> bool:
        """Whether the first to be asked is handed the request as it is."""
        return plan.candidates[0].backend in self._relays

    @property
    def only_relays(self) -> bool:
        """Whether there is no backend that a request would have to be translated for."""
        return self._relays == self._backends.keys()

    @asynccontextmanager
    async def relay(
        self, plan: Plan, request: Mapping[str, Any], caller: Caller
    ) -> AsyncIterator[RelayedAnswer | None]:
        """The answer of the first candidate as it comes; None when it failed and others are left to be asked."""
        target, *others = plan.candidates
        backend = self._backends[target.backend]
        raw = caller.raw
        if raw is None or not isinstance(backend, Relay):
            raise InternalError("a request that cannot be relayed was to be")
        caller.journal.note("route", to=str(target), reason=plan.reason)
        raw = _with_model(raw, request, target.model)
        caller.journal.sent(raw.body)
        async with AsyncExitStack() as stack:
            try:
                answer = await stack.enter_async_context(backend.relay(raw))
                failure = _failure(answer) if others else None
            except UpstreamError as error:
                if not others:
                    raise
                failure = error
            if failure is None:
                caller.journal.mark("accepted")
                yield answer
                return
        self._failed(target, failure, caller)
        yield None

    @asynccontextmanager
    async def stream(
        self, request: Mapping[str, Any], caller: Caller, model: str | None = None
    ) -> AsyncIterator[EventBatches]:
        """As `Backend.stream`, by the plan that the request itself gives."""
        async with self.follow(self.plan(request, caller), request, caller) as batches:
            yield batches

    @asynccontextmanager
    async def follow(self, plan: Plan, request: Mapping[str, Any], caller: Caller) -> AsyncIterator[EventBatches]:
        """Ask the candidates in turn, until one has something to say. Raises the error of the last one.

        A web search is answered in place of the first one that cannot make it itself.
        """
        if self._own_titles and (title := title_asked(request)):
            caller.journal.note("route", to="nobody", reason="titles")
            yield _said(title)
            return
        reason = plan.reason
        async with AsyncExitStack() as stack:
            for place, target in enumerate(plan.candidates, 1):
                if (query := self._web_search.query(target.backend, request)) is not None:
                    yield self._web_search.answer(query, caller)
                    return
                caller.journal.note("route", to=str(target), reason=reason)
                try:
                    backend = self._backends[target.backend]
                    prepared = await self._preparing.prepared(target, backend, request, caller)
                    batches = await stack.enter_async_context(backend.stream(prepared, caller, target.model))
                    begun = await _beginning(batches)
                except AnyclaudeError as error:
                    await stack.aclose()
                    if place == len(plan.candidates) or not falls_back(error):
                        raise self._given_up(error, request) from error.__cause__
                    self._failed(target, error, caller)
                    reason = f"{target} did not answer"
                    continue
                self._resting.answered(target)
                yield begun
                return

    def _failed(self, target: Target, error: AnyclaudeError, caller: Caller) -> None:
        log.warning("%s did not answer: %s", target, error.message)
        self._resting.failed(target, error)
        caller.journal.note("fallback", failed=str(target), status=error.status, error=error.message)

    def _given_up(self, error: AnyclaudeError, request: Mapping[str, Any]) -> AnyclaudeError:
        if falls_back(error) and not self._budget.spend(request):
            error.headers["x-should-retry"] = "false"
        return error

    def status(self) -> tuple[BackendStatus, ...]:
        """How each backend is, the main one first; asks none of them anything."""
        main = self._routes.main.backend
        order = sorted(self._backends, key=lambda mode: mode != main)
        return tuple(status_of(mode, self._backends[mode]) for mode in order)

    async def models(self) -> list[ModelInfo]:
        """What every backend offers, ids as `backend:model`, the main one's first; nothing of one that is away."""
        main = self._routes.main.backend
        order = sorted(self._backends, key=lambda mode: mode != main)
        found = await asyncio.gather(*(self._offered(mode) for mode in order))
        return [model for models in found for model in models]

    async def _offered(self, mode: Mode) -> list[ModelInfo]:
        try:
            offered = await self._backends[mode].models()
        except AnyclaudeError:
            if mode == self._routes.main.backend:
                raise
            return []
        return [replace(model, id=f"{mode}:{model.id}") for model in offered]

    async def ready(self, model: str | None = None) -> ModelInfo:
        return await self._main.ready(model or self._routes.main.model)

    async def first_ready(self) -> ModelInfo:
        """The model that will answer: the main one, else the first of its fallbacks. Raises the SetupError of the main
        one."""
        main = self._routes.main
        try:
            return await self.ready()
        except SetupError as error:
            for target in self._planner.fallbacks(main):
                with suppress(SetupError):
                    found = await self._backends[target.backend].ready(target.model)
                    return replace(found, note=f"{target} answers until {main} does: {error.message}")
            raise

    async def count_tokens(self, request: Mapping[str, Any], model: str | None = None) -> int:
        target, _ = self._planner.target(request, Caller())
        asked = await self._preparing.counted(target, request)
        return await self._backends[target.backend].count_tokens(asked, target.model)

    async def aclose(self) -> None:
        closing = [backend.aclose() for backend in self._backends.values()]
        await asyncio.gather(self._web_search.aclose(), *closing)


def alone(backend: Backend) -> Router:
    """A router to one backend, with nothing around it."""
    if isinstance(backend, Router):
        return backend
    return Router({"lmstudio": backend}, Routes(Target("lmstudio")))


async def _said(text: str) -> EventBatches:
    yield [TextDelta(text), Finished("end_turn")]


async def _beginning(batches: EventBatches) -> EventBatches:
    """The batches, once the first content is there. Raises the error of an answer that has none."""
    async for batch in batches:
        if not batch:
            continue
        last = batch[-1]
        if isinstance(last, Failed) and all(isinstance(event, UsageReport) for event in batch[:-1]):
            raise last.error
        return _Resumed(batch, batches)
    raise UpstreamBroken("the answer ended before it began")


class _Resumed:
    """Batches of which the first was taken already."""

    def __init__(self, first: Sequence[ModelEvent], rest: EventBatches) -> None:
        self._first: Sequence[ModelEvent] | None = first
        self._rest = rest

    def __aiter__(self) -> EventBatches:
        return self

    async def __anext__(self) -> Sequence[ModelEvent]:
        first, self._first = self._first, None
        return first if first is not None else await anext(self._rest)


def _with_model(raw: RawRequest, request: Mapping[str, Any], model: str | None) -> RawRequest:
    if model is None or request.get("model") == model:
        return raw
    return replace(raw, body=encode({**request, "model": model}))


def _failure(answer: RelayedAnswer) -> AnyclaudeError | None:
    """What a status stands for, where somebody else is worth asking."""
    if answer.status < 400:
        return None
    headers = {name.lower(): value for name, value in answer.headers}
    error = convert_failure(answer.status, None, headers.get("retry-after"))
    return error if falls_back(error) else None
