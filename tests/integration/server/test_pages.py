"""The pages beside a running proxy: each has its own guard, and neither opens the other."""

from pathlib import Path

import aiohttp
from yarl import URL

from anyclaude.backends.scripted import ScriptedBackend
from anyclaude.server.serve import serving
from anyclaude.viewer.access import PREFIX, page_token
from anyclaude.viewer.app import create_viewer
from tests.support.clients import TOKEN, client_of, talking_to
from tests.support.told_stories import summer_time

_BEARER = {"Authorization": f"Bearer {TOKEN}"}


async def test_a_proxy_shows_pages_beside_its_answers(tmp_path: Path) -> None:
    summer_time(tmp_path)
    pages = create_viewer(tmp_path, page_token(TOKEN))
    jar = aiohttp.CookieJar(unsafe=True)
    async with (
        serving(ScriptedBackend(), TOKEN, pages=pages) as address,
        aiohttp.ClientSession(cookie_jar=jar) as browser,
        client_of(address.url) as client,
    ):
        async with browser.get(address.pages) as page:
            assert page.status == 200
            assert page.url == URL(f"{address.url}{PREFIX}/")
            assert "tide table" in await page.text()
        assert (await client.events())[-1]["type"] == "message_stop"


async def test_the_token_of_pages_opens_no_model_and_that_of_models_no_page(tmp_path: Path) -> None:
    opens = page_token(TOKEN)
    jar = aiohttp.CookieJar(unsafe=True)
    async with (
        serving(ScriptedBackend(), TOKEN, pages=create_viewer(tmp_path, opens)) as address,
        aiohttp.ClientSession(cookie_jar=jar) as browser,
    ):
        for headers in ({}, {"Authorization": f"Bearer {opens}"}, {"Cookie": f"anyclaude-ui-{address.port}={opens}"}):
            for path in (
                "/v1/models",
                "/anyclaude/status",
                "/health",
                f"{PREFIX}/../status",
                "/anyclaude%2Fui/../status",
            ):
                url = URL(address.url + path, encoded=True)
                assert (await browser.get(url, headers=headers)).status in (401, 404)
        for headers in ({}, _BEARER):
            assert (await browser.get(f"{address.url}{PREFIX}/", headers=headers)).status == 401
        assert (await browser.get(f"{address.url}{PREFIX}/?token={TOKEN}")).status == 401


async def test_a_proxy_without_pages_says_that_there_are_none() -> None:
    async with talking_to(ScriptedBackend()) as client, client.get(f"{PREFIX}/") as answer:
        assert answer.status == 404
    async with serving(ScriptedBackend(), TOKEN) as address:
        assert address.pages == ""
