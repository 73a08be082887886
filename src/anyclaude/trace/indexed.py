"""How the index follows the files: what is gone is forgotten, words and all, and what is new is read, the newest first.

Reading is what costs, so each call does it for a bounded time, in small transactions, and the next one goes on. A row's
key is its time, so that SQLite finds words in the order of time without sorting.
"""

import sqlite3
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from anyclaude.errors import AnyclaudeError
from anyclaude.trace.files import Stamp, listed, record_in
from anyclaude.trace.index_file import INSERT_TURN, IndexFile, values_of
from anyclaude.trace.search import indexed_text
from anyclaude.trace.turn import Turn, turn_of
from anyclaude.trace.words import words_of

BATCH_FILES: Final = 64
BATCH_BYTES: Final = 16_000_000
"""What is read before it is written: each transaction costs, and while it is written others wait."""

WIPE_EVERY: Final = 60.0
"""Seconds between two wipes: each writes the index of all words anew, which takes five seconds a gigabyte."""

KEYS: Final = 1000
"""Keys a millisecond, for requests of the same one."""


@dataclass(frozen=True, slots=True)
class _Read:
    """A file that was read. turn: None where it holds no record."""

    file: str
    stamp: Stamp
    turn: Turn | None
    words: str


def catch_up(rows: IndexFile, traces: Path, seconds: float) -> int:
    """Bring the rows up to the files for about that long, and say how many files are left for the next call.

    traces: `home/traces`.
    """
    until = time.monotonic() + seconds
    there = listed(traces)
    known = {file: (size, changed) for file, size, changed in rows.rows("SELECT file, size, changed FROM files")}
    gone = [file for file in known if file not in there]
    new = sorted((file for file in there if known.get(file) != there[file]), key=_name, reverse=True)
    while gone and rows.write(partial(_forget, gone[:BATCH_FILES])):
        del gone[:BATCH_FILES]
        if time.monotonic() > until:
            break
    while new and rows.write(partial(_keep, read := _read(traces, new, there, until))):
        del new[: len(read)]
        if time.monotonic() > until:
            break
    if not gone and not new:
        _wipe(rows)
    return len(gone) + len(new)


def _wipe(rows: IndexFile) -> None:
    """Write the words anew without those of requests that were forgotten: until then SQLite only notes them as gone."""
    if rows.rows("SELECT at FROM wiped WHERE due AND abs(at - ?) > ?", [time.time(), WIPE_EVERY]):
        rows.write(_wiped)


def _wiped(on: sqlite3.Connection) -> None:
    on.execute("INSERT INTO words (words) VALUES ('optimize')")
    on.execute("UPDATE wiped SET at = ?, due = 0", [time.time()])


def _read(traces: Path, files: Sequence[str], stamps: Mapping[str, Stamp], until: float) -> list[_Read]:
    """As many as one transaction shall have, at least one."""
    read: list[_Read] = []
    room = BATCH_BYTES
    for file in files[:BATCH_FILES]:
        read.append(_read_one(traces, file, stamps[file]))
        room -= stamps[file][0]
        if room < 0 or time.monotonic() > until:
            break
    return read


def _read_one(traces: Path, file: str, stamp: Stamp) -> _Read:
    record = record_in(traces, file)
    if record is not None:
        with suppress(AnyclaudeError, ValueError, TypeError, RecursionError):  # of any shape, however deep
            return _Read(file, stamp, turn_of(record, file, stamp[1] / 1e9), words_of(record))
    return _Read(file, stamp, None, "")


def _keep(read: Sequence[_Read], on: sqlite3.Connection) -> None:
    """Write down what was read, in the order of time: SQLite's full-text index takes growing keys together."""
    for each in sorted(read, key=lambda each: (each.turn.at if each.turn else 0.0, _name(each.file))):
        _forget([each.file], on)
        key = None if each.turn is None else _free_key(on, each.turn.at)
        on.execute("INSERT INTO files VALUES (?, ?, ?, ?)", [each.file, *each.stamp, key])
        if each.turn is not None:
            on.execute(INSERT_TURN, [key, *values_of(each.turn)])
            on.execute("INSERT INTO words (rowid, said) VALUES (?, ?)", [key, indexed_text(each.words)])


def _forget(files: Sequence[str], on: sqlite3.Connection) -> None:
    for file in files:
        for (key,) in on.execute("SELECT key FROM files WHERE file = ?", [file]).fetchall():
            on.execute("DELETE FROM turns WHERE key = ?", [key])
            on.execute("DELETE FROM words WHERE rowid = ?", [key])
            on.execute("DELETE FROM files WHERE file = ?", [file])
            on.execute("UPDATE wiped SET due = 1")


def first_key(at: float) -> int:
    """The key of the first request of a millisecond. at: seconds since 1970."""
    return int(at * 1000) * KEYS


def _free_key(on: sqlite3.Connection, at: float) -> int:
    key = first_key(at)
    while True:
        ((last,),) = on.execute("SELECT max(key) FROM turns WHERE key BETWEEN ? AND ?", [key, key + KEYS - 1])
        if last is None:
            return key
        key = int(last) + 1


def _name(file: str) -> str:
    return file.rpartition("/")[2]
