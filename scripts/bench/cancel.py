"""How soon the upstream is closed when the client leaves: python scripts/bench/cancel.py [--times N]

An upstream of our own, `anyclaude --proxy-only` as a process of its own, and a client on raw sockets. The client leaves
at three moments: before the upstream has answered, while it computes the prompt, in mid-stream; one at a time, and
fifty at once. The time runs from the client's close to the end of the upstream's connection.
"""

import argparse
import asyncio
import statistics
import sys
import time
from contextlib import ExitStack
from urllib.parse import urlsplit

from failure import BenchError
from question import request_body, request_headers
from targets import start_proxy

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
CHUNK = b'data: {"choices":[{"index":0,"delta":{"content":"word "},"finish_reason":null}]}\n\n'
MOMENTS = {"before the head": b"", "in the prompt": HEAD, "in mid-stream": HEAD + CHUNK}
DEADLINE = 30.0


class Upstream:
    """Answers each request with the bytes of one moment and then waits for its end."""

    def __init__(self) -> None:
        self.says = b""
        self.asked: asyncio.Queue[asyncio.Future[float]] = asyncio.Queue()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        if head.startswith("get"):
            writer.write(b'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{"data":[{"id":"model"}]}')
            writer.close()
            return
        length = next(line for line in head.splitlines() if line.startswith("content-length"))
        await reader.readexactly(int(length.split(":")[1]))
        writer.write(self.says)
        ended: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self.asked.put_nowait(ended)
        await reader.read()
        ended.set_result(time.perf_counter())
        writer.close()


async def leave(upstream: Upstream, url: str, token: str, says: bytes, together: int) -> list[float]:
    """Milliseconds for each of `together` clients that leave at the same moment."""
    upstream.says = says
    place = urlsplit(url)
    head = {**request_headers(token), "Host": f"{place.hostname}:{place.port}"}
    body = request_body(20_000, 0)
    lines = "".join(f"{name}: {value}\r\n" for name, value in head.items() if name.lower() != "content-length")
    request = f"POST /v1/messages HTTP/1.1\r\n{lines}Content-Length: {len(body)}\r\n\r\n".encode() + body
    clients = [await asyncio.open_connection(place.hostname, place.port) for _ in range(together)]
    for _, writer in clients:
        writer.write(request)
    ends = [await upstream.asked.get() for _ in range(together)]
    if says.endswith(CHUNK):
        for reader, _ in clients:
            await reader.readuntil(b"text_delta")
    left = time.perf_counter()
    for _, writer in clients:
        writer.close()
    return [(end - left) * 1000 for end in await asyncio.gather(*ends)]


async def bench(times: int) -> None:
    upstream = Upstream()
    server = await asyncio.start_server(upstream.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with ExitStack() as stack:
        _, url, token = await asyncio.to_thread(start_proxy, f"http://127.0.0.1:{port}/v1", None, stack)
        for moment, says in MOMENTS.items():
            for together, rounds in ((1, times), (50, max(1, times // 50))):
                found: list[float] = []
                for _ in range(rounds):
                    async with asyncio.timeout(DEADLINE):
                        found += await leave(upstream, url, token, says, together)
                report(moment, together, sorted(found))
    server.close()


def report(moment: str, together: int, found: list[float]) -> None:
    p99 = found[min(len(found) - 1, int(len(found) * 0.99))]
    print(f"{moment:<16} {together:>3} at once  {len(found):>5} times", end="")
    print(f"   p50 {statistics.median(found):6.1f} ms   p99 {p99:6.1f} ms   worst {found[-1]:6.1f} ms")


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--times", type=int, default=200, help="how often at each moment (default 200)")
    try:
        asyncio.run(bench(options.parse_args().times))
    except (BenchError, TimeoutError) as error:
        print(f"cancel: {error or 'an upstream was not closed in time'}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
