"""R7: a client that reads slowly: python scripts/test/measures/readers.py [--scale F]

200 MB of an answer for a client that first takes nothing, until the upstream can write no more, and then all of it. And
one that never takes anything: how long it holds the upstream.
"""

import asyncio
import sys
import time
from contextlib import ExitStack

from measuring import scale, tell
from proxied import Proxy, connected, proxy_before
from tests.support.client_scenarios import WORD, Met, floods
from tests.support.faulty_client import asking
from tests.support.faulty_upstream import OPENAI, Cuts, FaultyUpstream, Wire, faulty_upstream

MB = 1_000_000
SIZE = 200 * MB
STEADY = 1.0
"""Seconds without another byte after which the upstream counts as blocked."""

LET_GO = 100.0
DEADLINE = 240.0


async def _until_blocked(met: Met) -> int:
    """Bytes that the upstream could write."""
    await met.asked.wait()
    before = -1
    while before != met.written:
        before = met.written
        await asyncio.sleep(STEADY)
    return met.written


async def late(met: Met, proxy: Proxy) -> tuple[int, float, int]:
    """What the upstream could write while nothing was read, by how much the memory grew at most, and what came then.

    Raises ValueError when that is not every word that was written, and the end.
    """
    async with asyncio.timeout(DEADLINE), connected(proxy) as (reader, writer):
        before = proxy.child.rss_mb()
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(proxy.question(asking()))
        blocked = await _until_blocked(met)
        writer.transport.resume_reading()  # type: ignore[attr-defined]
        most, came, words, tail = proxy.child.rss_mb(), 0, 0, b""
        while not tail.endswith(b"\r\n0\r\n\r\n"):
            piece = await reader.read(1 << 20)
            came += len(piece)
            words += (tail[-len(WORD) + 1 :] + piece).count(WORD)
            tail = (tail + piece)[-64:]
            most = max(most, proxy.child.rss_mb())
            if not piece:
                break
    if words != met.words or b"message_stop" not in tail:
        raise ValueError(f"{words} of {met.words} words came, and in the end {tail!r}")
    return blocked, most - before, came


async def never(met: Met, proxy: Proxy, upstream: FaultyUpstream) -> float | None:
    """Seconds until the upstream is let go; None: not at all."""
    async with connected(proxy) as (_, writer):
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(proxy.question(asking()))
        await _until_blocked(met)
        began = time.monotonic() - STEADY
        return time.monotonic() - began if await upstream.left(within=LET_GO) else None


async def main(part: float) -> None:
    size = max(32 * MB, round(SIZE * part))
    met: Met

    async def play(wire: Wire) -> None:
        scenario = floods(met, size)
        met.asked.set()
        await scenario(wire)

    async with faulty_upstream(play, OPENAI, Cuts()) as upstream:
        with ExitStack() as stack:
            met = Met(0, upstream)
            proxy = await asyncio.to_thread(proxy_before, upstream.url, stack)
            async with connected(proxy) as (reader, writer):  # to warm up
                met.written = size
                writer.write(proxy.question(asking()))
                await reader.readuntil(b"message_stop")
            met.written, met.words, met.asked = 0, 0, asyncio.Event()
            blocked, grown, came = await late(met, proxy)
            print(f"blocked after {blocked / MB:.1f} MB, grew by {grown:.1f} MB", file=sys.stderr)
            met.written, met.asked = 0, asyncio.Event()
            held = await never(met, proxy, upstream) if part >= 1 else None
    measured = f"{came / MB:.0f} MB came, RSS +{grown:.1f} MB, the upstream waited after {blocked / MB:.1f} MB"
    met_all = grown < 10 and blocked < 16 * MB and (part < 1 or held is not None)
    tell({"R7": {"measured": measured + _held(held, part), "met": met_all}})


def _held(seconds: float | None, part: float) -> str:
    if part < 1:
        return ""
    return "; who takes nothing is let go " + (f"after {seconds:.0f} s" if seconds else "never")


if __name__ == "__main__":
    asyncio.run(main(scale(__doc__)))
