"""What the user sees when the model's server fails, and what Claude Code then does."""

import json

from tests.support.claude_code import ClaudeCode
from tests.support.openai_upstream import OpenAIUpstream
from tests.support.script import Breaks, Refusal, Says, Usage, calls, reply


async def test_a_break_in_the_first_block_is_asked_again(claude: ClaudeCode, upstream: OpenAIUpstream) -> None:
    """Claude Code repeats the request without `stream`, and the repeated answer counts alone."""
    upstream.script(reply(Says("Half of the ans"), Breaks(abort=True)), reply(Says("The whole answer.")))
    answer = await claude.ask("Tell me")
    assert (answer.exit_code, answer.text) == (0, "The whole answer.")
    first, second = upstream.asked
    assert first.messages == second.messages


async def test_an_answer_without_a_finish_is_no_answer(claude: ClaudeCode, upstream: OpenAIUpstream) -> None:
    upstream.script(reply(Says("Half of the ans"), Breaks()), reply(calls("Bash", command="echo whole")))
    upstream.script(reply(Says("Now the whole.")))
    answer = await claude.ask("Tell me")
    assert (answer.exit_code, answer.text) == (0, "Now the whole.")
    assert upstream.asked[2].tool_results() == ["whole"]


async def test_a_refusal_is_shown_in_the_server_s_words(claude: ClaudeCode, upstream: OpenAIUpstream) -> None:
    upstream.script(Refusal(400, "the flux capacitor is empty"))
    answer = await claude.ask("Tell me")
    assert answer.exit_code == 1
    assert answer.result["is_error"] is True
    assert "the flux capacitor is empty" in answer.text


async def test_a_busy_server_is_asked_again(claude: ClaudeCode, upstream: OpenAIUpstream) -> None:
    upstream.script(Refusal(429, "busy", headers=(("retry-after", "1"),)), reply(Says("At last.")))
    answer = await claude.ask("Tell me")
    assert (answer.exit_code, answer.text) == (0, "At last.")


async def test_a_title_request_is_answered(claude: ClaudeCode, upstream: OpenAIUpstream) -> None:
    """Claude Code asks for a title beside a longer first prompt; it wants JSON of its own schema."""
    upstream.script(reply(Says("A plan.")))
    answer = await claude.ask("Please make a plan for the garden behind our house, with apples and with pears")
    assert answer.text == "A plan."
    (title,) = upstream.side
    assert title.body["response_format"]["type"] == "json_schema"
    await title.answered.wait()


async def test_no_server_is_one_sentence(claude: ClaudeCode) -> None:
    claude.environ["LMSTUDIO_URL"] = "http://127.0.0.1:1/v1"
    answer = await claude.ask("Tell me")
    assert answer.exit_code == 2
    assert answer.ended.stdout == ""
    (sentence,) = answer.ended.stderr.splitlines()
    assert "http://127.0.0.1:1/v1" in sentence
    assert "LMSTUDIO_URL" in sentence


async def test_usage_is_the_server_s(claude: ClaudeCode, upstream: OpenAIUpstream) -> None:
    upstream.script(reply(Says("Hello."), usage=Usage(prompt=1000, cached=900, completion=7)))
    answer = await claude.ask("Say hello")
    usage = answer.result["usage"]
    assert (usage["input_tokens"], usage["cache_read_input_tokens"], usage["output_tokens"]) == (100, 900, 7)
    assert json.dumps(answer.result["modelUsage"]).count(upstream.model) == 1
