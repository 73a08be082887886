"""R13: traces through kills and on full disks: python scripts/test/measures/traces.py [--scale F]

A program that writes traces is killed with kill -9 in the middle of it, 200 times at scale 1; and proxies that keep
traces on a disk of 64 KB are asked 50 times, ten times each.
"""

import asyncio
import os
import random
import signal
import sys
import tempfile
from pathlib import Path

from measuring import scale, tell
from tests.support.children import ANYCLAUDE, bare_environment, child
from tests.support.clients import client_of
from tests.support.openai_upstream import OpenAIUpstream
from tests.support.small_disk import on_small_disk, possible
from tests.support.trace_writer import Killed, kill_while_writing

KILLS, ASKED = 200, 50
A_LAUNCH = 10
KILOBYTES = 64


async def main(part: float) -> None:
    kills = [_killed(number) for number in range(max(1, round(KILLS * part)))]
    asked = max(1, round(ASKED * part))
    failed = await _on_full_disks(asked) if possible() else None
    faults = [fault for killed in kills for fault in killed.faults]
    kept, parts = sum(killed.kept for killed in kills), max(killed.parts for killed in kills)
    measured = f"{len(kills)} kills, {kept} records: {len(faults)} lost, broken or open to others, {parts} unfinished"
    measured += "; full disk: not tried" if failed is None else f"; {asked} requests on a full disk: {failed} failed"
    figure: dict[str, object] = {"measured": measured, "met": not faults and parts <= 1 and failed == 0}
    if failed is None:
        figure["note"] = "a disk of its own could not be had on this machine"
    tell({"R13": figure})


def _killed(number: int) -> Killed:
    with tempfile.TemporaryDirectory() as home:
        killed = kill_while_writing(Path(home), after=random.randint(1, 5))
    print(f"kill {number + 1}: {killed}", file=sys.stderr)
    return killed


async def _on_full_disks(asked: int) -> int:
    """How many of the requests failed, or left a word on the screen."""
    failed = 0
    async with OpenAIUpstream() as upstream:
        while asked > 0:
            now = min(asked, A_LAUNCH)
            failed += await _on_full_disk(upstream.url, now)
            asked -= now
    return failed


async def _on_full_disk(url: str, asked: int) -> int:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        (home / ".anyclaude").mkdir(mode=0o700)
        command = on_small_disk([*ANYCLAUDE, "--mode=lmstudio", "--proxy-only"], home / ".anyclaude", KILOBYTES)
        environ = bare_environment(home, LMSTUDIO_URL=url, ANYCLAUDE_DEBUG="3")
        async with child(command, environ, home) as started:
            assert started.stdout is not None
            address, token = [(await started.stdout.readline()).decode().strip().partition("=")[2] for _ in range(2)]
            async with client_of(address, token) as client:
                answers = [await client.events(system="word " * 20_000) for _ in range(asked)]
            os.kill(started.pid, signal.SIGTERM)
            said = b"".join(await started.communicate())
    whole = sum(events[-1]["type"] == "message_stop" for events in answers)
    print(f"full disk: {whole} of {asked} whole, said {said!r}", file=sys.stderr)
    return int(asked - whole + bool(said))


if __name__ == "__main__":
    asyncio.run(main(scale(__doc__)))
