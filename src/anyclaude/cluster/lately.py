"""How a node has answered of late, as this proxy saw it: its last requests, and sums since it is known.

For whoever watches, not for the policies: they have their own estimates. Bounded, and cheap to add to; what it comes to
is worked out when it is asked for.
"""

from collections import deque
from dataclasses import dataclass
from math import ceil
from typing import Final

from anyclaude.cluster.breaker import counts
from anyclaude.cluster.node import Answered

MOST: Final = 100
"""Requests of which each is remembered."""


@dataclass(frozen=True, slots=True)
class Figures:
    """requests, failures: of the last `MOST` requests. Seconds to the first word: of those that had one.

    The rest is since the node is known. prompt, cached: tokens of the answers whose node says what it had cached.
    """

    requests: int = 0
    failures: int = 0
    measured: int = 0
    mean: float | None = None
    p95: float | None = None
    all_answered: int = 0
    all_failed: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0


@dataclass(frozen=True, slots=True)
class _Outcome:
    failed: bool
    first_token: float | None


class Lately:
    """The requests at one node."""

    def __init__(self) -> None:
        self._last: deque[_Outcome] = deque(maxlen=MOST)
        self._answered = 0
        self._failed = 0
        self._prompt = 0
        self._cached = 0

    def answered(self, answered: Answered) -> None:
        """A request was answered whole."""
        self._answered += 1
        self._last.append(_Outcome(False, answered.first_token))
        if answered.cached is not None:
            self._prompt += answered.prompt
            self._cached += answered.cached

    def ended(self, error: BaseException, first_token: float | None) -> None:
        """It ended otherwise. first_token: seconds to its first word, None when it had none.

        A failure is what counts for the breaker; of other ends (a client that left, a refused prompt) only the time to
        the first word is kept.
        """
        failed = counts(error)
        self._failed += failed
        if failed or first_token is not None:
            self._last.append(_Outcome(failed, first_token))

    def figures(self) -> Figures:
        times = sorted(one.first_token for one in self._last if one.first_token is not None)
        return Figures(
            requests=len(self._last),
            failures=sum(one.failed for one in self._last),
            measured=len(times),
            mean=sum(times) / len(times) if times else None,
            p95=percentile(times, 0.95),
            all_answered=self._answered,
            all_failed=self._failed,
            prompt_tokens=self._prompt,
            cached_tokens=self._cached,
        )


def percentile(ordered: list[float], share: float) -> float | None:
    """The smallest of ordered values that so large a share of them does not exceed; None of none."""
    return ordered[max(0, ceil(share * len(ordered)) - 1)] if ordered else None
