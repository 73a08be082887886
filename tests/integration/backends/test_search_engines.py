"""Each engine against a stand-in over real sockets: what is asked, what is read, and what is said when it fails."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from anyclaude.backends.search_engines import Brave, SearchEngine, SearXNG, Tavily
from anyclaude.convert.search_results import Page
from anyclaude.convert.web_search import Query
from anyclaude.errors import SearchFailed
from tests.support.raw_upstream import Connection, raw_upstream, whole
from tests.support.search_engines import BraveServer, SearXNGServer, TavilyServer, entry

ENTRY = entry("Title", "https://a.example/", "What it says.", "2026-01-02T00:00:00")
Open = Callable[[Any], SearchEngine]
EACH = pytest.mark.parametrize(
    ("server", "opened"),
    [
        (SearXNGServer, lambda server: SearXNG(server.url, 5.0)),
        (TavilyServer, lambda server: Tavily(server.key, server.url, 5.0)),
        (BraveServer, lambda server: Brave(server.key, server.url, 5.0)),
    ],
)


@asynccontextmanager
async def open_at(engine: SearchEngine) -> AsyncIterator[SearchEngine]:
    try:
        yield engine
    finally:
        await engine.aclose()


async def failure(engine: SearchEngine, query: Query | None = None) -> SearchFailed:
    async with open_at(engine):
        with pytest.raises(SearchFailed) as failed:
            await engine.search(query or Query("x"))
    return failed.value


@EACH
async def test_what_an_engine_finds(server: type[Any], opened: Open) -> None:
    async with server() as engine, open_at(opened(engine)) as asking:
        engine.answers(ENTRY)
        found = await asking.search(Query("two words & more"))
    date = None if server is TavilyServer else "2026-01-02T00:00:00"
    assert found == [Page("Title", "https://a.example/", "What it says.", date)]
    asked = engine.asked[0]
    assert (asked.query.get("q") or asked.body["query"]) == "two words & more"


async def test_domains_are_told_in_each_engines_way() -> None:
    query = Query("x", allowed=("a.com", "b.com/blog"), blocked=("c.com", 'd.com" OR y'))
    async with SearXNGServer() as searxng, open_at(SearXNG(f"{searxng.url}/search")) as asking:
        await asking.search(query)
    assert searxng.asked[0].query["q"] == "x (site:a.com OR site:b.com/blog) -site:c.com"
    async with TavilyServer() as tavily, open_at(Tavily(tavily.key, tavily.url)) as asking:
        await asking.search(query)
    assert tavily.asked[0].body["include_domains"] == ["a.com", "b.com/blog"]
    assert tavily.asked[0].body["exclude_domains"] == ["c.com", 'd.com" OR y']
    async with BraveServer() as brave, open_at(Brave(brave.key, brave.url)) as asking:
        await asking.search(Query("word " * 100, allowed=("a.com",)))
    sent = brave.asked[0].query
    assert sent["q"] == ("word " * 50).strip()
    assert sent["text_decorations"] == "false"


@EACH
@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        (401, "unavailable", "refused (status 401): "),
        (403, "unavailable", "refused (status 403): "),
        (429, "too_many_requests", "takes no more requests for now"),
        (402, "max_uses_exceeded", "is used up"),
        (432, "max_uses_exceeded", "is used up"),
        (500, "unavailable", "answered with status 500"),
        (302, "unavailable", "redirects elsewhere"),
    ],
)
async def test_a_status_is_a_sentence_in_our_words(
    server: type[Any], opened: Open, status: int, code: str, said: str
) -> None:
    async with server() as engine:
        engine.fails(status, b'{"detail": "echo of a key: tvly-dev-0123456789abcdef"}', Location="http://127.0.0.1:9/")
        error = await failure(opened(engine))
    assert (error.code, said in error.message) == (code, True), error.message
    assert "tvly" not in error.message
    assert len(engine.asked) == 1, "no redirect is followed, nothing is asked twice"


async def test_a_wrong_key_is_named_by_its_variable() -> None:
    async with BraveServer() as brave:
        error = await failure(Brave("wrong-key-of-brave", brave.url))
    assert error.message == "Brave refused (status 422): check BRAVE_API_KEY"
    async with TavilyServer() as tavily:
        error = await failure(Tavily("wrong-key-of-tavily", tavily.url))
    assert error.message == "Tavily refused (status 401): check TAVILY_API_KEY"


async def test_a_redirect_to_another_address_is_not_followed() -> None:
    async with SearXNGServer() as inner, SearXNGServer() as outer:
        outer.fails(307, Location=f"{inner.url}/search?q=secret&format=json")
        await failure(SearXNG(outer.url))
        assert inner.asked == []


@EACH
@pytest.mark.parametrize("body", [b"<html>", b"", b"[]", b'"x"', b"\xff\xfe"])
async def test_what_is_no_answer_is_a_failure(server: type[Any], opened: Open, body: bytes) -> None:
    async with server() as engine:
        engine.fails(200, body)
        error = await failure(opened(engine))
    assert "not JSON" in error.message


async def test_an_answer_without_end_is_left() -> None:
    async def endless(connection: Connection) -> None:
        await connection.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
        while True:
            await connection.send(b" " * 65536)

    async with raw_upstream(endless) as server:
        error = await failure(SearXNG(server.url))
    assert error.message == "SearXNG gave no usable answer"


async def test_one_that_keeps_silent_is_left_at_its_deadline() -> None:
    async with SearXNGServer() as server:
        server.hangs()
        error = await failure(SearXNG(server.url, seconds=0.2))
        for asked in server.asked:  # none, where this machine took that long to connect
            await asked.left.wait()
    assert error.message == "SearXNG did not answer within 0.2 seconds"


async def test_one_that_drips_is_left_at_its_deadline() -> None:
    async def drips(connection: Connection) -> None:
        await connection.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
        while True:
            await connection.send(b" ")
            await asyncio.sleep(0.01)

    async with raw_upstream(drips) as server:
        error = await failure(SearXNG(server.url, seconds=0.3))
    assert error.message == "SearXNG did not answer within 0.3 seconds"


async def test_one_that_is_not_there_is_named_with_its_address() -> None:
    async with SearXNGServer() as server:
        url = server.url
    error = await failure(SearXNG(url))
    assert error.message == f"SearXNG cannot be reached at {url}"


async def test_a_cut_answer_is_a_failure() -> None:
    async def cut(connection: Connection) -> None:
        await connection.send(whole(200, b'{"results": []}')[:-3])

    async with raw_upstream(cut) as server:
        error = await failure(SearXNG(server.url))
    assert error.message == "SearXNG gave no usable answer"


@pytest.mark.parametrize(
    "said",
    [
        b"not http at all\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 999999 OK\r\n\r\n",
        b"",
    ],
)
async def test_what_is_not_even_http_is_a_failure_too(said: bytes) -> None:
    async def garbled(connection: Connection) -> None:
        await connection.send(said)

    async with raw_upstream(garbled) as server:
        error = await failure(SearXNG(server.url, seconds=5.0))
    assert error.message == "SearXNG gave no usable answer"
