"""Any OpenAI-compatible server: convert, post, read. LM Studio and the workers are this with other constants.

The upstream is always asked to stream, also for an answer that the client wants whole: when a client leaves, llama.cpp
cancels only what it streams (observed with b11549).

A parameter that the server refuses is left out and the request sent again at once; that is remembered for the model.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import reduce
from typing import Any, Final

from anyclaude.backends.base import Caller, EventBatches, ModelInfo
from anyclaude.backends.http import Answer, Upstream, mapped
from anyclaude.backends.reading import Batches
from anyclaude.backends.tokens import TokenEstimate
from anyclaude.config.model import Deadlines
from anyclaude.convert.chunks import ChunkReader
from anyclaude.convert.profile import Profile
from anyclaude.convert.refusals import learnt, refused_parameter
from anyclaude.convert.request import convert_request
from anyclaude.convert.tool_calls import ToolIds
from anyclaude.errors import UpstreamBroken, UpstreamError, UpstreamRefusedUs, UpstreamRejected
from anyclaude.wire.events import Failed, ModelEvent, UsageReport
from anyclaude.wire.json import decode_lenient, encode

_MOST_LESSONS: Final = 4  # for one request


def mint_tool_id() -> str:
    return f"toolu_{secrets.token_hex(12)}"


@dataclass(frozen=True, slots=True)
class _Accepted:
    """An answer that has begun, and the size in bytes of what it answers."""

    size: int
    reader: ChunkReader
    batches: EventBatches


class ChatBackend:
    """One OpenAI-compatible upstream."""

    def __init__(self, name: str, upstream: Upstream, model: str, profile: Profile, deadlines: Deadlines) -> None:
        self.name = name
        self.profile = profile
        self._upstream = upstream
        self._model = model
        self._deadlines = deadlines
        self._tokens = TokenEstimate()
        self._refused: dict[str, list[str]] = {}

    @asynccontextmanager
    async def stream(
        self, request: Mapping[str, Any], caller: Caller, model: str | None = None
    ) -> AsyncIterator[EventBatches]:
        async with AsyncExitStack() as stack:
            accepted = await self._accepted(stack, request, caller, model)
            yield accepted.batches
        if usage := accepted.reader.usage:
            self._tokens.learn(accepted.size, usage.prompt_tokens)
            _note_usage(caller, usage)

    def profile_of(self, model: str | None) -> Profile:
        """What is known of a model, by the upstream's name for it; None: the one that the backend is set to."""
        return self.profile

    def fields(self, caller: Caller) -> dict[str, Any]:
        """Fields of one request beside what is converted."""
        return {}

    def headers(self, caller: Caller) -> dict[str, str]:
        """Headers of one request beside the credential."""
        return {}

    async def models(self) -> list[ModelInfo]:
        raise NotImplementedError

    async def ready(self, model: str | None = None) -> ModelInfo:
        raise NotImplementedError

    async def count_tokens(self, request: Mapping[str, Any], model: str | None = None) -> int:
        """An estimate from the size of what would be sent, calibrated by the counts that the upstream reported."""
        body = {"messages": [], **request}
        return self._tokens.estimate(len(encode(self._body(body, Caller(), model))))

    async def aclose(self) -> None:
        await self._upstream.aclose()

    def _body(self, request: Mapping[str, Any], caller: Caller, model: str | None) -> dict[str, Any]:
        name = model or self._model
        profile = reduce(learnt, self._refused.get(name, ()), self.profile_of(model))
        beside = {field: value for field, value in self.fields(caller).items() if field not in profile.refused}
        return convert_request(request, profile, name) | beside

    async def _accepted(
        self, stack: AsyncExitStack, request: Mapping[str, Any], caller: Caller, model: str | None
    ) -> _Accepted:
        lessons = 0
        while True:
            body = self._body(request, caller, model)
            caller.journal.sent(body)
            try:
                return await self._attempt(stack, request, body, caller)
            except (UpstreamRejected, UpstreamBroken) as error:
                lessons += 1
                if lessons > _MOST_LESSONS or not self._learn(error, body, caller):
                    raise

    def _learn(self, error: UpstreamError, sent: Mapping[str, Any], caller: Caller) -> bool:
        """Whether the refusal taught us something new about the model."""
        name = None if isinstance(error, UpstreamRefusedUs) else refused_parameter(error.message, sent)
        known = self._refused.setdefault(sent["model"], [])
        if name is None or name in known:
            return False
        known.append(name)
        caller.journal.note("learnt", model=sent["model"], refused=name, said=error.message)
        return True

    async def _attempt(
        self, stack: AsyncExitStack, request: Mapping[str, Any], body: Mapping[str, Any], caller: Caller
    ) -> _Accepted:
        encoded = encode(body)
        details_for = body["model"] if self.profile.reasoning_details else None
        stops = request.get("stop_sequences") or ()
        reader = ChunkReader(ToolIds(tool_ids(request), mint_tool_id), stops, details_for)
        post = self._upstream.post("chat/completions", encoded, self.headers(caller), self._deadlines.first_event)
        answer = await stack.enter_async_context(post)
        caller.journal.mark("accepted")
        return _Accepted(len(encoded), reader, await self._open(answer, reader))

    async def _open(self, answer: Answer, reader: ChunkReader) -> EventBatches:
        """The batches of an accepted answer. One that is not a stream is read here, so that its error can be raised."""
        if answer.is_stream:
            return Batches(answer.reads(), reader, self._deadlines, self._upstream.origin)
        with mapped(self._upstream.origin):
            async with asyncio.timeout(self._deadlines.first_event):
                events = reader.feed(decode_lenient(await answer.whole()))
        events += reader.end()
        if isinstance(events[-1], Failed):
            raise events[-1].error
        return _one(events)


def _note_usage(caller: Caller, usage: UsageReport) -> None:
    caller.journal.note(
        "usage",
        prompt_tokens=usage.prompt_tokens,
        cached_tokens=usage.cached_tokens,
        output_tokens=usage.output_tokens,
        cost=usage.cost,
    )


async def _one(events: list[ModelEvent]) -> EventBatches:
    yield events


def tool_ids(request: Mapping[str, Any]) -> Iterator[str]:
    """The ids of the tool calls in a conversation."""
    for message in request["messages"]:
        if message["role"] == "assistant" and isinstance(message["content"], list):
            for block in message["content"]:
                if isinstance(block, Mapping) and isinstance(block.get("id"), str):
                    yield block["id"]
