"""`MLX_ANNOUNCE=1 python -m mlx_worker --port 0`: announced with its real port when ready, withdrawn on SIGTERM."""

import asyncio
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from zeroconf import ServiceStateChange, Zeroconf
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

from anyclaude.wire.announcement import TYPE

DEADLINE = 60.0
COMMAND = [sys.executable, "-m", "mlx_worker", "--port", "0"]


@contextmanager
def announcing(folder: Path, home: Path, token: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The program, and the port that it says it listens on."""
    environ = {"PATH": os.environ["PATH"], "HOME": str(home), "MLX_MODEL_PATH": str(folder)}
    environ |= {"MLX_ANNOUNCE": "1", "MLX_WORKER_TOKEN": token}
    with subprocess.Popen(COMMAND, env=environ, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, int(process.stdout.readline().rpartition(":")[2])
        finally:
            process.kill()


async def test_it_is_announced_when_it_is_ready_and_withdrawn_at_the_end(attention_model: Path, tmp_path: Path) -> None:
    token = secrets.token_hex(16)
    seen: asyncio.Queue[tuple[ServiceStateChange, str]] = asyncio.Queue()

    def heard(zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange) -> None:
        seen.put_nowait((state_change, name))

    zeroconf = AsyncZeroconf(interfaces=["127.0.0.1"])
    browser = AsyncServiceBrowser(zeroconf.zeroconf, TYPE, handlers=[heard])
    try:
        with announcing(attention_model, tmp_path, token) as (process, port):
            name = await _next(seen, ServiceStateChange.Added, port)
            told = AsyncServiceInfo(TYPE, name)
            assert await told.async_request(zeroconf.zeroconf, 3000)
            assert (told.parsed_addresses(), told.port) == (["127.0.0.1"], port)
            pairs = told.properties
            assert (pairs[b"v"], pairs[b"model"], len(pairs[b"instance"] or b"")) == (b"1", b"attention", 32)
            assert token not in repr(told)
            process.send_signal(signal.SIGTERM)
            await _next(seen, ServiceStateChange.Removed, port)
    finally:
        await browser.async_cancel()
        await zeroconf.async_close()


async def _next(seen: asyncio.Queue[tuple[ServiceStateChange, str]], change: ServiceStateChange, port: int) -> str:
    """The name of the worker of that port, once that has become of it. Others may be there too."""
    async with asyncio.timeout(DEADLINE):
        while True:
            found, name = await seen.get()
            if found is change and name.endswith(f"-{port}.{TYPE}"):
                return name
