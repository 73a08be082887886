"""`anyclaude top`: all running proxies of this person and their cluster's nodes, looked at again each second.

Each proxy is asked for what it knows; none asks anybody for it. On a terminal the screen is a second one, as that of an
editor, so that nothing of it stays: q and Ctrl-C end it. Scripts have `--once` and `--json`.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
import termios
import time
import tty
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from rich.console import Group
from rich.live import Live
from rich.text import Text

from anyclaude.cli.folders import folders
from anyclaude.cli.logs import keep_quiet
from anyclaude.cli.output import say
from anyclaude.cli.proxies import ask_proxies
from anyclaude.cli.subcommand import Parser, Screen, ended
from anyclaude.cli.top_screen import NOBODY, screen
from anyclaude.cli.top_seen import Looks, Seen
from anyclaude.config.load import resolve
from anyclaude.config.running import running
from anyclaude.wire.exit_codes import ExitCode

_ABOUT: Final = (
    "All that runs now: proxies and their cluster's nodes, tokens a second, what failed last; q ends it. "
    "Exit code 1 when no proxy is running. More: docs/guides/monitoring.md"
)
_EXAMPLES: Final = (
    ("anyclaude top", "over SSH too"),
    ("anyclaude top --once", "one look"),
    ("anyclaude top --json | jq '.proxies[].pid'", "the same for a script"),
)

_AGAIN: Final = 1.0
"""Seconds from one look to the next."""

_FURNITURE: Final = 14
"""Lines of the screen that are no rows of its two tables."""
_LEAST_ROWS: Final = 3
_HINT: Final = "q ends"


def run(argv: Sequence[str]) -> int:
    """Do what `anyclaude top ARGV` asks, and return the exit code."""
    keep_quiet()
    return ended(parser(), argv, _done)


def parser() -> Parser:
    """What may be asked of us."""
    top = Parser(prog="anyclaude top", about=_ABOUT, examples=_EXAMPLES)
    top.add_argument("--once", action="store_true", help="one look, and end; so too where there is no terminal")
    top.add_argument("--json", action="store_true", help="one look as a JSON object")
    return top


def _done(given: argparse.Namespace, console: Screen) -> int:
    home = resolve({}, os.environ, *folders()).settings.home
    if given.json or given.once or not (console.is_interactive and sys.stdin.isatty()):
        return _once(home, console, as_json=given.json)
    return asyncio.run(_watch(home, console))


def _once(home: Path, console: Screen, *, as_json: bool) -> int:
    seen = asyncio.run(_look_twice(home))
    if as_json:
        print(json.dumps({"at": time.time(), **asdict(seen)}))
    elif seen.somebody:
        console.print(screen(seen, console.width, time.time()))
    else:
        say(NOBODY)
    return _code(seen)


async def _look_twice(home: Path) -> Seen:
    """A second look only where something is under way, whose speed shows between two."""
    looks = Looks()
    seen = await _look(home, looks)
    if not any(proxy.streams for proxy in seen.proxies):
        return seen
    await asyncio.sleep(_AGAIN)
    return await _look(home, looks)


async def _look(home: Path, looks: Looks) -> Seen:
    there = running(home)
    told = await ask_proxies(home, _AGAIN)
    answered = {one.proxy.url for one in told}
    silent = [proxy.pid for proxy in there if proxy.url not in answered]
    return looks.seen(told, time.monotonic(), silent)


async def _watch(home: Path, console: Screen) -> int:
    looks = Looks()
    seen = await _look(home, looks)
    if not seen.somebody:
        say(NOBODY)
        return _code(seen)
    over = asyncio.Event()
    with _keys(over), Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            live.update(_whole(seen, console), refresh=True)
            with suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), _AGAIN)
                break
            seen = await _look(home, looks)
    return _code(seen)


def _whole(seen: Seen, console: Screen) -> Group:
    most = max(_LEAST_ROWS, (console.height - _FURNITURE) // 2)
    return Group(screen(seen, console.width, time.time(), most), Text(), Text(_HINT, style="dim"))


@contextmanager
def _keys(over: asyncio.Event) -> Iterator[None]:
    """Keys come one by one and are not shown; q, and what would end the program, ends the watching."""
    loop, keyboard = asyncio.get_running_loop(), sys.stdin.fileno()
    saved: list[Any] = termios.tcgetattr(keyboard)

    def pressed() -> None:
        try:
            keys = os.read(keyboard, 64)
        except OSError:
            keys = b""  # the terminal is gone
        if not keys or b"q" in keys.lower():
            over.set()

    ending = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for number in ending:
        loop.add_signal_handler(number, over.set)
    tty.setcbreak(keyboard)
    loop.add_reader(keyboard, pressed)
    try:
        yield
    finally:
        loop.remove_reader(keyboard)
        with suppress(termios.error):  # the terminal is gone
            termios.tcsetattr(keyboard, termios.TCSADRAIN, saved)
        for number in ending:
            loop.remove_signal_handler(number)


def _code(seen: Seen) -> int:
    return ExitCode.DONE if seen.proxies else ExitCode.NO
