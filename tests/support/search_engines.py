"""Stand-ins for SearXNG, Tavily and Brave: real servers that answer in the documented shapes, or as a test says.

    async with SearXNGServer() as engine:
        engine.answers(entry("Title", "https://a.example/", "What it says."))
        ...
        assert engine.asked[0].query["q"] == "what was searched for"

Sources: https://docs.searxng.org/dev/search_api.html (403 for a format that is not enabled),
https://docs.tavily.com/documentation/api-reference/endpoint/search (401, 429, 432 with `detail.error`) and
https://api-dashboard.search.brave.com/api-reference/web/search/get (422 for a wrong token, results under `web`).
"""

import asyncio
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from aiohttp import web

Entry = dict[str, Any]


def entry(title: str, url: str, snippet: str = "", date: str | None = None) -> Entry:
    return {"title": title, "url": url, "snippet": snippet, "date": date}


@dataclass
class Searched:
    """One request. headers: by their names in small letters. body: its JSON, None where it has none."""

    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any = None
    left: asyncio.Event = field(default_factory=asyncio.Event)


class _Server:
    """Serves on a free loopback port between `async with` and its end; without `answers` it finds nothing."""

    path: str

    def __init__(self) -> None:
        self.asked: list[Searched] = []
        self._status = 200
        self._headers: dict[str, str] = {}
        self._raw: bytes | None = None
        self._entries: tuple[Entry, ...] = ()
        self._hangs = False
        self._arrived = asyncio.Event()
        self._runner = web.AppRunner(self._app(), handler_cancellation=True, access_log=None, shutdown_timeout=1)

    @property
    def origin(self) -> str:
        host, port = self._runner.addresses[0][:2]
        return f"http://{host}:{port}"

    def answers(self, *entries: Entry) -> None:
        self._entries = entries

    def fails(self, status: int, raw: bytes = b"{}", **headers: str) -> None:
        """Answers with that status, and these bytes."""
        self._status, self._raw, self._headers = status, raw, headers

    def hangs(self) -> None:
        """Takes requests and says nothing."""
        self._hangs = True

    async def arrived(self) -> Searched:
        """The latest request, once one has come. The test's timeout bounds the wait."""
        await self._arrived.wait()
        return self.asked[-1]

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    def shaped(self, entries: tuple[Entry, ...], searched: Searched) -> Any:
        """The engine's own answer."""
        raise NotImplementedError

    def refusal(self, searched: Searched) -> web.Response | None:
        """What a request gets that the engine does not take."""
        return None

    def _app(self) -> web.Application:
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", self._serve)
        return app

    async def _serve(self, request: web.Request) -> web.Response:
        body = await request.json() if request.can_read_body else None
        headers = {name.lower(): value for name, value in request.headers.items()}
        searched = Searched(request.path, dict(request.query), headers, body)
        self.asked.append(searched)
        self._arrived.set()
        if self._hangs:
            await self._until_left(searched)
        if self._raw is not None:
            headers = {"Content-Type": "application/json", **self._headers}
            return web.Response(status=self._status, body=self._raw, headers=headers)
        if request.path != self.path:
            return web.Response(status=404)
        return self.refusal(searched) or web.json_response(self.shaped(self._entries, searched))

    async def _until_left(self, searched: Searched) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            searched.left.set()


class SearXNGServer(_Server):
    path = "/search"

    @property
    def url(self) -> str:
        return self.origin

    def refusal(self, searched: Searched) -> web.Response | None:
        return None if searched.query.get("format") == "json" else web.Response(status=403)

    def shaped(self, entries: tuple[Entry, ...], searched: Searched) -> Any:
        results = [
            {"title": each["title"], "url": each["url"], "content": each["snippet"], "publishedDate": each["date"]}
            | {"engine": "duckduckgo", "engines": ["duckduckgo"], "score": 1.0, "category": "general"}
            for each in entries
        ]
        beside: dict[str, Any] = {
            "answers": [],
            "corrections": [],
            "infoboxes": [],
            "suggestions": [],
            "unresponsive_engines": [],
        }
        return {"query": searched.query["q"], "number_of_results": 0, "results": results, **beside}


class TavilyServer(_Server):
    path = "/search"
    key = "tvly-dev-0123456789abcdef"

    @property
    def url(self) -> str:
        return self.origin

    def refusal(self, searched: Searched) -> web.Response | None:
        if searched.headers.get("authorization") == f"Bearer {self.key}":
            return None
        said = {"detail": {"error": f"Unauthorized: wrong key {searched.headers.get('authorization')}"}}
        return web.json_response(said, status=401)

    def shaped(self, entries: tuple[Entry, ...], searched: Searched) -> Any:
        results = [
            {"title": each["title"], "url": each["url"], "content": each["snippet"], "score": 0.8, "raw_content": None}
            for each in entries
        ]
        query = searched.body["query"]
        return {"query": query, "answer": None, "images": [], "results": results, "response_time": 1.2}


class BraveServer(_Server):
    path = "/res/v1/web/search"
    key = "BSA0123456789abcdefghijklmno"

    @property
    def url(self) -> str:
        return f"{self.origin}/res/v1"

    def refusal(self, searched: Searched) -> web.Response | None:
        if searched.headers.get("x-subscription-token") == self.key:
            return None
        return web.json_response({"type": "ErrorResponse", "error": {"status": 422}}, status=422)

    def shaped(self, entries: tuple[Entry, ...], searched: Searched) -> Any:
        results = [
            {"type": "search_result", "title": each["title"], "url": each["url"], "description": each["snippet"]}
            | {"page_age": each["date"], "language": "en", "family_friendly": True}
            for each in entries
        ]
        web_results = {"type": "search", "results": results, "family_friendly": True}
        return {"type": "search", "query": {"original": searched.query["q"]}, "web": web_results}
