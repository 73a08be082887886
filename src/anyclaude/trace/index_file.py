"""The SQLite file of the index: private, and never trusted. All that it holds can be read from the traces again, so one
that is damaged, of another version or no database at all is made anew, and where there can be none it is in memory.

Transactions are short and the journal is SQLite's plain one, so several viewers, or one in another container, share it.
"""

import logging
import os
import sqlite3
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import fields
from operator import attrgetter
from pathlib import Path
from typing import Any, Final
from zlib import crc32

from anyclaude.errors import SetupError
from anyclaude.trace.folder import open_traces
from anyclaude.trace.turn import Turn

NAME: Final = "index.sqlite3"
WAIT: Final = 10.0
"""Seconds that another viewer may hold the index. It does so for a fraction of one."""

_COLUMNS: Final = [field.name for field in fields(Turn)]

values_of: Final = attrgetter(*_COLUMNS)
"""What is in a turn, in the order of its columns."""

INSERT_TURN: Final = f"INSERT INTO turns VALUES (?{', ?' * len(_COLUMNS)})"  # noqa: S608 (nothing but marks)
"""Its key, then what is in it. Rows of `turns` come in the same order."""

_MEANING: Final = 1
"""Counts how often `turn_of` or `words_of` came to make something else of a record."""

_TABLES: Final = f"""
CREATE TABLE IF NOT EXISTS files (file TEXT PRIMARY KEY, size, changed, key) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS turns (key INTEGER PRIMARY KEY, {", ".join(_COLUMNS)});
CREATE INDEX IF NOT EXISTS turns_of_session ON turns (session, key);
CREATE INDEX IF NOT EXISTS turns_by_id ON turns (id, key);
CREATE TABLE IF NOT EXISTS wiped (key INTEGER PRIMARY KEY, at, due);
INSERT OR IGNORE INTO wiped VALUES (1, 0, 0);
CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5 (said, tokenize = "unicode61 remove_diacritics 2");
"""  # noqa: S608 (nothing but our own names)

VERSION: Final = crc32(f"{_MEANING}{_TABLES}".encode()) >> 1
"""Of the tables and what is in them; SQLite keeps 31 bits of it."""

_SCHEMA: Final = f"BEGIN IMMEDIATE; {_TABLES} PRAGMA user_version = {VERSION}; COMMIT;"
_BUSY: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_BROKEN: Final = frozenset(
    {sqlite3.SQLITE_ERROR, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_SCHEMA}
)

log = logging.getLogger(__name__)


class IndexFile:
    """`home/traces/index.sqlite3`. why: in a sentence, why the index is in memory only; empty where it is not."""

    def __init__(self, home: Path) -> None:
        """Raises SetupError where SQLite has no full-text search."""
        self.why = ""
        self._home = home
        self._path = home / "traces" / NAME
        self._connection = self._opened()

    def rows(self, sql: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """What a question finds; nothing in an index that had to be made anew for it."""
        try:
            return self._connection.execute(sql, values).fetchall()
        except sqlite3.DatabaseError as error:
            self._mend(error)
            return self._connection.execute(sql, values).fetchall()

    def write(self, change: Callable[[sqlite3.Connection], None]) -> bool:
        """Whether all that is changed was written; else nothing of it was, and another time it may be."""
        try:
            with self._transaction():
                change(self._connection)
        except sqlite3.DatabaseError as error:
            if _code(error) & 0xFF not in _BUSY:
                self._mend(error)
            return False
        return True

    def close(self) -> None:
        self._connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.DatabaseError):
                self._connection.execute("ROLLBACK")
            raise

    def _opened(self) -> sqlite3.Connection:
        """On disk, if need be without what is there; else in memory."""
        try:
            try:
                return self._on_disk()
            except sqlite3.DatabaseError as error:
                if not _is_broken(error):
                    raise
                self._remove()
                return self._on_disk()
        except (OSError, sqlite3.DatabaseError) as error:
            return self._in_memory(error)

    def _on_disk(self) -> sqlite3.Connection:
        _make_private(self._home, self._path)
        connection = _connected(str(self._path))
        try:
            ((version,),) = connection.execute("PRAGMA user_version").fetchall()
            if version not in (0, VERSION):
                raise _other_version()
            if version == 0:
                connection.executescript(_SCHEMA)
        except BaseException:
            connection.close()
            raise
        return connection

    def _in_memory(self, why: Exception) -> sqlite3.Connection:
        self.why = f"the index of the traces cannot be kept in {self._path.parent}: {_reason(why)}"
        log.warning("%s", self.why)
        connection = _connected(":memory:")
        try:
            connection.executescript(_SCHEMA)
        except sqlite3.OperationalError as error:
            raise SetupError(f"this Python's SQLite cannot search texts ({error}); install another Python") from None
        return connection

    def _mend(self, error: sqlite3.DatabaseError) -> None:
        """Open the index again, without what is there where that is broken; in memory where nothing else is left."""
        self._connection.close()
        if _is_broken(error):
            log.info("the index of the traces is made anew: %s", error)
            with suppress(OSError):
                self._remove()
        elif _code(error) != sqlite3.SQLITE_READONLY_DBMOVED:
            self._connection = self._in_memory(error)
            return
        self._connection = self._opened()

    def _remove(self) -> None:
        for name in (NAME, f"{NAME}-journal"):
            with suppress(FileNotFoundError):
                os.unlink(self._path.with_name(name))


def _connected(path: str) -> sqlite3.Connection:
    """For one thread at a time. What is deleted is overwritten: it may be what somebody wanted gone."""
    connection = sqlite3.connect(path, timeout=WAIT, isolation_level=None, check_same_thread=False)
    for pragma in ("secure_delete = ON", "trusted_schema = OFF", "cache_spill = OFF", "temp_store = MEMORY"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def _make_private(home: Path, path: Path) -> None:
    """A file of our own that nobody else can read, in a folder like that. Raises OSError for a link or another's file.

    One that is there is not opened for that: closing it would end the locks that SQLite has on it in this process.
    """
    os.close(open_traces(home))
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
    status = os.lstat(path)
    if not stat.S_ISREG(status.st_mode) or status.st_uid != os.getuid():
        raise PermissionError(0, "it is a link, no file, or another user's", str(path))
    if stat.S_IMODE(status.st_mode) != 0o600:
        os.chmod(path, 0o600)


def _other_version() -> sqlite3.DatabaseError:
    error = sqlite3.DatabaseError("it is of another version")
    error.sqlite_errorcode = sqlite3.SQLITE_SCHEMA
    return error


def _code(error: sqlite3.DatabaseError) -> int:
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)


def _is_broken(error: sqlite3.DatabaseError) -> bool:
    """Whether what is there is of no use, and not only out of reach for now. The lowest byte is the kind of error."""
    return _code(error) & 0xFF in _BROKEN


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
