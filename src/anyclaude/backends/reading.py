"""An answer under way, as batches of model events: one batch for each read of the socket, each within its deadline."""

import asyncio
from collections.abc import AsyncIterator, Sequence

from anyclaude.config.model import Deadlines
from anyclaude.convert.answer_reader import AnswerReader
from anyclaude.errors import AnyclaudeError, UpstreamBroken, UpstreamTimeout
from anyclaude.wire.events import Failed, Finished, ModelEvent, UsageReport
from anyclaude.wire.json import decode_lenient
from anyclaude.wire.sse import ServerEvent, SseDecoder


def failure_of(batch: Sequence[ModelEvent]) -> AnyclaudeError | None:
    """The error of an answer that failed before it had any content."""
    if not batch or not isinstance(batch[-1], Failed):
        return None
    return batch[-1].error if all(isinstance(event, UsageReport) for event in batch[:-1]) else None


def says_nothing(batch: Sequence[ModelEvent]) -> bool:
    """Whether an answer ended well, and without a word."""
    return bool(batch) and all(isinstance(event, UsageReport | Finished) for event in batch)


class Batches:
    """Iterates over the batches. An error of the upstream is the last event, never an exception.

    Comments keep an answer alive that has not begun, since a long prompt takes its time, but not one that stalls. Only
    the time that we wait counts against the upstream, not the time that a slow client makes it wait.
    """

    def __init__(self, reads: AsyncIterator[bytes], reader: AnswerReader, deadlines: Deadlines, origin: str) -> None:
        self._reads = reads
        self._reader = reader
        self._deadlines = deadlines
        self._origin = origin
        self._decoder = SseDecoder()
        self._clock = asyncio.get_running_loop().time
        self._patience = deadlines.first_event  # seconds of waiting that are left
        self._begun: Sequence[ModelEvent] = ()

    def __aiter__(self) -> AsyncIterator[Sequence[ModelEvent]]:
        return self

    async def beginning(self) -> Sequence[ModelEvent]:
        """The first batch that says something. The iteration begins with it; an answer without any has none."""
        async for batch in self:
            if batch:
                self._begun = batch
                break
        return self._begun

    async def __anext__(self) -> Sequence[ModelEvent]:
        if self._begun:
            begun, self._begun = self._begun, ()
            return begun
        if self._reader.over:
            raise StopAsyncIteration
        began = self._clock()
        try:
            async with asyncio.timeout(self._patience):
                piece = await anext(self._reads, None)
            self._patience -= self._clock() - began
            if piece is None:
                return self._reader.staged([*self._decode(self._decoder.end()), *self._reader.end()])
            return self._reader.staged(self._decode(self._decoder.feed(piece)))
        except TimeoutError:
            silence = UpstreamTimeout(f"{self._origin} went silent before its answer was complete")
            return self._reader.staged(self._reader.fail(silence))
        except AnyclaudeError as error:
            return self._reader.staged(self._reader.fail(error))

    def _decode(self, server_events: Sequence[ServerEvent]) -> list[ModelEvent]:
        events: list[ModelEvent] = []
        for server_event in server_events:
            line = server_event.data
            if line == b"[DONE]":
                events += self._reader.done()
            elif line and (chunk := decode_lenient(line)) is not None:
                self._reader.take(chunk)
            elif line:
                events += self._reader.fail(UpstreamBroken("the model server sent a chunk that is not JSON"))
        events += self._reader.taken()
        if self._reader.finish_observed:  # chunks without end after it put nothing off
            self._patience = min(self._patience, self._deadlines.closing)
        elif server_events:
            self._patience = self._deadlines.progress
        return events
