"""The real Claude Code searches the web: the proxy answers, and links and texts reach the model."""

from pathlib import Path

from tests.support.claude_code import ClaudeCode
from tests.support.openai_upstream import OpenAIUpstream
from tests.support.script import Says, calls, reply
from tests.support.search_engines import SearXNGServer, entry

FOUND = (
    entry("Asyncio", "https://docs.python.org/3/library/asyncio.html", "Write concurrent code.", "2026-01-02"),
    entry("Elsewhere", "https://elsewhere.example/", "Other words."),
)


async def test_a_search_brings_links_and_texts_to_the_model(tmp_path: Path, upstream: OpenAIUpstream) -> None:
    upstream.script(reply(calls("WebSearch", query="python asyncio")), reply(Says("Done.")))
    async with SearXNGServer() as engine:
        engine.answers(*FOUND)
        claude = ClaudeCode(tmp_path, LMSTUDIO_URL=upstream.url, SEARXNG_URL=engine.url)
        answer = await claude.ask("Search")
    assert (answer.exit_code, answer.text) == (0, "Done.")
    assert [asked.query["q"] for asked in engine.asked] == ["python asyncio"]
    [result] = upstream.asked[1].tool_results()
    assert '{"title":"Asyncio","url":"https://docs.python.org/3/library/asyncio.html"}' in result
    assert "Write concurrent code." in result
    assert len(upstream.asked) == 2, "the search itself asked no model"


async def test_domains_of_the_call_reach_the_engine(tmp_path: Path, upstream: OpenAIUpstream) -> None:
    wanted = calls("WebSearch", query="python asyncio", allowed_domains=["python.org"])
    upstream.script(reply(wanted), reply(Says("Done.")))
    async with SearXNGServer() as engine:
        engine.answers(*FOUND)
        claude = ClaudeCode(tmp_path, LMSTUDIO_URL=upstream.url, SEARXNG_URL=engine.url)
        await claude.ask("Search")
    assert engine.asked[0].query["q"] == "python asyncio (site:python.org)"
    [result] = upstream.asked[1].tool_results()
    assert "docs.python.org" in result
    assert "elsewhere" not in result


async def test_without_an_engine_the_model_learns_why(claude: ClaudeCode, upstream: OpenAIUpstream) -> None:
    upstream.script(reply(calls("WebSearch", query="python asyncio")), reply(Says("Done.")))
    answer = await claude.ask("Search")
    assert (answer.exit_code, answer.text) == (0, "Done.")
    [result] = upstream.asked[1].tool_results()
    assert "unavailable" in result
    assert "SEARXNG_URL" in result
