"""`anyclaude trace sessions`, `search` and `export`: what is asked of the index of all traces."""

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from anyclaude.cli.columns import Column, fitted
from anyclaude.cli.output import Terminal, plain
from anyclaude.config.model import Settings
from anyclaude.config.own_files import replace_private
from anyclaude.errors import SetupError
from anyclaude.trace.export import as_json, markdown
from anyclaude.trace.index import Hit, SessionRow, TraceIndex
from anyclaude.wire.exit_codes import ExitCode

NO_TRACES: Final = "no traces yet: they are kept at debug level 3 (ANYCLAUDE_DEBUG=3)"
SHORT: Final = 8
"""Characters of an id that are shown: the first of a session's, the last of a request's."""

_STEP: Final = 0.5
"""Seconds between two words of progress."""

_COLUMNS: Final = (
    Column("when", 4, words=True),
    Column("session", 9, words=True),
    Column("about", 8, words=True, cut=True),
    Column("turns", 7),
    Column("agents", 2),
    Column("in", 6),
    Column("out", 5),
    Column("cost", 3),
    Column("errors", 3),
)


def sessions(given: argparse.Namespace, settings: Settings, console: Console) -> int:
    """The latest sessions, one line for each. Raises SetupError."""
    with TraceIndex(settings.home) as index:
        _catch_up(index)
        rows = index.sessions(given.n)
    if given.json:
        for row in rows:
            print(json.dumps(asdict(row)))
    elif rows:
        console.print(fitted(_COLUMNS, [_cells(row) for row in rows], console.width))
    else:
        console.print(NO_TRACES)
    return ExitCode.DONE


def search(given: argparse.Namespace, settings: Settings, console: Console) -> int:
    """The latest requests in which the words stand; NO where there is none. Raises SetupError."""
    with TraceIndex(settings.home) as index:
        _catch_up(index)
        hits = index.search(" ".join(map(_term, given.text)), given.n)
        known = index.count()
    for hit in hits:
        if given.json:
            print(json.dumps({**asdict(hit.turn), "excerpt": "".join(text for text, _ in hit.excerpt)}))
        else:
            _show(hit, console)
    if not hits and not given.json:
        console.print(f"nothing found in {known} requests" if known else NO_TRACES)
    return ExitCode.DONE if hits else ExitCode.NO


def export(given: argparse.Namespace, settings: Settings, console: Console) -> int:
    """A session as Markdown or JSON, to a file that is the owner's alone, or to standard output. Raises SetupError."""
    with TraceIndex(settings.home) as index:
        _catch_up(index)
        records = _records(index, _meant(index, given.session).id)
        said = json.dumps(as_json(records), indent=2) if given.format == "json" else markdown(records)
    if given.output:
        replace_private(given.output, said.encode("utf-8", "replace"))
    else:
        print(said)
    return ExitCode.DONE


def _catch_up(index: TraceIndex) -> None:
    """Read what is new, all of it, and tell how far it is where that takes long."""
    terminal, before = Terminal(), (0, 0)
    while (left := index.refresh(_STEP)) and (now := (left, index.count())) != before:
        terminal.progress(f"reading traces, once: {left} left")
        before = now
    terminal.clear()
    if left:
        terminal.say(f"another program writes the index; it lacks {left} of the traces, so ask again in a moment")
    if index.why:
        terminal.say(index.why)


def _term(argument: str) -> str:
    return f'"{argument}"' if " " in argument and '"' not in argument else argument


def _meant(index: TraceIndex, wanted: str) -> SessionRow:
    found = index.sessions(1) if wanted == "last" else index.called(wanted)
    if len(found) != 1:
        many = "several sessions begin" if found else "no session begins"
        raise SetupError(f"{many} with {wanted}; `anyclaude trace sessions` shows those that there are")
    return found[0]


def _records(index: TraceIndex, session: str) -> Iterator[dict[str, Any]]:
    for turn in index.turns(session):
        if (record := index.read(turn)) is not None:
            yield record


def _cells(row: SessionRow) -> list[Text]:
    cells = (
        _when(row.ended),
        row.id[:SHORT] or "(none)",
        row.title,
        str(row.turns),
        str(row.agents or ""),
        str(row.prompt_tokens),
        str(row.output_tokens),
        f"${row.cost:.4f}" if row.cost else "",
        str(row.errors or ""),
    )
    return [Text(plain(cell)) for cell in cells]


def _show(hit: Hit, console: Console) -> None:
    turn = hit.turn
    where = f"{_when(turn.at)} {turn.id[-SHORT:]}, {turn.role} of session {turn.session[:SHORT] or '(none)'}"
    said = Text()
    for text, found in hit.excerpt:
        said.append(" ".join(text.split("\n")), style="bold yellow" if found else "")
    console.print(Text(plain(where), style="bold"), soft_wrap=True)
    console.print(said, soft_wrap=not console.is_terminal)
    console.print()


def _when(at: float) -> str:
    return time.strftime("%m-%d %H:%M:%S", time.localtime(at))
