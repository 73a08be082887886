"""The real Claude Code on a stand-in for OpenRouter: thinking that comes back, and what failures look like."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.claude_code import ClaudeCode
from tests.support.filler import filler
from tests.support.openrouter import DETAILS, KEY, MODEL, REFUSALS, Billed, OpenRouterUpstream, cites, fails, thinks
from tests.support.script import Breaks, Refusal, Says, calls, reply


@pytest.fixture
async def openrouter() -> AsyncIterator[OpenRouterUpstream]:
    async with OpenRouterUpstream() as server:
        yield server


@pytest.fixture
def claude(tmp_path: Path, openrouter: OpenRouterUpstream) -> ClaudeCode:
    environ = {"OPENROUTER_BASE_URL": openrouter.url, "OPENROUTER_API_KEY": KEY, "OPENROUTER_MODEL": MODEL}
    return ClaudeCode(tmp_path, mode="openrouter", **environ)


async def test_a_tool_loop_carries_the_thinking_back_byte_for_byte(
    claude: ClaudeCode, openrouter: OpenRouterUpstream
) -> None:
    """Every type of detail, also one that no person can read; with the bill, and a limit that is waited out."""
    openrouter.script(
        REFUSALS["busy"],
        reply(*thinks(DETAILS), Says("I look."), calls("Bash", command="echo found"), usage=Billed()),
        reply(*thinks(DETAILS[2:]), calls("Bash", command="echo again")),
        reply(Says("Done.")),
    )
    answer = await claude.ask("Look")
    assert (answer.exit_code, answer.text) == (0, "Done.")
    _, first, second, third = openrouter.asked
    assert second.tool_results() == ["found"]
    assert third.tool_results() == ["found", "again"]
    said = [message for message in third.messages if message["role"] == "assistant"]
    assert json.dumps([one["reasoning_details"] for one in said]) == json.dumps([DETAILS, DETAILS[2:]])
    assert len({asked.body["session_id"] for asked in openrouter.asked}) == 1
    assert first.headers["Authorization"] == f"Bearer {KEY}"
    # /model offers what OpenRouter lists
    kept = (claude.home / ".claude/cache/gateway-models.json").read_text()
    assert f"openrouter:{MODEL}" in kept
    # the price is in the trace
    traces = [json.loads(path.read_text()) for path in (claude.home / ".anyclaude/traces/openrouter").iterdir()]
    assert 0.00125 in [trace["usage"].get("cost") for trace in traces if trace.get("usage")]
    assert not any(KEY in path.read_text() for path in (claude.home / ".anyclaude").rglob("*") if path.is_file())


BROKEN = (fails(502, "Provider disconnected", error_type="provider_unavailable"), Breaks())


async def test_a_break_in_the_first_block_is_asked_again(claude: ClaudeCode, openrouter: OpenRouterUpstream) -> None:
    openrouter.script(reply(Says(filler(500_000, "half")), *BROKEN), reply(Says("The whole answer.")))
    answer = await claude.ask("Tell me")
    assert (answer.exit_code, answer.text) == (0, "The whole answer.")


async def test_a_break_behind_a_whole_block_is_shown(claude: ClaudeCode, openrouter: OpenRouterUpstream) -> None:
    """Claude Code keeps the text, does not run the half call, and says what broke."""
    openrouter.script(reply(Says("So far."), calls("Bash", command="echo " + "x" * 500_000), *BROKEN))
    answer = await claude.ask("Tell me")
    assert (answer.exit_code, answer.result["is_error"]) == (1, True)
    assert "Provider disconnected" in answer.text
    assert next(block["text"] for block in answer.blocks("text")) == "So far."
    assert answer.blocks("tool_use") == []


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("no credits", "402 the model server said: Insufficient credits. Add more using"),
        ("data policy", "(allow its providers there, or choose another model)"),
    ],
)
async def test_a_refusal_is_shown_with_its_next_step(
    claude: ClaudeCode, openrouter: OpenRouterUpstream, name: str, seen: str
) -> None:
    openrouter.script(REFUSALS[name])
    answer = await claude.ask("Tell me")
    assert (answer.exit_code, answer.result["is_error"]) == (1, True)
    assert seen in answer.text
    assert len(openrouter.asked) == 1


async def test_an_answer_that_does_not_fit_is_asked_for_again_shorter(
    claude: ClaudeCode, openrouter: OpenRouterUpstream
) -> None:
    said = "maximum context length is 20000 tokens. However, you requested about 23000 tokens"
    openrouter.script(Refusal(400, f"{said} (14000 of text input, 1000 of tool input, 8000 in the output)."))
    openrouter.script(reply(Says("Shorter.")))
    answer = await claude.ask("Tell me")
    assert (answer.exit_code, answer.text) == (0, "Shorter.")
    first, second = openrouter.asked
    assert first.messages == second.messages
    assert (first.body["max_tokens"], second.body["max_tokens"]) == (8000, 4000)


async def test_openrouters_own_search_answers_where_no_engine_is_set(
    claude: ClaudeCode, openrouter: OpenRouterUpstream
) -> None:
    openrouter.script(
        reply(calls("WebSearch", query="python asyncio", blocked_domains=["evil.example"])),
        reply(
            Says("It is a library."),
            cites(("Asyncio", "https://docs.python.org/3/library/asyncio.html"), ("E", "https://evil.example/")),
            usage=Billed(searches=2),
        ),
        reply(Says("Done.")),
    )
    answer = await claude.ask("Search")
    assert (answer.exit_code, answer.text) == (0, "Done.")
    _, search, last = openrouter.asked
    [tool] = search.body["tools"]
    assert (tool["type"], tool["parameters"]["excluded_domains"]) == ("openrouter:web_search", ["evil.example"])
    assert "tool_choice" not in search.body
    [result] = last.tool_results()
    assert "It is a library." in result
    assert '{"title":"Asyncio","url":"https://docs.python.org/3/library/asyncio.html"}' in result
    assert "evil" not in result
