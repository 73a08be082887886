"""Checks of the search engines: each that is configured is asked one real question, as Claude Code's searches will be.

A launch does without them, so nothing here is worse than a warning. A question costs what a search costs: nothing with
SearXNG, one search of the plan with Tavily and Brave.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from anyclaude.backends.search_engines import SearchEngine, open_engines
from anyclaude.config.model import Settings
from anyclaude.config.upstreams import WebSearching
from anyclaude.convert.web_search import Query
from anyclaude.diagnosis.findings import Finding
from anyclaude.errors import AnyclaudeError

OpeningEngines = Callable[[WebSearching], Sequence[SearchEngine]]

_AREA: Final = "web search"
_QUESTION: Final = Query("Python programming language")
_NOT_AT_ALL: Final = "see that it runs and can be reached, or correct `webSearch` in the settings"
_NOTHING: Final = "see that the engines behind it are switched on and answer"
_SET_ONE: Final = "set SEARXNG_URL, TAVILY_API_KEY or BRAVE_API_KEY if it should search"


async def every_engine(settings: Settings, opening: OpeningEngines = open_engines) -> list[Finding]:
    """One for each engine, in the order in which they are asked; what it means where there is none."""
    engines = opening(settings.web_search)
    if not engines:
        return _without(settings)
    return list(await asyncio.gather(*map(_one, engines)))


def _without(settings: Settings) -> list[Finding]:
    """Claude and OpenRouter have a search of their own."""
    if settings.mode in ("claude", "openrouter"):
        return []
    return [Finding(_AREA, "ok", "no search engine is set, so Claude Code cannot search the web", _SET_ONE)]


async def _one(engine: SearchEngine) -> Finding:
    """The engine has a deadline of its own."""
    try:
        pages = await engine.search(_QUESTION)
    except AnyclaudeError as error:
        said, _, step = error.message.partition(": ")
        return Finding(_AREA, "warning", said, step or _NOT_AT_ALL)
    except Exception as error:  # what an engine does wrong is a finding too, and must not cost all the others
        said = f"asking {engine.name} failed with a fault of ours, {type(error).__name__}"
        return Finding(_AREA, "warning", said, "please report it")
    finally:
        await engine.aclose()
    if not pages:
        return Finding(_AREA, "warning", f"{engine.name} answers, and finds nothing", _NOTHING)
    return Finding(_AREA, "ok", f"{engine.name} answers")
