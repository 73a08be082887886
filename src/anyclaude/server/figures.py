"""What this proxy has done since it began, counted on the way of each request and read by whoever watches.

The figures hang on the recorder of a request, which hears of it all anyway: its routes, its first event, its token
counts, its end. A few additions a request, and none for what is streamed: deltas go straight to the trace's recorder.
"""

import time
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from anyclaude.config.model import MODES
from anyclaude.server.failings import Failing, failing_of
from anyclaude.trace.record import Recorder, Recording
from anyclaude.trace.redact import Redactor

OUTCOMES: Final = ("complete", "error", "left")
SECONDS: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
"""Upper ends of what times to the first event are sorted into."""

NOBODY: Final = "none"
"""In place of a backend where a request was refused before one was chosen."""

TOKENS: Final = "tokens"
"""The kind of note that brings the counts of a relayed answer. It goes no further than here."""

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
class BackendFigures:
    """Of the requests whose last word came from one backend. Tokens are those of whole answers.

    retries: at another node of it. fallbacks: from it to another model or backend. failures: by status. waits: requests
    that waited for a node to have room, waited: for how many seconds together. repairs: what was mended in answers.
    prompts: those that had one before them in their conversation, kept_bytes of its before_bytes they began with;
    broken: where that was not all, by what broke it.
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


class Figures:
    """Those of one proxy. redactor: takes out of errors what must not be seen."""

    def __init__(self, redactor: Redactor, now: Callable[[], float] = time.monotonic) -> None:
        self.started = time.time()
        self.streams = 0
        self.wholes = 0
        self.nobody = BackendFigures()
        self.by_backend: dict[str, BackendFigures] = {NOBODY: self.nobody}
        self.errors: deque[Failing] = deque(maxlen=_KEPT)
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


class CountingRecording:
    """Recorders of requests that count, in front of those that keep."""

    def __init__(self, kept: Recording, figures: Figures) -> None:
        self._kept = kept
        self._figures = figures
        figures.traces_lost = lambda: kept.lost

    @property
    def lost(self) -> int:
        return self._kept.lost

    def begin(self, request_id: str, path: str, headers: Mapping[str, str], body: Mapping[str, Any]) -> Recorder:
        kept = self._kept.begin(request_id, path, headers, body)
        return CountingRecorder(kept, self._figures, body.get("stream") is True)


class CountingRecorder:
    """One request. feed and sent are those of the recorder behind it."""

    __slots__ = ("_backend", "_began", "_figures", "_kept", "_of", "_stream", "_to", "feed", "sent")

    feed: Callable[[Iterable[Mapping[str, Any]]], None]
    sent: Callable[[Mapping[str, Any] | bytes], None]

    def __init__(self, kept: Recorder, figures: Figures, stream: bool) -> None:
        self._kept = kept
        self._figures = figures
        self._stream = stream
        self._began = figures.now()
        self._backend = self._to = ""
        self._of = figures.nobody
        self.feed, self.sent = kept.feed, kept.sent
        figures.began(stream)

    def note(self, kind: str, **facts: Any) -> None:
        if kind == "route":
            self._goes(facts["to"])
        elif kind in ("usage", TOKENS):
            self._spent(facts)
        elif kind == "fallback":
            self._fell(facts["failed"])
        elif kind == "queue":
            self._of.waits += 1
            self._of.waited += facts["seconds"]
        elif kind == "repair":
            self._of.repairs += 1
        elif kind == "prefix":
            self._began_with(facts)
        if kind != TOKENS:
            self._kept.note(kind, **facts)

    def mark(self, moment: str) -> None:
        if moment == "first_event":
            self._of.first_event.add(self._figures.now() - self._began)
        self._kept.mark(moment)

    def whole(self, body: Mapping[str, Any]) -> None:
        self._kept.whole(body)

    def finish(self, status: int, outcome: str, error: str | None = None) -> None:
        self._figures.ended(self._backend, self._stream, status, outcome, error)
        self._kept.finish(status, outcome, error)

    def _goes(self, to: str) -> None:
        self._to = to
        backend = to.partition(":")[0]
        if backend != self._backend:
            self._backend, self._of = backend, self._figures.of(backend)

    def _fell(self, failed: str) -> None:
        """A node is named by its own name, what a plan holds as the route was."""
        if self._to.partition(":")[2] == failed:
            self._of.retries += 1
        else:
            self._of.fallbacks += 1

    def _began_with(self, facts: Mapping[str, Any]) -> None:
        """The causes are those of `convert.prefix_change`, a small number."""
        self._of.prompts += 1
        self._of.kept_bytes += facts["kept_bytes"]
        self._of.before_bytes += facts["before_bytes"]
        if facts["cause"] is not None:
            self._of.broken[facts["cause"]] += 1

    def _spent(self, facts: Mapping[str, Any]) -> None:
        self._of.prompt_tokens += _count(facts.get("prompt_tokens"))
        self._of.cached_tokens += _count(facts.get("cached_tokens"))
        self._of.output_tokens += _count(facts.get("output_tokens"))


def _count(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0
