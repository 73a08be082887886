"""A worker of our own: started when no node is configured, watched while it loads, and ended with the session.

It lives in its own session, so that Ctrl-C on the terminal does not reach it. It is never left behind: leaving the
block closes its standard input, asks it to end, then kills its process group; and should we be killed, the closed pipe
alone ends it (`--exit-with-stdin`).
"""

import asyncio
import importlib.util
import logging
import os
import re
import secrets
import signal
import sys
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final, Protocol

from pydantic import SecretStr

from anyclaude.backends.base import ModelInfo
from anyclaude.config.upstreams import Node
from anyclaude.errors import SetupError
from anyclaude.launch.env import without_foreign_keys

log = logging.getLogger(__name__)

NEEDED: Final = ("fastapi", "uvicorn", "mlx_lm")
COMMAND: Final = (sys.executable, "-P", "-m", "mlx_worker", "--host", "127.0.0.1", "--port", "0", "--exit-with-stdin")
"""`-P`: nothing is imported from the working directory, which may be a stranger's repository."""

LISTEN_DEADLINE: Final = 1800.0
"""Seconds until it listens. Fetching a model may be part of it."""
READY_DEADLINE: Final = 1800.0
"""Seconds until its model is loaded."""
POLL: Final = 0.25
GRACE: Final = 5.0
"""Seconds that it gets to end by itself."""
LAST_WORDS: Final = 1.0
"""Seconds for what it wrote before its end to be read."""

_LISTENING: Final = re.compile(r"^mlx_worker listening on (http://127\.0\.0\.1:\d+)\s*$")
_BAR: Final = re.compile(r"\d+%\|")  # a progress bar of huggingface_hub
_OWN_HEAD: Final = re.compile(r"^(\d\S* \d\S* )?mlx_worker: ")
_LINE_END: Final = re.compile(rb"[\r\n]+")
_LONGEST_LINE: Final = 4096


class Watcher(Protocol):
    """Who is shown how far it is."""

    def progress(self, text: str) -> None: ...


@dataclass(slots=True)
class LocalWorker:
    """A worker that listens. `node` is how a backend reaches it."""

    node: Node
    process: asyncio.subprocess.Process
    readers: "asyncio.Future[tuple[None, None]]"
    last_words: deque[str]

    async def failure(self) -> str | None:
        """Why it is gone, in one sentence; None while it runs."""
        if self.process.returncode is None:
            return None
        await asyncio.wait([self.readers], timeout=LAST_WORDS)
        return _gone(self.process.returncode, self.last_words)


@asynccontextmanager
async def local_worker(
    model: str | None, environ: Mapping[str, str], watcher: Watcher, *, command: Sequence[str] | None = None
) -> AsyncIterator[LocalWorker]:
    """A worker on a free port, for as long as the block lasts. It may still be loading its model.

    model: a folder or a name for it to load, None for its default. Raises SetupError when it does not come up.
    """
    if command is None:
        require_extra()
        command = COMMAND if model is None else (*COMMAND, "--model", model)
    token = secrets.token_urlsafe(32)
    watcher.progress("starting a worker on this machine")
    process = await _start(command, {**without_foreign_keys(environ), "MLX_WORKER_TOKEN": token})
    words: deque[str] = deque(maxlen=5)
    listening: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    readers = asyncio.gather(_read_stdout(process, listening), _read_stderr(process, words, watcher))
    try:
        url = await _listening(listening, readers, process, words)
        yield LocalWorker(Node(id="local", url=url, token=SecretStr(token)), process, readers, words)
    finally:
        await _end(process, readers)


async def wait_ready(ready: Callable[[], Awaitable[ModelInfo]], worker: LocalWorker) -> ModelInfo:
    """Ask until its model is loaded. Raises SetupError when the worker ends first, or past the deadline."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + READY_DEADLINE
    while True:
        try:
            return await ready()
        except SetupError as error:
            if loop.time() > deadline:
                raise SetupError(f"the worker has not loaded its model in {READY_DEADLINE:.0f} s: {error}") from error
        with suppress(TimeoutError):
            await asyncio.wait_for(worker.process.wait(), POLL)
        failure = await worker.failure()
        if failure is not None:
            raise SetupError(failure)


def require_extra() -> None:
    """Raises SetupError when what the worker needs is not installed."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise SetupError("without a node mlx-cluster needs the worker; install it: pip install 'anyclaude[worker]'")


async def _start(command: Sequence[str], environ: Mapping[str, str]) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    try:
        return await asyncio.create_subprocess_exec(
            *command, stdin=pipe, stdout=pipe, stderr=pipe, env=dict(environ), start_new_session=True
        )
    except OSError as error:
        raise SetupError(f"cannot start the worker: {error.strerror}") from error


async def _listening(
    listening: "asyncio.Future[str]",
    readers: "asyncio.Future[tuple[None, None]]",
    process: asyncio.subprocess.Process,
    words: deque[str],
) -> str:
    waited: list[asyncio.Future[Any]] = [listening, readers]
    await asyncio.wait(waited, timeout=LISTEN_DEADLINE, return_when=asyncio.FIRST_COMPLETED)
    if listening.done():
        return listening.result()
    if readers.done():
        raise SetupError(_gone(await process.wait(), words))
    raise SetupError(f"the worker did not listen within {LISTEN_DEADLINE:.0f} s; the log has its output")


async def _read_stdout(process: asyncio.subprocess.Process, listening: "asyncio.Future[str]") -> None:
    assert process.stdout is not None
    async for line in _lines(process.stdout):
        found = _LISTENING.match(line)
        if found and not listening.done():
            listening.set_result(found[1])
        log.info("worker: %s", line)


async def _read_stderr(process: asyncio.subprocess.Process, words: deque[str], watcher: Watcher) -> None:
    assert process.stderr is not None
    async for line in _lines(process.stderr):
        if line.startswith("model:") or _BAR.search(line):
            watcher.progress(line)
        else:
            words.append(line)
            log.info("worker: %s", line)


async def _lines(stream: asyncio.StreamReader) -> AsyncIterator[str]:
    """Lines that end in CR or LF (progress bars rewrite theirs), cut at a bound."""
    rest = b""
    while chunk := await stream.read(_LONGEST_LINE):
        *whole, rest = _LINE_END.split(rest + chunk)
        if len(rest) > _LONGEST_LINE:
            whole, rest = [*whole, rest], b""
        for line in whole:
            if line.strip():
                yield line.decode("utf-8", "replace")
    if rest.strip():
        yield rest.decode("utf-8", "replace")


async def _end(process: asyncio.subprocess.Process, readers: "asyncio.Future[tuple[None, None]]") -> None:
    """End it and everything it started, and reap it."""
    if process.stdin is not None:
        process.stdin.close()
    for number, patience in ((signal.SIGTERM, GRACE), (signal.SIGKILL, GRACE)):
        if process.returncode is None:
            _signal_group(process.pid, number)
            with suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), patience)
    _signal_group(process.pid, signal.SIGKILL)
    with suppress(TimeoutError):
        await asyncio.wait_for(readers, LAST_WORDS)
    log.info("worker ended with %s", process.returncode)


def _signal_group(pid: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def _gone(code: int, words: Sequence[str]) -> str:
    said = f": {_OWN_HEAD.sub('', words[-1])}" if words else "; the log may say why"
    return f"the worker ended with {code} before it was ready{said}"
