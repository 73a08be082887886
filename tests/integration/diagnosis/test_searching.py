"""What a check of the set-up says of search engines: real sockets, stand-ins for the engines."""

from typing import Any

import pytest
from pydantic import SecretStr

from anyclaude.backends.base import Backend
from anyclaude.backends.scripted import ScriptedBackend
from anyclaude.backends.search_engines import Brave, SearchEngine, SearXNG, Tavily
from anyclaude.config.model import Mode, Settings
from anyclaude.config.upstreams import WebSearching
from anyclaude.convert.search_results import Page
from anyclaude.convert.web_search import Query
from anyclaude.diagnosis.checks import check_setup
from anyclaude.diagnosis.findings import Finding, exit_code
from anyclaude.diagnosis.searching import every_engine
from tests.support.search_engines import BraveServer, SearXNGServer, TavilyServer, entry

ENTRY = entry("Title", "https://a.example/", "What it says.")


async def found(*engines: SearchEngine, **settings: Any) -> list[Finding]:
    return await every_engine(Settings(**settings), lambda searching: engines)


async def test_a_line_for_each_in_their_order(tmp_path: Any) -> None:
    async with SearXNGServer() as searxng, TavilyServer() as tavily, BraveServer() as brave:
        for server in (searxng, tavily):
            server.answers(ENTRY)
        said = await found(
            SearXNG(searxng.url), Tavily("wrong-key-0123", tavily.url), Brave(brave.key, brave.url), home=tmp_path
        )
    assert said == [
        Finding("web search", "ok", "SearXNG answers"),
        Finding("web search", "warning", "Tavily refused (status 401)", "check TAVILY_API_KEY"),
        Finding(
            "web search",
            "warning",
            "Brave answers, and finds nothing",
            "see that the engines behind it are switched on and answer",
        ),
    ]
    assert len(searxng.asked) == len(tavily.asked) == len(brave.asked) == 1
    assert exit_code(said) == 0


async def test_one_that_is_away_and_one_that_is_silent() -> None:
    async with SearXNGServer() as away:
        url = away.url
    async with TavilyServer() as silent:
        silent.hangs()
        first, second = await found(SearXNG(url), Tavily(silent.key, silent.url, 0.05))
    assert (first.status, first.said) == ("warning", f"SearXNG cannot be reached at {url}")
    assert first.next_step == "see that it runs and can be reached, or correct `webSearch` in the settings"
    assert (second.status, second.said) == ("warning", "Tavily did not answer within 0.05 seconds")


async def test_a_fault_is_a_finding_and_the_engine_is_closed() -> None:
    class Faulty:
        name = "Faulty"
        closed = False

        async def search(self, query: Query) -> list[Page]:
            raise KeyError("secret")

        async def aclose(self) -> None:
            self.closed = True

    engine = Faulty()
    (said,) = await found(engine)
    assert (said.status, said.next_step, engine.closed) == ("warning", "please report it", True)
    assert "secret" not in repr(said)


@pytest.mark.parametrize(("mode", "lines"), [("lmstudio", 1), ("mlx-cluster", 1), ("openrouter", 0), ("claude", 0)])
async def test_without_an_engine(mode: Mode, lines: int) -> None:
    said = await found(mode=mode)
    assert [each.status for each in said] == ["ok"] * lines


async def test_it_is_part_of_the_check(tmp_path: Any) -> None:
    async with SearXNGServer() as searxng:
        searching = WebSearching.model_validate({"searxng": searxng.url, "brave_key": None})
        settings = Settings(home=tmp_path, web_search=searching, auth_token=SecretStr("token"))
        searxng.fails(403)

        def opening(mode: Mode, settings: Settings) -> Backend:
            return ScriptedBackend()

        said = await check_setup(settings, {"PATH": ""}, tmp_path, tmp_path, opening)
    (engine,) = [each for each in said if each.area == "web search"]
    assert engine.said == "SearXNG refused (status 403)"
    assert engine.next_step is not None
    assert "search.formats" in engine.next_step
