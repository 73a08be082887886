"""Scenarios of reading: an image for a model without eyes, a PDF, the web, and a tool that must be searched for."""

import json
from itertools import pairwise
from pathlib import Path

from tests.support.mcp_server import TOOL, configuration
from tests.support.pdf import pdf
from tests.support.png import red_square
from tests.support.scenarios.stage import Part, Stage, begun_anew
from tests.support.script import Says, calls, reply
from tests.support.search_engines import SearXNGServer, entry


def looking(work: Path) -> Part:
    return {
        "Which colour": reply(calls("Read", file_path=str(work / "red.png"))),
        "[image": reply(Says("I cannot see it.")),
    }


async def an_image_for_the_blind(stage: Stage) -> None:
    """The model takes no images: it is told that one was left out, and goes on."""
    claude = stage.claude(looking)
    (claude.work / "red.png").write_bytes(red_square())
    answer = await claude.ask("Which colour has the picture?", *stage.with_tools("Read", "Bash"))
    assert (answer.exit_code, answer.text) == (0, "I cannot see it."), answer.ended.stderr
    first, second = stage.asked
    assert "image_url" not in str(second.messages)
    assert "image left out" in second.tool_results()[-1]
    assert begun_anew([first, second]) == []


def lending(work: Path) -> Part:
    return {
        "For how long are books lent": reply(calls("Read", file_path=str(work / "terms.pdf"))),
        "lent for a week": reply(Says("A week.")),
    }


async def a_pdf(stage: Stage) -> None:
    claude = stage.claude(lending)
    (claude.work / "terms.pdf").write_bytes(pdf(["Books are lent for a week.", "Then they come back."]))
    answer = await claude.ask("For how long are books lent?", *stage.with_tools("Read", "Bash"))
    assert (answer.exit_code, answer.text) == (0, "A week."), answer.ended.stderr
    said = str(stage.asked[1].messages)
    assert "Books are lent for a week." in said
    assert "page 2 of 2" in said
    assert begun_anew(stage.asked) == []


def searching(work: Path) -> Part:
    return {
        "Look for asyncio": reply(calls("WebSearch", query="python asyncio")),
        "Write concurrent code.": reply(Says("It is for concurrent code.")),
    }


async def web_search(stage: Stage) -> None:
    """The proxy searches; links and texts reach the model."""
    async with SearXNGServer() as engine:
        found = entry(
            "Asyncio", "https://docs.python.org/3/library/asyncio.html", "Write concurrent code.", "2026-01-02"
        )
        engine.answers(found)
        claude = stage.claude(searching, SEARXNG_URL=engine.url)
        answer = await claude.ask("Look for asyncio", *stage.with_tools("WebSearch", "Bash"))
    assert (answer.exit_code, answer.text) == (0, "It is for concurrent code."), answer.ended.stderr
    assert [asked.query["q"] for asked in engine.asked] == ["python asyncio"]
    [result] = stage.asked[1].tool_results()
    assert '{"title":"Asyncio","url":"https://docs.python.org/3/library/asyncio.html"}' in result
    assert begun_anew(stage.asked) == []


def counting(work: Path) -> Part:
    journal = work.parent / "journal"
    count = reply(calls(TOOL, thing="pears"))
    return {
        TOOL: count,
        "How many pears": reply(calls("Bash", command=f"until [ -e {journal} ]; do sleep 0.1; done; echo it is up")),
        "it is up": reply(calls("ToolSearch", query=f"select:{TOOL}", max_results=3)),
        "7 pears": reply(Says("There are 7 pears.")),
    }


async def tool_search(stage: Stage) -> None:
    """A tool of an MCP server is found and called; none of this changes what the prompt began with."""
    claude = stage.claude(counting, ENABLE_TOOL_SEARCH="true")
    journal = claude.work.parent / "journal"
    servers = claude.work.parent / "mcp.json"
    servers.write_text(configuration(journal))
    small = stage.with_tools("Bash", "Write", "ToolSearch")
    answer = await claude.ask("How many pears are there?", "--mcp-config", str(servers), *small)
    assert (answer.exit_code, answer.text) == (0, "There are 7 pears."), answer.ended.stderr
    assert [json.loads(line) for line in journal.read_text().splitlines()] == [{"thing": "pears"}]
    assert TOOL not in stage.asked[0].tool_names
    assert "Write" in stage.asked[0].tool_names
    assert "in stock" in stage.asked[2].tool_results()[-1] + str(stage.asked[2].body["tools"])
    for earlier, later in pairwise(stage.asked):
        assert later.messages[: len(earlier.messages)] == earlier.messages
