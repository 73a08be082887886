"""A headless Chromium with nothing in it, driven by playwright; and what it saw go wrong.

The browser is the system's own (`scripts/test/setup` installs it): one that playwright would fetch is another 150 MB.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Dialog, Error, Page, Request, sync_playwright

_NAMES: Final = ("chromium", "google-chrome", "chromium-browser", "google-chrome-stable")
_ON_A_MAC: Final = (
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
_FLAGS: Final = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@dataclass
class Seen:
    """Everything a page must not do: dialogs, requests to elsewhere, words in the console."""

    faults: list[str] = field(default_factory=list)

    def watch(self, page: Page, own: str) -> None:
        """own: how the addresses of our requests begin."""
        page.on("dialog", self._dialog)
        page.on("console", self._console)
        page.on("pageerror", self._error)
        page.on("request", lambda request: self._request(request, own))

    def _dialog(self, dialog: Dialog) -> None:
        self.faults.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _console(self, message: ConsoleMessage) -> None:
        if not message.location["url"].endswith("/favicon.ico"):  # which a browser wants of a text by itself
            self.faults.append(f"console: {message.text}")

    def _error(self, error: Error) -> None:
        self.faults.append(f"error: {error.message}")

    def _request(self, request: Request, own: str) -> None:
        if not request.url.startswith(own):
            self.faults.append(f"request: {request.url}")


def find_browser() -> str | None:
    """The path of a Chromium or Chrome; None where there is none."""
    found = next((path for name in _NAMES if (path := shutil.which(name))), None)
    return found or next((path for path in _ON_A_MAC if os.access(path, os.X_OK)), None)


@contextmanager
def browser() -> Iterator[Browser]:
    """Raises AssertionError, with the next step, where there is none."""
    path = find_browser()
    assert path is not None, "no Chromium or Chrome on PATH: run scripts/test/setup"
    as_root = ("--no-sandbox",) if os.geteuid() == 0 else ()
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, headless=True, args=[*_FLAGS, *as_root])
        try:
            yield started
        finally:
            started.close()


@contextmanager
def visiting(
    started: Browser, width: int = 1200, height: int = 900, *, dark: bool = False, scripts: bool = True
) -> Iterator[BrowserContext]:
    """A profile of its own: no cookie or setting of another visit."""
    context = started.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if dark else "light",
        java_script_enabled=scripts,
    )
    context.set_default_timeout(10_000)
    try:
        yield context
    finally:
        context.close()
