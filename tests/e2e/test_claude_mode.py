"""Claude Code with a key of its own, and our proxy on the way to Claude."""

import json
from pathlib import Path

from anyclaude.backends.claude import ClaudeBackend
from anyclaude.backends.router import Router
from anyclaude.config.model import Deadlines
from anyclaude.config.routes import Routes, Target
from anyclaude.config.upstreams import Claude
from anyclaude.launch.env import claude_environment, claude_exports
from anyclaude.launch.steering import steered
from anyclaude.server.serve import serving
from tests.support.anthropic_upstream import anthropic_upstream, says
from tests.support.children import run
from tests.support.claude_code import HEADLESS, ClaudeCode, find_claude

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
            with steered(("-p", "Say hello", *HEADLESS), exports) as arguments:
                ended = await run([find_claude(), *arguments], child.variables, own.work, 30)
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
