"""The one thread that looks at traces: files and SQLite keep no event loop waiting, least of all a proxy's."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, TypeVar

from anyclaude.errors import Overloaded
from anyclaude.trace.index import TraceIndex

PATIENCE: Final = 60.0
"""Seconds that a page may take, with those before it."""

MOST_WAITING: Final = 16

_LOOKING: Final = 1.0
"""Seconds for which new traces are looked for before a page is made; what is left then is for the next one."""

_FRESH: Final = 1.0
"""Seconds for which what was found counts as all there is: a page's pictures are asked for right behind it."""

T = TypeVar("T")


class Desk:
    """Traces, one question after the other. Call `close` at the end."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._index: TraceIndex | None = None
        self._unread = 0
        self._refreshed = float("-inf")
        self._asked: set[Future[Any]] = set()
        self._thread = ThreadPoolExecutor(1, "pages")

    async def ask(self, look: Callable[[TraceIndex, int], T]) -> T:
        """What `look` finds, in the thread: it gets the index, and how many traces are not in it yet.

        Raises Overloaded when too many wait, or it takes too long, SetupError when there can be no index, and whatever
        `look` raises.
        """
        if len(self._asked) >= MOST_WAITING:
            raise Overloaded("too many pages are being made at once; reload this one in a moment")
        asked = self._thread.submit(self._looked, look)
        self._asked.add(asked)
        asked.add_done_callback(self._asked.discard)
        try:
            return await asyncio.wait_for(asyncio.wrap_future(asked), PATIENCE)
        except TimeoutError:
            raise Overloaded(f"this page was not ready within {PATIENCE:.0f} seconds; reload it in a moment") from None

    def close(self) -> None:
        """Waits for the page that is being made, if there is one."""
        self._thread.shutdown(cancel_futures=True)
        if self._index is not None:
            self._index.close()

    def _looked(self, look: Callable[[TraceIndex, int], T]) -> T:
        if self._index is None:
            self._index = TraceIndex(self._home)
        if time.monotonic() - self._refreshed > _FRESH:
            self._unread = self._index.refresh(_LOOKING)
            self._refreshed = time.monotonic()
        return look(self._index, self._unread)
