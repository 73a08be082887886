"""What becomes of the streams under way, and of the program, when `anyclaude --proxy-only` is told to end."""

import asyncio
import os
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from tests.support.children import bare_environment, child
from tests.support.clients import decode
from tests.support.held_upstream import QUESTION, HeldUpstream
from tests.support.pids import in_session

_PROGRAM = """
import sys
from functools import partial
import anyclaude.cli.run as run
from anyclaude.cli.main import main
run.serving = partial(run.serving, drain={grace})
sys.exit(main(["--mode=lmstudio", "--proxy-only"]))
"""


@dataclass(frozen=True)
class Drained:
    """whole: streams with a finish. told: those that end in an error event. cut: the rest.

    exit_code: as `subprocess` tells it. seconds: from the signal to the end. left: processes of its session, zombies
    too. said: on stderr.
    """

    whole: int
    told: int
    cut: int
    exit_code: int
    seconds: float
    left: int
    said: str


def with_grace(seconds: float) -> list[str]:
    """The command, with another time for answers under way to finish."""
    return [sys.executable, "-c", _PROGRAM.format(grace=seconds)]


async def drained(home: Path, streams: int, *numbers: signal.Signals, finishing: bool, grace: float) -> Drained:
    """Open so many streams, send the signals, let the answers finish or not, and look at all that ends.

    Every signal after the first is sent while it drains. Raises TimeoutError past a deadline of a minute.
    """
    async with asyncio.timeout(60), HeldUpstream() as upstream:
        environ = bare_environment(home, LMSTUDIO_URL=upstream.url)
        async with child(with_grace(grace), environ, home) as started:
            assert started.stdout is not None
            url, token = [(await started.stdout.readline()).decode().strip().partition("=")[2] for _ in range(2)]
            async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as client:
                ready = [asyncio.Event() for _ in range(streams)]
                asked = [asyncio.create_task(_ending(client, url, each)) for each in ready]
                for each in ready:
                    await each.wait()
                began = time.monotonic()
                for number in numbers:
                    os.kill(started.pid, number)
                    await refused(url)
                if finishing:
                    upstream.released.set()
                _, said = await started.communicate()
                seconds = time.monotonic() - began
                endings = [await each for each in asked]
            left = [pid for pid in in_session(started.pid) if pid != started.pid]
    assert started.returncode is not None
    whole, told = (endings.count(name) for name in ("message_stop", "error"))
    cut = len(endings) - whole - told
    return Drained(whole, told, cut, started.returncode, seconds, len(left), said.decode())


async def _ending(client: aiohttp.ClientSession, url: str, ready: asyncio.Event) -> str:
    """The type of the stream's last event; "" for one that was cut."""
    async with client.post(f"{url}/v1/messages", json=QUESTION) as answer:
        begun = await answer.content.readuntil(b"text_delta")
        ready.set()
        try:
            return str(decode(begun + await answer.read())[-1]["type"])
        except (aiohttp.ClientError, AssertionError):
            return ""


async def refused(url: str) -> None:
    """Until the port does not accept any more: the draining has begun."""
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        except OSError:
            return
        writer.close()
        with suppress(ConnectionError):  # it was let in while the port was closed
            await writer.wait_closed()
