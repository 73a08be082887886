"""A word to the person while something takes its time: what is being waited for, and for how long so far."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from itertools import chain, count
from typing import Final, Protocol

_MOMENT: Final = 2
"""Seconds for which nobody needs a word."""

_EVERY: Final = 30


class Watcher(Protocol):
    """Who is told."""

    def progress(self, text: str) -> None: ...
    def clear(self) -> None: ...


@asynccontextmanager
async def told_of(watcher: Watcher, what: str) -> AsyncIterator[None]:
    """While the block runs. What takes only a moment is not told; the word goes with the block."""
    telling = asyncio.create_task(_tell(watcher, what), name="patience")
    try:
        yield
    finally:
        telling.cancel()
        with suppress(asyncio.CancelledError):
            await telling
        watcher.clear()


async def _tell(watcher: Watcher, what: str) -> None:
    """Ever less often, because each word may be a line of a log."""
    before = 0
    for seconds in _moments():
        await asyncio.sleep(seconds - before)
        watcher.progress(f"{what}, for {seconds} s so far")
        before = seconds


def _moments() -> Iterator[int]:
    return chain((_MOMENT, 5, 10, 20), count(_EVERY, _EVERY))
