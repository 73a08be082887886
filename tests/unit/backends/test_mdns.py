"""What is heard of announcements, before the network is asked."""

import asyncio

import pytest
from zeroconf import ServiceStateChange, Zeroconf

from anyclaude.backends.mdns import MOST_WAITING, Browser, _Names
from anyclaude.wire.announcement import TYPE

ADDED, UPDATED, REMOVED = ServiceStateChange.Added, ServiceStateChange.Updated, ServiceStateChange.Removed


def _heard(browser: Browser, name: str, change: ServiceStateChange) -> None:
    browser._changed(zeroconf=Zeroconf.__new__(Zeroconf), service_type=TYPE, name=name, state_change=change)


def test_more_names_than_can_wait_are_not_heard_and_that_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    gone: list[str] = []
    browser = Browser(lambda sighting: None, gone.append)
    for number in range(2000):
        _heard(browser, f"evil-{number}.{TYPE}", ADDED)
        _heard(browser, f"evil-{number}.{TYPE}", UPDATED)
    assert len(browser._heard._names) == MOST_WAITING
    assert caplog.text.count("name the nodes in the settings") == 1
    for number in range(2000):
        _heard(browser, f"evil-{number}.{TYPE}", REMOVED)
    assert (len(browser._heard._names), len(gone)) == (0, 2000)


async def test_each_name_waits_once_and_in_its_turn() -> None:
    names = _Names()
    waiting = asyncio.create_task(names.take())
    await asyncio.sleep(0)
    for name in ("a", "b", "a", "c", "b"):
        assert names.add(name)
    assert await waiting == "a"
    names.drop("c")
    assert await names.take() == "b"
    assert names._names == {}


async def test_names_that_nobody_can_read_end_nothing() -> None:
    """As those of a lone surrogate, of another type, or too long."""
    browser = Browser(lambda sighting: None, lambda name: None)
    for name in ("", "x", TYPE, "mac._http._tcp.local.", f"{'x' * 64}.{TYPE}", "\udcff." + TYPE):
        _heard(browser, name, ADDED)
        browser._bare.add(name)
    reading, asking = asyncio.create_task(browser._read_all()), asyncio.create_task(browser._ask_all())
    async with asyncio.timeout(10):
        while browser._heard._names or browser._bare._names:  # noqa: ASYNC110 (what is looked at has no event)
            await asyncio.sleep(0)
    assert not reading.done()
    assert not asking.done()
    for task in (reading, asking):
        task.cancel()
    await asyncio.gather(reading, asking, return_exceptions=True)
