"""Who computes next. Pure policy: no clock, no arrays, no threads.

Two questions, one class each:

- `PrefillOrder`: whose chunk next? Fewest tokens left first, so that a short request does not wait behind a long one.
  Every fifth chunk goes to the request that came first: the oldest always gets its fifth, so nothing starves.
- `TimeShare`: prefill or decode? While both have work they share the time evenly, measured in seconds spent: a chunk
  that took a second is paid back with a second of decoding, and at least one token, before the next one. Short
  prompts may leave a debt of a few hundredths: those that come together are computed in a row, so that their answers
  are decoded together from the start.
"""

from collections.abc import Sequence
from typing import Final, Protocol, TypeVar


class Prefilling(Protocol):
    """A request whose prompt is not computed yet. `arrival` grows from request to request."""

    @property
    def remaining(self) -> int: ...

    @property
    def arrival(self) -> int: ...


P = TypeVar("P", bound=Prefilling)

CREDIT_SECONDS: Final = 0.05


class PrefillOrder:
    def __init__(self, oldest_every: int = 5) -> None:
        self._oldest_every = oldest_every
        self._turn = 0

    def choose(self, candidates: Sequence[P]) -> P:
        """The one that computes its next chunk. `candidates` is not empty."""
        self._turn += 1
        if self._turn % self._oldest_every == 0:
            return min(candidates, key=lambda job: job.arrival)
        return min(candidates, key=lambda job: (job.remaining, job.arrival))


class TimeShare:
    """credit: seconds that prompts may owe while short ones come."""

    def __init__(self, decode_share: float = 0.5, credit: float = CREDIT_SECONDS) -> None:
        self._per_prefill_second = decode_share / (1 - decode_share)
        self._credit = credit
        self._owed = 0.0
        self._token_due = False

    def prefill_next(self, *, prefilling: bool, decoding: bool, short: bool = False) -> bool:
        """Whether the next step is a prefill chunk; short: one that can make a prompt whole. With nobody on one side,
        nothing is owed to it."""
        if not (prefilling and decoding):
            self._owed, self._token_due = 0.0, False
        paid = self._owed <= 0 and not self._token_due
        return prefilling and (paid or (short and self._owed <= self._credit))

    def prefilled(self, seconds: float) -> None:
        self._owed += seconds * self._per_prefill_second
        self._token_due = True

    def decoded(self, seconds: float) -> None:
        self._owed -= seconds
        self._token_due = False
