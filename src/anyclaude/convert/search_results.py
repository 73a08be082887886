"""What search engines answer, as pages, and which pages may be told to a model.

Nothing here is believed: titles and snippets are written by strangers. They are cut, and lose every character that
cannot be seen, since such characters hide texts from people; no markup in them is read. An address counts only when it
is a plain http or https one. What has another shape than the engine documents is passed over.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

MOST_PAGES: Final = 10
LONGEST_SNIPPET: Final = 500  # characters

_LONGEST_TITLE: Final = 200
_LONGEST_URL: Final = 2000
_LONGEST_AGE: Final = 40
_LOOKED_AT: Final = 200  # entries of an answer


@dataclass(frozen=True, slots=True)
class Page:
    """A page that was found. snippet: what it says about the query, perhaps empty. age: a date or "3 days ago"."""

    title: str
    url: str
    snippet: str = ""
    age: str | None = None


Reading = Callable[[Mapping[str, Any]], list[Page]]


def searxng_pages(body: Mapping[str, Any]) -> list[Page]:
    """Source: https://docs.searxng.org/dev/search_api.html, and `searx/results.py` for the names of the fields."""
    return _pages(body.get("results"), "content", ("publishedDate",))


def tavily_pages(body: Mapping[str, Any]) -> list[Page]:
    """Source: https://docs.tavily.com/documentation/api-reference/endpoint/search."""
    return _pages(body.get("results"), "content", ("published_date",))


def brave_pages(body: Mapping[str, Any]) -> list[Page]:
    """Source: https://api-dashboard.search.brave.com/api-reference/web/search/get."""
    web = body.get("web")
    return _pages(web.get("results") if isinstance(web, Mapping) else None, "description", ("page_age", "age"))


def _pages(entries: object, snippet: str, ages: Sequence[str]) -> list[Page]:
    if not isinstance(entries, list):
        return []
    found = (_page(entry, snippet, ages) for entry in entries[:_LOOKED_AT] if isinstance(entry, Mapping))
    return [page for page in found if page is not None]


def _page(entry: Mapping[str, Any], snippet: str, ages: Sequence[str]) -> Page | None:
    url = entry.get("url")
    if not isinstance(url, str):
        return None
    age = next((entry[name] for name in ages if isinstance(entry.get(name), str)), None)
    return Page(_text(entry.get("title")), url, _text(entry.get(snippet)), age)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def admitted(pages: Iterable[Page], allowed: Sequence[str] = (), blocked: Sequence[str] = ()) -> list[Page]:
    """The pages that may be told, within all bounds, each address once.

    allowed: domains, with their subdomains and perhaps a path; empty: all. blocked: those that are left out.
    """
    kept: dict[str, Page] = {}
    for page in pages:
        parts = _address(page.url)
        if parts is None or page.url in kept:
            continue
        if (not allowed or _is_of(parts, allowed)) and not _is_of(parts, blocked):
            kept[page.url] = _bounded(page)
    return list(islice(kept.values(), MOST_PAGES))


def _bounded(page: Page) -> Page:
    title = visible(page.title, _LONGEST_TITLE) or page.url[:_LONGEST_TITLE]
    age = visible(page.age, _LONGEST_AGE) if page.age else None
    return Page(title, page.url, visible(page.snippet, LONGEST_SNIPPET), age or None)


def visible(text: str, longest: int) -> str:
    """The text on one line, cut, without characters that cannot be seen."""
    looked_at = text[: 4 * longest]
    words = "".join(character if character.isprintable() else " " for character in looked_at).split()
    whole = " ".join(words)
    return whole if len(whole) <= longest else whole[: longest - 1].rstrip() + "…"


def _address(url: str) -> SplitResult | None:
    """The parts of a usable address. One with a login in it is not: it is there to look like another host's."""
    if len(url) > _LONGEST_URL or not url.isprintable() or " " in url:
        return None
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        return None
    return parts if usable and parts.username is None and "\\" not in url else None


def _is_of(parts: SplitResult, domains: Iterable[str]) -> bool:
    host, path = _ascii(parts.hostname or ""), parts.path.removeprefix("/")
    for domain in domains:
        named, _, below = _bare(domain).partition("/")
        name = _ascii(named)
        if name and (host == name or host.endswith(f".{name}")) and path.startswith(below.rstrip("*")):
            return True
    return False


def _bare(domain: str) -> str:
    """A domain as Claude Code may be given it: with a scheme, or with a wildcard before it."""
    return domain.strip().partition("://")[2] or domain.strip()


def _ascii(host: str) -> str:
    """A host's name as it stands in DNS, so that both spellings of an international one are the same."""
    name = host.lower().removeprefix("*.").strip(".")
    try:
        return name if name.isascii() else name.encode("idna").decode()
    except UnicodeError:
        return name
