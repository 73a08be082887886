"""Ending well: answers under way get time to finish, and those that do not are told why they end."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

_LAST_WORDS: Final = 2.0
"""Seconds for an error event to go out after the time to finish is over."""


class Drain:
    """Counts the requests under way. `over`: the time to finish has passed, and what is cancelled now must say so."""

    def __init__(self) -> None:
        self.over = False
        self._tasks: set[asyncio.Task[Any]] = set()
        self._idle = asyncio.Event()
        self._idle.set()

    @contextmanager
    def tracked(self) -> Iterator[None]:
        """The request that the current task answers."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._idle.clear()
        try:
            yield
        finally:
            self._tasks.discard(task)
            if not self._tasks:
                self._idle.set()

    async def finish(self, seconds: float) -> None:
        """Wait for the requests under way, then cancel the rest and wait for their last words."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        self.over = True
        for task in self._tasks:
            task.cancel()
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORDS):
                await self._idle.wait()
