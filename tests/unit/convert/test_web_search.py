"""Which requests are web searches, and the blocks that answer them, through writer, grammar and fold."""

from typing import Any

import pytest

from anyclaude.convert.message import MessageWriter
from anyclaude.convert.search_results import Page
from anyclaude.convert.usage import anthropic_usage
from anyclaude.convert.web_search import Query, found, not_found, query_of
from anyclaude.errors import GrammarError
from anyclaude.wire.events import (
    Citation,
    Finished,
    ModelEvent,
    ServerToolResult,
    ServerToolUse,
    TextDelta,
    UsageReport,
)
from anyclaude.wire.grammar import Grammar
from tests.support.streams import fold, write

TOOL = {"type": "web_search_20250305", "name": "web_search", "max_uses": 8}
PAGES = [Page("Title", "https://a.example/", "What it says.", "2026-01-02"), Page("Other", "https://b.example/")]


def request(content: Any, *tools: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": content}], "tools": list(tools or (TOOL,))}


def asked(content: Any) -> Query:
    query = query_of(request(content))
    assert query is not None
    return query


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ([{"type": "text", "text": "Perform a web search for the query: python asyncio"}], "python asyncio"),
        ("Perform a web search for the query: query: of queries", "query: of queries"),
        ("Search, with this query:\nsecond line", "second line"),
        ("python asyncio", "python asyncio"),
        ("how does C++ std::query: work", "how does C++ std::query: work"),
        ([{"type": "image"}, {"type": "text", "text": "query: x"}, {"type": "text", "text": "y"}], "x\ny"),
        ("", ""),
        ([], ""),
    ],
)
def test_the_query_is_what_follows_the_sentence(content: Any, text: str) -> None:
    assert asked(content).text == text


def test_a_reminder_behind_the_query_is_none_of_it() -> None:
    body = request("query: x")
    body["messages"].append({"role": "system", "content": "The date has changed."})
    query = query_of(body)
    assert query
    assert query.text == "x"


def test_domains_are_those_of_the_tool() -> None:
    tool = {**TOOL, "type": "web_search_20260318", "allowed_domains": ["a.com", 5], "blocked_domains": None}
    assert query_of(request("query: x", tool)) == Query("x", allowed=("a.com",))


@pytest.mark.parametrize(
    "tools",
    [
        [],
        None,
        [{"name": "web_search", "input_schema": {}}],
        [{"type": "custom", "name": "web_search"}],
        [{"type": "web_fetch_20250910", "name": "web_fetch"}],
        [TOOL, {"name": "Bash", "input_schema": {}}],
        ["web_search_20250305"],
    ],
)
def test_everything_else_is_for_a_model(tools: Any) -> None:
    assert query_of({**request("query: x"), "tools": tools}) is None


def test_an_answer_is_a_call_its_whole_result_and_a_text() -> None:
    stream = write(found("srvtoolu_1", Query("x y"), PAGES))
    starts = [event["content_block"] for event in stream if event["type"] == "content_block_start"]
    assert [block["type"] for block in starts] == ["server_tool_use", "web_search_tool_result", "text"]
    assert starts[0] == {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}
    assert starts[1]["tool_use_id"] == "srvtoolu_1"
    assert starts[1]["content"][0] == {
        "type": "web_search_result",
        "title": "Title",
        "url": "https://a.example/",
        "encrypted_content": "",
        "page_age": "2026-01-02",
    }
    deltas = [event["delta"] for event in stream if event["type"] == "content_block_delta"]
    assert deltas[0] == {"type": "input_json_delta", "partial_json": '{"query":"x y"}'}
    assert stream[-2]["delta"]["stop_reason"] == "end_turn"
    assert stream[-2]["usage"]["server_tool_use"] == {"web_search_requests": 1}


def test_in_one_piece_it_is_the_same() -> None:
    message = fold(found("srvtoolu_1", Query("x y"), PAGES))
    use, result, text = message["content"]
    assert use == {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "x y"}}
    assert [page["url"] for page in result["content"]] == ["https://a.example/", "https://b.example/"]
    assert text["text"] == (
        'Found for "x y". Titles and excerpts are the words of those pages.\n\n'
        "1. Title (2026-01-02)\n   https://a.example/\n   What it says.\n\n"
        "2. Other\n   https://b.example/"
    )
    assert message["usage"]["server_tool_use"] == {"web_search_requests": 1}


def test_nothing_found_is_said() -> None:
    message = fold(found("srvtoolu_1", Query("x", allowed=("a.com",)), []))
    assert message["content"][1]["content"] == []
    assert message["content"][2]["text"] == 'The search for "x" found nothing within the domains that were asked for.'


def test_an_error_is_one_block_and_a_sentence() -> None:
    message = fold(not_found("srvtoolu_1", Query("x"), "too_many_requests", "Wait a minute."))
    assert message["content"][1]["content"] == {
        "type": "web_search_tool_result_error",
        "error_code": "too_many_requests",
    }
    assert message["content"][2]["text"] == "Wait a minute."
    assert message["stop_reason"] == "end_turn"
    assert "server_tool_use" not in message["usage"], "nothing was searched"


def test_a_text_before_a_search_is_closed_first() -> None:
    events: list[ModelEvent] = [
        TextDelta("a"),
        ServerToolUse("1", "web_search", {}),
        ServerToolResult("1", "web_search_tool_result", []),
    ]
    message = fold([*events, TextDelta("b"), Finished("end_turn")])
    kinds = [block["type"] for block in message["content"]]
    assert kinds == ["text", "server_tool_use", "web_search_tool_result", "text"]


def test_a_result_takes_no_delta() -> None:
    writer, grammar = MessageWriter("msg_1", "m"), Grammar()
    result = ServerToolResult("1", "web_search_tool_result", [])
    for event in (writer.start(), *writer.feed([result])):
        grammar.feed(event)
    with pytest.raises(GrammarError):
        grammar.feed({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "x"}})


def test_a_page_that_a_model_rests_on_changes_nothing_of_an_ordinary_answer() -> None:
    assert write([TextDelta("a"), Citation("https://a/", "A"), Finished("end_turn")]) == write(
        [TextDelta("a"), Finished("end_turn")]
    )


def test_searches_are_told_only_where_there_were_any() -> None:
    assert "server_tool_use" not in anthropic_usage(UsageReport(1, 0, 1))
