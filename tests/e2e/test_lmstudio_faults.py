"""The real Claude Code on an upstream with faults of LM Studio's: what is mended, it does not notice."""

import json

from tests.support.claude_code import ClaudeCode
from tests.support.openai_upstream import OpenAIUpstream
from tests.support.script import Fails, Says, Usage, calls, reply

GRAMMAR = "Failed to initialize samplers: failed to parse grammar"


async def test_tools_whose_schemas_are_refused(claude: ClaudeCode, upstream: OpenAIUpstream) -> None:
    """All of Claude Code's own tools, first as they are and then without bounds, for the rest of the session."""
    upstream.script(reply(Fails(GRAMMAR)), reply(calls("Bash", command="echo hi")), reply(Says("It works.")))
    answer = await claude.ask("Tell me")
    assert (answer.exit_code, answer.text) == (0, "It works.")
    first, second, third = upstream.asked
    assert first.tool_names == second.tool_names == third.tool_names
    bounded = ['"maxLength"' in json.dumps(asked.body["tools"]) for asked in upstream.asked]
    assert bounded == [True, False, False]
    assert third.tool_results() == ["hi"]


async def test_an_empty_answer_to_a_prompt_that_no_longer_fits(claude: ClaudeCode, upstream: OpenAIUpstream) -> None:
    """Claude Code compacts the older part of the conversation and goes on, instead of ending without a word."""
    rounds = [reply(calls("Bash", command=f"echo {number}")) for number in range(4)]
    upstream.script(*rounds, reply(usage=Usage(prompt=upstream.context_window + 50, cached=None, completion=0)))
    upstream.script(reply(Says("<summary>Numbers were echoed.</summary>")), reply(Says("Done.")))
    answer = await claude.ask("Echo the numbers")
    assert (answer.exit_code, answer.text) == (0, "Done.")
    last = upstream.asked[-1]
    assert any("Numbers were echoed." in text for text in last.texts("user"))
