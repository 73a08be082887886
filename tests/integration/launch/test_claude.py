"""Claude as our child, in this very process: exit codes, signals sent to us, no trace left behind."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from anyclaude.errors import SetupError
from anyclaude.launch.claude import find_claude, run_claude
from anyclaude.launch.signals import Signals
from tests.support.stub_claude import stub_claude


@pytest.fixture
def claude(tmp_path: Path) -> str:
    return stub_claude(tmp_path)


class Running:
    """A claude whose standard output and input are pipes in our hands."""

    def __init__(self, code: "asyncio.Task[int]", out: asyncio.StreamReader) -> None:
        self.code = code
        self._out = out

    async def line(self) -> str:
        return (await self._out.readline()).decode().strip()

    async def pid(self) -> int:
        ready, pid = (await self.line()).split()
        assert ready == "ready"
        return int(pid)


@asynccontextmanager
async def running(claude: str, word: str, *, grace: float = 5.0) -> AsyncIterator[Running]:
    """It writes into a pipe with a name, since it inherits our own standard output."""
    pipe = Path(claude).with_name("pipe")
    os.mkfifo(pipe)
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(os.open(pipe, os.O_RDWR), "rb", buffering=0)
    )
    command = ["/bin/sh", "-c", 'exec "$@" < /dev/null > "$0"', str(pipe), claude, word]
    code = asyncio.create_task(run_claude(command, dict(os.environ), Signals(), grace=grace))
    try:
        yield Running(code, reader)
    finally:
        code.cancel()
        await asyncio.gather(code, return_exceptions=True)
        transport.close()


@pytest.mark.parametrize("code", [0, 1, 2, 3, 130, 255])
async def test_its_exit_code_is_ours(claude: str, code: int) -> None:
    assert await run_claude([claude, "exit", str(code)], dict(os.environ), Signals()) == code


@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM", "SIGSEGV", "SIGINT"])
async def test_death_by_a_signal_is_128_and_its_number(claude: str, name: str) -> None:
    assert await run_claude([claude, "die", name], dict(os.environ), Signals()) == 128 + signal.Signals[name]


async def test_a_request_to_end_is_handed_on(claude: str) -> None:
    async with running(claude, "listen") as child:
        pid = await child.pid()
        os.kill(os.getpid(), signal.SIGTERM)
        assert await child.line() == "got SIGTERM"
        assert await child.code == 7
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


async def test_a_second_request_to_end_kills(claude: str) -> None:
    async with running(claude, "stubborn", grace=60) as child:
        await child.pid()
        os.kill(os.getpid(), signal.SIGHUP)
        assert await child.line() == "got SIGHUP"
        os.kill(os.getpid(), signal.SIGTERM)
        assert await child.code == 128 + signal.SIGKILL


async def test_one_that_does_not_end_is_killed_after_the_grace(claude: str) -> None:
    async with running(claude, "stubborn", grace=0.2) as child:
        pid = await child.pid()
        os.kill(os.getpid(), signal.SIGTERM)
        assert await child.line() == "got SIGTERM"
        assert await child.code == 137
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


async def test_without_a_terminal_an_interrupt_sent_to_us_is_handed_on(
    claude: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("anyclaude.launch.terminal.foreground", lambda: False)
    async with running(claude, "listen") as child:
        await child.pid()
        os.kill(os.getpid(), signal.SIGINT)
        assert await child.line() == "got SIGINT"


async def test_a_cancelled_wait_leaves_no_child(claude: str) -> None:
    async with running(claude, "stubborn") as child:
        pid = await child.pid()
        child.code.cancel()
        with pytest.raises(asyncio.CancelledError):
            await child.code
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


async def test_arguments_and_environment_arrive_as_they_are(claude: str, tmp_path: Path) -> None:
    odd = ["", " ", "a b", "$(touch x)", "'\"", "é模", "--x=\n", "*"]
    shown = tmp_path / "shown"
    keep = os.dup(1)
    with shown.open("wb") as file:
        os.dup2(file.fileno(), 1)
        try:
            assert await run_claude([claude, *odd, "show"], {"A": "b c", "LANG": "C.UTF-8"}, Signals()) == 0
        finally:
            os.dup2(keep, 1)
            os.close(keep)
    told = json.loads(shown.read_text())
    assert told["argv"] == [*odd, "show"]
    assert told["environ"]["A"] == "b c"
    assert set(told["environ"]) <= {"A", "LANG", "LC_CTYPE", "__CF_USER_TEXT_ENCODING"}
    assert told["group"] == os.getpgrp()


async def test_it_does_not_inherit_that_python_ignores_sigpipe() -> None:
    assert await run_claude(["/bin/sh", "-c", "kill -PIPE $$"], {}, Signals()) == 128 + signal.SIGPIPE


async def test_our_own_signals_work_as_before_afterwards(claude: str) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGTSTP, signal.SIGCONT)]
    await run_claude([claude, "exit", "0"], dict(os.environ), Signals())
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGTSTP, signal.SIGCONT)] == before


@pytest.mark.parametrize(
    ("environ", "sentence"),
    [
        ({"PATH": "/nonexistent"}, "claude is not on PATH; install it"),
        ({"ANYCLAUDE_CLAUDE": "/nonexistent/claude"}, "ANYCLAUDE_CLAUDE names /nonexistent/claude, which is not"),
        ({"ANYCLAUDE_CLAUDE": "/tmp"}, "ANYCLAUDE_CLAUDE names /tmp, which is not a program"),
    ],
)
def test_a_claude_that_is_not_there_is_said(environ: dict[str, str], sentence: str) -> None:
    with pytest.raises(SetupError) as caught:
        find_claude(environ)
    assert caught.value.message.startswith(sentence)


def test_a_claude_that_may_not_be_run_is_said(claude: str) -> None:
    Path(claude).chmod(0o644)
    with pytest.raises(SetupError, match="not a program that can be run"):
        find_claude({"ANYCLAUDE_CLAUDE": claude})
    with pytest.raises(SetupError, match="not on PATH"):
        find_claude({"PATH": str(Path(claude).parent)})


def test_claude_is_found_on_the_path(claude: str) -> None:
    assert find_claude({"PATH": f"/nonexistent:{Path(claude).parent}"}) == claude
    assert find_claude({"PATH": "", "ANYCLAUDE_CLAUDE": claude}) == claude


async def test_a_file_that_is_no_program_is_said(tmp_path: Path) -> None:
    path = tmp_path / "claude"
    path.write_bytes(b"\x7fNOT")
    path.chmod(0o755)
    with pytest.raises(SetupError, match="cannot start"):
        await run_claude([str(path)], {}, Signals())
