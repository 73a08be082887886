"""One node of the MLX cluster: our `mlx_worker`, or any OpenAI-compatible server, which says less of itself.

A node is asked like any other upstream, and says how it is doing: `/health` and `/cache` of our worker, the model list
of the others.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any, Final, cast, get_args

from anyclaude.backends.base import Caller, EventBatches, ModelInfo
from anyclaude.backends.chat import CURRENT_MODEL, ChatBackend
from anyclaude.backends.http import Upstream, mapped
from anyclaude.backends.own_words import OwnWords
from anyclaude.backends.presence import Presence
from anyclaude.backends.tokens import Counter
from anyclaude.cluster.node import NodeState, Report
from anyclaude.config.model import Deadlines
from anyclaude.config.profiles import NO_CHANGES, Changes
from anyclaude.config.upstreams import Node
from anyclaude.convert.profile import Profile
from anyclaude.errors import AnyclaudeError, SetupError, UpstreamBroken, UpstreamRefusedUs, UpstreamTimeout
from anyclaude.wire.events import Failed
from anyclaude.wire.json import encode

_ASK: Final = 5.0
_SIGN_OF_LIFE: Final = 0.3
"""Seconds that a node which is not there has to say that it is back, before a request is sent."""

_HUNG: Final = 60.0
"""Seconds for which an answer that has begun waits for a node that is not there any more."""

_MOST: Final = 2**53
_QUICKEST: Final = 1e6
"""What a node says beyond so many tokens, bytes, or tokens a second is not true of any machine."""

PROFILE: Final = Profile(
    images=False,
    top_k=True,
    thinking_switch=True,
    thinking_field="reasoning_content",
    none_tool_choice=True,
    response_format_with_tools=True,
)


class NodeBackend(ChatBackend):
    """One node, which has one model."""

    def __init__(
        self,
        node: Node,
        model: str | None,
        deadlines: Deadlines,
        changes: Changes = NO_CHANGES,
        own_words: OwnWords | None = None,
    ) -> None:
        base = node.url if node.url.endswith("/v1") else f"{node.url}/v1"
        token = node.token.get_secret_value() if node.token else None
        self.node = node
        upstream = Upstream(base, token, deadlines.connect)
        super().__init__("mlx-cluster", upstream, model or CURRENT_MODEL, PROFILE, deadlines, changes, own_words)
        self._beside = base.removesuffix("/v1")
        self.counter = Counter(upstream, f"{self._beside}/tokenize", "count", _counted)
        self._presence = Presence()
        self._is_worker = True  # until it answers like another server

    @asynccontextmanager
    async def stream(
        self, request: Mapping[str, Any], caller: Caller, model: str | None = None
    ) -> AsyncIterator[EventBatches]:
        """As `Backend.stream`. Until the first word it fails with UpstreamTimeout when the node is not there any more,
        after it once that has been so for a minute: a Mac that wakes up goes on. A node that was not there is asked
        for a sign of life first.
        """
        async with AsyncExitStack() as stack:
            try:
                async with self._presence.waiting():
                    if not self._presence.is_there:
                        await self._upstream.look(f"{self._beside}/health", _SIGN_OF_LIFE)
                    batches = await stack.enter_async_context(super().stream(request, caller, model))
            except TimeoutError as error:
                raise self._gone() from error
            yield self._while_there(batches)

    async def _while_there(self, batches: EventBatches) -> EventBatches:
        """The batches; the last one fails when the node has not been there for a minute."""
        try:
            while True:
                async with self._presence.waiting(_HUNG):
                    batch = await anext(batches, None)
                if batch is None:
                    return
                yield batch
        except TimeoutError:
            yield [Failed(self._gone())]

    def _gone(self) -> UpstreamTimeout:
        return UpstreamTimeout(f"{self._upstream.origin} does not answer its probes any more")

    def heard_of(self, is_there: bool, leave: bool = True) -> None:
        """What the probes make of it. Another server than our worker may compute, and be silent to all else.

        leave: requests that wait for its first word need not wait on when it is not there.
        """
        self._presence.tell(is_there or not self._is_worker, leave)

    def headers(self, caller: Caller) -> dict[str, str]:
        """A session sticks to its cache."""
        session = session_of(caller)
        return {"x-session-id": session} if session else {}

    def profile_of(self, model: str | None) -> Profile:
        """Our worker takes tools that it does not show; other servers would not know."""
        return replace(super().profile_of(model), deferred_tools=self._is_worker)

    def body(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """A Messages request as it would go to the node."""
        return self._body(request, Caller(), None, self._profile(None))

    async def models(self) -> list[ModelInfo]:
        reply = await self._upstream.get("models", _ASK)
        entries = reply.get("data") if isinstance(reply, dict) else None
        if not isinstance(entries, list):
            return []
        return self.heard(
            [_model(entry) for entry in entries if isinstance(entry, dict) and isinstance(entry.get("id"), str)]
        )

    async def ready(self, model: str | None = None) -> ModelInfo:
        """The model that the node has loaded. Raises SetupError with the next step."""
        try:
            found = await self.models()
        except AnyclaudeError as error:
            raise SetupError(f"node {self.node.id} at {self._upstream.origin}: {error.message}") from error
        if not found:
            raise SetupError(f"node {self.node.id} at {self._upstream.origin} has no model loaded yet")
        return found[0]

    async def report(self, seconds: float) -> Report:
        """What it says of itself, within so many seconds. Raises UpstreamError when it does not answer as one."""
        with mapped(self._upstream.origin):
            async with asyncio.timeout(seconds):
                return await self._report(seconds)

    async def _report(self, seconds: float) -> Report:
        status, health = await self._upstream.look(f"{self._beside}/health", seconds)
        if status == 404 or not isinstance(health, Mapping) or "state" not in health:
            models = await self.models()
            self._is_worker = False
            first = models[0] if models else None
            return Report(model=_text(first.id), context_length=first.context_window) if first else Report("loading")
        self._is_worker = True
        if status != 200 and health["state"] == "ready":
            raise UpstreamBroken("its engine gives no sign of life")
        status, cache = await self._upstream.look(f"{self._beside}/cache", seconds)
        if status in (401, 403):
            raise UpstreamRefusedUs("it does not take our token; give it the one that it was started with")
        return report_of(health, cache if isinstance(cache, Mapping) else {})

    async def warm(
        self, system: str, tools: Sequence[Any], seconds: float, switches: Mapping[str, Any] | None = None
    ) -> None:
        """Have it compute a prefix when it has nothing else to do. Raises UpstreamError.

        switches: of the chat template, as requests with this prefix send them.
        """
        messages = [{"role": "system", "content": system}, {"role": "user", "content": "hi"}]
        body = {"messages": messages, "tools": tools, "chat_template_kwargs": switches or {}}
        await self._upstream.tell(f"{self._beside}/cache/warm", encode(body), seconds)


def _counted(body: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: body[name] for name in ("messages", "tools") if name in body}


def session_of(caller: Caller) -> str | None:
    """Who asks; subagents share the session of Claude Code, but not the prompt."""
    if caller.session_id is None or not (caller.session_id + (caller.agent_id or "")).isascii():
        return None
    return f"{caller.session_id}/{caller.agent_id or 'main'}"


def report_of(health: Mapping[str, Any], cache: Mapping[str, Any]) -> Report:
    """From a worker's `/health` and `/cache`. What has a wrong type counts as not said."""
    memory, state = health.get("memory"), health.get("state")
    told = health.get("first_token")
    first: Mapping[str, Any] = told if isinstance(told, Mapping) else {}
    listed = cache.get("entries")
    entries = [entry for entry in listed if isinstance(entry, Mapping)] if isinstance(listed, list) else []
    sessions: dict[str, int] = {}
    for entry in entries:
        session, tokens = entry.get("session"), _count(entry.get("tokens")) or 0
        if isinstance(session, str):
            sessions[session] = max(sessions.get(session, 0), tokens)
    return Report(
        state=cast(NodeState, state) if state in get_args(NodeState) else "dead",
        model=_text(health.get("model")),
        context_length=_count(health.get("context_length")) or None,
        supports_tools=tools if isinstance(tools := health.get("supports_tools"), bool) else None,
        active=_count(health.get("active")) or 0,
        waiting=_count(health.get("waiting")) or 0,
        room=_count(health.get("room")),
        queued_tokens=_count(health.get("queued_prefill_tokens")) or 0,
        prefill_tps=_speed(health.get("prefill_tps")),
        decode_tps=_speed(health.get("decode_tps")),
        memory_used=_count(memory.get("active")) if isinstance(memory, Mapping) else None,
        memory_limit=_count(memory.get("limit")) if isinstance(memory, Mapping) else None,
        systems=frozenset(name for entry in entries if isinstance(name := entry.get("system_hash"), str) and name),
        sessions=sessions,
        cached_tokens=sum(_count(entry.get("tokens")) or 0 for entry in entries) if isinstance(listed, list) else None,
        hit_rate=_hit_rate(cache),
        first_token_mean=_speed(first.get("mean")),
        first_token_p95=_speed(first.get("p95")),
        instance=_text(health.get("instance")),
    )


def _hit_rate(cache: Mapping[str, Any]) -> float | None:
    hit, prompt = _count(cache.get("hit_tokens")), _count(cache.get("prompt_tokens"))
    return hit / prompt if hit is not None and prompt else None


def _text(value: object) -> str | None:
    return value[:200] if isinstance(value, str) and value else None


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST else None


def _speed(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 < value <= _QUICKEST else None


def _model(entry: dict[str, Any]) -> ModelInfo:
    window, tools = entry.get("context_length"), entry.get("supports_tools")
    return ModelInfo(entry["id"], _count(window) or None, tools if isinstance(tools, bool) else None)
