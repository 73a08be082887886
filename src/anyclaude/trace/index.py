"""All traces as rows and words, in SQLite beside the files: what reading them each time would take minutes for.

What counts are the files: `refresh` follows them (`trace.indexed`), and everything else asks the rows that it wrote.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from anyclaude.trace.files import record_in
from anyclaude.trace.index_file import IndexFile
from anyclaude.trace.indexed import catch_up, first_key
from anyclaude.trace.search import MARKS, Excerpt, excerpt_of, question
from anyclaude.trace.turn import Turn


@dataclass(frozen=True, slots=True)
class SessionRow:
    """One session. began, ended: seconds since 1970, of its first and last request. agents: how many subagents.

    cost: US dollars; None where nobody told it. errors: requests that ended in one. id: empty for all requests of
    clients that name no session.
    """

    id: str
    began: float
    ended: float
    title: str
    agents: int
    turns: int
    prompt_tokens: int
    cached_tokens: int
    output_tokens: int
    cost: float | None
    backends: tuple[str, ...]
    models: tuple[str, ...]
    errors: int


@dataclass(frozen=True, slots=True)
class PromptRow:
    """One system prompt with its tools. clients: versions of Claude Code, models: those it named, that sent it.

    first, last: seconds since 1970. turn: the id of the latest request with it.
    """

    prompt: str
    clients: tuple[str, ...]
    models: tuple[str, ...]
    roles: tuple[str, ...]
    first: float
    last: float
    uses: int
    bytes: int
    turn: str


@dataclass(frozen=True, slots=True)
class Hit:
    """A request in which was found what was looked for."""

    turn: Turn
    excerpt: Excerpt


class TraceIndex:
    """The index of `home/traces`, as far as `refresh` has come. Threads may use it one after the other, not at once."""

    def __init__(self, home: Path) -> None:
        """home: `settings.home`. Raises SetupError where SQLite has no full-text search."""
        home = home.expanduser()
        self._traces = home / "traces"
        self._rows = IndexFile(home)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._rows.close()

    @property
    def why(self) -> str:
        """In a sentence, why the index is in memory only and will have to be made again; empty where it is kept."""
        return self._rows.why

    def refresh(self, seconds: float = 2.0) -> int:
        """Bring the index up to the files for about that long, and say how many are left for the next call."""
        return catch_up(self._rows, self._traces, seconds)

    def count(self) -> int:
        """How many requests are known."""
        ((known,),) = self._rows.rows("SELECT count(*) FROM turns")
        return int(known)

    def sessions(self, most: int = 50, before: float | None = None) -> list[SessionRow]:
        """The latest first, by their last request. before: `ended` of the last one that was shown."""
        ended = "HAVING max(at) < ?" if before is not None else ""
        given = [before] if before is not None else []
        rows = self._rows.rows(f"{_SESSIONS} GROUP BY session {ended} ORDER BY max(at) DESC LIMIT ?", [*given, most])
        return [self._session(row) for row in rows]

    def session(self, session: str) -> SessionRow | None:
        """One of them."""
        rows = self._rows.rows(f"{_SESSIONS} WHERE session = ? GROUP BY session", [session])
        return self._session(rows[0]) if rows else None

    def called(self, beginning: str, most: int = 2) -> list[SessionRow]:
        """Those whose id begins like that."""
        rows = self._rows.rows(
            f"{_SESSIONS} WHERE substr(session, 1, ?) = ? GROUP BY session LIMIT ?", [len(beginning), beginning, most]
        )
        return [self._session(row) for row in rows]

    def turns(self, session: str, agent: str | None = None, most: int = 2000) -> list[Turn]:
        """The latest of a session, or of one agent of it (empty: the main conversation), in the order of time."""
        rows = (
            self._turns(_OF_SESSION, session, most) if agent is None else self._turns(_OF_AGENT, session, agent, most)
        )
        return rows[::-1]

    def turn(self, turn_id: str) -> Turn | None:
        """The request of that id, the latest where files were copied."""
        return next(iter(self._turns(_BY_ID, turn_id)), None)

    def before(self, turn: Turn) -> Turn | None:
        """The request before it of the same agent and role; None for the first, and where nobody said who asks."""
        if not turn.session:
            return None
        given = (turn.session, turn.agent, turn.role, turn.file, first_key(turn.at))
        return next(iter(self._turns(_BEFORE, *given)), None)

    def search(self, typed: str, most: int = 50, offset: int = 0) -> list[Hit]:
        """The latest requests in which every word is the beginning of one; what is in quotes stands there as it is.

        offset: hits to leave out.
        """
        asked = question(typed)
        rows = self._rows.rows(_SEARCH, [*MARKS, asked, most, offset]) if asked else []
        return [Hit(Turn(*columns), excerpt_of(marked)) for marked, _, *columns in rows]

    def prompts(self, most: int = 200) -> list[PromptRow]:
        """System prompts with their tools, the last seen first."""
        rows = self._rows.rows(_PROMPTS, [most])
        return [
            PromptRow(prompt, _names(clients), _names(models), _names(roles), *rest)
            for _, prompt, clients, models, roles, *rest in rows
        ]

    def read(self, turn: Turn) -> dict[str, Any] | None:
        """The record of a request; None where it is gone by now."""
        return record_in(self._traces, turn.file)

    def _turns(self, sql: str, *given: object) -> list[Turn]:
        return [Turn(*columns) for _, *columns in self._rows.rows(sql, given)]

    def _session(self, row: tuple[Any, ...]) -> SessionRow:
        session, began, ended, agents, turns, asked, cached, written, cost, backends, models, errors = row
        titles = self._rows.rows(_TITLE, [session])
        return SessionRow(
            id=session,
            began=began,
            ended=ended,
            title=titles[0][0] if titles else "",
            agents=agents,
            turns=turns,
            prompt_tokens=asked,
            cached_tokens=cached,
            output_tokens=written,
            cost=cost,
            backends=_names(backends),
            models=_names(models),
            errors=errors,
        )


def _names(listed: str) -> tuple[str, ...]:
    """Names as JSON, the empty one left out."""
    return tuple(sorted(name for name in json.loads(listed) if name))


_SESSIONS: Final = """
SELECT session, min(at), max(at), count(DISTINCT nullif(agent, '')), count(*), ifnull(sum(prompt_tokens), 0),
  ifnull(sum(cached_tokens), 0), ifnull(sum(output_tokens), 0), sum(cost), json_group_array(DISTINCT backend),
  json_group_array(DISTINCT model), sum(outcome = 'error')
FROM turns
"""
_TITLE: Final = """
SELECT opening FROM turns WHERE session = ? AND opening <> '' ORDER BY role = 'main' DESC, key LIMIT 1
"""
_OF_SESSION: Final = "SELECT * FROM turns WHERE session = ? ORDER BY key DESC LIMIT ?"
_OF_AGENT: Final = "SELECT * FROM turns WHERE session = ? AND agent = ? ORDER BY key DESC LIMIT ?"
_BY_ID: Final = "SELECT * FROM turns WHERE id = ? ORDER BY key DESC LIMIT 1"
_BEFORE: Final = """
SELECT * FROM turns WHERE session = ? AND agent = ? AND role = ?
  AND key < ifnull((SELECT key FROM files WHERE file = ?), ?) ORDER BY key DESC LIMIT 1
"""
_SEARCH: Final = """
SELECT marked, turns.* FROM (
  SELECT rowid AS key, snippet(words, 0, ?, ?, '…', 24) AS marked
  FROM words WHERE words MATCH ? ORDER BY rowid DESC LIMIT ? OFFSET ?
) AS hit JOIN turns ON turns.key = hit.key ORDER BY turns.key DESC
"""
_PROMPTS: Final = """
SELECT found.*, turns.prompt_bytes, turns.id FROM (
  SELECT max(key) AS key, prompt, json_group_array(DISTINCT client), json_group_array(DISTINCT asked),
    json_group_array(DISTINCT role), min(at), max(at), count(*)
  FROM turns WHERE prompt <> '' GROUP BY prompt ORDER BY key DESC LIMIT ?
) AS found JOIN turns ON turns.key = found.key ORDER BY turns.key DESC
"""
