"""R8, R9: many streams: python scripts/test/measures/streams.py [--scale F]

A proxy and an upstream, each a process of its own. R8: thousands of short streams, some at a time, and what of memory,
descriptors and threads is back afterwards; tasks are counted beside a proxy in this process. R9: 64 streams at once for
a minute, how evenly they go on, and how long the proxy's event loop makes a trifle wait, asked by one more process.
"""

import asyncio
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from benched import Address, Plan, ask, listening_port, python_child
from measuring import scale, tell
from proxied import Proxy, connected, proxy_before
from tests.support.client_trials import proxy_before as proxy_in_here
from tests.support.faulty_client import asking, dialled, request
from tests.support.faulty_upstream import OPENAI, Cuts, Wire, faulty_upstream

from anyclaude.server.connections import PATIENT

STREAMS = 10_000
WARM_UP = 500
IN_HERE = 1_000
TOGETHER = 16
SECONDS = 60.0
AT_ONCE = 64
PAUSE_MS = 40.0
END = b"\r\n0\r\n\r\n"

PROBE = """
import socket, sys, time
port, seconds = int(sys.argv[1]), float(sys.argv[2])
link, waits = socket.create_connection(("127.0.0.1", port)), []
asked = f"HEAD / HTTP/1.1\\r\\nHost: 127.0.0.1:{port}\\r\\n\\r\\n".encode()
end = time.monotonic() + seconds
while time.monotonic() < end:
    began = time.perf_counter()
    link.sendall(asked)
    while not link.recv(65536).endswith(b"\\r\\n\\r\\n"):
        pass
    waits.append(time.perf_counter() - began)
    time.sleep(0.02)
waits.sort()
print(waits[int(len(waits) * 0.99)] * 1000)
"""
"""The time of an answer that takes the proxy no time: what is over it is what other work made it wait."""


@dataclass(frozen=True)
class Resources:
    rss: float
    descriptors: int
    threads: int


async def _stream(proxy: Proxy, question: bytes) -> None:
    async with connected(proxy) as (reader, writer):
        writer.write(question)
        came = await reader.readuntil(END)
        if b"message_stop" not in came:
            raise ValueError(f"not whole: {came[-300:]!r}")


async def _streams(proxy: Proxy, count: int) -> None:
    question, left = proxy.question(asking()), iter(range(count))

    async def some() -> None:
        for number in left:
            await _stream(proxy, question)
            if number % 1000 == 999:
                print(f"{number + 1} streams, RSS {proxy.child.rss_mb():.1f} MB", file=sys.stderr)

    await asyncio.gather(*(some() for _ in range(TOGETHER)))


async def _at_rest(proxy: Proxy) -> Resources:
    await asyncio.sleep(1.0)
    return Resources(proxy.child.rss_mb(), proxy.descriptors(), proxy.threads())


async def tasks_left(count: int) -> int:
    """Tasks that are there after streams and were not before."""

    async def play(wire: Wire) -> None:
        await wire.stream(wire.says.answer)

    async with (
        faulty_upstream(play, OPENAI, Cuts()) as upstream,
        proxy_in_here("lmstudio", upstream.url, PATIENT) as port,
    ):
        before = len(asyncio.all_tasks())
        for _ in range(count):
            async with dialled(port) as line:
                await line.send(request(port))
                await line.answers()
        await upstream.left(within=10)
        for _ in range(1000):
            if len(asyncio.all_tasks()) <= before:
                break
            await asyncio.sleep(0.01)
        return len(asyncio.all_tasks()) - before


async def soak(proxy: Proxy, control: Address, part: float) -> dict[str, object]:
    """R8."""
    _set(control, Plan(chunks=20, burst=5))
    count = max(TOGETHER, round(STREAMS * part))
    await _streams(proxy, max(TOGETHER, round(WARM_UP * min(1.0, 10 * part))))
    before = await _at_rest(proxy)
    await _streams(proxy, count)
    after = await _at_rest(proxy)
    tasks = await tasks_left(max(20, round(IN_HERE * part)))
    grown, descriptors = after.rss - before.rss, after.descriptors - before.descriptors
    threads = after.threads - before.threads
    measured = (
        f"{count:,} streams: RSS {grown:+.1f} MB, descriptors {descriptors:+}, threads {threads:+}, tasks {tasks:+}"
    )
    return {"measured": measured, "met": grown < 5 and descriptors <= 0 and threads <= 0 and tasks <= 0}


async def _counted(proxy: Proxy, question: bytes, until: float) -> int:
    """Deltas of one stream by then. Raises ValueError when it ends before."""
    deltas = 0
    async with connected(proxy) as (reader, writer):
        writer.write(question)
        while (left := until - time.monotonic()) > 0:
            try:
                async with asyncio.timeout(left):
                    came = await reader.read(65536)
            except TimeoutError:
                break
            if not came or b"event: error" in came:
                raise ValueError(f"it ended: {came[-300:]!r}")
            deltas += came.count(b"event: content_block_delta")
    return deltas


async def at_once(proxy: Proxy, control: Address, part: float) -> dict[str, object]:
    """R9."""
    seconds = max(1.5, SECONDS * part)
    _set(control, Plan(chunks=int(2 * seconds * 1000 / PAUSE_MS), burst=1, pause_ms=PAUSE_MS))
    question, until = proxy.question(asking()), time.monotonic() + seconds
    probing = [sys.executable, "-c", PROBE, str(proxy.port), str(seconds - 0.5)]
    probe = await asyncio.create_subprocess_exec(*probing, stdout=asyncio.subprocess.PIPE)
    found = await asyncio.gather(*(_counted(proxy, question, until) for _ in range(AT_ONCE)), return_exceptions=True)
    async with asyncio.timeout(60):
        said, _ = await probe.communicate()
    errors = [one for one in found if isinstance(one, BaseException)]
    counts = [one for one in found if isinstance(one, int)]
    fair, lag = _jain(counts), float(said)
    measured = f"{AT_ONCE} streams, {seconds:.0f} s, {sum(counts):,} events: {len(errors)} errors, fairness {fair:.4f}"
    figure = {"measured": f"{measured}, lag p99 {lag:.1f} ms", "met": not errors and fair > 0.95 and lag < 20}
    return figure | ({"note": f"first error: {errors[0]}"} if errors else {})


def _jain(counts: Sequence[int]) -> float:
    """1: all alike; 1/n: one has everything."""
    squares = sum(count * count for count in counts)
    return sum(counts) ** 2 / (len(counts) * squares) if squares else 0.0


def _set(control: Address, plan: Plan) -> None:
    with control.connect() as link:
        ask(link, f"GET /bench/plan?{plan.query()} HTTP/1.1\r\nHost: upstream\r\n\r\n".encode(), b"{")


async def main(part: float) -> None:
    with ExitStack() as stack:
        port = listening_port(stack.enter_context(python_child("upstream", "upstream.py")))
        proxy = proxy_before(f"http://127.0.0.1:{port}/v1", stack)
        control = Address("127.0.0.1", port)
        tell({"R8": await soak(proxy, control, part), "R9": await at_once(proxy, control, part)})


if __name__ == "__main__":
    asyncio.run(main(scale(__doc__)))
