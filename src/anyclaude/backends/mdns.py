"""Who announces itself in the local network, by multicast DNS.

Anybody there can announce anything, as often as he likes. So names wait in a queue with a bound, are read at a bounded
rate, and what they say is taken apart by `cluster.discovery`; zeroconf bounds its cache. A worker says all in one
packet; who has to be asked for the rest waits in a queue of its own, so that names without a worker hold up nobody.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final, Self

from zeroconf import InterfaceChoice, IPVersion, ServiceStateChange, Zeroconf
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

from anyclaude.cluster.discovery import Sighting, sighting_of
from anyclaude.wire.announcement import TYPE

log = logging.getLogger(__name__)

MOST_WAITING: Final = 256
"""Names that wait to be read, and as many that wait to be asked. More than that are not heard."""

_ASKED_AT_ONCE: Final = 4
_ANSWER: Final = 1.5  # seconds
_PAUSE: Final = 0.02  # seconds between two names
_CLOSING: Final = 3.0  # seconds


class Browser:
    """Tells what appears and what goes, by the name of the announcement, from the running loop.

    interfaces: own addresses to listen at; None: all. Entering raises OSError or RuntimeError where none is to be had.
    """

    def __init__(
        self,
        appeared: Callable[[Sighting], None],
        gone: Callable[[str], None],
        interfaces: Sequence[str] | None = None,
    ) -> None:
        self._appeared = appeared
        self._gone = gone
        self._interfaces = list(interfaces) if interfaces else InterfaceChoice.All
        self._heard = _Names()
        self._bare = _Names()
        self._overflowed = False

    async def __aenter__(self) -> Self:
        self._zeroconf = AsyncZeroconf(interfaces=self._interfaces, ip_version=IPVersion.V4Only)
        self._browser = AsyncServiceBrowser(self._zeroconf.zeroconf, TYPE, handlers=[self._changed])
        self._tasks = [asyncio.create_task(self._ask_all(), name="mdns") for _ in range(_ASKED_AT_ONCE)]
        self._tasks.append(asyncio.create_task(self._read_all(), name="mdns"))
        return self

    async def __aexit__(self, *exc: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSING):
                await self._browser.async_cancel()
                await self._zeroconf.async_close()

    def _changed(
        self, zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange
    ) -> None:  # zeroconf calls it with these names
        if state_change is ServiceStateChange.Removed:
            self._heard.drop(name)
            self._bare.drop(name)
            self._gone(name)
        elif not self._heard.add(name) and not self._overflowed:
            self._overflowed = True
            log.warning("so many workers announce themselves that some are not heard; name the nodes in the settings")

    async def _read_all(self) -> None:
        while True:
            name = await self._heard.take()
            with _skipped():
                told = AsyncServiceInfo(TYPE, name)
                if told.load_from_cache(self._zeroconf.zeroconf):
                    self._tell(told)
                else:
                    self._bare.add(name)
            await asyncio.sleep(_PAUSE)

    async def _ask_all(self) -> None:
        while True:
            name = await self._bare.take()
            with _skipped():
                told = AsyncServiceInfo(TYPE, name)
                if await told.async_request(self._zeroconf.zeroconf, _ANSWER * 1000):
                    self._tell(told)

    def _tell(self, told: AsyncServiceInfo) -> None:
        sighting = sighting_of(told.name, told.parsed_addresses(), told.port, told.properties)
        if sighting is not None:
            self._appeared(sighting)


@contextmanager
def _skipped() -> Iterator[None]:
    try:
        yield
    except Exception as error:  # whatever a stranger announces, the others are read all the same
        log.debug("an announcement cannot be read: %s", type(error).__name__)


class _Names:
    """A queue in which each name stands once."""

    def __init__(self) -> None:
        self._names: dict[str, None] = {}
        self._came = asyncio.Event()

    def add(self, name: str) -> bool:
        """False when it is full."""
        if len(self._names) >= MOST_WAITING:
            return False
        self._names[name] = None
        self._came.set()
        return True

    def drop(self, name: str) -> None:
        self._names.pop(name, None)

    async def take(self) -> str:
        while not self._names:
            self._came.clear()
            await self._came.wait()
        name = next(iter(self._names))
        del self._names[name]
        return name
