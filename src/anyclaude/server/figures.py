"""What this proxy has done since it began, counted on the way of each request (`server.counting`) and read by whoever
watches.
"""

import time
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from anyclaude.config.model import MODES
from anyclaude.server.failings import Failing, failing_of
from anyclaude.server.sessions import Sessions
from anyclaude.trace.redact import Redactor

OUTCOMES: Final = ("complete", "error", "left")
SECONDS: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
"""Upper ends of what times to the first event are sorted into."""

NOBODY: Final = "none"
"""In place of a backend where a request was refused before one was chosen."""

_KEPT: Final = 20  # errors
_BACKENDS: Final = frozenset(MODES)


class Times:
    """Seconds, sorted into `SECONDS`; the last of `counts` is what is longer."""

    def __init__(self) -> None:
        self.counts = [0] * (len(SECONDS) + 1)
        self.total = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(SECONDS, seconds)] += 1
        self.total += seconds

    @property
    def count(self) -> int:
        return sum(self.counts)

    @property
    def mean(self) -> float | None:
        return self.total / self.count if self.count else None


@dataclass(slots=True)
class Speed:
    """Tokens, and the seconds that they took."""

    tokens: int = 0
    seconds: float = 0.0

    def add(self, tokens: int, seconds: float) -> None:
        self.tokens += tokens
        self.seconds += seconds


@dataclass(slots=True)
class BackendFigures:
    """Of the requests whose last word came from one backend. Tokens are those of whole answers.

    retries: at another node of it. fallbacks: from it to another model or backend. failures: by status. waits: requests
    that waited for a node to have room, waited: for how many seconds together. repairs: what was mended in answers.
    prompts: those that had one before them in their conversation, kept_bytes of its before_bytes they began with;
    broken: where that was not all, by what broke it. events: of answers, as they are streamed, and of them those of
    whole streams: what `decode` has the tokens of. prefill: what had to be computed of prompts, until the first event,
    where that is told.
    """

    outcomes: dict[str, int] = field(default_factory=lambda: dict.fromkeys(OUTCOMES, 0))
    failures: Counter[int] = field(default_factory=Counter)
    first_event: Times = field(default_factory=Times)
    prompt_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    retries: int = 0
    fallbacks: int = 0
    waits: int = 0
    waited: float = 0.0
    repairs: int = 0
    prompts: int = 0
    kept_bytes: int = 0
    before_bytes: int = 0
    broken: Counter[str] = field(default_factory=Counter)
    events: int = 0
    whole_events: int = 0
    prefill: Speed = field(default_factory=Speed)
    decode: Speed = field(default_factory=Speed)


class Figures:
    """Those of one proxy. redactor: takes out of errors what must not be seen."""

    def __init__(self, redactor: Redactor, now: Callable[[], float] = time.monotonic) -> None:
        self.started = time.time()
        self.streams = 0
        self.wholes = 0
        self.nobody = BackendFigures()
        self.by_backend: dict[str, BackendFigures] = {NOBODY: self.nobody}
        self.errors: deque[Failing] = deque(maxlen=_KEPT)
        self.sessions = Sessions()
        self.now = now
        self.traces_lost: Callable[[], int] = lambda: 0
        self._redactor = redactor

    def of(self, backend: str) -> BackendFigures:
        """Told apart are the backends that there can be, and what belongs to none."""
        found = self.by_backend.get(backend)
        if found is not None:
            return found
        return self.by_backend.setdefault(backend, BackendFigures()) if backend in _BACKENDS else self.nobody

    def told(self) -> dict[str, BackendFigures]:
        """By backend, those of which there is something to tell."""
        by_backend = self.by_backend.items()
        return {name: of for name, of in by_backend if of is not self.nobody or any(of.outcomes.values())}

    def began(self, stream: bool) -> None:
        if stream:
            self.streams += 1
        else:
            self.wholes += 1

    def ended(self, backend: str, stream: bool, status: int, outcome: str, error: str | None) -> None:
        if stream:
            self.streams -= 1
        else:
            self.wholes -= 1
        figures = self.of(backend)
        figures.outcomes[outcome] += 1
        if outcome == "error":
            figures.failures[status] += 1
            self.errors.append(failing_of(time.time(), backend or NOBODY, status, error or "", self._redactor))
