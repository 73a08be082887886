"""The fake of the backend seam: answers with batches that the test gives it, and keeps what it was asked."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from anyclaude.backends.base import Caller, EventBatches, ModelInfo
from anyclaude.errors import AnyclaudeError, SetupError
from anyclaude.wire.events import Finished, ModelEvent, TextDelta, UsageReport

Step = Sequence[ModelEvent] | asyncio.Event
"""A batch to yield, or an event to wait for."""

HELLO: tuple[Step, ...] = (
    [TextDelta("Hello")],
    [TextDelta(" there"), UsageReport(12, 4, 2), Finished("end_turn")],
)


class ScriptedBackend:
    """Plays `steps` for each request.

    refusal: raised instead of accepting; a SetupError also where it is to be ready.
    accepted, left: set when a stream is opened and when it is closed.
    """

    name = "scripted"

    def __init__(self, steps: Sequence[Step] = HELLO, refusal: AnyclaudeError | None = None) -> None:
        self.steps = steps
        self.refusal = refusal
        self.requests: list[Mapping[str, Any]] = []
        self.callers: list[Caller] = []
        self.models_asked: list[str | None] = []
        self.accepted = asyncio.Event()
        self.left = asyncio.Event()
        self.closed = False
        self.info = ModelInfo("scripted-model", 32768, True)

    @asynccontextmanager
    async def stream(
        self, request: Mapping[str, Any], caller: Caller, model: str | None = None
    ) -> AsyncIterator[EventBatches]:
        self.requests.append(request)
        self.models_asked.append(model)
        self.callers.append(caller)
        if self.refusal:
            raise self.refusal
        self.accepted.set()
        try:
            yield self._play()
        finally:
            self.left.set()

    async def _play(self) -> EventBatches:
        for step in self.steps:
            if isinstance(step, asyncio.Event):
                await step.wait()
            else:
                yield step

    async def models(self) -> list[ModelInfo]:
        return [self.info]

    async def ready(self, model: str | None = None) -> ModelInfo:
        if isinstance(self.refusal, SetupError):
            raise self.refusal
        return self.info

    async def count_tokens(self, request: Mapping[str, Any], model: str | None = None) -> int:
        return 7

    async def aclose(self) -> None:
        self.closed = True
