"""MLX_ANNOUNCE=1: the worker says in the local network that it is there (`anyclaude.wire.announcement` says what).

It is announced as long as it may be asked: from when the model is ready until it is told to end, or dies. That is
looked up in the engine, so that no signal has to be caught here. It is announced only where it can be reached: on
loopback when it listens there, else in private networks, never under a public address. IPv4, which every home has.
"""

import asyncio
import logging
import platform
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

import ifaddr
from zeroconf import Error as ZeroconfError
from zeroconf import IPVersion, ServiceInfo
from zeroconf.asyncio import AsyncZeroconf

from anyclaude.wire.announcement import TYPE, nearby_address, pairs_of
from mlx_worker.engine import Engine
from mlx_worker.guards import is_loopback
from mlx_worker.health import INSTANCE
from mlx_worker.settings import Settings

log = logging.getLogger("mlx_worker")

LOOK_SECONDS: Final = 0.2
_WITHDRAWING: Final = 5.0  # seconds


@asynccontextmanager
async def announced(engine: Engine, settings: Settings) -> AsyncIterator[None]:
    """While the block runs, the worker is announced whenever it is ready, if the settings say so."""
    if not settings.announce:
        yield
        return
    leaving = asyncio.Event()
    following = asyncio.create_task(_follow(engine, settings, leaving), name="announcement")
    try:
        yield
    finally:
        leaving.set()
        await asyncio.wait({following}, timeout=2 * _WITHDRAWING)
        following.cancel()  # no effect on one that has ended
        await asyncio.gather(following, return_exceptions=True)


async def _follow(engine: Engine, settings: Settings, leaving: asyncio.Event) -> None:
    """A worker that cannot be announced is served all the same; whoever knows its address can name it."""
    addresses = reachable(settings.host)
    if not addresses or settings.port == 0:
        log.warning("this worker is not announced: it has no address in a private network, or its port is not known")
        return
    try:
        while await _until(engine, leaving, ready=True):
            async with _announcement(engine, addresses, settings.port):
                await _until(engine, leaving, ready=False)
    except (OSError, RuntimeError, ZeroconfError) as error:  # the second where there is no interface
        log.warning("this worker is not announced: %s; name its address in the nodes of the cluster", error)


async def _until(engine: Engine, leaving: asyncio.Event, *, ready: bool) -> bool:
    """Wait for that. False when it is time to leave first."""
    while not leaving.is_set() and (engine.status().state == "ready") is not ready:
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_SECONDS):
                await leaving.wait()
    return not leaving.is_set()


@asynccontextmanager
async def _announcement(engine: Engine, addresses: list[str], port: int) -> AsyncIterator[None]:
    """Registered, and withdrawn at the end."""
    zeroconf = AsyncZeroconf(interfaces=addresses, ip_version=IPVersion.V4Only)
    try:
        service = _service(engine.card.id if engine.card else None, addresses, port)
        await (await zeroconf.async_register_service(service, allow_name_change=True))
        log.info("announced as %s", service.name)
        yield
    finally:
        with suppress(TimeoutError):
            async with asyncio.timeout(_WITHDRAWING):
                await zeroconf.async_close()


def _service(model: str | None, addresses: list[str], port: int) -> ServiceInfo:
    """Its host has a name of its own: that of the machine is the system's to announce."""
    machine = re.sub(r"[^A-Za-z0-9-]+", "-", platform.node().partition(".")[0])[:40].strip("-") or "worker"
    return ServiceInfo(
        TYPE,
        f"{machine}-{port}.{TYPE}",
        port=port,
        properties=pairs_of(model, INSTANCE),
        server=f"anyclaude-{INSTANCE[:16]}.local.",
        parsed_addresses=addresses,
    )


def reachable(host: str) -> list[str]:
    """The IPv4 addresses under which a worker that listens on `host` is announced. Empty where it is not to be."""
    if host not in ("0.0.0.0", "::"):  # noqa: S104 (compared, not bound)
        address = nearby_address("127.0.0.1" if host in ("localhost", "::1") else host)
        return [address] if address is not None and ":" not in address else []
    found = [str(ip.ip) for adapter in ifaddr.get_adapters() for ip in adapter.ips if ip.is_IPv4]
    return [ip for ip in found if nearby_address(ip) and not is_loopback(ip)]
