"""Search engines: SearXNG, Tavily and Brave, each asked once for a query, with a deadline and a bound.

What an engine says of its failures is not repeated, since it may repeat the key: the status alone makes the sentence.
No redirect is followed. A SearXNG of one's own may be at any address, near ones above all; the other two are where
their makers say.
"""

import re
from collections.abc import Mapping
from typing import Any, Final, NoReturn, Protocol
from urllib.parse import urlencode

from anyclaude.backends.http import Upstream
from anyclaude.config.upstreams import WebSearching
from anyclaude.convert.search_results import MOST_PAGES, Page, brave_pages, searxng_pages, tavily_pages
from anyclaude.convert.web_search import Query
from anyclaude.errors import SearchFailed, UpstreamError, UpstreamTimeout, UpstreamUnreachable
from anyclaude.wire.json import encode

TAVILY: Final = "https://api.tavily.com"
BRAVE: Final = "https://api.search.brave.com/res/v1"
DEADLINE: Final = 15.0  # seconds for one engine
LARGEST: Final = 1024 * 1024  # bytes of an answer

_CONNECT: Final = 10.0  # seconds
_WANTED: Final = 2 * MOST_PAGES  # entries; some may not be admitted
_MOST_SITES: Final = 8  # that are named in a query
_LONGEST: Final = 400  # characters of a query; Brave refuses longer ones, Tavily advises against them
_MOST_WORDS: Final = 50  # Brave's
_SITE: Final = re.compile(r"[\w-]+(\.[\w-]+)*(/[\w./-]*)?")
_USED_UP: Final = (402, 432, 433)  # the last two are Tavily's, for the limits of a plan and of paying as one goes


class SearchEngine(Protocol):
    """name: what the person knows it by."""

    name: str

    async def search(self, query: Query) -> list[Page]:
        """The pages it finds, the best first, as it tells them. Raises SearchFailed."""
        ...

    async def aclose(self) -> None: ...


def open_engines(settings: WebSearching) -> list[SearchEngine]:
    """Those that are configured, in the order in which they are asked."""
    engines: list[SearchEngine] = []
    if settings.searxng:
        engines.append(SearXNG(settings.searxng))
    if settings.tavily_key:
        engines.append(Tavily(settings.tavily_key.get_secret_value()))
    if settings.brave_key:
        engines.append(Brave(settings.brave_key.get_secret_value()))
    return engines


class _Engine:
    """refused: what to do when the engine answers with one of `refusals`. seconds: for its whole answer."""

    name: str
    refused: str
    refusals: tuple[int, ...] = (401, 403)

    def __init__(self, upstream: Upstream, seconds: float) -> None:
        self._upstream = upstream
        self._seconds = seconds

    async def search(self, query: Query) -> list[Page]:
        try:
            status, body = await self._ask(query)
        except UpstreamError as error:
            raise SearchFailed(f"{self.name} {self._trouble(error)}") from error
        if status != 200:
            self._refuse(status)
        if not isinstance(body, Mapping):
            raise SearchFailed(f"{self.name} answered with something that is not JSON")
        return self._read(body)

    async def aclose(self) -> None:
        await self._upstream.aclose()

    async def _ask(self, query: Query) -> tuple[int, Any]:
        raise NotImplementedError

    def _read(self, body: Mapping[str, Any]) -> list[Page]:
        raise NotImplementedError

    async def _get(self, path: str, **parameters: str) -> tuple[int, Any]:
        url = f"{self._upstream.base_url}/{path}?{urlencode(parameters)}"
        return await self._upstream.look(url, self._seconds, LARGEST)

    def _trouble(self, error: UpstreamError) -> str:
        if isinstance(error, UpstreamUnreachable):
            return f"cannot be reached at {self._upstream.origin}"
        if isinstance(error, UpstreamTimeout):
            return f"did not answer within {self._seconds:g} seconds"
        return "gave no usable answer"

    def _refuse(self, status: int) -> NoReturn:
        if status in self.refusals:
            raise SearchFailed(f"{self.name} refused (status {status}): {self.refused}")
        if status == 429:
            raise SearchFailed(f"{self.name} takes no more requests for now (status 429)", "too_many_requests")
        if status in _USED_UP:
            raise SearchFailed(f"the plan of {self.name} is used up (status {status})", "max_uses_exceeded")
        if 300 <= status < 400:
            raise SearchFailed(f"{self.name} redirects elsewhere: give the address of the engine itself")
        raise SearchFailed(f"{self.name} answered with status {status}")


class SearXNG(_Engine):
    """A server of the person's own. Source: https://docs.searxng.org/dev/search_api.html; a format that is not in its
    `search.formats` is answered with 403, and JSON is not there by default.
    """

    name = "SearXNG"
    refused = "add `json` to `search.formats` in its settings.yml, and see that its limiter lets this machine in"

    def __init__(self, url: str, seconds: float = DEADLINE) -> None:
        super().__init__(Upstream(url.removesuffix("/search"), None, _CONNECT), seconds)

    async def _ask(self, query: Query) -> tuple[int, Any]:
        return await self._get("search", q=_with_sites(query), format="json")

    def _read(self, body: Mapping[str, Any]) -> list[Page]:
        return searxng_pages(body)


class Tavily(_Engine):
    """Source: https://docs.tavily.com/documentation/api-reference/endpoint/search."""

    name = "Tavily"
    refused = "check TAVILY_API_KEY"

    def __init__(self, key: str, url: str = TAVILY, seconds: float = DEADLINE) -> None:
        super().__init__(Upstream(url, key, _CONNECT, through_proxies=True), seconds)

    async def _ask(self, query: Query) -> tuple[int, Any]:
        asked: dict[str, Any] = {"query": query.text[:_LONGEST], "max_results": MOST_PAGES, "search_depth": "basic"}
        if query.allowed:
            asked["include_domains"] = query.allowed
        if query.blocked:
            asked["exclude_domains"] = query.blocked
        return await self._upstream.ask(f"{self._upstream.base_url}/search", encode(asked), self._seconds, LARGEST)

    def _read(self, body: Mapping[str, Any]) -> list[Page]:
        return tavily_pages(body)


class Brave(_Engine):
    """Source: https://api-dashboard.search.brave.com/api-reference/web/search/get."""

    name = "Brave"
    refused = "check BRAVE_API_KEY"
    refusals = (401, 403, 422)  # the last is its word for a wrong key

    def __init__(self, key: str, url: str = BRAVE, seconds: float = DEADLINE) -> None:
        headers = {"x-subscription-token": key, "accept": "application/json"}
        super().__init__(Upstream(url, None, _CONNECT, headers=headers, through_proxies=True), seconds)

    async def _ask(self, query: Query) -> tuple[int, Any]:
        parameters = {"q": _short(query), "count": str(_WANTED), "result_filter": "web", "text_decorations": "false"}
        return await self._get("web/search", **parameters)

    def _read(self, body: Mapping[str, Any]) -> list[Page]:
        return brave_pages(body)


def _short(query: Query) -> str:
    """The query as far as Brave takes it; of a cut one nothing may be left of the domains, which are seen to later."""
    return " ".join(_with_sites(query).split()[:_MOST_WORDS])[:_LONGEST]


def _with_sites(query: Query) -> str:
    """With the operators that most engines know; what they find is looked through all the same."""
    wanted = " OR ".join(f"site:{name}" for name in _sites(query.allowed))
    unwanted = "".join(f" -site:{name}" for name in _sites(query.blocked))
    grouped = f" ({wanted})" if wanted else ""
    return f"{query.text}{grouped}{unwanted}"


def _sites(domains: tuple[str, ...]) -> list[str]:
    """Those that can stand in a query without becoming something else in it."""
    return [name for name in domains if _SITE.fullmatch(name)][:_MOST_SITES]
