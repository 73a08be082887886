"""Whether a node is there, by its probes; and those who wait for its next word, who need not go on when it is not.

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
        self._waiting: dict[asyncio.Timeout, float] = {}  # and for how many seconds beyond the node's loss

    def tell(self, is_there: bool, leave: bool = True) -> None:
        """What the probes make of it now. leave: who waits there for a first word need not wait on when it is not."""
        self.is_there = is_there
        waiting = [(limit, grace) for limit, grace in self._waiting.items() if not limit.expired()]
        for limit, grace in waiting:
            if is_there:
                limit.reschedule(None)
            elif limit.when() is None and (leave or grace):
                limit.reschedule(asyncio.get_running_loop().time() + grace)

    @asynccontextmanager
    async def waiting(self, grace: float = 0.0) -> AsyncIterator[None]:
        """Somebody waits within the block. Raises TimeoutError once nobody has been there for `grace` seconds.

        Without grace, who comes when the node is known to be lost may try all the same.
        """
        lost = grace and not self.is_there
        async with asyncio.timeout(grace if lost else None) as limit:
            self._waiting[limit] = grace
            try:
                yield
            finally:
                del self._waiting[limit]
