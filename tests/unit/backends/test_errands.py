"""Tasks beside the requests: one for each name, harmless to each other, and ended with their owner."""

import asyncio
import logging

import pytest

from anyclaude.backends.errands import Errands


class Work:
    """Waits until it is let go."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.let_go = asyncio.Event()
        self.outcomes: list[str] = []

    async def __call__(self) -> None:
        self.begun.set()
        try:
            await self.let_go.wait()
            self.outcomes.append("done")
        except asyncio.CancelledError:
            self.outcomes.append("cancelled")
            raise


async def settled() -> None:
    """Let every task run until it waits for something else than its turn."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_one_at_a_time_for_each_name() -> None:
    errands, work = Errands(), Work()
    assert errands.begin("a", work)
    assert not errands.begin("a", work)
    assert errands.begin("b", work)
    await work.begun.wait()
    work.let_go.set()
    await settled()
    assert errands.begin("a", work)
    await errands.aclose()


async def test_a_fault_in_one_is_logged_and_the_next_may_begin(caplog: pytest.LogCaptureFixture) -> None:
    errands, work = Errands(), Work()
    work.let_go.set()

    async def faulty() -> None:
        raise ZeroDivisionError

    errands.begin("odd", faulty)
    errands.begin("well", work)
    with caplog.at_level(logging.ERROR):
        await settled()
    assert errands.begin("odd", work)
    assert "odd failed" in caplog.text
    assert "ZeroDivisionError" in caplog.text
    await settled()
    assert work.outcomes == ["done", "done"]
    await errands.aclose()


async def test_who_closes_waits_for_the_end_of_each() -> None:
    errands, work = Errands(), Work()
    errands.begin("a", work)
    await work.begun.wait()
    errands.drop("a")
    assert errands.begin("a", work)  # while the one before is still ending
    await asyncio.sleep(0)
    await errands.aclose()
    assert work.outcomes == ["cancelled", "cancelled"]
    assert asyncio.all_tasks() == {asyncio.current_task()}
