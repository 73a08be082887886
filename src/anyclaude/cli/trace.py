"""`anyclaude trace`: past requests, to be listed, read and compared.

What models and tools wrote is printed as `rich.text.Text`, which is never taken for markup.
"""

import argparse
import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from anyclaude.cli.output import SETUP_FAILED, say
from anyclaude.config.load import resolve
from anyclaude.config.model import MODES
from anyclaude.errors import AnyclaudeError
from anyclaude.trace.archive import find, newest
from anyclaude.trace.diff import Parting, parting_of
from anyclaude.trace.prompts import blocks_of
from anyclaude.trace.transcript import Kind, Summary, printable, summary, transcript

DIFFERENT: Final = 1
"""Exit code of `diff` for two prompts that are not the same."""

_STYLES: Final[dict[Kind, str]] = {
    "head": "bold",
    "user": "green",
    "assistant": "cyan",
    "tool": "yellow",
    "facts": "dim",
}


def run(argv: Sequence[str]) -> int:
    """Do what `anyclaude trace ARGV` asks, and return the exit code."""
    given = _parser().parse_args(argv)
    try:
        home = resolve({}, os.environ).settings.home
        code: int = given.do(given, home, Console(highlight=False, markup=False, emoji=False))
    except AnyclaudeError as error:
        say(error.message)
        return SETUP_FAILED
    except BrokenPipeError:
        return 0  # the reader has seen enough
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="anyclaude trace", description="Past requests, as they were recorded.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    listing = commands.add_parser("list", help="the newest requests")
    listing.add_argument("--mode", choices=MODES)
    listing.add_argument("-n", type=int, default=20, help="how many (20)")
    listing.add_argument("--json", action="store_true", help="one JSON object a line")
    listing.set_defaults(do=_list)
    showing = commands.add_parser("show", help="one request to read")
    showing.add_argument("trace", help="a file, an id or a piece of it, or `last`")
    showing.set_defaults(do=_show)
    comparing = commands.add_parser("diff", help="where two prompts begin to differ; exit code 1 when they do")
    comparing.add_argument("first")
    comparing.add_argument("second")
    comparing.set_defaults(do=_diff)
    return parser


def _list(given: argparse.Namespace, home: Path, console: Console) -> int:
    rows = [(path, summary(record)) for path, record in newest(home, given.mode, max(given.n, 0))]
    if given.json:
        for path, row in rows:
            print(json.dumps({**asdict(row), "file": str(path)}))
        return 0
    table = Table("when", "mode", "model", "route", "in", "out", "cost", "ms", "outcome", "id", box=None)
    for _, row in rows:
        table.add_row(*map(Text, _cells(row)))
    console.print(table if rows else "no traces yet: they are kept at debug level 3 (ANYCLAUDE_DEBUG=3)")
    return 0


def _cells(row: Summary) -> list[str]:
    cost = "" if row.cost is None else f"${row.cost:.4f}"
    counts = ["" if count is None else str(count) for count in (row.tokens_in, row.tokens_out)]
    ms = "" if row.ms is None else f"{row.ms:.0f}"
    when = row.time[:19].replace("T", " ")
    return [when, row.mode, row.model, row.role, *counts, cost, ms, row.outcome, row.id[-8:]]


def _show(given: argparse.Namespace, home: Path, console: Console) -> int:
    for piece in transcript(find(home, given.trace)):
        console.print(Text(piece.title, style=_STYLES[piece.kind]), soft_wrap=True)
        if piece.text:
            console.print(Text(piece.text), soft_wrap=True)
    return 0


def _diff(given: argparse.Namespace, home: Path, console: Console) -> int:
    first, second = _prompts(find(home, given.first), find(home, given.second))
    parting = parting_of(first, second)
    if parting is None:
        console.print(f"the prompts are the same: {len(blocks_of(first))} blocks")
        return 0
    _print_parting(parting, console)
    return DIFFERENT


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
