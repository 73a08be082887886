"""Makes the pictures of the pages that the docs show, from made-up traces: `scripts/test/screenshots.py [FOLDER]`.

Without a folder they replace those in docs/guides/figures. With one, every page is pictured, in light, dark and at the
width of a phone, to be looked at.
"""

import asyncio
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from playwright.sync_api import Browser, Page  # noqa: E402
from tests.support.browser import browser, visiting  # noqa: E402
from tests.support.told_stories import tell_all  # noqa: E402

from anyclaude.viewer.serving import serving_pages  # noqa: E402

FIGURES = ROOT / "docs" / "guides" / "figures"
LOOKS = {"light": (1200, 900, False), "dark": (1200, 900, True), "phone": (380, 820, False)}
SLOW = "tides/table.py was changed"
"""What the model was told in the turn whose prompt broke."""


def main(folder: Path | None) -> None:
    with tempfile.TemporaryDirectory() as home:
        tell_all(Path(home))
        with _served(Path(home)) as address, browser() as started:
            if folder is None:
                _figures(started, address)
            else:
                folder.mkdir(parents=True, exist_ok=True)
                for look in LOOKS:
                    _all(started, address, folder, look)


def _figures(started: Browser, address: str) -> None:
    FIGURES.mkdir(parents=True, exist_ok=True)
    with visiting(started, 1100, 880) as context:
        page = context.new_page()
        page.goto(address)
        _session(page)
        page.screenshot(path=FIGURES / "session.png")
    with visiting(started, 1100, 1010, dark=True) as context:
        page = context.new_page()
        page.goto(address)
        _session(page)
        page.get_by_role("row", name=SLOW).get_by_role("link").click()
        page.get_by_role("link", name="Why this long").click()
        page.screenshot(path=FIGURES / "turn.png")


def _all(started: Browser, address: str, folder: Path, look: str) -> None:
    width, height, dark = LOOKS[look]
    with visiting(started, width, height, dark=dark) as context:
        page = context.new_page()
        for number, name in enumerate(_pages(page, address), 1):
            page.screenshot(path=folder / f"{look}-{number:02d}-{name}.png", full_page=True)


def _pages(page: Page, address: str) -> Iterator[str]:
    """Opens one page after the other, and says which it is."""
    page.goto(address)
    root = page.url.rstrip("/")
    yield "sessions"
    _session(page)
    yield "session"
    page.get_by_role("row", name=SLOW).get_by_role("link").click()
    yield "conversation"
    page.keyboard.press("o")
    yield "unfolded"
    for tab in ("Why this long", "Sent by Claude Code", "Sent upstream", "Notes"):
        page.get_by_role("link", name=tab).click()
        page.wait_for_load_state()
        yield tab.lower().replace(" ", "-")
    page.goto(f"{root}/search?q=summer")
    yield "search"
    page.goto(f"{root}/compare?first=backend:lmstudio&second=backend:openrouter")
    yield "compare"
    page.goto(f"{root}/prompts")
    yield "prompts"
    page.get_by_role("button", name="Show the difference").click()
    page.wait_for_url("**/difference?*")
    page.keyboard.press("o")
    yield "difference"
    page.keyboard.press("?")
    yield "keys"


def _session(page: Page) -> None:
    page.get_by_text("The tide table is an hour late").first.click()


@contextmanager
def _served(home: Path) -> Iterator[str]:
    """The pages from another thread, because playwright has the loop of this one."""
    loop, ends, told = asyncio.new_event_loop(), asyncio.Event(), threading.Event()
    found: list[str] = []

    async def serve() -> None:
        async with serving_pages(home, "token") as address:
            found.append(address)
            told.set()
            await ends.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    assert told.wait(30), "the pages were not served"
    try:
        yield found[0]
    finally:
        loop.call_soon_threadsafe(ends.set)
        thread.join()
        loop.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
