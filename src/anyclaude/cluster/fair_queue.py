"""Who goes next when the cluster is busy: sessions in turns, small requests before large ones but not always.

A pure structure: it holds what waits and says who goes, is late, or finds no place. Each session has a line; lines are
served in turns, so that one with ten subagents does not shut out one with a single question. Small requests, which
somebody waits for and which take little, have lines and places of their own; while large ones wait, at most every other
turn is theirs. Whoever waits in a line of a length is therefore served after a number of turns that is bounded.
"""

from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from anyclaude.cluster.node import Ask

PLACES: Final = 64
SMALL_PLACES: Final = 16
"""Besides the others."""

Item = TypeVar("Item")


@dataclass(slots=True, eq=False)
class Waiting(Generic[Item]):
    """Something that waits; deadline: on the clock that `take` is given."""

    item: Item
    session: str
    small: bool
    deadline: float
    gone: bool = False


class FairQueue(Generic[Item]):
    """places: for large requests; small_places: for small ones."""

    def __init__(self, places: int = PLACES, small_places: int = SMALL_PLACES) -> None:
        self._large = _Lines[Item](places)
        self._small = _Lines[Item](small_places)
        self._small_was_last = False

    def __len__(self) -> int:
        return len(self._large) + len(self._small)

    def put(self, item: Item, ask: Ask, deadline: float) -> Waiting[Item] | None:
        """Its place; None when all are taken. Requests of no session share a line."""
        waiting = Waiting(item, ask.session or "", ask.small, deadline)
        return waiting if self._lines_of(waiting).put(waiting) else None

    def put_back(self, waiting: Waiting[Item]) -> None:
        """It had its turn, and found no room after all: it goes first now, and is let in however many wait."""
        waiting.gone = False
        self._lines_of(waiting).put_first(waiting)

    def take(self, now: float, *, small_only: bool = False) -> Waiting[Item] | None:
        """Who goes next, and is no longer in the queue; None when nobody waits in time.

        small_only: when what is free is kept for small requests.
        """
        small_first = not self._small_was_last or small_only
        order = (self._small, self._large) if small_first else (self._large, self._small)
        for lines in order[:1] if small_only else order:
            taken = lines.take(now)
            if taken is not None:
                self._small_was_last = taken.small and not small_only
                return taken
        return None

    def remove(self, waiting: Waiting[Item]) -> None:
        """The client has left. Of one that is not in the queue it does nothing."""
        self._lines_of(waiting).remove(waiting)

    def late(self, now: float) -> list[Waiting[Item]]:
        """Those whose deadline has passed; they leave the queue and are to be told so."""
        return self._small.late(now) + self._large.late(now)

    def position(self, waiting: Waiting[Item]) -> int:
        """How many of its kind will go before it, as far as is known now. Raises ValueError when it does not wait."""
        return self._lines_of(waiting).order().index(waiting)

    def _lines_of(self, waiting: Waiting[Item]) -> "_Lines[Item]":
        return self._small if waiting.small else self._large


class _Lines(Generic[Item]):
    """A line for each session, served in turns."""

    def __init__(self, places: int) -> None:
        self._places = places
        self._count = 0
        self._lines: OrderedDict[str, deque[Waiting[Item]]] = OrderedDict()

    def __len__(self) -> int:
        return self._count

    def put(self, waiting: Waiting[Item]) -> bool:
        if self._count >= self._places:
            return False
        self._lines.setdefault(waiting.session, deque()).append(waiting)
        self._count += 1
        return True

    def put_first(self, waiting: Waiting[Item]) -> None:
        self._lines.setdefault(waiting.session, deque()).appendleft(waiting)
        self._lines.move_to_end(waiting.session, last=False)
        self._count += 1

    def take(self, now: float) -> Waiting[Item] | None:
        """Who is late keeps its place until `late` is asked, and is passed over."""
        for session in list(self._lines):
            waiting = next((each for each in self._lines[session] if each.deadline > now), None)
            if waiting is not None:
                self.remove(waiting)
                if session in self._lines:
                    self._lines.move_to_end(session)
                return waiting
        return None

    def remove(self, waiting: Waiting[Item]) -> None:
        if waiting.gone or waiting not in self._lines.get(waiting.session, ()):
            return
        waiting.gone = True
        line = self._lines[waiting.session]
        line.remove(waiting)
        self._count -= 1
        if not line:
            del self._lines[waiting.session]

    def late(self, now: float) -> list[Waiting[Item]]:
        found = [each for line in self._lines.values() for each in line if each.deadline <= now]
        for waiting in found:
            self.remove(waiting)
        return found

    def order(self) -> list[Waiting[Item]]:
        return list(self._in_turns())

    def _in_turns(self) -> Iterator[Waiting[Item]]:
        lines = [list(line) for line in self._lines.values()]
        for turn in range(max(map(len, lines), default=0)):
            yield from (line[turn] for line in lines if turn < len(line))
