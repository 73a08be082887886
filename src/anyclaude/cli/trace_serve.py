"""`anyclaude trace serve`: the traces in a browser, until Ctrl-C.

The address holds the token that opens the pages. It is printed for the person, and never stands in the arguments of a
browser, where other users of the machine could read it: that is given a private file, which leads to the address.
"""

import argparse
import asyncio
import secrets
import tempfile
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import Final

from anyclaude.cli.output import say
from anyclaude.cli.viewing import part
from anyclaude.config.model import Settings
from anyclaude.wire.exit_codes import ExitCode

SERVE: Final = (
    "Sessions and turns in a browser, until Ctrl-C: what was said, why a turn was slow, what was sent and mended; "
    "search and comparisons. The address that is printed holds the token that opens the pages."
)


def add_serve(serving: argparse.ArgumentParser) -> None:
    """The arguments of `trace serve`, and what does it."""
    serving.add_argument("--port", type=_port, default=0, help="on 127.0.0.1; 0, the default, is a free one")
    serving.add_argument("--open", action="store_true", help="open a browser too")
    serving.set_defaults(do=serve)


def serve(given: argparse.Namespace, settings: Settings, console: object) -> int:
    """Until it is interrupted. Raises SetupError where it cannot begin."""
    asyncio.run(_serving(settings.home, given.port, opens=given.open))
    return ExitCode.DONE


async def _serving(home: Path, port: int, *, opens: bool) -> None:
    token = secrets.token_urlsafe(32)
    async with part("serving").serving_pages(home, token, port) as address:
        print(address, flush=True)
        say("traces are shown there until Ctrl-C")
        with _opened(address) if opens else _closed():
            await asyncio.Event().wait()


@contextmanager
def _opened(address: str) -> Iterator[None]:
    with tempfile.TemporaryDirectory(prefix="anyclaude-") as folder:
        leads = Path(folder) / "traces.html"
        leads.touch(mode=0o600)
        leads.write_text(f'<!doctype html><meta http-equiv="refresh" content="0; url={escape(address)}">')
        if not webbrowser.open(leads.as_uri()):
            say("no browser was found; open the address above")
        yield


@contextmanager
def _closed() -> Iterator[None]:
    yield


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 6 and int(text) < 65536):
        raise argparse.ArgumentTypeError(f"must be a whole number from 0 to 65535, not {text!r}")
    return int(text)
