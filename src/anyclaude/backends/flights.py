"""Work that several requests want at once, done once: the first begins it, the others wait for the same.

Who leaves does not end it for the others. When all have left it is ended, and whatever it had open is closed.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass(slots=True)
class _Flight(Generic[T]):
    task: asyncio.Task[T]
    waiting: int = 0


class Flights(Generic[T]):
    """What is under way, by name."""

    def __init__(self) -> None:
        self._under_way: dict[str, _Flight[T]] = {}

    async def of(self, name: str, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What the work of that name gives, or raises; begun only where it is not under way."""
        flight = self._under_way.get(name)
        if flight is None:
            flight = self._under_way[name] = _Flight(asyncio.create_task(work()))
        flight.waiting += 1
        try:
            return await asyncio.shield(flight.task)
        finally:
            flight.waiting -= 1
            if not flight.waiting:
                del self._under_way[name]
                await _ended(flight.task)


async def _ended(task: asyncio.Task[Any]) -> None:
    if not task.done():
        task.cancel()
        await asyncio.wait([task])
    if not task.cancelled():
        task.exception()  # who was there to hear of it has left
