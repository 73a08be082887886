"""Any OpenAI-compatible server: convert, post, read. LM Studio and the workers are this with other constants.

The upstream is always asked to stream, also for an answer that the client wants whole: when a client leaves, llama.cpp
cancels only what it streams (observed with b11549).
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from anyclaude.backends.base import Caller, EventBatches, ModelInfo
from anyclaude.backends.http import Answer, Upstream, mapped
from anyclaude.backends.reading import Batches
from anyclaude.backends.tokens import TokenEstimate
from anyclaude.config.model import Deadlines
from anyclaude.convert.chunks import ChunkReader
from anyclaude.convert.profile import Profile
from anyclaude.convert.request import convert_request
from anyclaude.convert.tool_calls import ToolIds
from anyclaude.wire.events import Failed, ModelEvent
from anyclaude.wire.json import decode_lenient, encode


def mint_tool_id() -> str:
    return f"toolu_{secrets.token_hex(12)}"


class ChatBackend:
    """One OpenAI-compatible upstream."""

    def __init__(self, name: str, upstream: Upstream, model: str, profile: Profile, deadlines: Deadlines) -> None:
        self.name = name
        self.profile = profile
        self._upstream = upstream
        self._model = model
        self._deadlines = deadlines
        self._tokens = TokenEstimate()

    @asynccontextmanager
    async def stream(
        self, request: Mapping[str, Any], caller: Caller, model: str | None = None
    ) -> AsyncIterator[EventBatches]:
        converted = convert_request(request, self.profile_of(model), model or self._model)
        caller.journal.sent(converted)
        body = encode(converted)
        reader = ChunkReader(ToolIds(tool_ids(request), mint_tool_id), request.get("stop_sequences") or ())
        patience = self._deadlines.first_event
        async with self._upstream.post("chat/completions", body, self.headers(caller), patience) as answer:
            caller.journal.mark("accepted")
            yield await self._open(answer, reader)
        if reader.usage:
            self._tokens.learn(len(body), reader.usage.prompt_tokens)

    def profile_of(self, model: str | None) -> Profile:
        """What is known of a model, by the upstream's name for it; None: the one that the backend is set to."""
        return self.profile

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
        return self._tokens.estimate(len(encode(convert_request(body, self.profile_of(model), model or self._model))))

    async def aclose(self) -> None:
        await self._upstream.aclose()

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


async def _one(events: list[ModelEvent]) -> EventBatches:
    yield events


def tool_ids(request: Mapping[str, Any]) -> Iterator[str]:
    """The ids of the tool calls in a conversation."""
    for message in request["messages"]:
        if message["role"] == "assistant" and isinstance(message["content"], list):
            for block in message["content"]:
                if isinstance(block, Mapping) and isinstance(block.get("id"), str):
                    yield block["id"]
