"""Requests that wait for each other: what is asked at once is seen to be.

async with Meeting(lambda asked: "parts" if "Count part" in str(asked.messages) else None, {"parts": 3}) as upstream:
    ...
assert upstream.met == {"parts"}
"""

import asyncio
from collections.abc import Callable, Mapping

from tests.support.openai_upstream import Asked, OpenAIUpstream
from tests.support.script import Refusal, Reply

DEADLINE = 30.0  # seconds after which those who came are answered by themselves


class Gathering:
    """group: the group that a request belongs to, None for one that waits for nobody. sizes: how many make it whole.

    met: the groups that were.
    """

    def __init__(self, group: Callable[[Asked], str | None], sizes: Mapping[str, int]) -> None:
        self.met: set[str] = set()
        self._group = group
        self._barriers = {name: asyncio.Barrier(size) for name, size in sizes.items()}

    async def join(self, asked: Asked) -> None:
        """Return when all of the request's group are there, or too late."""
        if (group := self._group(asked)) is None:
            return
        barrier = self._barriers[group]
        try:
            async with asyncio.timeout(DEADLINE):
                await barrier.wait()
            self.met.add(group)
        except (TimeoutError, asyncio.BrokenBarrierError):
            await barrier.abort()


class Meeting(OpenAIUpstream):
    """A scripted upstream that answers nobody of a group before all of it have asked; as `Gathering`."""

    def __init__(self, group: Callable[[Asked], str | None], sizes: Mapping[str, int]) -> None:
        super().__init__()
        self.gathering = Gathering(group, sizes)

    @property
    def met(self) -> set[str]:
        return self.gathering.met

    async def _next_line(self, asked: Asked) -> Reply | Refusal:
        line = await super()._next_line(asked)
        await self.gathering.join(asked)
        return line
