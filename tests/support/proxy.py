"""`anyclaude --proxy-only` as a child: the proxy as any other client meets it."""

import asyncio
import signal
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.children import ANYCLAUDE, bare_environment, child

_EXPORT = "export "


@dataclass(frozen=True)
class Proxy:
    """environ: the two variables that it printed, for a client's environment."""

    pid: int
    environ: dict[str, str]
    process: Process = field(repr=False)

    @property
    def url(self) -> str:
        return self.environ["ANTHROPIC_BASE_URL"]

    @property
    def token(self) -> str:
        return self.environ["ANTHROPIC_AUTH_TOKEN"]

    async def end(self, signum: signal.Signals = signal.SIGTERM) -> str:
        """End it by a signal, and return what it said on stderr."""
        self.process.send_signal(signum)
        _, said = await self.process.communicate()
        return said.decode()


@asynccontextmanager
async def proxy_only(
    home: Path, mode: str = "lmstudio", *, program: Sequence[str] = ANYCLAUDE, **environ: str
) -> AsyncIterator[Proxy]:
    """Serving until the end of the block. Raises AssertionError when the first two lines are not the exports."""
    command = [*program, f"--mode={mode}", "--proxy-only"]
    async with child(command, bare_environment(home, **environ), home) as started:
        assert started.stdout is not None
        lines = [await asyncio.wait_for(started.stdout.readline(), 30) for _ in range(2)]
        yield Proxy(started.pid, dict(_variable(line.decode()) for line in lines), started)


def _variable(line: str) -> tuple[str, str]:
    assert line.startswith(_EXPORT), f"not an export line: {line!r}"
    name, _, value = line.removeprefix(_EXPORT).rstrip("\n").partition("=")
    return name, value
