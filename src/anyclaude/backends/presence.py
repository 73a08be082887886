"""Whether a node is there, by its probes; and those who wait for its first word, who need not go on when it is not.

A machine that hangs or sleeps breaks no connection, and a long prompt may rightly take an hour without a byte. So only
the probes can tell the one from the other.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Presence:
    """is_there: until somebody says otherwise."""

    def __init__(self) -> None:
        self.is_there = True
        self._waiting: set[asyncio.Timeout] = set()

    def tell(self, is_there: bool, leave: bool = True) -> None:
        """What the probes make of it now. leave: who waits there need not wait on when it is not."""
        self.is_there = is_there
        while self._waiting and leave and not is_there:
            self._waiting.pop().reschedule(asyncio.get_running_loop().time())

    @asynccontextmanager
    async def waiting(self) -> AsyncIterator[None]:
        """Somebody waits within the block. Raises TimeoutError out of it when it is told that nobody is there."""
        async with asyncio.timeout(None) as limit:
            self._waiting.add(limit)
            try:
                yield
            finally:
                self._waiting.discard(limit)
