"""Faults of the child: claude dies, is killed, loses its terminal, or loses us. The terminal is as before."""

import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from anyclaude.errors import SetupError
from anyclaude.launch import orphan
from anyclaude.launch.steering import steered
from tests.support.children import ANYCLAUDE, bare_environment, run
from tests.support.openai_upstream import OpenAIUpstream
from tests.support.pids import state, until_gone
from tests.support.stub_claude import stub_claude
from tests.support.terminal import Session, on_terminal

_PATIENT = """
import sys
from functools import partial
from anyclaude.cli.main import main
from anyclaude.launch import session
session.run_claude = partial(session.run_claude, grace=60)
sys.exit(main())
"""
"""anyclaude that kills no claude because the machine is slow."""


class Person:
    """Somebody who types `anyclaude ...` on a terminal of their own."""

    def __init__(self, folder: Path, upstream: OpenAIUpstream) -> None:
        self.folder = folder
        self.environ = bare_environment(folder, LMSTUDIO_URL=upstream.url, ANYCLAUDE_CLAUDE=stub_claude(folder))

    def types(self, *arguments: str, patient: bool = False) -> AbstractAsyncContextManager[Session]:
        program = [sys.executable, "-c", _PATIENT] if patient else ANYCLAUDE
        return on_terminal([*program, "--mode=lmstudio", *arguments], self.environ, self.folder)


@pytest.fixture
async def person(tmp_path: Path) -> AsyncIterator[Person]:
    async with OpenAIUpstream() as upstream:
        yield Person(tmp_path, upstream)


# -- K3, K6: how it ends, and the terminal ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "code"), [(("mess", "3"), 3), (("crash", "SIGSEGV"), 139), (("crash", "SIGTERM"), 143)]
)
async def test_a_terminal_left_in_raw_mode_is_put_back(person: Person, words: tuple[str, str], code: int) -> None:
    async with person.types(*words) as session:
        await session.screen.expect("raw")
        await session.shell.expect(f"modes kept\nexited {code}\n")


# -- K8: our own end ----------------------------------------------------------------------------------------------


async def test_killed_ourselves_we_leave_no_claude(person: Person) -> None:
    async with person.types("listen") as session:
        claude = int(await session.line("ready"))
        os.kill(session.job, signal.SIGKILL)
        await until_gone(claude)


async def test_killed_while_claude_is_stopped_we_leave_none(person: Person) -> None:
    async with person.types("listen") as session:
        claude = int(await session.line("ready"))
        session.type("\x1a")
        await session.shell.expect("stopped")
        os.kill(session.job, signal.SIGKILL)
        await until_gone(claude)


async def test_a_terminal_that_is_closed_ends_both(person: Person) -> None:
    async with person.types("listen") as session:
        claude = int(await session.line("ready"))
        session.close()
        await until_gone(claude, session.job)


async def test_a_closed_terminal_gives_claude_its_time(person: Person) -> None:
    """The shell and the system tell of it one after the other; the second time is no impatience."""
    async with person.types("stubborn", patient=True) as session:
        claude = int(await session.line("ready"))
        for _ in range(2):
            os.kill(session.job, signal.SIGHUP)
            session.type("still there\n")
            await session.screen.expect("read still there")
        session.type("bye\n")
        await session.shell.expect("exited 5\n")
        assert state(claude) == ""


async def test_without_a_shell_claude_runs_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orphan, "_SHELL", "/no/such/shell")
    with orphan.no_orphan() as known:
        known(os.getpid())


async def test_nothing_is_left_of_who_watches_over_us(person: Person) -> None:
    """Nor does it keep a pipe open that somebody reads to its end."""
    ended = await run([*ANYCLAUDE, "--mode=lmstudio", "exit", "4"], person.environ, person.folder, 60)
    assert (ended.exit_code, ended.stdout, ended.stderr) == (4, "", "")


# -- a disk without room, at the launch ---------------------------------------------------------------------------


def test_without_room_for_claudes_settings_the_next_step_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    said = r"No space left on device\): make room, or set TMPDIR"
    with pytest.raises(SetupError, match=said), steered([], {"env": {}}):
        raise AssertionError("there was no room")
