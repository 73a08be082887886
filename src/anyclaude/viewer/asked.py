"""What a page is asked with, and what it becomes: either a template with its facts, or a file."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from anyclaude.errors import NotFound
from anyclaude.trace.index import TraceIndex
from anyclaude.trace.turn import Turn


@dataclass(frozen=True, slots=True)
class Asked:
    """parts: of the path, by name. query: the rest. unread: traces that the index does not know yet."""

    index: TraceIndex
    parts: Mapping[str, str]
    query: Mapping[str, str]
    unread: int = 0

    def number(self, name: str, usual: int, most: int) -> int:
        """A whole number from the query, from 0 to `most`; the usual one for everything else."""
        given = self.query.get(name, "")
        return min(int(given), most) if given.isascii() and given.isdigit() and len(given) < 10 else usual

    def turn(self) -> Turn:
        """The one that the path names. Raises NotFound."""
        found = self.index.turn(self.parts["turn"])
        if found is None:
            raise NotFound("there is no such turn; it may be older than what is kept")
        return found

    def record(self, turn: Turn) -> Mapping[str, Any]:
        """Raises NotFound where its file is gone."""
        found = self.index.read(turn)
        if found is None:
            raise NotFound("the file of this trace is gone or damaged")
        return found


@dataclass(frozen=True, slots=True)
class Page:
    """template: its name without `.html`."""

    template: str
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class File:
    """name: under which a browser keeps it; empty: it is shown."""

    content: bytes
    media_type: str
    name: str = ""
