"""The pages over sessions: their list, one of them, search, and two of them side by side."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

from anyclaude.errors import NotFound
from anyclaude.trace.comparison import Figures, by_backend, compared, figures
from anyclaude.trace.export import as_json, markdown
from anyclaude.trace.index import SessionRow
from anyclaude.trace.turn import Turn
from anyclaude.viewer.asked import Asked, File, Page
from anyclaude.viewer.charts import Chart
from anyclaude.viewer.formats import day, iso
from anyclaude.viewer.links import session_link, turn_link
from anyclaude.viewer.session_charts import charts, pairs
from anyclaude.viewer.threads import Thread, key_of, threads
from anyclaude.wire.json import encode

SESSIONS: Final = 50
TURNS: Final = 200
HITS: Final = 40
EXPORTED: Final = 500
"""Turns of a session that one file takes: a record can be megabytes."""

_COMPARED: Final = 400
"""Turns of each session that backends are compared by."""


@dataclass(frozen=True, slots=True)
class Numbered:
    """A turn of a session with its number in it, from 1, and the thread it belongs to."""

    number: int
    turn: Turn
    thread: Thread


def sessions(asked: Asked) -> Page:
    """The newest, by the day on which they ended."""
    before = _seconds(asked.query.get("before", ""))
    rows = asked.index.sessions(SESSIONS, before)
    days = [(name, list(some)) for name, some in groupby(rows, lambda row: day(row.ended))]
    older = rows[-1].ended if len(rows) == SESSIONS else None
    facts = {"days": days, "older": older, "unread": asked.unread, "later": before is not None, "index": asked.index}
    return Page("sessions", facts)


def session(asked: Asked) -> Page:
    """One of them: figures, charts, and its turns, of one agent or of all."""
    row = _session(asked, asked.parts["session"])
    turns = asked.index.turns(row.id)
    all_threads = threads(turns)
    wanted = asked.query.get("thread", "")
    numbered = [each for each in _numbered(turns, all_threads) if wanted in ("", each.thread.key)]
    pages = max(1, -(-len(numbered) // TURNS))
    page = min(max(asked.number("page", pages, pages), 1), pages)
    chosen = [each.turn for each in numbered]
    facts = {
        "session": row,
        "threads": all_threads,
        "wanted": wanted,
        "turns": numbered[(page - 1) * TURNS : page * TURNS],
        "widest": max((turn.prompt_tokens or 0 for turn in chosen), default=0),
        "page": page,
        "pages": pages,
        "charts": charts(chosen, turn_link),
        "figures": figures(chosen),
        "clients": sorted({turn.client for turn in turns if turn.client}),
        "exported": EXPORTED if len(turns) > EXPORTED else None,
    }
    return Page("session", facts)


def session_markdown(asked: Asked) -> File:
    """Its transcript, to read elsewhere."""
    row = _session(asked, asked.parts["session"])
    return File(markdown(_records(asked, row)).encode("utf-8", "replace"), "text/markdown", f"{_stem(row)}.md")


def session_json(asked: Asked) -> File:
    """Its transcript, for programs."""
    row = _session(asked, asked.parts["session"])
    return File(encode(as_json(_records(asked, row))), "application/json", f"{_stem(row)}.json")


def search(asked: Asked) -> Page:
    """Turns in which all the words are."""
    text = asked.query.get("q", "").strip()[:200]
    offset = asked.number("from", 0, 100_000)
    hits = asked.index.search(text, HITS + 1, offset) if text else []
    more = offset + HITS if len(hits) > HITS else None
    return Page("search", {"text": text, "hits": hits[:HITS], "more": more, "unread": asked.unread, "offset": offset})


def compare(asked: Asked) -> Page:
    """Two sessions, or two backends over the newest sessions."""
    rows = asked.index.sessions(SESSIONS)
    options = [*_backend_options(rows), *((f"session:{row.id}", row.title or row.id, row.ended) for row in rows)]
    names = (asked.query.get("first", ""), asked.query.get("second", ""))
    sides = [_side(asked, name, rows) for name in names] if all(names) else []
    facts: dict[str, Any] = {"options": options, "first": names[0], "second": names[1], "sides": sides}
    if sides:
        facts["rows"] = compared(sides[0].figures, sides[1].figures)
        facts["charts"] = pairs(sides[0].charts, sides[1].charts)
    return Page("compare", facts)


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two that are compared. link: to its page, empty where it has none."""

    name: str
    link: str
    figures: Figures
    charts: Sequence[Chart]


def _side(asked: Asked, name: str, rows: Sequence[SessionRow]) -> Side:
    kind, _, wanted = name.partition(":")
    if kind == "session":
        row = _session(asked, wanted)
        return _compared(row.title or row.id, session_link(row.id), asked.index.turns(row.id))
    turns = [turn for row in rows if wanted in row.backends for turn in asked.index.turns(row.id, most=_COMPARED)]
    return _compared(wanted, "", sorted(by_backend(turns).get(wanted, []), key=lambda turn: turn.at))


def _compared(name: str, link: str, turns: Sequence[Turn]) -> Side:
    return Side(name, link, figures(turns), charts(turns, turn_link))


def _backend_options(rows: Iterable[SessionRow]) -> list[tuple[str, str, None]]:
    return [(f"backend:{name}", name, None) for name in sorted({name for row in rows for name in row.backends})]


def _session(asked: Asked, wanted: str) -> SessionRow:
    row = asked.index.session(wanted)
    if row is None:
        raise NotFound("there is no such session; it may be older than what is kept")
    return row


def _numbered(turns: Iterable[Turn], all_threads: Iterable[Thread]) -> list[Numbered]:
    by_key = {thread.key: thread for thread in all_threads}
    return [Numbered(number, turn, by_key[key_of(turn)]) for number, turn in enumerate(turns, 1)]


def _records(asked: Asked, row: SessionRow) -> Iterator[dict[str, Any]]:
    for turn in asked.index.turns(row.id, most=EXPORTED):
        if (record := asked.index.read(turn)) is not None:
            yield record


def _stem(row: SessionRow) -> str:
    return f"session-{iso(row.began)[:10]}-{''.join(filter(str.isalnum, row.id))[:8]}"


def _seconds(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
