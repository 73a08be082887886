"""Steps of a large request that nobody else waits for: they are done in a thread.

Python's threads take turns, every five milliseconds at the latest, so that the streams of others go on. Only what is a
single call, such as reading the JSON, takes as long as it takes: some milliseconds a megabyte.
"""

import asyncio
from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

LARGE: Final = 256 * 1024
"""Bytes of a request up to which going to a thread and back costs more than it spares others."""

P = ParamSpec("P")
T = TypeVar("T")


async def aside(size: int, step: Callable[P, T], *given: P.args, **named: P.kwargs) -> T:
    """What the step gives for a request of so many bytes. It must not change anything that others see."""
    return step(*given, **named) if size < LARGE else await asyncio.to_thread(step, *given, **named)
