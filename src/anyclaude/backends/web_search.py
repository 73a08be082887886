"""Claude Code's web searches, answered here: models behind other servers have no search of their own.

The engines are asked in turn until one finds something. Whatever fails, the answer is a whole one: an error block that
Claude Code hands to the model, with a sentence on the next step. Claude searches by itself, and so does OpenRouter
where no engine is configured.
"""

import logging
import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Final

from anyclaude.backends.base import Caller, EventBatches
from anyclaude.backends.search_engines import SearchEngine
from anyclaude.config.model import Mode
from anyclaude.convert.search_results import admitted
from anyclaude.convert.web_search import LONGEST_QUERY, Query, found, not_found, query_of
from anyclaude.errors import SearchFailed
from anyclaude.wire.events import ModelEvent

log = logging.getLogger(__name__)

NOT_CONFIGURED: Final = (
    "Web search is not set up: set SEARXNG_URL, TAVILY_API_KEY or BRAVE_API_KEY (or `webSearch` in the settings file) "
    "and start anyclaude again."
)
_EMPTY: Final = "There is nothing to search for: the query is empty."
_TOO_LONG: Final = f"The query is too long to be searched for: shorten it to {LONGEST_QUERY} characters."


def search_id() -> str:
    """An id as Anthropic gives its own server's tools."""
    return f"srvtoolu_{secrets.token_hex(12)}"


class WebSearch:
    """engines: asked in that order."""

    def __init__(self, engines: Sequence[SearchEngine] = ()) -> None:
        self._engines = engines

    def query(self, backend: Mode, request: Mapping[str, Any]) -> Query | None:
        """What to search for; None when the request is no search, or the backend makes it itself."""
        if backend == "claude" or (backend == "openrouter" and not self._engines):
            return None
        return query_of(request)

    async def answer(self, query: Query, caller: Caller) -> EventBatches:
        """The answer in one batch, which ends with `Finished`."""
        yield await self._events(query, caller)

    async def aclose(self) -> None:
        """Close every connection."""
        for engine in self._engines:
            await engine.aclose()

    async def _events(self, query: Query, caller: Caller) -> list[ModelEvent]:
        use = search_id()
        if not self._engines:
            return not_found(use, query, "unavailable", NOT_CONFIGURED)
        if not query.text:
            return not_found(use, query, "invalid_tool_input", _EMPTY)
        if len(query.text) > LONGEST_QUERY:
            return not_found(use, query, "query_too_long", _TOO_LONG)
        return await self._searched(use, query, caller)

    async def _searched(self, use: str, query: Query, caller: Caller) -> list[ModelEvent]:
        failures: list[SearchFailed] = []
        for engine in self._engines:
            try:
                pages = admitted(await engine.search(query), query.allowed, query.blocked)
            except SearchFailed as error:
                log.warning("web search: %s", error.message)
                caller.journal.note("warning", said=f"web search: {error.message}")
                failures.append(error)
                continue
            caller.journal.note("search", engine=engine.name, pages=len(pages))
            if pages:
                return found(use, query, pages)
        if len(failures) < len(self._engines):
            return found(use, query, [])
        said = "; ".join(error.message for error in failures)
        return not_found(use, query, failures[-1].code, f"The web search failed: {said}.")
