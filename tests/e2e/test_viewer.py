"""The pages in a real browser: `anyclaude trace serve`, clicked through with mouse and keys, and attacked."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.support.browser import Seen, browser, visiting
from tests.support.children import ANYCLAUDE, bare_environment
from tests.support.told_stories import ATTACKS, MARKER, tell_all, tell_attack


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """What `trace serve` prints."""
    home = tmp_path_factory.mktemp("home")
    tell_all(home / ".anyclaude")
    tell_attack(home / ".anyclaude")
    command = [*ANYCLAUDE, "trace", "serve"]
    environ = bare_environment(home, TZ="UTC")
    with subprocess.Popen(command, env=environ, cwd=home, stdout=subprocess.PIPE, text=True) as serving:
        assert serving.stdout is not None
        yield serving.stdout.readline().strip()
        serving.terminate()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as started:
        yield started


@pytest.fixture
def seen() -> Iterator[Seen]:
    found = Seen()
    yield found
    assert found.faults == []


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    with visiting(chromium) as opened:
        yield opened


@pytest.fixture
def page(context: BrowserContext, address: str, seen: Seen) -> Page:
    """The list of sessions, entered by the address that was printed."""
    opened = context.new_page()
    seen.watch(opened, address.partition("?")[0].removesuffix("/"))
    opened.goto(address)
    return opened


def test_from_the_list_to_a_slow_turn_by_mouse(page: Page, address: str) -> None:
    assert page.url == address.partition("?")[0], "the token has left the address"
    page.get_by_text("The tide table is an hour late").click()
    expect(page.get_by_role("heading", name="The tide table is an hour late")).to_be_visible()
    expect(page.locator("svg.bars")).to_have_count(3)
    page.get_by_role("link", name="main (7)").click()
    page.get_by_role("row", name=re.compile("changed")).click()
    expect(page.locator(".said-by.answer")).to_contain_text("Bash")
    page.get_by_role("link", name="Why this long").click()
    expect(page.locator(".verdict")).not_to_be_empty()
    expect(page.locator(".fall tr")).not_to_have_count(0)
    page.get_by_role("link", name="Sent upstream").click()
    page.locator("details.part", has_text="tool Read").first.click()
    expect(page.locator("details[open] del").first).to_be_visible()


def test_a_conversation_unfolds_and_shows_its_picture(page: Page) -> None:
    page.get_by_text("The tide table is an hour late").click()
    page.locator("tr[data-row] a").nth(1).click()
    picture = page.locator("img.picture")
    picture.scroll_into_view_if_needed()
    assert picture.evaluate("each => each.decode().then(() => each.naturalWidth)") == 240
    thinking = page.get_by_text("daylight saving")
    expect(thinking).to_be_hidden()
    page.keyboard.press("o")
    expect(thinking).to_be_visible()


def test_search_and_differences(page: Page) -> None:
    page.keyboard.press("/")
    page.keyboard.type("sailor")
    page.keyboard.press("Enter")
    expect(page.locator("mark")).to_have_text("sailors")
    page.keyboard.press("Escape")
    page.locator("body").press("g")
    page.keyboard.press("p")
    page.get_by_role("button", name="Show the difference").click()
    expect(page.locator("details.part")).not_to_have_count(0)
    page.goto(page.url.partition("/prompts")[0] + "/compare")
    page.get_by_label("First").select_option("backend:lmstudio")
    page.get_by_label("Second").select_option("backend:openrouter")
    page.get_by_role("button", name="Compare").click()
    expect(page.locator("tbody tr")).not_to_have_count(0)


def test_the_keyboard_alone(page: Page) -> None:
    page.keyboard.press("?")
    expect(page.locator("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).to_be_hidden()
    for key in "jjk":
        page.keyboard.press(key)
    expect(page.locator("[data-row].at")).to_have_count(1)
    chosen = page.locator("[data-row].at a").inner_text()
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text(chosen)
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.locator(".tabs")).to_be_visible()
    first = page.url
    page.keyboard.press("n")
    page.wait_for_url(lambda url: url != first)
    page.keyboard.press("p")
    page.wait_for_url(first)
    page.keyboard.press("u")
    expect(page.locator("dl.tiles")).to_be_visible()
    page.keyboard.press("g")
    page.keyboard.press("s")
    expect(page.locator(".day")).not_to_have_count(0)


def test_the_switch_outlasts_the_page(page: Page) -> None:
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.keyboard.press("t")
    page.reload()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != light


def test_without_javascript_the_pages_are_whole(chromium: Browser, address: str) -> None:
    with visiting(chromium, scripts=False) as context:
        page = context.new_page()
        page.goto(address)
        page.get_by_text("The tide table is an hour late").click()
        page.locator("tr[data-row] a").last.click()
        page.locator("details.call > summary").last.click()
        expect(page.locator("details.call[open]")).to_have_count(1)
        expect(page.locator("[data-adds]")).to_be_hidden()


def test_an_attack_in_every_field_stays_words_and_fits_a_phone(page: Page) -> None:
    page.set_viewport_size({"width": 380, "height": 800})
    page.get_by_text(ATTACKS[0]).first.click()
    for link in _each_kind(page, "script"):
        page.goto(link)
        page.keyboard.press("o")
        assert page.evaluate(f"window.{MARKER}") is None, link
        assert page.locator("iframe, style, math, [onerror], [onload]").count() == 0, link
        assert page.evaluate("document.documentElement.scrollWidth") <= 380, link
        assert "\x1b" not in page.content(), link


def test_a_private_file_leads_in(context: BrowserContext, address: str, seen: Seen, tmp_path: Path) -> None:
    """As `--open` does it: for the browser that file is another site."""
    leads = tmp_path / "traces.html"
    leads.write_text(f'<meta http-equiv="refresh" content="0; url={address}">')
    page = context.new_page()
    page.goto(leads.as_uri())
    page.wait_for_url(address.partition("?")[0])
    expect(page.get_by_text("The tide table is an hour late")).to_be_visible()
    page.reload()
    expect(page.get_by_text("The tide table is an hour late")).to_be_visible()


def test_a_stranger_sees_nothing(context: BrowserContext, address: str) -> None:
    page = context.new_page()
    answer = page.goto(address.partition("?")[0])
    assert answer is not None
    assert answer.status == 401
    expect(page.locator("main")).to_contain_text("anyclaude trace serve")


def _each_kind(page: Page, word: str) -> list[str]:
    """A page of each kind. page: that of a session. word: one that was said in it."""
    session, root = page.url, page.url.partition("/session/")[0]
    name = f"session:{session.rpartition('/')[2]}"
    turn = page.locator("tr[data-row] a").nth(1).get_attribute("href") or ""
    page.goto(f"{root}/prompts")
    prompts = page.locator("tbody a").evaluate_all("all => all.map((each) => each.href)")
    first, second = (link.rpartition("/")[2] for link in prompts[:2])
    tabs = ("", "/timing", "/sent", "/upstream", "/notes")
    return [
        f"{root}/",
        session,
        *(f"{root}{turn.removeprefix('/anyclaude/ui')}{tab}" for tab in tabs),
        f"{root}/search?q={word}",
        f"{root}/compare?first={name}&second={name}",
        prompts[0],
        f"{root}/prompts/difference?first={first}&second={second}",
    ]


def test_files_are_shown_as_text(page: Page, tmp_path: Path) -> None:
    page.get_by_text(ATTACKS[0]).first.click()
    page.locator("tr[data-row] a").first.click()
    page.get_by_role("link", name="Record").click()
    assert page.evaluate("document.contentType") == "text/plain"
    assert page.evaluate(f"window.{MARKER}") is None
