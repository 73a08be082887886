"""Faults of the process: signals at every stage of a launch, a port in use, few descriptors, clocks that jump."""

import ast
import asyncio
import errno
import os
import signal
import socket
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

import anyclaude
import mlx_worker
from anyclaude.backends.http import Upstream
from anyclaude.errors import UpstreamUnreachable
from anyclaude.launch.claude import run_claude
from anyclaude.launch.signals import Interrupted, Signals, interruptible
from tests.support.children import ANYCLAUDE, bare_environment, child, run
from tests.support.clients import client_of, decode
from tests.support.draining import drained
from tests.support.openai_upstream import OpenAIUpstream
from tests.support.proxy import proxy_only
from tests.support.stub_claude import stub_claude

# -- P1, P2: told to end ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ending:
    """Streams under way, the signals that come one after the other, whether the answers finish then.

    grace: seconds that they have; no row waits for a minute.
    """

    name: str
    streams: int
    signals: tuple[signal.Signals, ...]
    finishing: bool
    whole: int
    told: int
    exit_code: int
    grace: float = 60.0


TERM, INT, HUP = signal.SIGTERM, signal.SIGINT, signal.SIGHUP
ENDINGS = (
    Ending("P1 SIGTERM, nothing under way", 0, (TERM,), True, 0, 0, 143),
    Ending("P1 SIGTERM, 20 streams that finish", 20, (TERM,), True, 20, 0, 143),
    Ending("P1 SIGHUP, 20 streams that do not", 20, (HUP,), False, 0, 20, 129, grace=0.2),
    Ending("P1 SIGHUP twice, as a closed terminal sends it", 1, (HUP, HUP), True, 1, 0, 129),
    Ending("P2 a second signal does not wait", 1, (INT, TERM), False, 0, 0, 143),
)


@pytest.mark.parametrize("row", ENDINGS, ids=lambda row: row.name)
async def test_told_to_end(row: Ending, tmp_path: Path) -> None:
    seen = await drained(tmp_path, row.streams, *row.signals, finishing=row.finishing, grace=row.grace)
    assert (seen.whole, seen.told, seen.exit_code) == (row.whole, row.told, row.exit_code)
    assert seen.cut == row.streams - row.whole - row.told
    assert (seen.left, seen.said) == (0, "")


# -- P1: before and while claude starts ---------------------------------------------------------------------------


_INTERRUPTED = """
import importlib, os, signal, sys, time
from anyclaude.cli.main import main
def interrupted(name):
    os.kill(os.getpid(), signal.SIGINT)
    while True:
        time.sleep(0.01)
importlib.import_module = interrupted
sys.exit(main(["--proxy-only"]))
"""


async def test_ctrl_c_while_the_program_loads(tmp_path: Path) -> None:
    ended = await run([sys.executable, "-c", _INTERRUPTED], bare_environment(tmp_path), tmp_path, 30)
    assert (ended.exit_code, ended.stdout, ended.stderr) == (130, "", "")


@asynccontextmanager
async def silent_upstream() -> AsyncIterator[tuple[str, asyncio.Event, asyncio.Event]]:
    """It takes a question and says nothing: its address, whether it was asked, whether it was left."""
    asked, left = asyncio.Event(), asyncio.Event()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        with suppress(ConnectionError):
            await reader.read()
            await reader.read()
        left.set()
        writer.close()

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", asked, left


@pytest.mark.parametrize("number", [TERM, INT, HUP])
async def test_a_signal_while_it_looks_for_the_model(tmp_path: Path, number: signal.Signals) -> None:
    async with silent_upstream() as (url, asked, left):
        environ = bare_environment(tmp_path, LMSTUDIO_URL=url, ANYCLAUDE_CLAUDE=stub_claude(tmp_path))
        async with child([*ANYCLAUDE, "--mode=lmstudio", "exit", "0"], environ, tmp_path) as started:
            await asked.wait()
            os.kill(started.pid, number)
            out, said = await started.communicate()
            await left.wait()
    assert (out, started.returncode) == (b"", 128 + number)
    assert b"Traceback" not in said


_SLOW_NAMES = """
import socket, sys, threading
from anyclaude.cli.main import main
def never(*_, **__):
    print("asked", file=sys.stderr, flush=True)
    threading.Event().wait()
socket.getaddrinfo = never
sys.exit(main(["--mode=lmstudio", "--proxy-only"]))
"""


async def test_a_signal_while_a_name_server_is_silent(tmp_path: Path) -> None:
    """The system's question for an address takes half a minute, and nothing can end it."""
    environ = bare_environment(tmp_path, LMSTUDIO_URL="http://studio.example:1234/v1")
    async with child([sys.executable, "-c", _SLOW_NAMES], environ, tmp_path) as started:
        assert started.stderr is not None
        assert await started.stderr.readline() == b"asked\n"
        os.kill(started.pid, TERM)
        await asyncio.wait_for(started.wait(), 60)
    assert started.returncode == 143


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
async def test_a_signal_while_claude_starts_ends_both(tmp_path: Path, name: str) -> None:
    """It strikes before it could have learnt to catch one."""
    async with OpenAIUpstream() as upstream:
        environ = bare_environment(tmp_path, LMSTUDIO_URL=upstream.url, ANYCLAUDE_CLAUDE=stub_claude(tmp_path))
        ended = await run([*ANYCLAUDE, "--mode=lmstudio", "strike", name], environ, tmp_path, 60)
    assert (ended.exit_code, ended.stderr) == (128 + signal.Signals[name], "")


async def test_a_ctrl_c_just_before_claude_starts_is_not_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The terminal sent it to us alone, since there was no claude yet: it must not count as claude's."""
    monkeypatch.setattr("anyclaude.launch.terminal.foreground", lambda: True)
    began = tmp_path / "began"
    signals = Signals()

    async def launch() -> int:
        os.kill(os.getpid(), signal.SIGINT)
        return await run_claude(["/bin/sh", "-c", f"touch {began}"], dict(os.environ), signals)

    with pytest.raises(Interrupted) as caught:
        await interruptible(signals, launch())
    assert caught.value.exit_code == 130
    assert not began.exists()


async def test_a_signal_that_was_ignored_stays_ignored(tmp_path: Path) -> None:
    """`nohup anyclaude --proxy-only`: the terminal may close."""
    command = ["/bin/sh", "-c", "trap '' HUP; exec \"$@\"", "sh", *ANYCLAUDE, "--proxy-only"]
    async with OpenAIUpstream() as upstream:
        environ = bare_environment(tmp_path, LMSTUDIO_URL=upstream.url)
        async with child(command, environ, tmp_path) as started:
            assert started.stdout is not None
            lines = [(await started.stdout.readline()).decode().strip().partition("=")[2] for _ in range(2)]
            os.kill(started.pid, HUP)
            async with client_of(*lines) as client, client.get("/health") as answer:
                assert answer.status == 200
            os.kill(started.pid, TERM)
            await started.communicate()
    assert started.returncode == 143


# -- P3: two of them ----------------------------------------------------------------------------------------------


async def test_two_proxies_on_one_home_keep_out_of_each_others_way(tmp_path: Path) -> None:
    folder = tmp_path / ".anyclaude"
    async with OpenAIUpstream() as upstream:
        environ = {"ANYCLAUDE_DEBUG": "3", "LMSTUDIO_URL": upstream.url}
        async with proxy_only(tmp_path, **environ) as one, proxy_only(tmp_path, **environ) as other:
            async with client_of(one.url, one.token) as first, client_of(other.url, other.token) as second:
                answers = await asyncio.gather(*(client.events() for client in (first, second) for _ in range(8)))
                async with first.session.get(f"{other.url}/health") as refused:
                    assert refused.status == 401
            assert len(list((folder / "proxies").glob("*.json"))) == 2
            assert (await one.end(), await other.end()) == ("", "")
    assert all(events[-1]["type"] == "message_stop" for events in answers)
    assert len(list((folder / "logs").iterdir())) == 2
    assert len(list((folder / "traces/lmstudio").glob("trace-*.json"))) == 16
    assert list((folder / "proxies").iterdir()) == []


# -- P7: clocks ---------------------------------------------------------------------------------------------------

TOLD_TO_PEOPLE = {
    "anyclaude/backends/http.py": "a reset that a server gives as a date",
    "anyclaude/backends/model_list.py": "the age of a file",
    "anyclaude/backends/words_file.py": "the age of a file",
    "anyclaude/cli/top.py": "for how long a proxy runs, and when a request failed",
    "anyclaude/server/figures.py": "when the proxy began, and when a request failed",
    "anyclaude/server/serve.py": "when the proxy began",
    "anyclaude/trace/folder.py": "the age of a file",
    "anyclaude/trace/indexed.py": "when it was last wiped, by whichever process",
    "anyclaude/trace/store.py": "when a request came",
    "mlx_worker/prefix_list.py": "when a prefix was used last",
    "mlx_worker/health.py": "when it was looked at",
    "mlx_worker/routes/cache.py": "when it was looked at",
    "mlx_worker/streaming.py": "the field `created`",
}
"""Where the clock on the wall is read, and what for. No deadline and no duration may depend on it: it jumps."""


def test_only_what_is_told_to_people_reads_the_clock_on_the_wall() -> None:
    found: Counter[str] = Counter()
    for package in (anyclaude, mlx_worker):
        root = Path(package.__path__[0])
        for path in root.rglob("*.py"):
            found[str(path.relative_to(root.parent))] += sum(map(_is_wall_clock, ast.walk(ast.parse(path.read_text()))))
    assert {name for name, count in found.items() if count} <= set(TOLD_TO_PEOPLE)


def _is_wall_clock(node: ast.AST) -> bool:
    """`time.time`, `time.time_ns`, `datetime.now` and the like, called or passed on."""
    match node:
        case ast.Attribute(value=ast.Name(id="time"), attr="time" | "time_ns"):
            return True
        case ast.Attribute(attr="now" | "utcnow" | "today", value=ast.Name(id="datetime" | "date")):
            return True
        case ast.ImportFrom(module="time", names=names):
            return any(name.name in ("time", "time_ns") for name in names)
        case _:
            return False


# -- P10: few descriptors -----------------------------------------------------------------------------------------


async def test_it_takes_the_descriptors_that_it_may_have(tmp_path: Path) -> None:
    """macOS gives programs 256 at first; 64 streams with their upstreams and some idle connections are more."""
    command = ["/bin/sh", "-c", 'ulimit -S -n 64; exec "$@"', "sh", *ANYCLAUDE, "--mode=lmstudio"]
    program = tmp_path / "claude"
    program.write_text("#!/bin/sh\nulimit -n\n")
    program.chmod(0o755)
    async with OpenAIUpstream() as upstream:
        environ = bare_environment(tmp_path, LMSTUDIO_URL=upstream.url, ANYCLAUDE_CLAUDE=str(program))
        ended = await run(command, environ, tmp_path, 60)
    assert ended.exit_code == 0
    assert ended.stdout != "64\n"


async def test_with_64_descriptors_it_refuses_some_and_lives_on(tmp_path: Path) -> None:
    command = ["/bin/sh", "-c", 'ulimit -n 64; exec "$@"', "sh", *ANYCLAUDE, "--mode=lmstudio", "--proxy-only"]
    async with OpenAIUpstream() as upstream:
        environ = bare_environment(tmp_path, LMSTUDIO_URL=upstream.url, ANYCLAUDE_DEBUG="3")
        async with child(command, environ, tmp_path) as started:
            assert started.stdout is not None
            url, token = [(await started.stdout.readline()).decode().strip().partition("=")[2] for _ in range(2)]
            port = int(url.rpartition(":")[2])
            async with many_idle(port) as more, asyncio.timeout(60):
                await more()
                while await answered(url, token):  # what it had open for its start is free again
                    await more()
            async with asyncio.timeout(60):
                while not await answered(url, token):  # as Claude Code asks again
                    pass
            os.kill(started.pid, TERM)
            out, said = await started.communicate()
    assert (out, said, started.returncode) == (b"", b"", 143)
    (log,) = (tmp_path / ".anyclaude/logs").iterdir()
    assert "Traceback" not in log.read_text()


async def test_an_upstream_without_a_descriptor_for_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(*_: object, **__: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(socket, "socket", none_left)
    upstream = Upstream("http://127.0.0.1:9/v1", None, 5.0)
    try:
        with pytest.raises(UpstreamUnreachable, match="no more files can be opened; raise the limit"):
            await upstream.get("models", 5.0)
    finally:
        await upstream.aclose()


@asynccontextmanager
async def many_idle(port: int) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Opens a hundred connections with each call; in the end all are closed."""
    writers: list[asyncio.StreamWriter] = []

    async def more() -> None:
        for _ in range(100):
            with suppress(ConnectionError):
                writers.append((await asyncio.open_connection("127.0.0.1", port))[1])

    try:
        yield more
    finally:
        for writer in writers:
            writer.transport.abort()


async def answered(url: str, token: str) -> bool:
    """Whether a request is answered well; False for a connection that is refused, and for an error that says so."""
    try:
        async with client_of(url, token) as client, client.post(stream=True) as answer:
            return bool(answer.status == 200) and bool(decode(await answer.read())[-1]["type"] == "message_stop")
    except aiohttp.ClientError:
        return False
