"""The real Claude Code in a real terminal, with keys pressed."""

import asyncio

from tests.support.claude_code import ClaudeCode
from tests.support.openai_upstream import OpenAIUpstream
from tests.support.script import Says, Waits, reply
from tests.support.tmux import terminal

PROMPT = "\N{HEAVY RIGHT-POINTING ANGLE QUOTATION MARK ORNAMENT}"  # where Claude Code takes what is typed


async def test_a_session_with_an_interruption(claude: ClaudeCode, upstream: OpenAIUpstream) -> None:
    """Start, ask, Esc in mid-answer (which the upstream sees), ask again, leave; the terminal is as it was."""
    upstream.script(reply(Says("Once upon a time.\n\nThere was"), Waits()), reply(Says("The other answer.")))
    async with terminal(claude.command(), claude.environ, claude.work) as screen:
        await screen.until(PROMPT, deadline=60)
        await screen.type("Tell me a story")
        await screen.until("Tell me a story")
        await screen.press("Enter")
        first = await upstream.turn(1)
        await screen.until("Once upon a time")
        await screen.press("Escape")
        async with asyncio.timeout(10):
            await first.left.wait()
        await screen.until("Interrupted")
        await screen.type("Something else")
        await screen.until("Something else")
        await screen.press("Enter")
        await screen.until("The other answer.")
        await screen.type("/exit")
        await screen.until("/exit")
        await screen.press("Enter")
        ended = await screen.until("ended with")
        assert "ended with 0" in ended
        await screen.until("settings kept")
        assert await screen.state("alternate_on", "cursor_flag", "mouse_any_flag") == ["0", "1", "0"]
    second = await upstream.turn(2)
    assert "Something else" in second.texts("user")[-1]
    assert any(text.startswith("Once upon a time.") for text in second.texts("assistant"))
