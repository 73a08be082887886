"""Whatever an engine answers and a client asks: nothing breaks, and what is told keeps all bounds and the grammar."""

from typing import Any
from urllib.parse import urlsplit

from hypothesis import given
from hypothesis import strategies as st

from anyclaude.convert.search_results import (
    LONGEST_SNIPPET,
    MOST_PAGES,
    admitted,
    brave_pages,
    searxng_pages,
    tavily_pages,
)
from anyclaude.convert.web_search import Query, found, query_of
from tests.support.streams import fold

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
HOSTS = st.sampled_from(
    ["a.com", "b.a.com", "bücher.de", "xn--bcher-kva.de", "[::1]", "1.2.3.4", "a..b", "[", "x" * 70]
)
URLS = st.text(max_size=9) | st.builds("{}://{}/{}".format, st.sampled_from(["http", "https", "js"]), HOSTS, st.text())
ENTRY = st.fixed_dictionaries(
    {},
    optional={
        "url": URLS | ANYTHING,
        "title": st.text(max_size=300) | ANYTHING,
        "content": st.text(max_size=900) | ANYTHING,
        "description": st.text(max_size=900) | ANYTHING,
        "publishedDate": st.text(max_size=60) | ANYTHING,
    },
)
ENTRIES = st.lists(ENTRY, max_size=15) | ANYTHING
BODIES = st.fixed_dictionaries(
    {"results": ENTRIES, "web": st.builds(lambda inner: {"results": inner}, ENTRIES) | ANYTHING}
)
DOMAINS = st.lists(HOSTS | st.text(max_size=9), max_size=3).map(tuple)


@given(BODIES, DOMAINS, DOMAINS)
def test_what_is_told_is_within_bounds_and_a_message(
    body: dict[str, Any], allowed: tuple[str, ...], blocked: tuple[str, ...]
) -> None:
    every = [*searxng_pages(body), *tavily_pages(body), *brave_pages(body)]
    pages = admitted(every, allowed, blocked)
    assert len(pages) <= MOST_PAGES
    for page in pages:
        assert urlsplit(page.url).scheme in ("http", "https")
        assert len(page.snippet) <= LONGEST_SNIPPET
        assert (page.title + page.url + page.snippet + (page.age or "")).isprintable()
    message = fold(found("srvtoolu_1", Query("x", allowed, blocked), pages))
    assert [shown["url"] for shown in message["content"][1]["content"]] == [page.url for page in pages]


TOOLS = ANYTHING | st.just([{"type": "web_search_20250305", "name": "web_search"}])
CONTENT = ANYTHING | st.lists(st.fixed_dictionaries({"type": st.just("text"), "text": ANYTHING}), max_size=3)
MESSAGES = ANYTHING | st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["user", "system"]), "content": CONTENT}), max_size=3
)


@given(TOOLS, MESSAGES)
def test_any_request_is_a_search_or_is_none(tools: Any, messages: Any) -> None:
    query = query_of({"tools": tools, "messages": messages})
    assert query is None or query.text == query.text.strip()
