"""The whole command on a terminal, with a stub in the role of claude: what a person's keys and shell see."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from tests.support.children import ANYCLAUDE, bare_environment
from tests.support.openai_upstream import OpenAIUpstream
from tests.support.pids import state
from tests.support.stub_claude import stub_claude
from tests.support.terminal import Session, on_terminal


class Person:
    """Somebody who types `anyclaude ...`."""

    def __init__(self, folder: Path, upstream: OpenAIUpstream) -> None:
        self.folder = folder
        stub = stub_claude(folder)
        self.environ = bare_environment(folder, LMSTUDIO_URL=upstream.url, ANYCLAUDE_CLAUDE=stub)

    def types(self, *arguments: str, **environ: str) -> AbstractAsyncContextManager[Session]:
        return on_terminal([*ANYCLAUDE, *arguments], self.environ | environ, self.folder)


@pytest.fixture
async def person(tmp_path: Path) -> AsyncIterator[Person]:
    async with OpenAIUpstream() as upstream:
        yield Person(tmp_path, upstream)


async def test_claude_has_the_terminal_and_nothing_of_ours_is_on_it(person: Person) -> None:
    async with person.types("--mode=lmstudio", "show") as session:
        session.resize(33, 99)
        shown = json.loads(await session.screen.expect("\r\n"))
        await session.shell.expect("exited 0")
        assert session.screen.text.count("\n") == 1
    assert (shown["argv"][0], *shown["argv"][2:]) == ("--settings", "show")  # the status line's
    assert shown["group"] == session.job == shown["parent"]
    assert shown["terminal"]
    assert shown["descriptors"] == [0, 1, 2]
    environ = shown["environ"]
    assert environ["ANTHROPIC_BASE_URL"].startswith("http://127.0.0.1:")
    assert len(environ["ANTHROPIC_AUTH_TOKEN"]) == 43
    assert environ["ANTHROPIC_MODEL"] == "scripted-model"
    assert environ["CLAUDE_CODE_MAX_CONTEXT_TOKENS"] == "262144"


async def test_without_a_status_line_claude_gets_no_settings(person: Person) -> None:
    async with person.types("show", ANYCLAUDE_STATUS_LINE="false") as session:
        assert json.loads(await session.screen.expect("\r\n"))["argv"] == ["show"]
        await session.shell.expect("exited 0")


async def test_what_was_dropped_is_said_by_name_alone(person: Person) -> None:
    async with person.types("exit", "0", ANTHROPIC_API_KEY="sk-canary", LMSTUDIO_API_KEY="canary") as session:
        await session.screen.expect("they lead elsewhere: ANTHROPIC_API_KEY\r\n")
        await session.shell.expect("exited 0")
        assert "canary" not in session.screen.text
    logs = list((person.folder / ".anyclaude/logs").iterdir())
    assert len(logs) == 1
    assert "canary" not in logs[0].read_text()


@pytest.mark.parametrize("code", ["0", "255"])
async def test_the_exit_code_is_claudes(person: Person, code: str) -> None:
    async with person.types("exit", code) as session:
        await session.shell.expect(f"exited {code}\n")


async def test_ctrl_c_reaches_claude_once_and_we_live_on(person: Person) -> None:
    async with person.types("listen") as session:
        await session.line("ready")
        session.type("\x03")
        await session.screen.expect("got SIGINT")
        session.type("still there\n")
        assert "SIGINT" not in await session.screen.expect("read still there")
        session.type("\x1c")
        await session.screen.expect("got SIGQUIT")
        session.type("bye\n")
        await session.shell.expect("exited 5\n")


async def test_resizing_reaches_claude(person: Person) -> None:
    async with person.types("listen") as session:
        await session.line("ready")
        session.resize(50, 120)
        await session.screen.expect("got SIGWINCH")


async def test_ctrl_z_stops_both_and_fg_continues_both(person: Person) -> None:
    async with person.types("listen") as session:
        pid = int(await session.line("ready"))
        session.type("\x1a")
        await session.shell.expect("stopped")
        assert state(pid) == state(session.job) == "T"
        session.foreground()
        await session.screen.expect("got SIGCONT")
        session.type("bye\n")
        await session.shell.expect("exited 5\n")


@pytest.mark.parametrize("to_claude", [True, False])
async def test_a_stop_sent_to_one_stops_both(person: Person, to_claude: bool) -> None:
    async with person.types("listen") as session:
        pid = int(await session.line("ready"))
        os.kill(pid if to_claude else session.job, signal.SIGTSTP)
        await session.shell.expect("stopped")
        assert state(pid) == state(session.job) == "T"
        session.foreground()
        await session.screen.expect("got SIGCONT")
        session.type("bye\n")
        await session.shell.expect("exited 5\n")


async def test_a_crash_leaves_the_terminal_as_it_was(person: Person) -> None:
    async with person.types("crash", "SIGKILL") as session:
        await session.screen.expect("raw")
        await session.shell.expect("modes kept\nexited 137\n")
        await session.screen.expect("\x1b[?25h")


async def test_a_request_to_end_reaches_claude_and_leaves_nothing(person: Person) -> None:
    async with person.types("listen") as session:
        pid = int(await session.line("ready"))
        os.kill(session.job, signal.SIGTERM)
        await session.screen.expect("got SIGTERM")
        await session.shell.expect("exited 7\n")
        for gone in (pid, session.job):
            with pytest.raises(ProcessLookupError):
                os.kill(gone, 0)


async def test_ctrl_c_before_claude_runs_ends_us_quietly(person: Person) -> None:
    asked, left = asyncio.Event(), asyncio.Event()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await reader.read()
        writer.close()
        left.set()

    silent = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{silent.sockets[0].getsockname()[1]}/v1"
    async with silent, person.types("exit", "0", LMSTUDIO_URL=url) as session:
        await asked.wait()
        session.type("\x03")
        await session.shell.expect("modes kept\nexited 130\n")
        assert "Traceback" not in session.screen.text
        await left.wait()
