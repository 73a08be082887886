"""Tasks beside the requests: one at a time for each name, with an owner that ends them all.

A fault of ours in one is logged, and harms no other.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine

log = logging.getLogger(__name__)

Errand = Callable[[], Coroutine[None, None, None]]


class Errands:
    """What `begin` started goes on until it is over, dropped, or the owner closes."""

    def __init__(self) -> None:
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._ending: set[asyncio.Task[None]] = set()

    def begin(self, name: str, errand: Errand) -> bool:
        """False when one of that name is under way."""
        if name in self._under_way:
            return False
        task = asyncio.create_task(self._run(name, errand), name=f"errand: {name}")
        self._under_way[name] = task
        task.add_done_callback(self._ending.discard)
        return True

    def drop(self, name: str) -> None:
        """End that one. The next of its name may begin at once."""
        if (task := self._under_way.pop(name, None)) is not None:
            self._ending.add(task)
            task.cancel()

    async def aclose(self) -> None:
        """Returns when all are over."""
        for name in tuple(self._under_way):
            self.drop(name)
        await asyncio.gather(*self._ending, return_exceptions=True)

    async def _run(self, name: str, errand: Errand) -> None:
        try:
            await errand()
        except Exception:  # nobody waits for it who could be told
            log.exception("%s failed; what else goes on is not touched", name)
        finally:
            if self._under_way.get(name) is asyncio.current_task():
                del self._under_way[name]
