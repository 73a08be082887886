"""The real Claude Code is told to end, loses its terminal or loses us, in the middle of an answer: nothing is left."""

import asyncio
import os
import signal

import pytest

from tests.support.children import child
from tests.support.claude_code import HEADLESS, ClaudeCode
from tests.support.openai_upstream import OpenAIUpstream
from tests.support.pids import children_of, until_gone
from tests.support.script import Says, Waits, reply
from tests.support.terminal import on_terminal

ANSWER = "Once upon a time.\n\nThere was"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGKILL, -9)])
async def test_a_signal_in_the_middle_of_an_answer(
    claude: ClaudeCode, upstream: OpenAIUpstream, number: signal.Signals, code: int
) -> None:
    upstream.script(reply(Says(ANSWER), Waits()))
    async with child(claude.command("-p", "Tell me a story", *HEADLESS), claude.environ, claude.work) as started:
        turn = await upstream.turn(1)
        ours = children_of(started.pid)
        assert ours
        os.kill(started.pid, number)
        await asyncio.wait_for(started.wait(), 60)
        await until_gone(*ours)
        async with asyncio.timeout(60):
            await turn.left.wait()
    assert started.returncode == code


async def test_a_terminal_that_is_closed(claude: ClaudeCode, upstream: OpenAIUpstream) -> None:
    upstream.script(reply(Says(ANSWER), Waits()))
    async with on_terminal(claude.command("Tell me a story"), claude.environ, claude.work) as session:
        turn = await upstream.turn(1)
        ours = [session.job, *children_of(session.job)]
        session.close()
        await until_gone(*ours)
        async with asyncio.timeout(60):
            await turn.left.wait()
