"""The line below the prompt of the real Claude Code: ours where the person has none, and theirs where they have."""

import json

from tests.support.claude_code import ClaudeCode
from tests.support.openai_upstream import OpenAIUpstream
from tests.support.script import Says, Usage, reply
from tests.support.tmux import terminal

PROMPT = "\N{HEAVY RIGHT-POINTING ANGLE QUOTATION MARK ORNAMENT}"


async def test_it_tells_the_model_and_the_last_turn(claude: ClaudeCode, upstream: OpenAIUpstream) -> None:
    upstream.script(reply(Says("Hello yourself."), usage=Usage(prompt=20_000, cached=18_000)))
    async with terminal(claude.command(), claude.environ, claude.work) as screen:
        await screen.until("lmstudio · scripted-model", deadline=60)
        await screen.type("Hello")
        await screen.until("Hello")
        await screen.press("Enter")
        await screen.until("lmstudio · scripted-model · cached 90% · ")
        shown = await screen.until("context 7% of 262k")
        assert PROMPT in shown


async def test_one_of_the_persons_own_stays(claude: ClaudeCode) -> None:
    folder = claude.home / ".claude"
    folder.mkdir()
    own = {"statusLine": {"type": "command", "command": "echo this line is mine"}}
    (folder / "settings.json").write_text(json.dumps(own))
    async with terminal(claude.command(), claude.environ, claude.work) as screen:
        shown = await screen.until("this line is mine", deadline=60)
        assert "lmstudio ·" not in shown
    kept = json.loads((folder / "settings.json").read_text())
    assert kept["statusLine"] == own["statusLine"]
