"""A proxy as a process of its own, for measures that load it from outside, and what is seen of it there."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import measuring  # noqa: F401  (makes the tests' parts importable)
from benched import Child, start_proxy


@dataclass(frozen=True)
class Proxy:
    """An `anyclaude --proxy-only`, and a question for it as bytes."""

    child: Child
    host: str
    port: int
    token: str

    def question(self, body: bytes, path: str = "/v1/messages") -> bytes:
        lines = {
            "Host": f"{self.host}:{self.port}",
            "Authorization": f"Bearer {self.token}",
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        return f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + body

    def descriptors(self) -> int:
        """Open ones; 0 where the system does not say."""
        return len(os.listdir(f"/proc/{self.child.pid}/fd")) if sys.platform == "linux" else 0

    def threads(self) -> int:
        return len(os.listdir(f"/proc/{self.child.pid}/task")) if sys.platform == "linux" else 0


def proxy_before(upstream: str, stack: ExitStack) -> Proxy:
    """upstream: the base URL of an OpenAI-shaped server. Raises BenchError."""
    child, url, token = start_proxy(upstream, None, stack)
    place = urlsplit(url)
    assert place.hostname is not None
    assert place.port is not None
    return Proxy(child, place.hostname, place.port, token)


@asynccontextmanager
async def connected(proxy: Proxy) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
    try:
        yield reader, writer
    finally:
        writer.close()


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
