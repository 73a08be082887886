"""R4, R5: clients that leave: python scripts/test/measures/cancels.py [--scale F]

R4: a proxy as a process of its own, an upstream that says no end; the time from a client's leaving to the end of the
upstream's connection, at four moments, one client at a time and fifty at once. R5: requests that are cancelled, every
fifth twice; then as many good ones as a pool has places, and nothing may be left open.
"""

import asyncio
import statistics
import sys
import time
from contextlib import ExitStack, suppress

from benched import CHUNK, HEAD, Upstream
from measuring import scale, tell
from proxied import Proxy, percentile, proxy_before
from tests.support.faulty_client import ASK, asking
from tests.support.faulty_upstream import OPENAI, Cuts, Wire, faulty_upstream

from anyclaude.backends.base import Caller
from anyclaude.backends.lmstudio import LMStudioBackend
from anyclaude.config.model import Deadlines
from anyclaude.config.upstreams import LMStudio

MOMENTS = {
    "before the head": (b"", b""),
    "in the prompt": (HEAD, b""),
    "in mid-answer": (HEAD + CHUNK, b"text_delta"),
    "behind the finish": (HEAD + CHUNK + OPENAI.finish, b"text_delta"),
}
"""What the upstream says by then, and what the client waits for."""

SINGLE = 250
BURSTS = 5
AT_ONCE = 50
CANCELLED = 5000
TOGETHER = 50
GOOD = 300
DEADLINE = 20.0


async def _left(upstream: Upstream, proxy: Proxy, moment: str, together: int) -> list[float]:
    """Milliseconds for each of `together` clients that leave at the same moment."""
    upstream.says, mark = MOMENTS[moment]
    question = proxy.question(asking())
    async with asyncio.timeout(DEADLINE):
        clients = [await asyncio.open_connection(proxy.host, proxy.port) for _ in range(together)]
        for _, writer in clients:
            writer.write(question)
        ends = [await upstream.asked.get() for _ in range(together)]
        if mark:
            await asyncio.gather(*(reader.readuntil(mark) for reader, _ in clients))
        left = time.perf_counter()
        for _, writer in clients:
            writer.close()
        return [max(0.0, (end - left) * 1000) for end in await asyncio.gather(*ends)]


async def leaving(part: float) -> dict[str, object]:
    """R4."""
    upstream, alone, bursts, missed = Upstream(), list[float](), list[float](), 0
    server = await asyncio.start_server(upstream.serve, "127.0.0.1", 0)
    with ExitStack() as stack:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        proxy = await asyncio.to_thread(proxy_before, url, stack)
        for moment in MOMENTS:
            for together, times, found in ((1, SINGLE, alone), (AT_ONCE, BURSTS, bursts)):
                for _ in range(max(1, round(times * part))):
                    try:
                        found += await _left(upstream, proxy, moment, together)
                    except TimeoutError:
                        missed += 1
            print(f"{moment}: p50 {statistics.median(alone):.1f} ms, {missed} missed", file=sys.stderr)
    server.close()
    p50, p99, worst = statistics.median(alone), percentile(alone, 0.99), max(bursts)
    one, many = f"p50 {p50:.1f} ms, p99 {p99:.1f} ms", f"{AT_ONCE} at once {worst:.0f} ms"
    measured = f"{len(alone):,} times, {one}; {many}; {missed} missed"
    return {"measured": measured, "met": p50 < 5 and p99 < 50 and worst < 100 and not missed}


class Rooms:
    """Where cancelled requests were: the upstream answers none of them until it is said so."""

    def __init__(self) -> None:
        self.well = False

    async def play(self, wire: Wire) -> None:
        if self.well:
            await wire.stream(wire.says.answer)
        else:
            await wire.stream(wire.says.opening, end=b"")
            await wire.gone()


async def _cancelled(backend: LMStudioBackend, number: int, limit: asyncio.Semaphore) -> None:
    """At a moment of its own; every fifth once more while it ends."""
    async with limit:
        asking = asyncio.create_task(_asked(backend))
        for _ in range(number % 60):
            await asyncio.sleep(0)
        if number % 3 == 0:
            await asyncio.sleep(0.01 + number % 7 / 1000)  # its answer is under way
        asking.cancel()
        if number % 5 == 0:
            for _ in range(number % 4):
                await asyncio.sleep(0)
            asking.cancel()
        with suppress(asyncio.CancelledError):
            await asking


async def _asked(backend: LMStudioBackend) -> int:
    """How many batches came."""
    async with backend.stream(ASK, Caller()) as batches:
        return len([batch async for batch in batches])


async def pool(part: float) -> dict[str, object]:
    """R5."""
    rooms, limit, failed = Rooms(), asyncio.Semaphore(TOGETHER), 0
    count = max(TOGETHER, round(CANCELLED * part))
    async with faulty_upstream(rooms.play, OPENAI, Cuts()) as upstream:
        backend = LMStudioBackend(LMStudio(url=upstream.url), "m", Deadlines(connect=10.0))
        await asyncio.gather(*(_cancelled(backend, number, limit) for number in range(count)))
        open_still = 0 if await upstream.left(within=10.0) else 1
        rooms.well = True
        for one in await asyncio.gather(*(_asked(backend) for _ in range(GOOD)), return_exceptions=True):
            failed += isinstance(one, BaseException)
        open_still += 0 if await upstream.left(within=10.0) else 1
        await backend.aclose()
    state = "none left open" if not open_still else "some left open"
    measured = (
        f"{count:,} cancelled, {len(range(0, count, 5)):,} of them twice: {state}; {failed} of {GOOD} refused then"
    )
    return {"measured": measured, "met": not open_still and not failed}


async def main(part: float) -> None:
    tell({"R4": await leaving(part), "R5": await pool(part)})


if __name__ == "__main__":
    asyncio.run(main(scale(__doc__)))
