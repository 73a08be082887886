"""Child programs of a test: started with a bare environment, read to a deadline, and ended with all their children."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

ANYCLAUDE = (sys.executable, "-m", "anyclaude.cli.main")
REPOSITORY = Path(__file__).resolve().parents[2]
_LINE_LIMIT = 64 * 1024 * 1024  # a stream-json line holds a whole message


@dataclass(frozen=True)
class Ended:
    exit_code: int
    stdout: str
    stderr: str


def bare_environment(home: Path, **more: str) -> dict[str, str]:
    """What a fresh account has: of the caller's, only where programs and temporary files are."""
    kept = {name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ}
    return kept | {"HOME": str(home), "LANG": "C.UTF-8", "TERM": "xterm-256color"} | more


async def run(command: Sequence[str], environ: Mapping[str, str], cwd: Path, deadline: float) -> Ended:
    """Run to the end without a standard input. Raises TimeoutError, with what was printed, after `deadline` seconds."""
    async with child(command, environ, cwd) as started:
        reading = asyncio.ensure_future(started.communicate())
        done, _ = await asyncio.wait({reading}, timeout=deadline)
        if not done:
            _kill(started)
            out, err = await reading
            raise TimeoutError(f"{command[0]} took over {deadline:.0f} s; it printed:\n{_text(out + err)}")
        out, err = reading.result()
    return Ended(started.returncode or 0, _text(out), _text(err))


@asynccontextmanager
async def child(command: Sequence[str], environ: Mapping[str, str], cwd: Path) -> AsyncIterator[Process]:
    """A program in a session of its own. On leaving, it and whatever it started are killed."""
    started = await asyncio.create_subprocess_exec(
        *command,
        env=dict(environ),
        cwd=cwd,
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
        start_new_session=True,
        limit=_LINE_LIMIT,
    )
    try:
        yield started
    finally:
        _kill(started)
        await started.communicate()


def _kill(started: Process) -> None:
    with suppress(ProcessLookupError):
        os.killpg(started.pid, signal.SIGKILL)


def _text(output: bytes) -> str:
    return output.decode(errors="replace")
