"""Claude Code with a key of its own, and our proxy on the way to Claude."""

import json
from pathlib import Path
from typing import Any

from anyclaude.backends.claude import ClaudeBackend
from anyclaude.backends.router import Router
from anyclaude.config.model import Deadlines
from anyclaude.config.routes import Routes, Target
from anyclaude.config.upstreams import Claude
from anyclaude.launch.env import claude_environment, claude_exports
from anyclaude.launch.steering import steered
from anyclaude.server.serve import serving
from tests.support.anthropic_upstream import AnthropicUpstream, anthropic_upstream, says, strictly
from tests.support.children import run
from tests.support.claude_code import HEADLESS, ClaudeCode, find_claude
from tests.support.openai_upstream import OpenAIUpstream
from tests.support.script import Calls, Says, Thinks, reply

TOKEN = "token-of-this-launch"
KEY = "sk-ant-test-0123456789"


async def test_a_turn_goes_through_with_the_key_and_without_our_token(tmp_path: Path) -> None:
    """Also where the person's settings name another base URL, which Claude Code would follow by itself."""
    own = ClaudeCode(tmp_path, ANTHROPIC_API_KEY=KEY, ANTHROPIC_CUSTOM_HEADERS="x-mine: 1")
    async with anthropic_upstream(says("Hello from Claude.")) as upstream, anthropic_upstream(says("No.")) as other:
        (own.home / ".claude").mkdir()
        settings = {"env": {"ANTHROPIC_BASE_URL": other.url}}
        (own.home / ".claude/settings.json").write_text(json.dumps(settings))
        router = Router({"claude": ClaudeBackend(Claude(url=upstream.url), Deadlines())}, Routes(Target("claude")))
        async with serving(router, TOKEN) as address:
            child = claude_environment(own.environ, url=address.url, token=TOKEN)
            exports = claude_exports(own.environ, address.url, TOKEN)
            with steered(("-p", "Say hello", *HEADLESS), {"env": exports}) as arguments:
                ended = await run([find_claude(), *arguments], child.variables, own.work, 90)
    assert ended.exit_code == 0
    assert "Hello from Claude." in ended.stdout
    assert other.requests == []
    asked = upstream.to("/v1/messages")
    assert asked
    for received in asked:
        assert received.header("x-api-key") == [KEY]
        assert received.header("x-mine") == ["1"]
        assert received.header("anthropic-beta")
    assert not any(TOKEN.encode() in received.head + received.body for received in upstream.requests)


async def test_the_whole_command_keeps_a_trace_without_the_key(tmp_path: Path) -> None:
    """`anyclaude --mode=claude` with an upstream from the person's own file: traces are kept by default there."""
    own = ClaudeCode(tmp_path, mode="claude", ANTHROPIC_API_KEY=KEY)
    async with anthropic_upstream(says("Hello from Claude.")) as upstream:
        backends = {"claude": {"baseUrl": upstream.url}}
        (own.home / ".anyclauderc.json").write_text(json.dumps({"backends": backends}))
        answer = await own.ask("Say hello")
    assert (answer.exit_code, answer.text) == (0, "Hello from Claude.")
    written = sorted((own.home / ".anyclaude/traces/claude").iterdir())
    records = [json.loads(path.read_text()) for path in written]
    main = next(record for record in records if record["request"]["body"].get("tools"))
    assert main["response"]["body"]["content"][0]["text"] == "Hello from Claude."
    assert main["outcome"] == "complete"
    assert main["notes"][0]["reason"] == "main"
    assert {path.stat().st_mode & 0o777 for path in written} == {0o600}
    assert not any(KEY in path.read_text() for path in own.home.rglob("*.json*") if "anyclaude" in str(path))
    assert not any(KEY in path.read_text() for path in (own.home / ".anyclaude/logs").iterdir())


THEIRS = reply(Thinks("Let me see."), Says("I look."), Calls("Bash", '{"command":"echo seen"}', id="functions.Bash:0"))


def conversation(far: AnthropicUpstream) -> list[dict[str, Any]]:
    """The blocks of all turns that came to Claude with the last main request."""
    bodies = [json.loads(received.body) for received in far.to("/v1/messages")]
    messages = [body["messages"] for body in bodies if body.get("tools")][-1]
    return [block for turn in messages if isinstance(turn["content"], list) for block in turn["content"]]


async def test_a_session_of_a_local_model_goes_on_with_claude(tmp_path: Path, upstream: OpenAIUpstream) -> None:
    """First as a tier beside the local model, then with `--continue` in claude mode: Claude refuses neither."""
    async with anthropic_upstream(strictly(says("I am Claude."))) as far:
        claude = ClaudeCode(
            tmp_path, LMSTUDIO_URL=upstream.url, ANTHROPIC_API_KEY=KEY, ANYCLAUDE_OPUS_MODEL="claude:claude-opus-4-8"
        )
        (claude.home / ".anyclauderc.json").write_text(json.dumps({"backends": {"claude": {"baseUrl": far.url}}}))
        upstream.script(THEIRS, reply(Thinks("Fine."), Says("Done.")))
        assert (await claude.ask("Look here")).text == "Done."
        tier = await claude.ask("And you?", "--continue", "--", "--model", "opus")
        assert (tier.exit_code, tier.text) == (0, "I am Claude.")
        in_a_tier = conversation(far)
        claude.mode = "claude"
        alone = await claude.ask("Still there?", "--continue")
        assert (alone.exit_code, alone.text) == (0, "I am Claude.")
        by_itself = conversation(far)
    for blocks in (in_a_tier, by_itself):
        assert "thinking" not in [block["type"] for block in blocks]
        (call,) = [block for block in blocks if block["type"] == "tool_use"]
        (result,) = [block for block in blocks if block["type"] == "tool_result"]
        assert call["id"] == result["tool_use_id"]
        assert "seen" in str(result["content"])


async def test_titles_of_a_conversation_with_claude_come_from_a_local_model(
    tmp_path: Path, upstream: OpenAIUpstream
) -> None:
    async with anthropic_upstream(strictly(says("I am Claude."))) as far:
        claude = ClaudeCode(tmp_path, mode="claude", LMSTUDIO_URL=upstream.url, ANTHROPIC_API_KEY=KEY)
        settings = {"backends": {"claude": {"baseUrl": far.url}}, "models": {"background": "lmstudio"}}
        (claude.home / ".anyclauderc.json").write_text(json.dumps(settings))
        answer = await claude.ask("Please look into this folder and tell me at some length what you find there")
    assert (answer.exit_code, answer.text) == (0, "I am Claude.")
    assert upstream.side, "the title was asked of the local model"
    assert all(json.loads(received.body).get("tools") for received in far.to("/v1/messages"))
    assert KEY not in str([asked.headers for asked in upstream.side])
