"""The proxy by itself, and the real Claude Code pointed at it by hand."""

from pathlib import Path

from tests.support.claude_code import ClaudeCode, ask_directly
from tests.support.openai_upstream import OpenAIUpstream
from tests.support.proxy import proxy_only
from tests.support.script import Says, calls, reply


async def test_the_two_printed_lines_are_all_it_takes(
    claude: ClaudeCode, upstream: OpenAIUpstream, tmp_path: Path
) -> None:
    """Without our launcher Claude Code asks for a Claude by name; it gets the upstream's model."""
    upstream.script(reply(calls("Bash", command="echo by hand > made.txt")), reply(Says("Made.")))
    async with proxy_only(tmp_path, LMSTUDIO_URL=upstream.url) as proxy:
        answer = await ask_directly(claude.environ | proxy.environ, claude.work, "Make a file")
    assert (answer.exit_code, answer.text) == (0, "Made.")
    assert (claude.work / "made.txt").read_text() == "by hand\n"
    assert {asked.body["model"] for asked in (*upstream.asked, *upstream.side)} == {upstream.model}


async def test_a_wrong_token_is_refused(claude: ClaudeCode, upstream: OpenAIUpstream, tmp_path: Path) -> None:
    async with proxy_only(tmp_path, LMSTUDIO_URL=upstream.url) as proxy:
        wrong = {"ANTHROPIC_AUTH_TOKEN": "someone-else", "CLAUDE_CODE_MAX_RETRIES": "0"}
        answer = await ask_directly(claude.environ | proxy.environ | wrong, claude.work, "Say hello")
    assert answer.exit_code == 1
    assert "401" in answer.text
    assert upstream.asked == []
