"""The asyncio side of a request: a sink that wakes the loop, iterated in batches, and cancelled when it is left."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import suppress
from types import TracebackType
from typing import Self

from mlx_worker.engine import Engine
from mlx_worker.errors import WorkerError
from mlx_worker.events import Event, Failed, Finished
from mlx_worker.generation import Generation


class Answer:
    """The events of one request, in batches: all that came since the last look. Leaving it cancels the request.

    At most one event a generated token and one a prefill chunk can pile up for a slow reader.
    """

    def __init__(self, engine: Engine, generation: Generation) -> None:
        """Raises QueueFull or NotReady."""
        self._engine = engine
        self._loop = asyncio.get_running_loop()
        self._events: deque[Event] = deque()
        self._news = asyncio.Event()
        self._called = self._over = False
        self._ticket = engine.submit(generation, self._sink)
        self.prompt_tokens = len(generation.prompt.tokens)

    def _sink(self, event: Event) -> None:
        """Called on the engine's thread. A loop that has been called and has not come yet is not called again."""
        self._events.append(event)
        if self._called:
            return
        self._called = True
        try:
            self._loop.call_soon_threadsafe(self._come)
        except RuntimeError:  # the loop is closed: nobody is left to hear
            self._engine.cancel(self._ticket)

    def _come(self) -> None:
        self._called = False  # first: what arrives from here on calls again, and may find its event taken already
        self._news.set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._over:
            self._engine.cancel(self._ticket)

    @property
    def has_news(self) -> bool:
        return bool(self._events)

    async def early_failure(self, seconds: float) -> WorkerError | None:
        """The error of a request that fails before there is anything of an answer, looked for at most so long."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._news.wait(), seconds)
        last = self._events[-1] if self._events else None
        return last.error if isinstance(last, Failed) else None

    async def batches(self) -> AsyncIterator[list[Event]]:
        """Ends after the batch that holds `Finished` or `Failed`."""
        while not self._over:
            await self._news.wait()
            self._news.clear()
            if batch := self._taken():
                self._over = isinstance(batch[-1], Finished | Failed)
                yield batch

    def _taken(self) -> list[Event]:
        batch: list[Event] = []
        with suppress(IndexError):
            while True:
                batch.append(self._events.popleft())
        return batch
