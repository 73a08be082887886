"""Pages that an upstream searched by itself, told beside its text; and the result of a search made of them.

OpenRouter tells them as `annotations` of type `url_citation`, of a delta or of the choice, with any chunk and more than
once. Source: https://openrouter.ai/docs/guides/features/server-tools/web-search.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from anyclaude.convert.search_results import MOST_PAGES, Page, admitted
from anyclaude.convert.web_search import Query, blocks
from anyclaude.wire.events import Citation, Finished, ModelEvent, UsageReport

_MOST_TOLD: Final = 200  # citations of one answer

_RESULTS: Final = 5  # of one search; OpenRouter's own default, and each has its price


class CitationReader:
    """What one answer cites, each page once."""

    def __init__(self) -> None:
        self._found: dict[str, Citation] = {}

    def feed(self, choice: Mapping[str, Any]) -> None:
        """Take a choice of a chunk."""
        for holder in (choice, choice.get("delta"), choice.get("message")):
            for citation in _cited(holder):
                if len(self._found) < _MOST_TOLD:
                    self._found.setdefault(citation.url, citation)

    def end(self) -> list[Citation]:
        """Every page, in the order of their first mention."""
        return list(self._found.values())


def _cited(holder: object) -> Iterator[Citation]:
    annotations = holder.get("annotations") if isinstance(holder, Mapping) else None
    for annotation in annotations if isinstance(annotations, list) else ():
        match annotation:
            case {"type": "url_citation", "url_citation": {"url": str(url)} as cited}:
                title = cited.get("title")
                yield Citation(url, title if isinstance(title, str) else "")


def search_tool(query: Query) -> dict[str, Any]:
    """OpenRouter's own tool for a query. It searches when and how often the model wants, within this bound."""
    parameters: dict[str, Any] = {"max_results": _RESULTS, "max_total_results": MOST_PAGES}
    if query.allowed:
        parameters["allowed_domains"] = list(query.allowed)
    if query.blocked:
        parameters["excluded_domains"] = list(query.blocked)
    return {"type": "openrouter:web_search", "parameters": parameters}


class CitedSearch:
    """The events of an answer to a search: in place of its citations, the blocks of a search. use: their id."""

    def __init__(self, use: str, query: Query) -> None:
        self._use = use
        self._query = query
        self._cited: list[Page] = []

    def feed(self, events: Sequence[ModelEvent]) -> list[ModelEvent]:
        """What becomes of some events. The blocks stand behind the text, since only then all pages are known."""
        told: list[ModelEvent] = []
        for event in events:
            match event:
                case Citation(url, title):
                    self._cited.append(Page(title, url))
                case UsageReport(web_searches=0) if self._pages():
                    told.append(replace(event, web_searches=1))
                case Finished() if pages := self._pages():
                    told += [*blocks(self._use, self._query, pages), event]
                case _:
                    told.append(event)
        return told

    def _pages(self) -> list[Page]:
        return admitted(self._cited, self._query.allowed, self._query.blocked)
