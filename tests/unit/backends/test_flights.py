"""One piece of work for all who want it at once, until the last of them has left."""

import asyncio

import pytest

from anyclaude.backends.flights import Flights


class Work:
    """Goes on when it is let go. begun, ended: how often."""

    def __init__(self) -> None:
        self.begun = self.ended = 0
        self.under_way, self.go = asyncio.Event(), asyncio.Event()
        self.fails = False

    async def __call__(self) -> str:
        self.begun += 1
        self.under_way.set()
        try:
            await self.go.wait()
            if self.fails:
                raise ValueError("it fails")
            return f"text {self.begun}"
        finally:
            self.ended += 1


async def joined(flights: Flights[str], work: Work, count: int) -> list[asyncio.Task[str]]:
    """So many who wait, the first of whom has begun it."""
    tasks = [asyncio.create_task(flights.of("name", work)) for _ in range(count)]
    await work.under_way.wait()
    await asyncio.sleep(0)  # the others come after the first
    return tasks


async def left(task: asyncio.Task[str]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_all_who_come_meanwhile_get_the_same() -> None:
    flights, work = Flights[str](), Work()
    tasks = await joined(flights, work, 3)
    work.go.set()
    assert await asyncio.gather(*tasks) == ["text 1"] * 3
    assert await flights.of("name", work) == "text 2", "what is done is not kept here"


@pytest.mark.parametrize("who", [0, 1])
async def test_who_leaves_ends_it_for_nobody_else(who: int) -> None:
    flights, work = Flights[str](), Work()
    tasks = await joined(flights, work, 2)
    await left(tasks.pop(who))
    assert work.ended == 0
    work.go.set()
    assert await tasks[0] == "text 1"


async def test_when_all_have_left_it_has_ended() -> None:
    flights, work = Flights[str](), Work()
    first, second = await joined(flights, work, 2)
    await left(first)
    await left(second)
    assert (work.begun, work.ended) == (1, 1)
    work.go.set()
    assert await flights.of("name", work) == "text 2"


async def test_a_failure_is_one_for_all_and_not_for_ever() -> None:
    flights, work = Flights[str](), Work()
    work.fails = True
    tasks = await joined(flights, work, 2)
    work.go.set()
    for task in tasks:
        with pytest.raises(ValueError, match="it fails"):
            await task
    work.fails = False
    assert await flights.of("name", work) == "text 2"


async def test_names_are_apart() -> None:
    flights, one, other = Flights[str](), Work(), Work()
    one.go.set()
    other.go.set()
    await asyncio.gather(flights.of("a", one), flights.of("b", other))
    assert (one.begun, other.begun) == (1, 1)
