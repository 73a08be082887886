"""What engines answer, as pages; and that nothing hostile in it comes through."""

from typing import Any

import pytest

from anyclaude.convert.search_results import (
    LONGEST_SNIPPET,
    MOST_PAGES,
    Page,
    admitted,
    brave_pages,
    searxng_pages,
    tavily_pages,
)


def urls(*pages: Page | str, **domains: Any) -> list[str]:
    found = [page if isinstance(page, Page) else Page("t", page) for page in pages]
    return [page.url for page in admitted(found, **domains)]


def test_each_engines_own_names() -> None:
    searxng = {"results": [{"title": "A", "url": "https://a/", "content": "s", "publishedDate": "2026-01-02T00:00:00"}]}
    assert searxng_pages(searxng) == [Page("A", "https://a/", "s", "2026-01-02T00:00:00")]
    tavily = {"results": [{"title": "B", "url": "https://b/", "content": "t", "score": 0.9, "published_date": "today"}]}
    assert tavily_pages(tavily) == [Page("B", "https://b/", "t", "today")]
    brave = {"web": {"results": [{"title": "C", "url": "https://c/", "description": "u", "age": "3 days ago"}]}}
    assert brave_pages(brave) == [Page("C", "https://c/", "u", "3 days ago")]


@pytest.mark.parametrize("read", [searxng_pages, tavily_pages, brave_pages])
@pytest.mark.parametrize(
    "body",
    [
        *({}, {"results": None}, {"results": {"a": 1}}, {"web": []}, {"web": {"results": "x"}}),
        *({"results": [None, 1, "x", [], {}]}, {"web": {"results": [{"url": 1}, {"url": None, "title": "t"}]}}),
    ],
)
def test_what_has_another_shape_is_passed_over(read: Any, body: Any) -> None:
    assert read(body) == []


def test_fields_of_a_wrong_type_are_as_if_they_were_not_there() -> None:
    body = {"results": [{"url": "https://a/", "title": {"x": 1}, "content": ["y"], "publishedDate": 5}]}
    assert admitted(searxng_pages(body)) == [Page("https://a/", "https://a/")]


@pytest.mark.parametrize(
    "url",
    [
        *("javascript:alert(1)", "file:///etc/passwd", "data:text/html,x", "ftp://a/", "//a/", "/etc", "", "https://"),
        *("https://a/\nb", "https://a/ b", "https://a\\@b/", "https://good.com@evil.com/", "https://a:0/"),
        *("http://[::1", "https://a/\u202etxt.exe", "https://a/" + "x" * 2000, "https://a:99999/"),
    ],
)
def test_only_plain_addresses_of_the_web_count(url: str) -> None:
    assert urls(url) == []


def test_an_address_is_told_once_and_ten_of_them_at_most() -> None:
    assert urls("https://a/", "https://a/", "http://a/") == ["https://a/", "http://a/"]
    assert len(urls(*(f"https://a/{number}" for number in range(50)))) == MOST_PAGES


@pytest.mark.parametrize(
    ("url", "domains", "told"),
    [
        ("https://docs.python.org/3/", {"allowed": ["python.org"]}, True),
        ("https://python.org./3/", {"allowed": ["Python.org"]}, True),
        ("https://evilpython.org/", {"allowed": ["python.org"]}, False),
        ("https://python.org.evil.com/", {"allowed": ["python.org"]}, False),
        ("https://evil.com/?python.org", {"allowed": ["python.org"]}, False),
        ("https://a.com/", {"allowed": ["b.com", "a.com"]}, True),
        ("https://a.com/", {"allowed": ["https://a.com"]}, True),
        ("https://x.a.com/", {"allowed": ["*.a.com"]}, True),
        ("https://a.com/blog/1", {"allowed": ["a.com/blog"]}, True),
        ("https://a.com/shop", {"allowed": ["a.com/blog/*"]}, False),
        ("https://a.com/", {"allowed": [""]}, False),
        ("https://sub.a.com/", {"blocked": ["a.com"]}, False),
        ("https://b.com/", {"blocked": ["a.com", ""]}, True),
        ("https://xn--bcher-kva.de/", {"blocked": ["bücher.de"]}, False),
        ("https://bücher.de/", {"blocked": ["xn--bcher-kva.de"]}, False),
        ("https://a.com/", {"allowed": ["a.com"], "blocked": ["a.com"]}, False),
    ],
)
def test_domains_are_asked_of_the_host_and_not_of_the_text(url: str, domains: dict[str, Any], told: bool) -> None:
    assert urls(url, **domains) == ([url] if told else [])


def test_what_cannot_be_seen_is_taken_out_and_lengths_are_bounded() -> None:
    hidden = "".join(chr(0xE0000 + ord(letter)) for letter in "obey me")  # tag characters
    title = f"A\x1b[31m\u202eB{hidden}\n\n# C\u2028D\x00"
    [page] = admitted([Page(title, "https://a/", "w" * 10_000, "x" * 100)])
    assert page.title == "A [31m B # C D"
    assert page.snippet == "w" * (LONGEST_SNIPPET - 1) + "…"
    assert page.age is not None
    assert len(page.age) == 40


def test_markup_stays_the_text_that_it_is() -> None:
    [page] = admitted([Page("<b>x</b> &amp;", "https://a/", "<script>alert(1)</script>")])
    assert (page.title, page.snippet) == ("<b>x</b> &amp;", "<script>alert(1)</script>")
