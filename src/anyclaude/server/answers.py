"""Writing one answer: the stream, and what keeps it alive.

The status line is held back until the first event of the model is there, so that an upstream's 400, 429 or 5xx can be a
real HTTP status, which Claude Code repairs or retries. After ten seconds of silence it goes out all the same, with
`message_start`, and from then on every ten seconds a delta that changes nothing: Claude Code ends a stream after 300 s
without an event, and takes neither pings nor comments for one.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Final

from aiohttp import web

from anyclaude.convert.message import MessageWriter
from anyclaude.trace.record import Recorder
from anyclaude.wire.anthropic import encode_event
from anyclaude.wire.events import ModelEvent

SILENCE: Final = 10.0
"""Seconds without a word to the client before a sign of life."""

_HEADERS: Final = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-cache",
    "X-Accel-Buffering": "no",  # nginx and its like: hand on every write at once
}


class _Response(web.StreamResponse):
    """Its head goes out with the first frames, in one write."""

    _send_headers_immediately = False


class StreamAnswer:
    """The streaming answer to one request. `begun` tells whether an error can still be an HTTP status."""

    def __init__(
        self, request: web.Request, writer: MessageWriter, recorder: Recorder, request_id: str, silence: float = SILENCE
    ) -> None:
        self._request = request
        self._writer = writer
        self._recorder = recorder
        self._told = False  # something of the model's
        self._silence = silence
        self._response = _Response(headers={**_HEADERS, "request-id": request_id})
        self._turn = asyncio.Lock()  # one writer at a time: the answer, or its sign of life
        self._spoken = asyncio.get_running_loop().time()

    @property
    def begun(self) -> bool:
        return self._response.prepared

    @property
    def over(self) -> bool:
        return self._writer.over

    async def write(self, events: Iterable[ModelEvent]) -> None:
        """Write what the model did. All frames of one call go out in one write, which waits for a slow client.

        What comes after the end is dropped: nothing that breaks then takes anything from a whole answer.
        """
        async with self._turn:
            if self.over:
                return
            start = b"" if self.begun else await self._begin()
            written = self._writer.feed(events)
            if not self._told:
                self._told = True
                self._recorder.mark("first_event")
            self._recorder.feed(written)
            await self._send(start + b"".join(map(encode_event, written)))

    async def close(self) -> web.StreamResponse:
        await self._response.write_eof()
        return self._response

    @asynccontextmanager
    async def kept_alive(self) -> AsyncIterator[None]:
        """Give signs of life in silences for as long as the block lasts. A quick answer needs no task for that."""
        ticking: list[asyncio.Task[None]] = []
        loop = asyncio.get_running_loop()
        due = loop.call_later(self._silence, lambda: ticking.append(loop.create_task(self._tick())))
        try:
            yield
        finally:
            due.cancel()
            for task in ticking:
                task.cancel()
                with suppress(asyncio.CancelledError, ConnectionError):
                    await task

    async def _tick(self) -> None:
        clock = asyncio.get_running_loop().time
        while not self._writer.over:
            await asyncio.sleep(self._spoken + self._silence - clock())
            if clock() - self._spoken >= self._silence:
                await self._sign_of_life()

    async def _sign_of_life(self) -> None:
        async with self._turn:
            if not self.begun:
                await self._send(await self._begin())
            elif not self._writer.over:
                await self._send(encode_event(self._writer.keep_alive()))

    async def _begin(self) -> bytes:
        await self._response.prepare(self._request)
        start = self._writer.start()
        self._recorder.feed([start])
        return encode_event(start)

    async def _send(self, frames: bytes) -> None:
        if self.over:
            await self._response.write_eof(frames)
        elif frames:
            await self._response.write(frames)
            self._spoken = asyncio.get_running_loop().time()
