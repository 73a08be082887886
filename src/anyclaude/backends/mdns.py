"""Who announces itself in the local network, by multicast DNS.

Anybody there can announce anything, as often as he likes. So names wait in a queue with a bound, are looked up one
after the other at a bounded rate, and what they say is taken apart by `cluster.discovery`; zeroconf bounds its cache.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final, Self

from zeroconf import Error as ZeroconfError
from zeroconf import InterfaceChoice, IPVersion, ServiceStateChange, Zeroconf
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

from anyclaude.cluster.discovery import Sighting, sighting_of
from anyclaude.wire.announcement import TYPE

log = logging.getLogger(__name__)

MOST_WAITING: Final = 256
"""Names that wait to be looked up. More than that are not heard."""

_LOOK_UP: Final = 1.5  # seconds for an answer
_PAUSE: Final = 0.05  # seconds between two names
_CLOSING: Final = 3.0  # seconds


class Browser:
    """Tells what appears and what goes, by the name of the announcement, from the running loop.

    interfaces: own addresses to listen at; None: all. Entering raises OSError where there is no multicast.
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
        self._waiting: dict[str, None] = {}
        self._came = asyncio.Event()
        self._overflowed = False

    async def __aenter__(self) -> Self:
        self._zeroconf = AsyncZeroconf(interfaces=self._interfaces, ip_version=IPVersion.V4Only)
        self._browser = AsyncServiceBrowser(self._zeroconf.zeroconf, TYPE, handlers=[self._changed])
        self._looking = asyncio.create_task(self._look_up_all(), name="mdns")
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._looking.cancel()
        with suppress(asyncio.CancelledError):
            await self._looking
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSING):
                await self._browser.async_cancel()
                await self._zeroconf.async_close()

    def _changed(
        self, zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange
    ) -> None:  # zeroconf calls it with these names
        if state_change is ServiceStateChange.Removed:
            self._waiting.pop(name, None)
            self._gone(name)
        else:
            self.heard(name)

    def heard(self, name: str) -> None:
        """A name was announced, or says something new. It is looked up when its turn comes."""
        if len(self._waiting) < MOST_WAITING:
            self._waiting[name] = None
            self._came.set()
        elif not self._overflowed:
            self._overflowed = True
            log.warning("so many workers announce themselves that some are not heard; name the nodes in the settings")

    async def _look_up_all(self) -> None:
        while True:
            await self._came.wait()
            self._came.clear()
            while self._waiting:
                name = next(iter(self._waiting))
                del self._waiting[name]
                await self._look_up(name)
                await asyncio.sleep(_PAUSE)

    async def _look_up(self, name: str) -> None:
        try:
            told = AsyncServiceInfo(TYPE, name)
            if not await told.async_request(self._zeroconf.zeroconf, _LOOK_UP * 1000):
                return
            sighting = sighting_of(name, told.parsed_addresses(), told.port, told.properties)
        except (OSError, ValueError, ZeroconfError) as error:
            log.debug("an announcement cannot be read: %s", type(error).__name__)
            return
        if sighting is not None:
            self._appeared(sighting)
