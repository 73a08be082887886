"""How many requests of ours a node takes, as far as can be known, and whether one more may go there now.

A node that says how much room it has is believed until it says otherwise. Of any other only a refusal tells: so many of
ours were there, and one more was too many. After the time that it asked for, one more may try; when that one is taken,
the next. So nobody runs to a node that may have a place, and what was learnt while others filled it is unlearnt.
"""

from dataclasses import dataclass
from typing import Final

from anyclaude.errors import Overloaded, RateLimited

RETRY: Final = 2.0
LONGEST_RETRY: Final = 60.0
"""Seconds until a node that is full is asked again, where it does not say, and at most."""

SEVERAL: Final = 3
"""A node that takes so many keeps one of its places for small requests."""

SETTLED: Final = 30.0
"""Seconds after a refusal until a node with several places may be asked for more: that tries the kept one, too."""


@dataclass(slots=True)
class Places:
    """The places of one node. held: requests of ours that it holds at a time; None: nobody knows.

    until: when one more than that may try. `here` is always what of ours is there now, tried ones included.
    """

    held: int | None = None
    until: float = 0.0

    def has_room(self, here: int, small: bool, now: float) -> bool:
        """Whether one more may go there."""
        if self.held is None:
            return True
        limit = self.held + (now >= self.until)
        return here < limit - _kept(limit, small)

    def refused(self, here: int, seconds: float, now: float) -> None:
        """It did not take one more than these, and wants to be asked again after so many seconds."""
        self.held = here
        self.until = now + max(seconds, SETTLED if here >= SEVERAL else 0.0)

    def taken(self, place: int, small: bool) -> None:
        """A request has been let in, as the one of that number."""
        if self.held is not None:
            self.held = max(self.held, place + _kept(place + 1, small))

    def reported(self, room: int | None, here: int, now: float) -> None:
        """How many more it would take, by its own word; None: it does not say."""
        if room is None:
            return
        self.held = here + room
        self.until = now + (SETTLED if self.held >= SEVERAL else RETRY)


def full_for(error: BaseException) -> float | None:
    """Seconds after which a node that is full wants to be asked again; None when an error does not say that it is.

    A 503 or 529 says so only with `Retry-After`: without, it may as well be a model that fails to load.
    """
    if not isinstance(error, RateLimited | Overloaded):
        return None
    asked = error.headers.get("retry-after", "")
    if asked.isascii() and asked.isdigit():
        return min(max(float(asked), 1.0), LONGEST_RETRY)
    return RETRY if isinstance(error, RateLimited) else None


def _kept(limit: int, small: bool) -> int:
    return 1 if limit >= SEVERAL and not small else 0
