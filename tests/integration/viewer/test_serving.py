"""The pages on a real port: who may look, and what every answer carries."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest
from aiohttp import ClientResponse, ClientSession, CookieJar
from yarl import URL

from anyclaude.errors import SetupError
from anyclaude.viewer.access import HEADERS, PREFIX, page_token
from anyclaude.viewer.serving import serving_pages
from tests.support.told_stories import summer_time
from tests.support.told_traces import Story

TOKEN = page_token("a launch token")


@dataclass(frozen=True)
class Visitor:
    """A browser, as far as it keeps cookies. address: what was printed."""

    client: ClientSession
    address: URL

    async def get(self, path: str = "/", method: str = "GET", **headers: str) -> ClientResponse:
        url = self.address.with_path(PREFIX + path).with_query(None)
        return await self.client.request(method, url, headers=headers, allow_redirects=False)

    async def enter(self, **headers: str) -> ClientResponse:
        return await self.client.get(self.address, headers=headers, allow_redirects=False)


@asynccontextmanager
async def _visiting(home: Path) -> AsyncIterator[Visitor]:
    jar = CookieJar(unsafe=True)  # cookies of addresses in numbers
    async with serving_pages(home, TOKEN) as address, ClientSession(cookie_jar=jar) as client:
        yield Visitor(client, URL(address))


async def test_the_address_is_exchanged_for_a_cookie(tmp_path: Path) -> None:
    summer_time(tmp_path)
    async with _visiting(tmp_path) as visitor:
        entered = await visitor.enter()
        assert (entered.status, entered.headers["Location"]) == (303, f"{PREFIX}/")
        cookie = entered.cookies[f"anyclaude-ui-{visitor.address.port}"]
        assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Strict", PREFIX)
        page = await visitor.get()
        assert page.status == 200
        assert "tide table" in await page.text()
        assert (await visitor.get("")).status == 200


async def test_a_link_in_another_page_leads_in_without_a_redirect(tmp_path: Path) -> None:
    """After a redirect from another site a browser sends no strict cookie."""
    async with _visiting(tmp_path) as visitor:
        entered = await visitor.enter(**{"Sec-Fetch-Site": "cross-site"})
        assert entered.status == 200
        assert f'content="0; url={PREFIX}/"' in await entered.text()
        assert TOKEN not in await entered.text()
        assert (await visitor.get()).status == 200


async def test_nobody_looks_without_the_token(tmp_path: Path) -> None:
    summer_time(tmp_path)
    async with _visiting(tmp_path) as visitor:
        for path in ("/", "/search?q=tide", "/nothing", "/turn/req_5ea500010001/record"):
            refused = await visitor.get(path)
            assert refused.status == 401
            assert "tide table" not in await refused.text()
        wrong = await visitor.client.get(visitor.address.with_query(token="wrong"))
        assert wrong.status == 401
        for cookie in ("wrong", "", "é"):
            named = f"anyclaude-ui-{visitor.address.port}={cookie}"
            assert (await visitor.get(Cookie=named)).status == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:80"},
        {"Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
async def test_other_pages_are_refused_with_the_cookie_too(tmp_path: Path, headers: dict[str, str]) -> None:
    async with _visiting(tmp_path) as visitor:
        await visitor.enter()
        assert (await visitor.get(**headers)).status == 403


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "HEAD", "OPTIONS"])
async def test_pages_are_only_read(tmp_path: Path, method: str) -> None:
    async with _visiting(tmp_path) as visitor:
        await visitor.enter()
        assert (await visitor.get(method=method)).status == 405


async def test_every_answer_carries_the_policy(tmp_path: Path) -> None:
    summer_time(tmp_path)
    turn = "/turn/req_5ea500010002"
    paths = ("/", turn, f"{turn}/record", f"{turn}/image/0.1", "/nothing", "/static/style.css", "/turn/x/block/y")
    async with _visiting(tmp_path) as visitor:
        answers = [await visitor.get(), await visitor.enter(), *[await visitor.get(path) for path in paths]]
        for answer in answers:
            assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS
        types = [answer.content_type for answer in answers[2:]]
        assert types == ["text/html", "text/html", "text/plain", "image/png", "text/html", "text/css", "text/html"]


async def test_ids_of_any_kind_are_found_again(tmp_path: Path) -> None:
    """The id of a turn may hold slashes, braces and per cent signs."""
    odd = "a/b{c}%2F?d#e&f;g=h\N{SNOWMAN}"
    Story(tmp_path, odd).turn("Where am I?", "Here.", id=odd)
    async with _visiting(tmp_path) as visitor:
        await visitor.enter()
        for path in (f"/turn/{quote(odd, safe='')}", f"/session/{quote(odd, safe='')}"):
            url = URL(f"{visitor.address.origin()}{PREFIX}{path}", encoded=True)
            page = await visitor.client.get(url)
            assert (page.status, "Where am I?" in await page.text()) == (200, True)


async def test_requests_without_a_session_are_shown_together(tmp_path: Path) -> None:
    Story(tmp_path, "").turn("Who am I?", "Nobody said.", session=None)
    async with _visiting(tmp_path) as visitor:
        await visitor.enter()
        assert f'href="{PREFIX}/session/"' in await (await visitor.get()).text()
        assert "Who am I?" in await (await visitor.get("/session/")).text()
        assert (await visitor.get("/session//export.json")).status == 200
        turn = await visitor.get("/turn/req_0001")
        assert "Nobody said." in await turn.text()


async def test_export_is_a_file_to_keep(tmp_path: Path) -> None:
    summer_time(tmp_path)
    async with _visiting(tmp_path) as visitor:
        await visitor.enter()
        exported = await visitor.get("/session/5ea50001-0000-4000-8000-000000000001/export.md")
        assert exported.headers["Content-Disposition"] == 'attachment; filename="session-2026-11-20-5ea50001.md"'
        assert (await exported.text()).startswith("#")


async def test_many_at_once_are_answered_or_told_to_wait(tmp_path: Path) -> None:
    summer_time(tmp_path)
    async with _visiting(tmp_path) as visitor:
        await visitor.enter()
        statuses = [answer.status for answer in await asyncio.gather(*[visitor.get() for _ in range(60)])]
        assert set(statuses) <= {200, 529}
        assert (await visitor.get()).status == 200


async def test_a_port_that_is_taken_is_one_sentence(tmp_path: Path) -> None:
    async with _visiting(tmp_path) as visitor:
        assert visitor.address.port is not None
        with pytest.raises(SetupError, match="choose another"):
            async with serving_pages(tmp_path, TOKEN, visitor.address.port):
                pass
