"""Who waits for the first word of a node that is not there any more."""

import asyncio

import pytest

from anyclaude.backends.presence import Presence


async def wait(presence: Presence, begun: asyncio.Event) -> None:
    async with presence.waiting():
        begun.set()
        await asyncio.Event().wait()


async def test_all_who_wait_are_sent_on_once_it_is_gone() -> None:
    presence = Presence()
    begun = [asyncio.Event() for _ in range(3)]
    tasks = [asyncio.create_task(wait(presence, each)) for each in begun]
    for each in begun:
        await each.wait()
    presence.tell(True)
    presence.tell(False)
    presence.tell(False)  # while they are still leaving
    assert [type(outcome) for outcome in await asyncio.gather(*tasks, return_exceptions=True)] == [TimeoutError] * 3
    assert not presence.is_there


async def test_who_waits_no_more_is_left_alone() -> None:
    presence = Presence()
    async with presence.waiting():
        pass
    presence.tell(False)
    await asyncio.sleep(0)
    presence.tell(True)
    assert presence.is_there


async def test_a_cancel_stays_one() -> None:
    presence, begun = Presence(), asyncio.Event()
    task = asyncio.create_task(wait(presence, begun))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_who_waits_may_wait_on_at_a_node_that_is_not_there() -> None:
    presence, begun = Presence(), asyncio.Event()
    task = asyncio.create_task(wait(presence, begun))
    await begun.wait()
    presence.tell(False, leave=False)
    assert not presence.is_there
    assert (await asyncio.wait({task}, timeout=0.0))[1] == {task}
    presence.tell(False)
    with pytest.raises(TimeoutError):
        await task


async def test_an_answer_that_has_begun_waits_a_while_for_a_node_to_come_back() -> None:
    presence, went_on = Presence(), asyncio.Event()

    async def listen(grace: float) -> None:
        async with presence.waiting(grace):
            await went_on.wait()

    patient, hasty = asyncio.create_task(listen(3600.0)), asyncio.create_task(listen(0.001))
    await asyncio.sleep(0)
    presence.tell(False, leave=False)
    with pytest.raises(TimeoutError):
        await hasty
    presence.tell(False)
    with pytest.raises(TimeoutError):
        await listen(0.001)  # it is known to be lost when the wait begins
    presence.tell(True)
    went_on.set()
    await patient
