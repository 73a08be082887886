"""The responses that carry an answer. They watch the connection themselves: a client that leaves ends the work at once.

Starlette's own streaming notices a leaving client only when it writes, which during a long prefill it does not.

The head of a stream waits for the engine's first word, for a second at most: a request that fails before is refused
with a real status. A stream that is cut from our side ends with an error, never as if it were whole.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import suppress
from typing import Any

import orjson
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from mlx_worker.answer import Answer
from mlx_worker.errors import NotReady, WorkerError
from mlx_worker.events import Event, Finished, Progress
from mlx_worker.metrics import AnswerWatch
from mlx_worker.streaming import ChunkWriter, encode, encode_batch, fold

CUT = "the worker is shutting down"
HEAD_SECONDS = 1.0
LAST_WORDS_SECONDS = 1.0

STREAM_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]


class AnswerResponse(Response):
    """An ASGI response that owns its answer."""

    def __init__(self, answer: Answer, model: str, watch: AnswerWatch, *, stream: bool) -> None:
        super().__init__()
        self._answer, self._watch = answer, watch
        self._writer = ChunkWriter(model, answer.prompt_tokens)
        self._deliver = self._stream if stream else self._whole

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._answer:
            await _until_disconnect(self._deliver(send), receive)

    async def _stream(self, send: Send) -> None:
        if error := await self._answer.early_failure(HEAD_SECONDS):
            await send_error(send, error)
            return
        await send({"type": "http.response.start", "status": 200, "headers": STREAM_HEADERS})
        if not self._answer.has_news:  # else the head goes out with it
            await send({"type": "http.response.body", "body": b"", "more_body": True})
        try:
            async for events in self._watched():
                body = encode_batch(self._writer, events)
                await send({"type": "http.response.body", "body": body, "more_body": True})
        except asyncio.CancelledError:
            await _last_words(send, NotReady(CUT))
            raise
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _watched(self) -> AsyncIterator[list[Event]]:
        async for events in self._answer.batches():
            if not all(isinstance(event, Progress) for event in events):
                self._watch.spoke()
            if isinstance(end := events[-1], Finished):
                self._watch.ended(end.completion_tokens)
            yield events

    async def _whole(self, send: Send) -> None:
        chunks: list[dict[str, Any]] = []
        async for events in self._watched():
            for event in events:
                chunks += self._writer.feed(event)
        if self._writer.error is not None:
            await send_error(send, self._writer.error)
        else:
            await send_json(send, 200, fold(chunks))


async def _until_disconnect(work: Coroutine[Any, Any, None], receive: Receive) -> None:
    """Run `work`; leave it when the client leaves."""
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_disconnected(receive))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
    finally:
        for task in (working, leaving):
            task.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def _last_words(send: Send, error: WorkerError) -> None:
    """For a client whose stream is cut, if it still listens."""
    with suppress(Exception, asyncio.CancelledError):
        async with asyncio.timeout(LAST_WORDS_SECONDS):
            await send({"type": "http.response.body", "body": encode(error.body())})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def send_json(send: Send, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
    """A whole JSON response, written without the help of a framework."""
    payload = orjson.dumps(body)
    extra = [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()]
    length = (b"content-length", str(len(payload)).encode())
    start = {"type": "http.response.start", "status": status}
    await send({**start, "headers": [(b"content-type", b"application/json"), length, *extra]})
    await send({"type": "http.response.body", "body": payload})


async def send_error(send: Send, error: WorkerError) -> None:
    await send_json(send, error.status, error.body(), error.headers)
