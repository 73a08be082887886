"""Pages that an upstream tells beside its text, and the search that is made of them."""

from typing import Any

import pytest

from anyclaude.convert.citations import CitedSearch, search_tool
from anyclaude.convert.web_search import Query
from anyclaude.errors import UpstreamBroken
from anyclaude.wire.events import Citation, Failed, Finished, ModelEvent, TextDelta, UsageReport
from tests.support.streams import Chunk, content, delta, finish, fold, read, text, usage


def cited(url: object, title: object = "T") -> dict[str, Any]:
    return {"type": "url_citation", "url_citation": {"url": url, "title": title, "start_index": 0, "end_index": 3}}


A, B = cited("https://a.example/", "A"), cited("https://b.example/", "B")


@pytest.mark.parametrize(
    "chunks",
    [
        [delta(annotations=[A, B]), text("x"), finish()],
        [delta(content="x", annotations=[A]), delta(annotations=[A, B]), finish()],
        [text("x"), finish(), {"choices": [{"index": 0, "delta": {}, "annotations": [A, B]}]}],
        [{"choices": [{"message": {"content": "x", "annotations": [A, B]}, "finish_reason": "stop"}]}],
    ],
)
def test_wherever_they_are_said_they_come_once_before_the_end(chunks: list[Chunk]) -> None:
    events = read(*chunks, usage(5, 2))
    assert events[-4:-1] == [
        Citation("https://a.example/", "A"),
        Citation("https://b.example/", "B"),
        UsageReport(5, 0, 2),
    ]
    assert events[-1] == Finished("end_turn")


@pytest.mark.parametrize("annotations", [None, {}, "x", [None, 1], [{"type": "file"}], [cited(5)], [cited(None)]])
def test_what_has_another_shape_is_passed_over(annotations: Any) -> None:
    assert read(delta(content="x", annotations=annotations), finish()) == [TextDelta("x"), Finished("end_turn")]


def test_an_ordinary_answer_shows_none_of_them() -> None:
    assert content(delta(content="x", annotations=[A]), finish()) == [{"type": "text", "text": "x"}]


def test_a_flood_of_them_is_bounded() -> None:
    flood = [cited(f"https://a.example/{number}") for number in range(10_000)]
    assert len(read(text("x"), delta(annotations=flood), finish())) == 202


def searched(query: Query, *batches: list[ModelEvent]) -> list[ModelEvent]:
    search = CitedSearch("srvtoolu_1", query)
    return [event for batch in batches for event in search.feed(batch)]


def test_a_search_has_its_text_and_then_its_blocks() -> None:
    pages: list[ModelEvent] = [Citation("https://a.example/", "A\x1b"), Citation("javascript:x", "B")]
    message = fold(searched(Query("q"), [TextDelta("It says.")], [*pages, UsageReport(5, 0, 2), Finished("end_turn")]))
    words, use, result = message["content"]
    assert words["text"] == "It says."
    assert use["input"] == {"query": "q"}
    assert [(page["title"], page["url"]) for page in result["content"]] == [("A", "https://a.example/")]
    assert message["usage"]["server_tool_use"] == {"web_search_requests": 1}


def test_domains_hold_there_too() -> None:
    pages: list[ModelEvent] = [Citation("https://a.example/", "A"), Citation("https://b.example/", "B")]
    message = fold(searched(Query("q", blocked=("b.example",)), [TextDelta("x"), *pages, Finished("end_turn")]))
    assert [page["url"] for page in message["content"][2]["content"]] == ["https://a.example/"]


def test_a_model_that_did_not_search_has_said_what_it_knows() -> None:
    events: list[ModelEvent] = [TextDelta("x"), UsageReport(5, 0, 2), Finished("end_turn")]
    assert searched(Query("q"), events) == events


def test_a_failure_stays_one() -> None:
    failed = Failed(UpstreamBroken("gone"))
    assert searched(Query("q"), [Citation("https://a.example/", "A"), failed]) == [failed]


def test_the_tool_names_the_domains_in_openrouters_words() -> None:
    tool = search_tool(Query("q", allowed=("a.com",), blocked=("b.com",)))
    assert tool["type"] == "openrouter:web_search"
    assert (tool["parameters"]["allowed_domains"], tool["parameters"]["excluded_domains"]) == (["a.com"], ["b.com"])
