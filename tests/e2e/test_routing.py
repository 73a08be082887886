"""The real Claude Code on two model servers: each request finds its own, and one that fails is stood in for."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.anthropic_upstream import anthropic_upstream, says
from tests.support.claude_code import ClaudeCode
from tests.support.openai_upstream import OpenAIUpstream
from tests.support.script import Refusal, Says, calls, reply

PROMPT = "Please look into this folder and tell me at some length what you find there"


@pytest.fixture
async def other() -> AsyncIterator[OpenAIUpstream]:
    async with OpenAIUpstream(model="other-model") as server:
        yield server


def _claude(folder: Path, upstream: OpenAIUpstream, other: OpenAIUpstream, **settings: object) -> ClaudeCode:
    node = json.dumps([{"id": "other", "url": other.url}])
    claude = ClaudeCode(folder, LMSTUDIO_URL=upstream.url, MLX_CLUSTER_NODES=node)
    (claude.home / ".anyclauderc.json").write_text(json.dumps(settings))
    return claude


async def test_titles_and_subagents_go_to_models_of_their_own(
    tmp_path: Path, upstream: OpenAIUpstream, other: OpenAIUpstream
) -> None:
    claude = _claude(tmp_path, upstream, other, models={"background": "mlx-cluster", "subagent": "mlx-cluster"})
    upstream.script(
        reply(calls("Agent", description="Look", prompt="Count the files", subagent_type="general-purpose")),
        lambda asked: reply(Says(f"The agent said: {asked.tool_results()[-1].splitlines()[0]}")),
    )
    other.script(reply(Says("There are none.")))
    answer = await claude.ask(PROMPT)
    assert (answer.exit_code, answer.text) == (0, "The agent said: There are none.")
    assert (len(upstream.asked), len(other.asked)) == (2, 1)
    assert not upstream.side
    assert other.side, "the title was asked of the background model"


async def test_a_server_that_fails_is_stood_in_for(
    tmp_path: Path, upstream: OpenAIUpstream, other: OpenAIUpstream
) -> None:
    claude = _claude(tmp_path, upstream, other, backends={"lmstudio": {"fallback": ["mlx-cluster"]}})
    upstream.script(Refusal(503, "Loading model"))
    other.script(reply(calls("Bash", command="echo stand-in")), reply(Says("Done by the other.")))
    answer = await claude.ask(PROMPT)
    assert (answer.exit_code, answer.text) == (0, "Done by the other.")
    assert (len(upstream.asked), len(other.asked)) == (1, 2)


async def test_a_tier_is_claude_beside_a_local_model(tmp_path: Path, upstream: OpenAIUpstream) -> None:
    """Titles ask for the haiku tier: they reach Claude under its own name, with the person's key and not our token."""
    async with anthropic_upstream(says('{"title": "A look around"}')) as far:
        claude = ClaudeCode(
            tmp_path,
            LMSTUDIO_URL=upstream.url,
            ANTHROPIC_BASE_URL=far.url,
            ANTHROPIC_API_KEY="sk-ant-key-of-the-person",
            ANYCLAUDE_HAIKU_MODEL="claude:claude-haiku-4-5",
        )
        upstream.script(reply(Says("Nothing here.")))
        answer = await claude.ask(PROMPT)
    assert (answer.exit_code, answer.text) == (0, "Nothing here.")
    asked = far.to("/v1/messages")
    assert asked
    for received in asked:
        assert json.loads(received.body)["model"] == "claude-haiku-4-5"
        assert received.header("x-api-key") == ["sk-ant-key-of-the-person"]
        assert received.header("authorization") == []
