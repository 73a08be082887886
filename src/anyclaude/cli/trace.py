"""`anyclaude trace`: past requests, to be listed, searched, read, compared, taken away and asked again.

What models and tools wrote is printed as `rich.text.Text`, which is never taken for markup.
"""

import argparse
import importlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from anyclaude.cli.folders import folders
from anyclaude.cli.output import say
from anyclaude.cli.subcommand import Parser, Screen, ended
from anyclaude.cli.trace_list import table
from anyclaude.cli.trace_serve import SERVE, add_serve
from anyclaude.cli.trace_sessions import NO_TRACES, export, search, sessions
from anyclaude.config.load import resolve
from anyclaude.config.model import MODES, Settings
from anyclaude.trace.archive import find, newest
from anyclaude.trace.diff import Parting, parting_of
from anyclaude.trace.parts import printable
from anyclaude.trace.prompts import blocks_of
from anyclaude.trace.transcript import Kind, summary, transcript
from anyclaude.wire.exit_codes import ExitCode

MOST: Final = 1_000_000
"""Traces that one list may show."""

REPLAY: Final = "anyclaude.cli.replay"
"""Loaded by its name: looking at traces must not cost the import of what speaks to upstreams."""

_WANTED: Final = "a file, an id or a piece of it, or `last`"

_ABOUT: Final = (
    "Past requests, as they were recorded: what Claude Code asked, what went upstream, what came. They are kept at "
    "debug level 3 (ANYCLAUDE_DEBUG=3), which is the default for openrouter and claude. More: docs/debugging/traces.md"
)
_EXAMPLES: Final = (
    ("anyclaude trace list -n 50", "the newest 50"),
    ("anyclaude trace show last", "the newest one, to read"),
    ("anyclaude trace serve --open", "all of it in a browser"),
    ("anyclaude trace sessions", "the newest sessions"),
    ("anyclaude trace search 'no such file' main.py", "where that was said, by anybody"),
    ("anyclaude trace export last -o session.md", "to read it elsewhere"),
    ("anyclaude trace diff 4f2c 91ab", "where the prompts of two part"),
    ("anyclaude trace replay last --mode=openrouter", "the same, asked of another"),
)
_DIFF: Final = "The first byte in which two prompts differ, and the block that it is in. Exit code 1 when they do."
_SESSIONS: Final = "The newest sessions, one line for each: what it began with, and what it took."
_SEARCH: Final = (
    "Where words were said: by the person, by the model, in calls of tools and in results. A word finds those that "
    "begin with it, an argument of several words just these. The newest come first. Exit code 1 when nothing is found."
)
_EXPORT: Final = (
    "A session as Markdown to read, with long results of tools cut, or as JSON with all of it. Secrets were taken out "
    "when it was recorded; prompts and code are in it as they were."
)
_REPLAY: Final = (
    "Ask a recorded request again, through the settings of a launch from this directory, and say what differs from the "
    "recorded answer. No tool is run. Exit code 1 when the answer does not come whole."
)

_STYLES: Final[dict[Kind, str]] = {
    "head": "bold",
    "user": "green",
    "assistant": "cyan",
    "tool": "yellow",
    "facts": "bold dim",
}


def run(argv: Sequence[str]) -> int:
    """Do what `anyclaude trace ARGV` asks, and return the exit code."""
    return ended(parser(), argv, _done)


def _done(given: argparse.Namespace, screen: Screen) -> int:
    code: int = given.do(given, _settings(given), screen)
    return code


def _settings(given: argparse.Namespace) -> Settings:
    """The flags that count for the settings, and everything else as for a launch from here."""
    chosen = {name: getattr(given, name, None) for name in ("mode", "model")} if given.do is _replay else {}
    resolved = resolve({name: value for name, value in chosen.items() if value}, os.environ, *folders())
    if given.do is _replay:
        for notice in resolved.notices:
            say(notice)
    return resolved.settings


def parser() -> Parser:
    """What may be asked of us."""
    top = Parser(prog="anyclaude trace", about=_ABOUT, examples=_EXAMPLES)
    commands = top.add_subparsers(required=True, title="commands", metavar="COMMAND")
    listing = commands.add_parser("list", help="the newest requests", about="The newest requests, one line for each.")
    listing.add_argument("--mode", choices=MODES, help="only those of this backend")
    listing.add_argument("-n", type=_count, default=20, help="how many (20)")
    listing.add_argument("--json", action="store_true", help="one JSON object a line")
    listing.set_defaults(do=_list)
    showing = commands.add_parser(
        "show", help="one request to read", about="What was asked and answered, and what it took."
    )
    showing.add_argument("trace", metavar="TRACE", help=_WANTED)
    showing.set_defaults(do=_show)
    _add_sessions(commands)
    comparing = commands.add_parser("diff", help="where two prompts begin to differ", about=_DIFF)
    comparing.add_argument("first", metavar="TRACE", help=_WANTED)
    comparing.add_argument("second", metavar="TRACE", help="another")
    comparing.set_defaults(do=_diff)
    _add_replay(commands.add_parser("replay", help="ask a recorded request again, of any backend", about=_REPLAY))
    add_serve(commands.add_parser("serve", help="sessions and turns in a browser", about=SERVE))
    return top


def _add_sessions(commands: Any) -> None:
    listing = commands.add_parser("sessions", help="the newest sessions", about=_SESSIONS)
    listing.set_defaults(do=sessions)
    searching = commands.add_parser("search", help="where words were said", about=_SEARCH)
    searching.add_argument("text", metavar="TEXT", nargs="+", help="words, all of which must be there")
    searching.set_defaults(do=search)
    for asking in (listing, searching):
        asking.add_argument("-n", type=_count, default=20, help="how many (20)")
        asking.add_argument("--json", action="store_true", help="one JSON object a line")
    exporting = commands.add_parser("export", help="a session as Markdown or JSON", about=_EXPORT)
    exporting.add_argument("session", metavar="SESSION", help="an id or the beginning of one, or `last`")
    exporting.add_argument("--format", choices=("markdown", "json"), default="markdown", help="markdown is the default")
    exporting.add_argument("-o", "--output", metavar="FILE", type=Path, help="in place of standard output")
    exporting.set_defaults(do=export)


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= MOST):
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 to {MOST}, not {text!r}")
    return int(text)


def _add_replay(replaying: argparse.ArgumentParser) -> None:
    replaying.add_argument("trace", metavar="TRACE", help=_WANTED)
    replaying.add_argument("--mode", choices=MODES, required=True, help="who is asked")
    replaying.add_argument("--model", help="the upstream's name of the model, in place of what the settings say")
    replaying.add_argument(
        "--stream", action=argparse.BooleanOptionalAction, default=True, help="show the answer as it comes (default)"
    )
    replaying.add_argument("--json", action="store_true", help="one JSON object in place of the screen")
    replaying.set_defaults(do=_replay)


def _list(given: argparse.Namespace, settings: Settings, console: Console) -> int:
    rows = [(path, summary(record)) for path, record in newest(settings.home, given.mode, given.n)]
    if given.json:
        for path, row in rows:
            print(json.dumps({**asdict(row), "file": str(path)}))
        return ExitCode.DONE
    if not rows:
        console.print(NO_TRACES)
        return ExitCode.DONE
    console.print(table([row for _, row in rows], console.width))
    return ExitCode.DONE


def _show(given: argparse.Namespace, settings: Settings, console: Console) -> int:
    for piece in transcript(find(settings.home, given.trace)):
        console.print()
        console.print(Text(piece.title, style=_STYLES[piece.kind]), soft_wrap=True)
        if piece.text:
            console.print(Text(piece.text), soft_wrap=not console.is_terminal)
    return ExitCode.DONE


def _replay(given: argparse.Namespace, settings: Settings, console: Console) -> int:
    code: int = importlib.import_module(REPLAY).replay(given, find(settings.home, given.trace), settings, console)
    return code


def _diff(given: argparse.Namespace, settings: Settings, console: Console) -> int:
    first, second = _prompts(find(settings.home, given.first), find(settings.home, given.second))
    parting = parting_of(first, second)
    if parting is None:
        console.print(f"the prompts are the same: {len(blocks_of(first))} blocks")
        return ExitCode.DONE
    _print_parting(parting, console)
    return ExitCode.NO


def _print_parting(parting: Parting, console: Console) -> None:
    where = f"{parting.block}, byte {parting.in_block} of it"
    console.print(Text(f"the first differing byte is {parting.byte}: {printable(where)}", style="bold"))
    console.print(f"{parting.shared} blocks before it are the same")
    for line in parting.lines:
        style = {"-": "red", "+": "green"}.get(line[:1], "")
        console.print(Text(printable(line), style=style), soft_wrap=True)


def _prompts(*records: dict[str, Any]) -> tuple[Any, ...]:
    """What went upstream last, where both have that; else what Claude Code sent."""
    sent = [record.get("upstream") for record in records]
    if all(sent):
        return tuple(attempts[-1]["body"] for attempts in sent if attempts)
    return tuple(record["request"].get("body") for record in records)
