"""The addresses of a host's name, asked for in a way that can be given up.

The system's own question waits up to half a minute for name servers, and the event loop's threads that ask it must end
before the loop does: a launch that was told to end waited for it. Here a thread asks that nobody waits for at the end.
"""

import asyncio
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from aiohttp.abc import AbstractResolver, ResolveResult

_FLAGS: Final = socket.AI_ADDRCONFIG & getattr(socket, "AI_MASK", socket.AI_ADDRCONFIG)
_NUMERIC: Final = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV


class Names(AbstractResolver):
    """As aiohttp's own resolver: raises OSError and UnicodeError for names that lead nowhere."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        def ask() -> list[ResolveResult]:
            found = socket.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM, flags=_FLAGS)
            return [_result(host, kind, proto, address) for kind, _, proto, _, address in found]

        return await _asked(ask)

    async def close(self) -> None:
        return None


def _result(host: str, family: socket.AddressFamily, proto: int, address: Any) -> ResolveResult:
    """With the zone of a link's own address in its name, as `fe80::1%en0`."""
    name, port = address[:2]
    if family == socket.AF_INET6 and address[3]:
        name = socket.getnameinfo(address, socket.NI_NUMERICHOST | socket.NI_NUMERICSERV)[0]
    return ResolveResult(hostname=host, host=name, port=port, family=family, proto=proto, flags=_NUMERIC)


async def _asked(ask: Callable[[], list[ResolveResult]]) -> list[ResolveResult]:
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[list[ResolveResult]] = loop.create_future()

    def tell(found: list[ResolveResult], error: Exception | None) -> None:
        if answer.done():
            return  # nobody waits any more
        if error is None:
            answer.set_result(found)
        else:
            answer.set_exception(error)

    def work() -> None:
        found: list[ResolveResult] = []
        failed: Exception | None = None
        try:
            found = ask()
        except Exception as error:  # whatever it is, who asked is told
            failed = error
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(tell, found, failed)

    threading.Thread(target=work, name="names", daemon=True).start()
    return await answer
