"""R16: what a body costs the proxy: python scripts/test/measures/amplification.py [--scale F]

Each body of the corpus goes to a proxy of its own, which was warmed by a small one: how far its memory grows at most,
against the size of the body, and the CPU time that it takes. At scale 1 a body has 16 MB; below a fiftieth, only some
of the corpus are tried. Linux only (/proc).
"""

import asyncio
import os
import sys
import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from measuring import scale, tell
from tests.support.bodies import WORST
from tests.support.clients import client_of
from tests.support.proxy import Proxy, proxy_only

SIZE = 16_000_000
TIMES, MORE = 10, 20_000_000
"""The bound: bytes of memory for a byte of the body, and bytes beside it."""
SECONDS, FOR = 2.0, 64_000_000
"""The bound: of CPU time, for so many bytes."""

_ANSWER = b'data: {"choices":[{"index":0,"delta":{"content":"ok"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
_MODELS = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n{"data":[{"id":"model"}]}'


@dataclass(frozen=True)
class Cost:
    """grown: bytes of memory at the peak beyond what there was before. seconds: of CPU time."""

    name: str
    size: int
    grown: int
    seconds: float

    @property
    def of_memory(self) -> float:
        """The share of the bound that is used; above 1 it is passed."""
        return self.grown / (TIMES * self.size + MORE)

    @property
    def of_time(self) -> float:
        return self.seconds / (SECONDS * self.size / FOR)

    def __str__(self) -> str:
        rate = self.seconds * FOR / self.size
        return f"{self.name}: {self.grown / self.size:.1f} times the body, {rate:.2f} s of CPU for 64 MB"


async def main(part: float) -> None:
    size = max(200_000, round(SIZE * part))
    server = await asyncio.start_server(_upstream, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    costs = []
    for name, made in list(WORST.items())[:: 1 if part >= 0.02 else 6]:
        costs.append(await _cost(name, made(size), url))
        print(costs[-1], file=sys.stderr)
    server.close()
    memory, time = max(costs, key=lambda one: one.of_memory), max(costs, key=lambda one: one.of_time)
    measured = f"{len(costs)} bodies of {size / 1e6:.1f} MB; most memory, {memory}; most time, {time}"
    met = memory.of_memory <= 1 and time.of_time <= 1
    tell({"R16": {"measured": measured, "met": met}})


async def _cost(name: str, body: bytes, url: str) -> Cost:
    with tempfile.TemporaryDirectory() as home:
        async with proxy_only(Path(home), LMSTUDIO_URL=url) as proxy, client_of(proxy.url, proxy.token) as client:
            headers = {"Content-Type": "application/json"}

            async def ask(content: bytes) -> None:
                async with client.session.post(f"{proxy.url}/v1/messages", data=content, headers=headers) as answer:
                    await answer.read()

            await ask(WORST["one text"](50_000))
            before, spent = _resident(proxy), _seconds(proxy)
            _forget_the_peak(proxy)
            await ask(body)
            return Cost(name, len(body), _peak(proxy) - before, _seconds(proxy) - spent)


async def _upstream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with closing(writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        if head.startswith("get"):
            writer.write(_MODELS)
            return
        left = int(next(line for line in head.splitlines() if line.startswith("content-length")).split(":")[1])
        while left > 0:
            left -= len(await reader.read(1 << 20))
        writer.write(_HEAD + _ANSWER)


def _resident(proxy: Proxy) -> int:
    return _status(proxy, "VmRSS")


def _forget_the_peak(proxy: Proxy) -> None:
    Path(f"/proc/{proxy.pid}/clear_refs").write_text("5")


def _peak(proxy: Proxy) -> int:
    return _status(proxy, "VmHWM")


def _status(proxy: Proxy, name: str) -> int:
    lines = Path(f"/proc/{proxy.pid}/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def _seconds(proxy: Proxy) -> float:
    """Of the process itself, in user and system mode."""
    fields = Path(f"/proc/{proxy.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    asyncio.run(main(scale(__doc__)))
