"""When to ask somebody else: which failures count, who rests after one, and how often one question may be asked.

Claude Code repeats a request up to ten times by itself, so we never repeat one at the same upstream: a request goes
down its list of candidates once. A candidate that failed rests, so that a repeat does not wait for it again, and what
all repeats of a request may cost is bounded: after that the client is told to stop (`x-should-retry: false`).
"""

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, Final, TypeVar

from anyclaude.errors import AnyclaudeError, NotOffered, UpstreamError, UpstreamRejected
from anyclaude.wire.json import encode

_WORTH_ANOTHER: Final = (402, 404, 408)
"""Statuses of refusals that another upstream may not share: no credit, no such model, too slow."""

REST: Final = 15.0
LONGEST_REST: Final = 120.0
ATTEMPTS: Final = 24
"""Attempts at one question over all of the client's repeats, which are eleven at most."""

_REMEMBERED: Final = 64

Key = TypeVar("Key", bound=Hashable)


def falls_back(error: AnyclaudeError) -> bool:
    """Whether somebody else is worth asking. A wrong prompt is wrong everywhere, and a key is to be mended."""
    if isinstance(error, UpstreamRejected):
        return error.status in _WORTH_ANOTHER or isinstance(error, NotOffered)
    return isinstance(error, UpstreamError)


class Resting:
    """Who failed lately. Times are seconds of the clock."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until: dict[Hashable, float] = {}

    def failed(self, who: Hashable, error: AnyclaudeError) -> None:
        """It rests for as long as it asked for, in bounds."""
        asked = error.headers.get("retry-after", "")
        rest = float(asked) if asked.isascii() and asked.isdigit() else REST
        self._until[who] = self._clock() + min(rest, LONGEST_REST)

    def answered(self, who: Hashable) -> None:
        self._until.pop(who, None)

    def last(self, candidates: Iterable[Key]) -> list[Key]:
        """The candidates in their order, those that rest behind all others."""
        now = self._clock()
        return sorted(candidates, key=lambda who: self._until.get(who, 0.0) > now)


class Budget:
    """Attempts at one question over all of the client's repeats."""

    def __init__(self, attempts: int = ATTEMPTS) -> None:
        self._attempts = attempts
        self._spent: OrderedDict[bytes, int] = OrderedDict()

    def spend(self, request: Mapping[str, Any]) -> bool:
        """Note an attempt that failed. False when the question has used up what it may cost."""
        key = hashlib.blake2b(encode(request.get("messages")), digest_size=16).digest()
        spent = self._spent.pop(key, 0) + 1
        self._spent[key] = spent
        if len(self._spent) > _REMEMBERED:
            self._spent.popitem(last=False)
        return spent < self._attempts
