"""Whether the engine hangs: what it does now takes far longer than the same took of late.

A token takes about as long as the last one, and a chunk of a prompt as the last chunk; a state that is read from disk
or the first work after a rest may take long once. So a turn of the first two kinds, when the same was done a few times
without a rest, has a few times as long as the longest of late; everything else has half a minute.
"""

from collections.abc import Callable
from typing import Final, Literal

Doing = Literal["", "prompt", "token"]
"""What a turn does; "" is anything that may take long once."""

HUNG_SECONDS: Final = 30.0
_TIMES: Final = 5
_ENOUGH: Final = 3
_REST_SECONDS: Final = 10.0
_HALF_LIFE: Final = 600.0  # seconds; what was long ago says little of now


class Pace:
    """still: seconds that a turn of a known kind has at least. clock: seconds that never go back."""

    def __init__(self, still: float, clock: Callable[[], float]) -> None:
        self.beat = clock()
        self.longest_turn = 0.0
        self._still, self._clock = still, clock
        self._worked = self.beat
        self._turns: dict[Doing, int] = {}
        self._longest: dict[Doing, float] = {}

    def begin(self) -> float:
        """A turn begins."""
        self.beat = self._clock()
        return self.beat

    def end(self, doing: Doing) -> None:
        """It is over, and this is what it did."""
        now = self._clock()
        seconds = now - self.beat
        self.longest_turn = max(self.longest_turn * 0.99, seconds)
        if not doing:
            return
        gap, self._worked = now - self._worked, now
        if gap - seconds > _REST_SECONDS:
            self._turns.clear()
        self._turns[doing] = self._turns.get(doing, 0) + 1
        self._longest[doing] = max(self._longest.get(doing, 0.0) * 0.5 ** (gap / _HALF_LIFE), seconds)

    @property
    def age(self) -> float:
        """Seconds since the latest turn began."""
        return self._clock() - self.beat

    def limit(self, doing: Doing) -> float:
        """Seconds that a turn may take before the engine counts as hung."""
        rested = self.beat - self._worked > _REST_SECONDS
        if doing and not rested and self._turns.get(doing, 0) >= _ENOUGH:
            return max(self._still, _TIMES * self._longest[doing])
        return max(HUNG_SECONDS, 3 * self.longest_turn)
